"""Tests a line reader on sets: whole lines, characters, confidence, and a report of what went wrong."""

import sys

from crnn.report import main

if __name__ == "__main__":
    sys.exit(main())

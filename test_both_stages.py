"""Tests both stages together: photo in, reading out, compared with the labels."""

import sys

from retinanet.report_both import main

if __name__ == "__main__":
    sys.exit(main())

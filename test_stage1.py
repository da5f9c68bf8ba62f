"""Tests stage 1 on a set: confusion matrix, corners, missed displays."""

import sys

from retinanet.report_stage1 import main

if __name__ == "__main__":
    sys.exit(main())

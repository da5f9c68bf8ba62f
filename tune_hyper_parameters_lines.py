"""Tries learning rates and other hyperparameters of a line reader, each in a short training, and says which is best."""

import sys

from crnn.tune import main

if __name__ == "__main__":
    sys.exit(main())

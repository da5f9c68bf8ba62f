"""Tries learning rates and other hyperparameters of stage 1, each in a short training, and says which is best."""

import sys

from retinanet.tune import main, tuning_parser

if __name__ == "__main__":
    sys.exit(main(1, tuning_parser(1)))

"""Tries learning rates and other hyperparameters of stage 2, each in a short training, and says which is best."""

import sys

from retinanet.tune import main, tuning_parser

if __name__ == "__main__":
    sys.exit(main(2, tuning_parser(2, max_side=512, batch_size=[64])))

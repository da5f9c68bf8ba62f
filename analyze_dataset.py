"""Shows a TFDS set before anybody trains on it: numbers, plots, sheets of samples and of augmented samples."""

import sys

from retinanet.analyze import main

if __name__ == "__main__":
    sys.exit(main())

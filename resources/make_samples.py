"""Makes the sample photos of resources/samples/ and samples.json with their true readings.

Use: python resources/make_samples.py [FOLDER]   (default: resources/samples)

The seeds were chosen by looking, so that every kind of display is there, and among those that the shipped weights read
right: samples show what a reading looks like, not how often it is right (benchmarks/made.py measures that). After a
change of `synthesis` the same seeds make other photos: look at them, then commit them with their new samples.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from reader.image import encode_jpeg, write_atomic
from synthesis.meter import make_photo

SEED, SIDE, QUALITY = 2024, 800, 86

#: File name -> number of the photo in the row of seed `SEED`.
SAMPLES = {
    "water_red_decimals.jpg": 16,
    "water_brass.jpg": 96,
    "water_sideways.jpg": 48,
    "water_blue.jpg": 327,
    "electric_drums.jpg": 109,
    "lcd_upside_down.jpg": 41,
    "lcd_tilted.jpg": 97,
    "lcd_amber.jpg": 76,
    "illegible_covered.jpg": 19,
    "without_meter.jpg": 91,
}


def main() -> int:
    """Writes the photos and samples.json."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent / "samples"
    folder.mkdir(parents=True, exist_ok=True)
    truths = []
    for name, number in SAMPLES.items():
        photo = make_photo(np.random.default_rng([SEED, number]), SIDE)
        write_atomic(folder / name, encode_jpeg(photo.image, QUALITY))
        truths.append(
            {
                "image": name,
                "seed": [SEED, number],
                "counter_class": photo.counter_class,
                "reading": photo.reading,
                "corners": None if photo.corners is None else photo.corners.round(1).tolist(),
            }
        )
    write_atomic(folder / "samples.json", (json.dumps(truths, indent=1) + "\n").encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Reads photos with a general OCR engine (RapidOCR), for comparison; run by benchmarks/serving.py.

Stands alone, so that it runs in an environment of its own (benchmarks/requirements-ocr.txt). Prints one JSON object:
the seconds of each photo, and the lines of text that were found on each.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import cycle
from pathlib import Path

import cv2
import numpy as np


def main(folder: str, seconds: str) -> int:
    """Reads the folder's JPEGs one after another, again and again, for so long; every photo at least once."""
    from rapidocr_onnxruntime import RapidOCR

    engine = RapidOCR()
    paths = sorted(Path(folder).glob("*.jp*g"))
    photos = [(path.name, path.read_bytes()) for path in paths]
    engine(_decoded(photos[0][1]))
    times: list[float] = []
    texts: dict[str, list[str]] = {}
    start = time.perf_counter()
    for name, data in cycle(photos):
        begin = time.perf_counter()
        lines, _ = engine(_decoded(data))
        times.append(time.perf_counter() - begin)
        texts[name] = [text for _, text, _ in lines or []]
        if len(texts) == len(photos) and time.perf_counter() - start >= float(seconds):
            break
    print(json.dumps({"seconds": time.perf_counter() - start, "times": times, "texts": texts}))
    return 0


def _decoded(data: bytes) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

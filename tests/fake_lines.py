"""A line reader that sees strokes: a narrow one is a 1, a wide one a 0, in the picture that the network gets."""

import numpy as np

from reader.line_image import border_colour
from reader.line_settings import ALPHABETS, LineSettings
from reader.lines import LineReader

STEPS = 48


class FakeStrokes:
    """Logits (N, STEPS, 11) from the columns that hold ink."""

    def __init__(self, size=(40, 192)):
        self.size = size
        self.batches = []

    def __call__(self, batch):
        assert batch.shape[1:] == (*self.size, 3) and batch.dtype == np.uint8
        self.batches.append(batch.copy())
        logits = np.zeros((len(batch), STEPS, 11), np.float32)
        logits[:, :, 0] = 9
        for row, image in zip(logits, batch, strict=True):
            ink = np.abs(image.astype(int) - border_colour(image)).max(axis=2) > 60
            columns = np.concatenate([[0], ink.any(axis=0), [0]]).astype(int)
            edges = np.flatnonzero(np.diff(columns))
            for left, right in zip(edges[::2], edges[1::2], strict=True):
                height = np.ptp(np.flatnonzero(ink[:, left:right].any(axis=1))) + 1
                digit = "1" if right - left < 0.35 * height else "0"
                step = round((left + right) / 2 * STEPS / self.size[1] - 0.5)
                row[step] = 0
                row[step, 1 + int(digit)] = 9
        return {"logits": logits}


def fake_line_reader(task="handwritten", **settings):
    values = {"alphabet": ALPHABETS["handwritten"], "input_size": (40, 192), "fit": "pad", "max_length": 10}
    return LineReader(FakeStrokes(), LineSettings(task, **{**values, **settings}))

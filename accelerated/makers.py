"""Base views, drawn by processes: geometry, exchanged digits and made pictures; light is changed on the accelerator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from accelerated.rings import Fields
from reader.image import resize, through_jpeg
from reader.line_settings import ALPHABETS
from reader.symbols import DIGITS, STAGE1_CLASSES, STAGE2_CLASSES
from reader.types import UInt8
from synthesis.crops import MadeDisplay, cut_out, make_display, shrunk
from synthesis.meter import MeterPhoto, make_photo, photo_without_meter
from training import photometric
from training.augment import DigitPool, Stage1Augmentation, Stage2Augmentation, grown, stage1_view, stage2_view
from training.datasets import Stage1Sample, Stage2Sample
from training.display_texts import digit_row, display_text
from training.run import Weighted

Rng = np.random.Generator
Entry = dict[str, Any]

#: What base views show beside the view, (above and below, left and right) in pixels: room to move it.
STAGE1_SIZE, STAGE1_ROOM = (256, 256), (16, 16)
DISPLAY_SIZE, DISPLAY_ROOM = (64, 320), (8, 16)
#: Displays on a view, boxes and digits on a display, at most; what has more is left out.
MOST_DISPLAYS, MOST_BOXES, MOST_DIGITS = 3, 14, 10
#: Height and width of made displays, at most.
_LARGEST = (96, 400)
#: Label of a place in a list that is not filled.
NOTHING = -1


STAGE1_FIELDS: Fields = {
    "image": ((*grown(STAGE1_SIZE, STAGE1_ROOM), 3), np.uint8),
    "corners": ((MOST_DISPLAYS, 4, 2), np.float32),
    "labels": ((MOST_DISPLAYS,), np.int32),
}
DISPLAY_FIELDS: Fields = {
    "image": ((*grown(DISPLAY_SIZE, DISPLAY_ROOM), 3), np.uint8),
    "boxes": ((MOST_BOXES, 4), np.float32),
    "labels": ((MOST_BOXES,), np.int32),
    "text": ((MOST_DIGITS,), np.int32),
    "count": ((), np.int32),
}


@dataclass(frozen=True)
class Shares:
    """What base views are made of.

    Attributes:
        real: share of views of the sets' pictures; the others are of made ones.
        without: of views, those of made photos without a meter.
        from_photo: of made displays, those that are cut out of made photos: they take fifteen times as long.
        uses: views of each made picture before another is drawn.
        kept: made pictures that a process keeps, the next view is of one of these.
    """

    real: float = 0.45
    without: float = 0.09
    from_photo: float = 0.15
    uses: int = 8
    kept: int = 120


_ROUGH = (photometric.shake, photometric.shrink, photometric.squeeze)


def rough(image: UInt8, rng: Rng) -> UInt8:
    """The steps of `training.photometric.distort` that are awkward on an accelerator: shake, few pixels, JPEG."""
    return photometric.distort(image, rng, only=_ROUGH)


class Made:
    """Made pictures, each used a few times."""

    def __init__(self, shares: Shares, draw: Any):
        self.shares, self.draw = shares, draw
        self._kept: list[list[Any]] = []

    def next(self, rng: Rng) -> Any:
        """One of those kept, or a new one in its place."""
        if len(self._kept) < self.shares.kept and (not self._kept or rng.random() < 0.3):
            self._kept.append([self.draw(rng), 0])
            return self._kept[-1][0]
        one = self._kept[int(rng.integers(len(self._kept)))]
        if one[1] >= self.shares.uses:
            one[:] = [self.draw(rng), 0]
        one[1] += 1
        return one[0]


class Drawn:
    """Samples of the sets, drawn by the sets' weights."""

    def __init__(self, sets: Sequence[Weighted]):
        weights = np.array([one.weight for one in sets], np.float64)
        self.sets, self.chance = sets, weights / weights.sum()

    def next(self, rng: Rng) -> Any:
        """One of a set's samples, all equally often."""
        samples = self.sets[int(rng.choice(len(self.sets), p=self.chance))].samples
        return samples[int(rng.integers(len(samples)))]


def stage1_views(sets: Sequence[Weighted], rng: Rng, shares: Shares) -> Iterator[Entry]:
    """Base views of photos, without end, as `STAGE1_FIELDS` has them; labels with `NOTHING` behind the last."""
    drawn, settings = Drawn(sets), Stage1Augmentation()
    photos = Made(shares, lambda rng: _photo(make_photo(rng, 640), rng))
    scenes = Made(shares, lambda rng: _photo(photo_without_meter(rng, 640), rng))
    while True:
        kind = rng.random()
        source = drawn if kind < shares.real else scenes if kind > 1 - shares.without else photos
        image, corners, labels = stage1_view(source.next(rng), STAGE1_SIZE, rng, settings, STAGE1_ROOM, rough)
        if len(labels) <= MOST_DISPLAYS:
            yield {
                "image": image,
                "corners": filled(corners, (MOST_DISPLAYS, 4, 2), 0),
                "labels": filled(labels, (MOST_DISPLAYS,), NOTHING),
            }


def display_views(
    sets: Sequence[Weighted], digits: Sequence[tuple[int, UInt8]], rng: Rng, shares: Shares
) -> Iterator[Entry]:
    """Base views of rectified displays, without end.

    Each has its image, boxes (MOST_BOXES, 4) with the digits first and from left to right, their labels with `NOTHING`
    behind the last, the text (MOST_DIGITS,) as classes of the display's line reader, and the count of its digits.
    """
    drawn = Drawn(sets)
    settings = Stage2Augmentation(exchange=0.5, fade=0.0)  # fading follows the change of light
    pool = DigitPool.collect([s for one in sets for s in one.samples], seed=int(rng.integers(2**31)), singles=digits)

    def draw(rng: Rng) -> Stage2Sample:
        return _photo_display(rng) if rng.random() < shares.from_photo else _display(rng)

    made = Made(shares, draw)
    while True:
        sample = (drawn if rng.random() < shares.real else made).next(rng)
        view, boxes, labels = stage2_view(sample, DISPLAY_SIZE, rng, settings, pool, DISPLAY_ROOM, rough)
        entry = display_entry(view, boxes, labels)
        if entry is not None:
            yield entry


def display_entry(view: UInt8, boxes: np.ndarray, labels: np.ndarray) -> Entry | None:
    """See `display_views`; None for a display with more than can be noted."""
    row, _ = digit_row(boxes, labels)
    others = np.flatnonzero(labels >= len(DIGITS))
    if len(row) > MOST_DIGITS or len(row) + len(others) > MOST_BOXES:
        return None
    places = [box for box, _ in row] + [boxes[i] for i in others]
    classes = [digit for _, digit in row] + [int(labels[i]) for i in others]
    alphabet = ALPHABETS["display"]
    return {
        "image": view,
        "boxes": filled(np.array(places, np.float32).reshape(-1, 4), (MOST_BOXES, 4), 0),
        "labels": filled(np.array(classes, np.int64), (MOST_BOXES,), NOTHING),
        "text": filled(classes_of(display_text(boxes, labels, alphabet), alphabet), (MOST_DIGITS,), 0),
        "count": len(row),
    }


def classes_of(text: str, alphabet: str) -> np.ndarray:
    """The classes of a text's characters, (n,)."""
    return np.array([alphabet.index(character) + 1 for character in text], np.int64)


def filled(values: np.ndarray, shape: tuple[int, ...], filler: int) -> np.ndarray:
    """Values (n, ...) in an array of a fixed shape, float32 or int32, with `filler` behind them."""
    out = np.full(shape, filler, np.float32 if values.dtype.kind == "f" else np.int32)
    out[: len(values)] = values
    return out


def _photo(photo: MeterPhoto, rng: Rng, side: int = 512) -> Stage1Sample:
    """A made photo as a sample of a set, its JPEG included."""
    h, w = photo.image.shape[:2]
    scale = min(1.0, side / max(h, w))
    image = resize(photo.image, (round(h * scale), round(w * scale)))
    image = through_jpeg(image, int(rng.integers(80, 96)))
    if photo.corners is None or photo.counter_class is None:
        return Stage1Sample(image, np.zeros((0, 4, 2), np.float32), np.zeros(0, np.int64), "made")
    corners = photo.corners[None] * (image.shape[1] / w, image.shape[0] / h)
    return Stage1Sample(
        image, corners.astype(np.float32), np.array([STAGE1_CLASSES.index(photo.counter_class)]), "made"
    )


def _photo_display(rng: Rng) -> Stage2Sample:
    """The display of a made photo that can be read, as stage 1 would cut it out."""
    while True:
        photo = make_photo(rng, 640)
        if photo.reading is not None:
            return _sample(cut_out(photo))


def _display(rng: Rng) -> Stage2Sample:
    """A made display, its JPEG included."""
    made = shrunk(make_display(rng), *_LARGEST)
    return _sample(replace(made, image=through_jpeg(made.image, int(rng.integers(80, 96)))))


def _sample(made: MadeDisplay) -> Stage2Sample:
    boxes = np.array([box[:4] for box in made.boxes], np.float32).reshape(-1, 4)
    return Stage2Sample(made.image, boxes, np.array([STAGE2_CLASSES.index(box[4]) for box in made.boxes]), "made")

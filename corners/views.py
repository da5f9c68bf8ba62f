"""Views of a display for the corner network: cut out along corners that are wrong, and the way to the true ones.

Lookalikes, which stage 1 takes for displays and are none, are shown in the same way; see `corners.lookalikes`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from corners.config import CornersConfig
from reader.corners import offsets_of
from reader.geometry import height_steps, is_convex, rectify
from reader.symbols import STAGE1_CLASSES
from reader.types import UInt8
from training.datasets import Stage1Sample
from training.photometric import distort, far_away

Rng = np.random.Generator
#: What is kept of a photo around its display, in heights of the display.
_SURROUNDINGS = 1.6
#: Share of the views that are upside down, as stage 1's corners sometimes are.
_UPSIDE_DOWN = 0.1
#: Share of the views of displays that are far away.
_FAR = 0.1
#: Share of the views of photos that show hardly more than the display, and how much more in heights of it.
_CROPPED, _CROPPED_ROOM = 0.15, 0.4
#: Of 1 for the middle of an offset's room: true corners beyond it are not asked for.
_FARTHEST = 0.95
#: Largest standard deviations of wrong corners, tried one after the other until the cut shows the true ones.
_AMOUNTS = (0.2, 0.2, 0.2, 0.1, 0.05)
#: Of views that are wrong as stage 1 is wrong: the largest standard deviation, in heights of the display.
_EVALUATED = 0.12


def surroundings(samples: Iterable[Stage1Sample]) -> Iterator[Stage1Sample]:
    """Each legible display of the photos by itself, with what is around it."""
    legible = [index for index, name in enumerate(STAGE1_CLASSES) if not name.endswith("illegible")]
    for sample in samples:
        for quad, label in zip(sample.corners, sample.labels, strict=True):
            if label not in legible or not is_convex(quad):
                continue
            one = cropped(Stage1Sample(sample.image, quad[None], np.array([label]), sample.name), _SURROUNDINGS)
            if min(one.image.shape[:2]) >= 8:
                yield replace(one, image=one.image.copy())  # a view would keep the whole photo


def cropped(sample: Stage1Sample, room: float) -> Stage1Sample:
    """A photo of one display without what is farther from it than `room` heights of the display."""
    quad = sample.corners[0]
    around = room * height_of(quad)
    h, w = sample.image.shape[:2]
    x1, y1 = np.clip(quad.min(0) - around, 0, (w, h)).astype(int)
    x2, y2 = np.clip(np.ceil(quad.max(0) + around), 0, (w, h)).astype(int)
    return replace(sample, image=sample.image[y1:y2, x1:x2], corners=(quad - np.float32([x1, y1]))[None])


def height_of(quad: npt.NDArray[np.floating]) -> float:
    """Mean height of a display in pixels, of its corners (4, 2)."""
    return float(np.hypot(*height_steps(quad)[1]))


def moved_corners(quad: npt.NDArray[np.float64], rng: Rng, most: float) -> npt.NDArray[np.float64]:
    """Corners that are off as stage 1's may be: each one by itself, all together, and a side that misses the display.

    Args:
        quad: (4, 2) the true corners in pixels.
        rng: source of chance.
        most: the largest standard deviation, in heights of the display.
    """
    right, down = height_steps(quad)
    amount = most * np.exp(rng.uniform(-2, 0))
    own = rng.normal(0, amount, (4, 2))
    shift = rng.normal(0, amount, 2)
    grown = rng.normal(0, amount, 2)
    along = own[:, :1] * 0.7 + shift[0] + grown[0] * np.array([[-1], [1], [1], [-1]])
    across = own[:, 1:] * 0.5 + 0.6 * shift[1] + 0.7 * grown[1] * np.array([[-1], [-1], [1], [1]])
    if rng.random() < 0.15:  # a digit too many or too few
        side = [0, 3] if rng.random() < 0.5 else [1, 2]
        along[side] += rng.uniform(-3, 3) * most
    return np.asarray(quad + along * right + across * down, np.float64)


@dataclass(frozen=True)
class CornersView:
    """A display cut out along corners that are wrong.

    A lookalike has the corners that stage 1 gave it for true ones.

    Attributes:
        picture: (h, w, 3) uint8 RGB, the cut.
        corners: (4, 2) float64, the wrong corners in pixels of the sample's picture.
        truth: (4, 2) float64, the true ones there.
        offsets: (4, 2) float64, the way from those to these, see `reader.corners.offsets_of`.
    """

    picture: UInt8
    corners: npt.NDArray[np.float64]
    truth: npt.NDArray[np.float64]
    offsets: npt.NDArray[np.float64]


def corners_view(sample: Stage1Sample, config: CornersConfig, rng: Rng) -> CornersView:
    """One training view of a display, see `surroundings`."""
    if rng.random() < _CROPPED:
        sample = cropped(sample, float(rng.uniform(0, _CROPPED_ROOM)))
    truth = sample.corners[0].astype(np.float64)
    if rng.random() < _UPSIDE_DOWN:
        truth = np.roll(truth, 2, axis=0)
    for most in _AMOUNTS:
        moved = moved_corners(truth, rng, most)
        if is_convex(moved) and (np.abs(offsets_of(truth, moved, config.input_size, config.margin)) < _FARTHEST).all():
            break
    else:
        moved = truth
    view = _cut(sample, truth, moved, config)
    picture = far_away(view.picture, rng) if rng.random() < _FAR else view.picture
    return replace(view, picture=distort(picture, rng))


def wrong_views(samples: Sequence[Stage1Sample], config: CornersConfig) -> list[CornersView]:
    """Displays cut out along corners that are wrong as stage 1's are, the same ones always; nothing else is changed."""
    views = []
    for index, sample in enumerate(samples):
        truth = sample.corners[0].astype(np.float64)
        moved = moved_corners(truth, np.random.default_rng([7, index]), _EVALUATED)
        if is_convex(moved):
            views.append(_cut(sample, truth, moved, config))
    return views


def _cut(
    sample: Stage1Sample, truth: npt.NDArray[np.float64], moved: npt.NDArray[np.float64], config: CornersConfig
) -> CornersView:
    picture, _ = rectify(sample.image, moved, config.margin, config.input_size)
    return CornersView(picture, moved, truth, offsets_of(truth, moved, config.input_size, config.margin))

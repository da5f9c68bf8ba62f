"""A digit drawn in another one's colours."""

from __future__ import annotations

import numpy as np

from reader.colours import ground_and_ink
from reader.types import UInt8


def recoloured(patch: UInt8, like: UInt8) -> UInt8:
    """A picture of a digit in another one's colours of ground and ink, (h, w, 3) uint8 both."""
    _, ground, ink = ground_and_ink(like)
    shape, _, _ = ground_and_ink(patch)
    return np.clip(ground + shape[..., None] * (ink - ground), 0, 255).astype(np.uint8)

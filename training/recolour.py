"""A digit drawn in another one's colours."""

from __future__ import annotations

import numpy as np

from reader.colours import ground_and_ink
from reader.types import Float32, UInt8


def recoloured(patch: UInt8, like: UInt8) -> UInt8:
    """A picture of a digit in another one's colours of ground and ink, (h, w, 3) uint8 both."""
    return painted(patch, *ground_and_ink(like)[1:])


def painted(patch: UInt8, ground: Float32, ink: Float32) -> UInt8:
    """A picture of a digit (h, w, 3) uint8 in these colours (3,)."""
    shape, _, _ = ground_and_ink(patch)
    return np.clip(ground + shape[..., None] * (ink - ground), 0, 255).astype(np.uint8)

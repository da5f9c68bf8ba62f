"""The classes of both stages, in the order of the label ids that existing TFDS sets hold."""

from __future__ import annotations

#: Stage 1: the kind of display and whether a person could read it. The index is the class id.
STAGE1_CLASSES: tuple[str, ...] = ("analog", "digital", "analog_illegible", "digital_illegible")

#: Stage 2: ten digits, three symbols of digital displays, the decimal point, the decimal area. The index is the id.
STAGE2_CLASSES: tuple[str, ...] = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "r", "t", "_", "point", "floatp")

DIGITS: tuple[str, ...] = STAGE2_CLASSES[:10]
POINT_ID = STAGE2_CLASSES.index("point")
FLOATP_ID = STAGE2_CLASSES.index("floatp")

#: What stands in a reading for a digit that cannot be told.
UNKNOWN = "x"


def is_legible(counter_class: str) -> bool:
    """Whether a stage 1 class means that a person could read the display."""
    return not counter_class.endswith("_illegible")

"""The two networks' shapes, frozen. A configuration is saved inside the weights' file and refuses unknown keys."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, TypeVar

from reader.symbols import STAGE1_CLASSES, STAGE2_CLASSES

Config = TypeVar("Config", bound="NetworkConfig")


@dataclass(frozen=True)
class NetworkConfig:
    """What both stages share.

    Attributes:
        input_size: (height, width) of the uint8 RGB picture that the network takes, in pixels; multiples of 32.
        backbone: "residual" (this project's own, the fastest to train on CPU cores) or "yolov8" (keras-cv's CSP
            network, about half as fast here at the same size; measured in resources/MODEL_CARD.md).
        channels: of the stem (stride 2) and of the stages at stride 4, 8, 16 and 32.
        blocks: residual blocks in the stages at stride 4, 8, 16 and 32.
        fpn_channels: of the feature pyramid and of the heads.
        head_convs: convolutions of 3x3 before each head's last one.
        prior: the class heads' initial probability (focal loss, Lin et al. 2017, section 4.1).
    """

    input_size: tuple[int, int]
    backbone: str = "residual"
    channels: tuple[int, ...] = (16, 32, 64, 128, 256)
    blocks: tuple[int, ...] = (1, 2, 2, 1)
    fpn_channels: int = 64
    head_convs: int = 2
    prior: float = 0.01

    def __post_init__(self) -> None:
        size, wanted = self.input_size, "input_size: height and width, positive multiples of 32, wanted"
        if len(size) != 2 or any(not isinstance(side, int) or side < 32 or side % 32 for side in size):
            raise ValueError(f"{wanted}; {size} came")
        for name, count, least in (("channels", 5, 1), ("blocks", 4, 0)):
            values = getattr(self, name)
            if len(values) != count or any(not isinstance(value, int) or value < least for value in values):
                raise ValueError(f"{name}: {count} whole numbers of at least {least} wanted; {values} came")
        for name, least in (("fpn_channels", 1), ("head_convs", 0)):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < least:
                raise ValueError(f"{name}: a whole number of at least {least} wanted; {getattr(self, name)} came")
        if not 0 < self.prior < 1:
            raise ValueError(f"prior: a number between 0 and 1 wanted; {self.prior} came")

    @property
    def strides(self) -> tuple[int, int, int]:
        """Strides of the pyramid's levels in input pixels."""
        return (8, 16, 32)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON takes them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls: type[Config], values: dict[str, Any]) -> Config:
        """The configuration of `values`.

        Raises:
            ValueError: no mapping, a key that this class does not know, or a value that makes no network.
        """
        if not isinstance(values, dict):
            raise ValueError(f"{cls.__name__}: names and values wanted, {type(values).__name__} came")
        known = {f.name for f in dataclasses.fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(f"{cls.__name__}: unknown keys {unknown}; known are {sorted(known)}")
        try:
            return cls(**{k: _as_tuple(v) for k, v in values.items()})
        except TypeError as error:
            raise ValueError(f"{cls.__name__}: {error}") from error


@dataclass(frozen=True)
class Stage1Config(NetworkConfig):
    """Finds the display: its four corners, in order, and its class.

    Attributes:
        orientations: anchors at each place, turned by 360/orientations degrees each. The class head decides which way
            up the display is, the corner head only refines; a corner head alone would average over the ways.
        anchor_width: an anchor's width along the display's reading direction, in strides of its level.
        anchor_aspect: height of an anchor over its width.
        positive_radius: places closer to the display's centre than this, in strides, learn it; up to `ignore_radius`
            they are left out of the loss.
        ignore_radius: see `positive_radius`.
        size_tolerance: a level learns a display whose width differs from its anchors' by at most this many octaves.
        angle_tolerance: an anchor learns a display turned against it by at most this many degrees.
        classes: names of the classes, in the order of their ids.
    """

    input_size: tuple[int, int] = (256, 256)
    orientations: int = 4
    anchor_width: float = 6.0
    anchor_aspect: float = 0.25
    positive_radius: float = 1.25
    ignore_radius: float = 2.25
    size_tolerance: float = 0.75
    angle_tolerance: float = 52.0
    classes: tuple[str, ...] = STAGE1_CLASSES

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.input_size[0] != self.input_size[1]:
            raise ValueError(f"input_size: a square wanted, photos are letterboxed; {self.input_size} came")
        if not isinstance(self.orientations, int) or self.orientations < 1:
            raise ValueError(f"orientations: a whole number of at least 1 wanted; {self.orientations} came")


@dataclass(frozen=True)
class Stage2Config(NetworkConfig):
    """Finds the digits and the decimal area on the rectified display.

    Attributes:
        margin: of the rectified display around the corners, in display heights on every side.
        anchors: (width, height) in input pixels of the anchors at each place, for each level.
        positive_iou: an anchor learns a box that it overlaps by at least this intersection over union.
        ignore_iou: below this it learns background; between the two it is left out of the loss.
        classes: names of the classes, in the order of their ids.
    """

    input_size: tuple[int, int] = (64, 320)
    channels: tuple[int, ...] = (32, 64, 96, 128, 192)
    blocks: tuple[int, ...] = (1, 3, 1, 1)
    margin: float = 0.15
    anchors: tuple[tuple[tuple[float, float], ...], ...] = (
        ((16, 28), (24, 42), (34, 48)),
        ((44, 44), (56, 50), (74, 54)),
        ((100, 50), (150, 52), (220, 54)),
    )
    positive_iou: float = 0.5
    ignore_iou: float = 0.4
    classes: tuple[str, ...] = STAGE2_CLASSES

    def __post_init__(self) -> None:
        super().__post_init__()
        shapes = [len(level) for level in self.anchors]
        if len(shapes) != len(self.strides) or len(set(shapes)) != 1 or not shapes[0]:
            raise ValueError(f"anchors: {len(self.strides)} levels of equally many shapes wanted; {shapes} came")


def _as_tuple(value: Any) -> Any:
    return tuple(_as_tuple(v) for v in value) if isinstance(value, (list, tuple)) else value

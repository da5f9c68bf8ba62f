"""How a drum counter looks: families of real counters with chance inside each."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from synthesis.fonts import DRUM_FONTS, STROKE_STYLES

Colour = np.ndarray


def _c(*rgb: float) -> Colour:
    return np.array(rgb, np.float32)


@dataclass(frozen=True)
class DrumStyle:
    """One counter's look. Lengths are shares of the height unless said otherwise, colours float32 (3,) RGB 0..255."""

    count: int  # drums in all
    decimals: int
    drum: Colour
    ink: Colour
    decimal_drum: Colour
    decimal_ink: Colour
    gap_colour: Colour
    pinion_colour: Colour
    font: str | None = None  # None: stroke-drawn
    strokes: int = 0
    stretch: float = 1.0
    weight: float = 0.0
    ink_strength: float = 0.95
    pitch: float = 0.75  # drum to drum
    face: float = 0.65  # of the pitch
    digit: float = 0.66
    spacing: float = 1.4  # of the digit's height, from digit to digit on the drum
    middle: float = 0.0  # axis below the middle
    margin_left: float = 0.1  # of the pitch
    margin_right: float = 0.1
    gap: str = "gear"  # gear, pinion, notch, line, plain
    teeth: float = 2.0  # per digit
    tooth_duty: float = 0.5
    tooth_reach: float = 0.5  # of the gap
    pinion_width: float = 0.5  # of the gap
    gap_shadow: float = 0.3
    drum_edge: float = 0.2
    scale: bool = False  # tenths marks on the last drum
    downward: bool = False  # turns the other way
    slack: float = 0.035
    row_offset: float = 0.0
    wear: float = 0.0
    ambient: float = 0.5
    light: float = 0.0  # radians above (<0) or below the axis
    falloff: float = 1.0
    shadow_top: float = 0.3
    shadow_bottom: float = 0.2
    shadow_depth: float = 0.08
    gloss: float = 0.0
    gloss_angle: float = 0.0
    plate: bool = False
    plate_colour: Colour | None = None
    frame_colour: Colour | None = None  # of the plate around the decimals
    frame_reach: float = 0.0  # of the pitch, beyond the hole
    frame_border: float = 0.0  # > 0: only a border of that width
    wall: float = 0.0  # of the pitch: plate before the decimals, which stand in a window of their own behind it
    wall_colour: Colour | None = None
    window_margin: float = 0.05
    window_uneven: float = 1.0
    hole_grow: float = 0.05  # of the pitch
    hole_round: float = 0.02
    plate_depth: float = 0.04
    plate_shadow: float = 0.6
    shadow_shift: tuple[float, float] = (0.02, 0.03)
    rim: float = -0.3
    point: str = ""
    point_colour: Colour | None = None
    uneven: float = 0.08
    dirt: float = 0.0
    dirt_colour: Colour | None = None
    specks: float = 0.0
    scratches: float = 0.0
    haze: float = 0.0
    haze_colour: Colour | None = None
    softness: float = 0.0  # px, of the edges of drums and teeth
    side_left: float = 0.0  # of the pitch: plate beside the drums
    side_right: float = 0.0
    side_colour: Colour | None = None
    unit_size: float = 0.8  # of the digits' height
    edge_top: float = 0.0
    edge_bottom: float = 0.0
    edge_colour: Colour | None = None
    tone: np.ndarray | None = None  # uint8 (256, 1, 3): what light and age make of each colour

    def _is_decimal(self, i: int) -> bool:
        return i >= self.count - self.decimals

    def drum_colour(self, i: int) -> Colour:
        """Surface of drum i, counted from the left."""
        return self.decimal_drum if self._is_decimal(i) else self.drum

    def ink_colour(self, i: int) -> Colour:
        """Digits of drum i, counted from the left."""
        return self.decimal_ink if self._is_decimal(i) else self.ink


def _light(rng: np.random.Generator) -> Colour:
    """A white, cream, yellowed or grey surface."""
    level = rng.uniform(165, 250) if rng.random() < 0.75 else rng.uniform(115, 175)
    yellow = abs(rng.normal(0, 0.06)) + (rng.uniform(0.05, 0.2) if rng.random() < 0.25 else 0)
    return _c(level, level * (1 - yellow * 0.35), level * (1 - yellow))


def _dark(rng: np.random.Generator, low: float = 12, high: float = 60) -> Colour:
    level = rng.uniform(low, high)
    return np.clip(_c(level, level, level) + rng.normal(0, 4, 3).astype(np.float32), 0, 255)


def _red(rng: np.random.Generator) -> Colour:
    """Signal red to faded pink or brown red."""
    level = rng.uniform(120, 225)
    return _c(level, level * rng.uniform(0.1, 0.4), level * rng.uniform(0.12, 0.38))


def _deep_red(rng: np.random.Generator) -> Colour:
    level = rng.uniform(80, 190)
    return _c(level, level * rng.uniform(0.08, 0.3), level * rng.uniform(0.1, 0.35))


def _sometimes(rng: np.random.Generator, share: float, low: float, high: float) -> float:
    return float(rng.uniform(low, high)) if rng.random() < share else 0.0


def _tone(rng: np.random.Generator) -> np.ndarray:
    """Tables for the three colours: slightly coloured light, at times a lamp or tinted glass; contrast and gamma."""
    cast = rng.normal(1, 0.035, 3)
    if rng.random() < 0.25:
        tints = ((1.05, 0.8, 0.62), (1.0, 0.72, 0.7), (0.75, 1.0, 0.85), (0.8, 0.92, 1.05), (1.0, 0.95, 0.6))
        cast = cast * (1 + rng.uniform(0.2, 1.0) * (np.array(tints[rng.integers(0, 5)]) - 1))
    x = np.linspace(0, 1, 256)[:, None] ** rng.uniform(0.8, 1.25)
    low = abs(rng.normal(0, 0.05))
    x = low + (rng.uniform(0.85, 1.0) - low) * x
    return np.clip(x * cast * 255, 0, 255).astype(np.uint8)[:, None, :]


def _base(rng: np.random.Generator) -> DrumStyle:
    """What all families share: number of drums, digits, wear, light."""
    decimals = int(rng.choice([0, 1, 2, 3, 4], p=[0.26, 0.12, 0.1, 0.45, 0.07]))
    whole = int(rng.choice([3, 4, 5, 6], p=[0.05, 0.17, 0.6, 0.18]))
    count = min(9, max(4, whole + decimals))
    light, ink = _light(rng), _dark(rng, 8, 75)
    own = rng.random() < 0.55
    grey = rng.uniform(0.3, 0.9)
    return DrumStyle(
        count=count,
        decimals=decimals,
        drum=light,
        ink=ink,
        decimal_drum=light,
        decimal_ink=_red(rng),
        gap_colour=light * grey if rng.random() < 0.7 else _dark(rng, 20, 110),
        pinion_colour=light * rng.uniform(0.7, 1.05),
        font=None if own else str(rng.choice(DRUM_FONTS)),
        strokes=int(rng.integers(0, STROKE_STYLES)),
        stretch=float(rng.uniform(0.8, 1.15)),
        weight=float(rng.normal(0, 0.012)),
        ink_strength=float(rng.uniform(0.75, 1.0)),
        digit=float(rng.uniform(0.56, 0.82)),
        spacing=float(rng.uniform(1.2, 1.75)),
        middle=float(rng.normal(0, 0.04)),
        margin_left=float(rng.uniform(-0.12, 0.3)),
        margin_right=float(rng.uniform(-0.18, 0.3)),
        teeth=float(rng.choice([1.0, 2.0, 2.0, 3.0])),
        tooth_duty=float(rng.uniform(0.3, 0.65)),
        tooth_reach=float(rng.uniform(0.25, 0.75)),
        pinion_width=float(rng.uniform(0.25, 0.7)),
        gap_shadow=float(rng.uniform(0.0, 0.5)),
        drum_edge=_sometimes(rng, 0.6, 0.08, 0.45),
        scale=bool(rng.random() < 0.3),
        downward=bool(rng.random() < 0.07),
        slack=float(rng.choice([0.02, 0.04, 0.08])),
        row_offset=float(np.clip(rng.normal(0, 0.03), -0.08, 0.08)),
        wear=_sometimes(rng, 0.2, 0.08, 0.55),
        ambient=float(rng.uniform(0.25, 0.8)),
        light=float(rng.normal(-0.15, 0.4)),
        falloff=float(rng.uniform(0.8, 2.2)),
        shadow_top=float(rng.uniform(0, 0.75)),
        shadow_bottom=float(rng.uniform(0, 0.6)),
        shadow_depth=float(rng.uniform(0.03, 0.16)),
        gloss=_sometimes(rng, 0.3, 0.04, 0.3),
        gloss_angle=float(rng.normal(-0.2, 0.25)),
        point=str(rng.choice([",", "."])) if rng.random() < 0.06 else "",
        uneven=float(rng.uniform(0.03, 0.18)),
        dirt=_sometimes(rng, 0.4, 0.1, 0.7),
        dirt_colour=_c(*(rng.uniform(0.6, 1.0, 3) * rng.choice([30, 90, 140]) * (1.1, 1.0, 0.85))),
        specks=_sometimes(rng, 0.4, 0.2, 0.9),
        scratches=_sometimes(rng, 0.2, 0.1, 0.5),
        haze=_sometimes(rng, 0.15, 0.1, 0.45),
        haze_colour=_c(*(rng.uniform(0.9, 1.0, 3) * rng.uniform(130, 220))),
        softness=float(rng.uniform(0, 2.2)),
        edge_top=_sometimes(rng, 0.2, 0.01, 0.07),
        edge_bottom=_sometimes(rng, 0.2, 0.01, 0.07),
        edge_colour=_dark(rng, 10, 110) if rng.random() < 0.6 else _light(rng),
        tone=_tone(rng),
    )


def _strip(rng: np.random.Generator, s: DrumStyle) -> DrumStyle:
    """One long window, drums with gears between them (most water meters)."""
    gap = str(rng.choice(["gear", "pinion", "notch", "plain"], p=[0.4, 0.3, 0.15, 0.15]))
    return replace(s, gap=gap, pitch=float(rng.uniform(0.6, 0.9)), face=float(rng.uniform(0.52, 0.78)))


def _tight(rng: np.random.Generator, s: DrumStyle) -> DrumStyle:
    """Wide drums side by side with a fine line or notches between them."""
    gap = str(rng.choice(["line", "notch"]))
    return replace(
        s,
        gap=gap,
        pitch=float(rng.uniform(0.6, 1.0)),
        face=float(rng.uniform(0.8, 0.95)),
        digit=float(rng.uniform(0.52, 0.72)),
        stretch=float(rng.uniform(0.9, 1.5)),
        spacing=float(rng.uniform(1.2, 1.45)),
        teeth=float(rng.choice([1.0, 2.0])),
    )


def _windows(rng: np.random.Generator, s: DrumStyle) -> DrumStyle:
    """A plate with a hole for each drum; red around the decimals at times."""
    plate = s.drum * rng.uniform(0.75, 1.12) if rng.random() < 0.7 else _light(rng)
    s = replace(
        s,
        gap="plain",
        plate=True,
        plate_colour=np.clip(plate, 0, 255),
        pitch=float(rng.uniform(0.62, 1.0)),
        face=float(rng.uniform(0.5, 0.75)),
        digit=float(rng.uniform(0.56, 0.8)),
        window_margin=_sometimes(rng, 0.75, 0.0, 0.14),
        window_uneven=float(rng.uniform(0.0, 1.4)),
        hole_grow=float(rng.uniform(-0.02, 0.08)),
        hole_round=float(rng.uniform(0.0, 0.03)),
        plate_depth=float(rng.uniform(0.01, 0.08)),
        plate_shadow=float(rng.uniform(0.3, 0.9)),
        shadow_shift=(float(rng.normal(0, 0.03)), float(rng.normal(0.02, 0.03))),
        rim=float(rng.uniform(-0.5, 0.2)),
        frame_reach=float(rng.uniform(0.0, 0.12)),
    )
    if s.decimals and rng.random() < 0.4:
        red = _red(rng) * rng.uniform(0.8, 1.05)
        ink = s.ink if rng.random() < 0.6 else s.decimal_ink
        return replace(s, frame_colour=red, decimal_ink=ink, frame_border=_sometimes(rng, 0.35, 0.04, 0.1))
    return s


def _black(rng: np.random.Generator, s: DrumStyle) -> DrumStyle:
    """White on black; the decimals on red, in red, or on a white drum; with a plate or without (electricity, gas)."""
    drum = _dark(rng, 8, 75)
    ink = _light(rng) * rng.uniform(0.7, 1.05)
    decimal = rng.random()
    if decimal < 0.5:
        decimal_drum, decimal_ink = _deep_red(rng), ink
    elif decimal < 0.7:
        decimal_drum, decimal_ink = _light(rng), _red(rng)
    elif decimal < 0.85:
        decimal_drum, decimal_ink = drum, _red(rng) * 1.05
    else:
        decimal_drum, decimal_ink = _light(rng), _dark(rng)
    wide = rng.random() < 0.45
    s = replace(
        s,
        drum=drum,
        ink=np.clip(ink, 0, 255),
        decimal_drum=decimal_drum,
        decimal_ink=np.clip(decimal_ink, 0, 255),
        gap=str(rng.choice(["line", "plain", "notch", "gear"], p=[0.4, 0.3, 0.15, 0.15])),
        gap_colour=_dark(rng, 4, 50),
        pinion_colour=_dark(rng, 20, 110),
        pitch=float(rng.uniform(0.75, 1.1) if wide else rng.uniform(0.55, 0.85)),
        face=float(rng.uniform(0.5, 0.75) if wide else rng.uniform(0.6, 0.92)),
        spacing=float(rng.uniform(1.15, 1.6)),
        scale=s.scale and rng.random() < 0.4,
        shadow_bottom=float(rng.uniform(-0.9, 0.6)),
    )
    if rng.random() < 0.35:
        s = replace(
            s,
            plate=True,
            plate_colour=_dark(rng, 10, 60) if rng.random() < 0.75 else _light(rng),
            frame_colour=(_light(rng) if rng.random() < 0.5 else _red(rng)) if rng.random() < 0.5 else None,
            frame_reach=float(rng.uniform(0.0, 0.1)),
            frame_border=_sometimes(rng, 0.5, 0.03, 0.08),
            window_margin=float(rng.uniform(0.0, 0.15)),
            hole_grow=float(rng.uniform(-0.02, 0.08)),
            plate_depth=float(rng.uniform(0.01, 0.06)),
        )
    return s


def _own_window(rng: np.random.Generator, s: DrumStyle) -> DrumStyle:
    """Decimals in a window of their own, mostly framed in red, often on drums like the others (electricity meters)."""
    if s.count - s.decimals >= 3 and rng.random() < 0.65:
        s = replace(s, count=s.count - s.decimals + 1, decimals=1)
    red = rng.random() < 0.75
    colour = _red(rng) * rng.uniform(0.55, 1.0) if red else _light(rng)
    s = replace(
        s,
        wall=float(rng.uniform(0.06, 0.5)),
        wall_colour=(_light(rng), s.gap_colour, _dark(rng, 10, 110), colour)[rng.choice(4, p=[0.45, 0.2, 0.2, 0.15])],
        frame_colour=colour if red or rng.random() < 0.4 else None,
        frame_border=float(rng.uniform(0.025, 0.12)),
    )
    # Only a red frame tells decimals by itself: people read what is framed in white either way.
    if red and rng.random() < 0.75:
        s = replace(s, decimal_drum=s.drum, decimal_ink=s.ink)
    return s


def random_style(rng: np.random.Generator) -> DrumStyle:
    """Choose a family and everything in it."""
    family = rng.choice(4, p=[0.36, 0.16, 0.22, 0.26])
    style = (_strip, _tight, _windows, _black)[family](rng, _base(rng))
    red_drums = family < 2 and rng.random() < 0.06
    if red_drums:
        style = replace(style, decimal_drum=_deep_red(rng), decimal_ink=_light(rng))
    if rng.random() < (0.25 if family == 3 else 0.07):
        lean = _light(rng) if family != 3 or rng.random() < 0.2 else style.gap_colour + 8
        style = replace(
            style,
            side_left=_sometimes(rng, 0.7, 0.1, 1.6),
            side_right=_sometimes(rng, 0.8, 0.8, 2.4),
            side_colour=lean,
            unit_size=float(rng.uniform(0.4, 0.95)),
        )
    # A painted comma may stand alone; without it decimals must differ in colour or frame to be decimals at all.
    if style.point:
        colour = style.ink if not style.plate else (_dark(rng) if style.plate_colour.mean() > 120 else _light(rng))
        style = replace(style, point_colour=colour)
        if (1 - style.face) * style.pitch > 0.14 and rng.random() < 0.5:
            style = replace(style, decimal_drum=style.drum, decimal_ink=style.ink, frame_colour=None)
    # Drawn apart, so that all other displays stay those that their seeds have always given.
    chance = rng.spawn(1)[0]
    if style.decimals and not style.plate and chance.random() < (0.55 if family == 3 else 0.12):
        style = _own_window(chance, style)
    return style

"""The words and numbers on meters that are not the reading: invented makers, serial numbers, technical figures."""

from __future__ import annotations

import numpy as np

_SYLLABLES = (
    "AQ", "UA", "RO", "NOR", "MI", "TEC", "VAL", "DRO", "GE", "RI", "TA", "BE", "LO", "ZEN", "KA", "MET", "EL",
    "SO", "VI", "TRON", "PO", "HY", "NA", "LUX", "COR", "DE", "FLO", "EN", "BRA", "US",
)  # fmt: skip
_CYRILLIC = (
    "ПУЛЬ", "ТА", "ВОДО", "МЕР", "НОР", "МА", "ЭКО", "ТЕП", "ЛО", "СЧЁТ", "РУС", "ВИ", "КА", "ГИД", "РО", "ЛЮКС",
)  # fmt: skip
_WORDS = (
    "WATER METER", "WATT-HOUR METER", "MULTI-JET", "DRY DIAL", "MADE IN EU", "COLD WATER", "HOT WATER", "CLASS B",
    "CLASS 2.0", "STATIC METER", "SINGLE PHASE 2 WIRE", "счётчик воды", "ГОСТ Р 50193", "universal", "H-B  V-A",
    "B-horizontal", "A-vertical", "ВН / AV", "BK-G4", "impulse", "TYPE EV-1", "THREE PHASE", "IP54", "IP68", "Ag+",
    "anti-magnetic", "AC 230V 50Hz", "IEC 62053-21", "REV. METER", "kl. A", "R80H / R40V", "ENERGY METER",
    "LCD TEST", "imp/kWh", "tmax 90°C", "made in 2014", "Type approval", "SUPPLIED BY", "METERING CO., LTD",
    "N 2 / CL 1",
)  # fmt: skip
_ANALOG_UNITS = ("m³", "m³", "m³", "м³", "m3", "куб.м", "kWh", "kW·h", "l", "GJ", "MWh")
_DIGITAL_UNITS = ("kWh", "kWh", "kW·h", "MWh", "m³", "кВт·ч")


def brand_name(rng: np.random.Generator) -> str:
    """Return an invented maker's name."""
    parts = _CYRILLIC if rng.random() < 0.2 else _SYLLABLES
    name = "".join(rng.choice(parts, int(rng.integers(2, 4))))[:9]
    form = rng.integers(4)
    if form == 2:
        return name.capitalize()
    return name if form < 2 else f"{name[:6]} {rng.choice(('15', 'X', 'PLUS', 'M', 'E-1', 'ST'))}"


def digits(rng: np.random.Generator, count: int) -> str:
    """Return a random row of digits."""
    return "".join(str(d) for d in rng.integers(0, 10, count))


def serial_number(rng: np.random.Generator) -> str:
    """Return a serial number as makers write them."""
    number = digits(rng, int(rng.integers(6, 10)))
    year = f"{rng.integers(4, 26):02d}"
    letter = rng.choice(list("ABCDEHKMP"))
    forms = (
        number,
        f"№ {number}",
        f"No {number}",
        f"S/N {number}",
        f"{number} {year}",
        f"{year}-{number}",
        f"{letter}{year} {number}",
        f"Nr. {number}",
    )
    return forms[int(rng.integers(len(forms)))]


def small_print(rng: np.random.Generator) -> str:
    """Return one line of the figures and words that stand on meters and are not the reading."""
    if rng.random() < 0.35:
        return str(rng.choice(_WORDS))
    n, pick = rng.integers, rng.choice
    comma = pick((",", "."))
    table = (
        f"Qn 1{comma}5 m³/h",
        f"Qn={n(1, 11)}{comma}5 м³/ч",
        f"Q3 = {n(1, 17)}{comma}{n(0, 10)} m³/h",
        f"PN {n(10, 17)}",
        f"T{n(30, 95)}",
        f"{n(30, 96)}°C",
        f"DN{pick((15, 20, 25, 40, 50))}",
        f"{n(1, 17)} MPa",
        f"{pick((5, 10, 15, 20))}({pick((20, 45, 60, 80, 100))})A",
        f"{pick((220, 230, 240))}V  50Hz",
        f"{pick((100, 375, 400, 450, 600, 800, 1200, 3200, 6400))} imp/kWh",
        f"0{comma}{n(100, 999)}·10-6 m³/imp",
        f"{n(2001, 2026)}",
        f"{n(2001, 2026)} г.",
        f"M{n(5, 26):02d}",
        f"{n(1, 29):02d}.{n(1, 13):02d}.{n(2005, 2026)}",
        f"L={n(80, 190)} mm",
        serial_number(rng),
    )
    return table[int(n(len(table)))]


def unit(rng: np.random.Generator, kind: str) -> str:
    """Return a unit for beside the display."""
    return str(rng.choice(_DIGITAL_UNITS if kind == "digital" else _ANALOG_UNITS))

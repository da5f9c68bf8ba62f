"""The mechanics of a drum counter: where its drums stand for a value, and what a person reads."""

from __future__ import annotations

import numpy as np

#: A last drum this close below the next digit is read as that digit. People who labelled real photos wrote the lower
#: digit up to half way in one set and up to two thirds in another, the next one from there on.
SLACK = 0.4
#: No drum is drawn this near the step of the label rule: people disagree there, and a picture of it would teach noise.
DOUBTFUL = 0.1


def drum_positions(units: int, fraction: float, count: int) -> list[float]:
    """Where each drum stands, 0 <= position < 10, most significant drum first.

    The last drum turns all the time. Every other drum turns only while its right neighbour goes from 9 to 0, and by the
    same share of a digit.

    Args:
        units: the value counted in digits of the last drum; more digits than drums wrap around as on a real counter.
        fraction: how far the last drum has gone on to its next digit, 0 <= fraction < 1.
        count: number of drums.

    Raises:
        ValueError: a fraction outside 0..1, a negative value, or no drums.
    """
    if not 0 <= fraction < 1 or units < 0 or count < 1:
        raise ValueError(f"got units={units}, fraction={fraction}, count={count}: wanted >= 0, 0..1 (without 1), >= 1")
    positions = []
    turning = True
    for _ in range(count):
        units, digit = divmod(units, 10)
        positions.append(digit + (fraction if turning else 0.0))
        turning = turning and digit == 9
    return positions[::-1]


def drum_reading(units: int, fraction: float, count: int) -> str:
    """The digits a person reads: the lower one of a drum between two digits, unless the next one shows more.

    Args: as for `drum_positions`. Because all carrying drums stand at the same fraction, one rule for the whole value
    gives every drum its digit: rounded up within `SLACK` of the next position, else the floor.
    """
    if fraction > 1 - SLACK:
        units += 1
    return str(units % 10**count).zfill(count)


def random_units(rng: np.random.Generator, count: int, decimals: int) -> tuple[int, float]:
    """A value and the fraction of its last drum; every digit at every place, carries more often than by chance.

    Args:
        rng: the only source of chance.
        count: number of drums.
        decimals: how many of them are decimals; leading zeros do not reach into these.

    Returns:
        units and fraction as `drum_positions` takes them.
    """
    units = int(rng.integers(0, 10**count))
    if rng.random() < 0.25:
        units %= 10 ** min(count, decimals + int(rng.integers(1, max(2, count - decimals))))
    fraction = float(rng.random()) if rng.random() < 0.65 else float(rng.uniform(0, 0.12))
    if rng.random() < 0.12:
        nines = 10 ** int(rng.integers(1, min(5, count)))
        units, fraction = units // nines * nines + nines - 1, float(rng.uniform(0.1, 0.98))
    beyond = fraction - (1 - SLACK)
    if abs(beyond) < DOUBTFUL:
        fraction += DOUBTFUL if beyond > 0 else -DOUBTFUL
    return units, fraction

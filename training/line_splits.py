"""Dividing lines into train, validation and test: no picture, and no plate, ever lies in two of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from training.splits import SplitRule, grouped

#: A group that is asked for in several splits belongs to the first of these.
_STRICTEST = ("test", "validation", "train")


@dataclass(frozen=True)
class Line:
    """What decides about one picture's split.

    Attributes:
        text: what stands there.
        digest: digest of the decoded pixels.
        told: the split that its source names, or None.
        where: source and place, for messages.
    """

    text: str
    digest: bytes
    told: str | None
    where: str


def same_pictures(lines: Sequence[Line]) -> tuple[dict[int, str], dict[int, str]]:
    """Finds pictures that come again.

    Returns:
        By index, the faults (the same picture with another text, each of them) and the notes (with the same text, all
            but the first).
    """
    by_digest: defaultdict[bytes, list[int]] = defaultdict(list)
    for i, line in enumerate(lines):
        by_digest[line.digest].append(i)
    faults: dict[int, str] = {}
    notes: dict[int, str] = {}
    for members in by_digest.values():
        for i in members:
            other = next((j for j in members if lines[j].text != lines[i].text), None)
            if other is not None:
                faults[i] = f"{lines[i].text!r}: same picture as {lines[other].where}, there {lines[other].text!r}"
            elif i != members[0]:
                notes[i] = f"{lines[i].text!r}: same picture and text as {lines[members[0]].where}"
    return faults, notes


def divide(lines: Sequence[Line], rule: SplitRule, by_text: bool) -> tuple[list[str], dict[int, str]]:
    """Gives every picture a split.

    Validation and test stay as their source names them; what it names train is divided into train and validation, in
    the proportion of the rule; all else by the whole rule. A group's place follows from its text or its pixels and the
    seed alone: lines added later move nothing.

    Args:
        lines: the pictures. Those with the same pixels are one group.
        rule: fractions and seed.
        by_text: those with the same text are one group as well.

    Returns:
        The split of each, and by index those that their source names in a weaker split than another of their group
            (train beside test): they cannot stay, with the reason.
    """
    of_train = _without_test(rule)
    splits = [""] * len(lines)
    conflicts: dict[int, str] = {}
    for members in grouped([(line.digest, line.text) if by_text else (line.digest,) for line in lines]):
        told = {lines[i].told for i in members}
        key = min(lines[i].text for i in members) if by_text else lines[members[0]].digest.hex()
        split = next((name for name in _STRICTEST if name in told), None)
        for i in members:
            if lines[i].told not in (None, split):
                other = next(lines[j] for j in members if lines[j].told == split)
                what = "picture" if lines[i].digest == other.digest else "text"
                conflicts[i] = (
                    f"{lines[i].text!r}: the same {what} lies in {split}, {other.where}; here in {lines[i].told}"
                )
        if split in (None, "train"):
            split = (of_train if split else rule).draw(key)
        for i in members:
            splits[i] = split
    return splits, conflicts


def _without_test(rule: SplitRule) -> SplitRule:
    """The rule for what is already apart from the test."""
    train, validation, _ = rule.fractions
    both = train + validation
    return replace(rule, fractions=(train / both, validation / both, 0.0) if both else (1.0, 0.0, 0.0))

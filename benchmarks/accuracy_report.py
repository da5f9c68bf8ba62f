"""What benchmarks/accuracy.py tells: tables in Markdown, all figures as JSON, curves as pictures."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measured import CAUSES, REFUSED, SetResult
from benchmarks.paired import Paired, comparisons
from reader.confidence import reliability
from reader.image import write_atomic
from reader.metrics import share_of
from reader.types import REASONS
from training.plots import coverage_plot, reliability_plot

#: Parts of the photos, the least sure ones, whose rejection the curve marks.
REJECTED = (0.0, 0.05, 0.1, 0.15, 0.2)
#: What the table shows of them.
_TABLE_REJECTED = 0.15
_CURVE = tuple(np.linspace(0, 0.5, 51).tolist())
ALL = "all sets"

_COLUMNS = (
    "set",
    "photos",
    "corner IoU > 0.75",
    "mean IoU",
    "class",
    "reading, true corners",
    "reading, end to end",
    "or one off in the last place",
    f"least sure {100 * _TABLE_REJECTED:.0f} % rejected",
    "legible kept",
    "digits right",
    "ECE (by chance alone)",
    "ms (50 %): load, stage 1, stage 2",
)


def with_all(results: Mapping[str, SetResult]) -> dict[str, SetResult]:
    """The sets, and all of them together where several have photos."""
    if sum(bool(result.photos) for result in results.values()) < 2:
        return dict(results)
    return {**results, ALL: SetResult([answer for result in results.values() for answer in result.photos])}


def table(results: Mapping[str, SetResult]) -> str:
    """The results as a Markdown table, a row a set."""
    rows = []
    for name, r in with_all(results).items():
        corners = r.corners
        known = corners.summary() if corners.ious else {}
        times = ", ".join(f"{milliseconds:.0f}" for milliseconds in r.median_times().values())
        error = r.calibration_error
        digits = f"{100 * (1 - r.characters.summary()['character_error_rate']):.1f} %" if r.photos else "-"
        rows.append(
            [
                name,
                str(len(r.photos) or len(r.answers)),
                str(known.get("found", "-")),
                f"{known['mean_iou']:.3f}" if known else "-",
                _share(r.classes),
                _share(r.given),
                _share(r.whole),
                _share(r.nearly),
                str(r.after_rejecting(_TABLE_REJECTED)) if r.photos else "-",
                _share(r.kept),
                digits,
                "-" if math.isnan(error) else f"{error:.3f} ({r.honest_calibration_error:.3f})",
                times or "-",
            ]
        )
    return _markdown(_COLUMNS, rows)


def comparison_table(results: Mapping[str, SetResult]) -> str:
    """What rectification and the line reader gain, on the same photos, as a Markdown table; "" without any."""
    rows = []
    for what, sets in comparisons(with_all(results)).items():
        for name, counts in sets.items():
            with_it, without = counts.shares
            paired = f"{counts.both} / {counts.first} / {counts.second} / {counts.neither}"
            rows.append([what, name, str(counts.total), str(with_it), str(without), paired, _gain(counts)])
    columns = ("compared", "set", "photos", "first", "second", "both / first / second / neither", "gain, points")
    return _markdown(columns, rows) if rows else ""


def cause_table(results: Mapping[str, SetResult]) -> str:
    """How many readings were lost by what, as a Markdown table."""
    reasons = [f"{REFUSED}: {reason.replace('_', ' ')}" for reason in REASONS]
    columns = ["set", "wrong", *(cause for cause in CAUSES if cause != REFUSED), *reasons]
    rows = []
    for name, result in results.items():
        counts = Counter(miss.cause for miss in result.misses)
        refused = Counter(miss.result.reason for miss in result.misses)
        lost = [counts[cause] for cause in CAUSES if cause != REFUSED]
        figures = [len(result.misses), *lost, *(refused[reason] for reason in REASONS)]
        rows.append([name, *map(str, figures)])
    return _markdown(columns, rows)


def figures(results: Mapping[str, SetResult]) -> dict[str, Any]:
    """All figures and every miss by set, as JSON values."""
    paired = comparisons(results)
    return {
        name: {
            "right": sum(r.whole),
            "of": len(r.whole),
            "right_or_one_off": sum(r.nearly),
            "given_right": sum(r.given),
            "given_of": len(r.given),
            "legible_kept": sum(r.kept),
            "calibration_error": None if math.isnan(r.calibration_error) else r.calibration_error,
            "honest_calibration_error": None if math.isnan(r.calibration_error) else r.honest_calibration_error,
            "rejecting": [
                {"rejected": row.rejected, "threshold": row.threshold, "accuracy": row.accuracy, "kept": row.kept}
                for row in (r.coverage(REJECTED) if r.photos else [])
                if row.kept
            ],
            "paired": {what: _counts(sets[name]) for what, sets in paired.items() if name in sets},
            "lost by": dict(Counter(miss.cause for miss in r.misses)),
            "misses": [miss.to_dict() for miss in r.misses],
        }
        for name, r in results.items()
    }


def report(results: Mapping[str, SetResult]) -> str:
    """All tables, one below another."""
    tables = table(results), comparison_table(results), cause_table(results)
    return "\n\n".join(each for each in tables if each)


def write_report(folder: Path, results: Mapping[str, SetResult], min_count: int) -> None:
    """Writes accuracy.md, accuracy.json, risk_coverage.png and reliability.png.

    Args:
        folder: where to; it exists.
        results: by the name of the set.
        min_count: sets with fewer photos get no line of their own in the pictures.
    """
    write_atomic(folder / "accuracy.md", (report(results) + "\n").encode())
    write_json(folder / "accuracy.json", figures(results))
    photos = {name: result for name, result in results.items() if result.photos}
    if not photos:
        return
    together = SetResult([answer for result in photos.values() for answer in result.photos])
    sets = {name: result for name, result in photos.items() if len(result.photos) >= min_count}
    lines = {f"{name} ({len(result.photos)})": result for name, result in sets.items()}
    lines = {f"{ALL} ({len(together.photos)})": together, **lines}
    coverage_plot(
        folder / "risk_coverage.png",
        {name: result.coverage(_CURVE) for name, result in lines.items()},
        {name: result.coverage(REJECTED) for name, result in lines.items()},
    )
    reliability_plot(
        folder / "reliability.png",
        {name: reliability(*result.sure) for name, result in lines.items() if any(result.sure)},
    )


def write_json(path: Path, content: Any) -> None:
    """A JSON file for people too: indented, as UTF-8."""
    write_atomic(path, (json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())


def _counts(counts: Paired) -> dict[str, Any]:
    gain, low, high = counts.gain()
    return {
        "both": counts.both,
        "first": counts.first,
        "second": counts.second,
        "neither": counts.neither,
        "gain": gain,
        "low": low,
        "high": high,
    }


def _gain(counts: Paired) -> str:
    gain, low, high = counts.gain()
    return f"{100 * gain:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def _share(hits: list[bool]) -> str:
    return str(share_of(sum(hits), len(hits))) if hits else "-"


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    return "\n".join([*head, *(f"| {' | '.join(cells)} |" for cells in rows)])

"""Plots as PNG files, drawn without a screen."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reader.image import write_atomic
from reader.metrics import wilson_interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from reader.confidence import Coverage, ReliabilityBin
    from reader.metrics import Share
    from training.tuning import Record


def confusion_plot(path: Path, counts: npt.NDArray[np.integer], rows: Sequence[str], columns: Sequence[str]) -> None:
    """A confusion matrix; each field holds its count and is as dark as its part of the row.

    Args:
        path: the PNG.
        counts: (R, C) rows are the truth, columns the answers.
        rows: names of the rows.
        columns: names of the columns.
    """
    figure = _figure(1.6 + 1.1 * len(columns), 1.4 + 0.9 * len(rows))
    axes = figure.add_subplot()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if shares[row, column] > 0.6 else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=colour)
    axes.set_xticks(range(len(columns)), [name.replace("_", "\n") for name in columns])
    axes.set_yticks(range(len(rows)), [name.replace("_", "\n") for name in rows])
    axes.set_xlabel("answer")
    axes.set_ylabel("truth")
    _save(figure, path)


def histograms(path: Path, panels: Mapping[str, tuple[Sequence[float], tuple[float, float]]], columns: int = 2) -> None:
    """Histograms side by side.

    Args:
        path: the PNG.
        panels: by title, the values and the range that is shown; what lies outside is counted into the outermost bins.
        columns: how many stand in a row.
    """
    rows = math.ceil(len(panels) / columns)
    figure = _figure(5 * columns, 3.2 * rows)
    for number, (title, (values, (low, high))) in enumerate(panels.items()):
        axes = figure.add_subplot(rows, columns, number + 1)
        axes.hist(np.clip(np.asarray(values, float), low, high), bins=40, range=(low, high), color="#3b78b8")
        axes.set_title(f"{title} ({len(values)})")
        axes.grid(alpha=0.3)
    _save(figure, path)


def bars(path: Path, panels: Mapping[str, Mapping[str, int]], columns: int = 2) -> None:
    """Counts by name, a panel each."""
    rows = math.ceil(len(panels) / columns)
    figure = _figure(5 * columns, 3.2 * rows)
    for number, (title, counts) in enumerate(panels.items()):
        axes = figure.add_subplot(rows, columns, number + 1)
        axes.bar([str(name) for name in counts], list(counts.values()), color="#3b78b8")
        axes.set_title(title)
        axes.tick_params(axis="x", rotation=40 if any(len(str(name)) > 4 for name in counts) else 0)
        axes.grid(alpha=0.3, axis="y")
    _save(figure, path)


def share_bars(path: Path, panels: Mapping[str, Sequence[tuple[str, Share]]], columns: int = 2) -> None:
    """Shares by name with their 95 % intervals and counts, a panel each; the axis goes from 0 to 1."""
    rows = math.ceil(len(panels) / columns)
    figure = _figure(6 * columns, 3.4 * rows)
    for number, (title, shares) in enumerate(panels.items()):
        axes = figure.add_subplot(rows, columns, number + 1)
        values = np.array([share.value for _, share in shares])
        reach = np.array([[s.value - s.low, s.high - s.value] for _, s in shares]).reshape(-1, 2).T  # (2, N)
        axes.bar(range(len(shares)), values, color="#3b78b8")
        axes.errorbar(range(len(shares)), values, yerr=np.maximum(reach, 0), fmt="none", ecolor="black", capsize=3)
        axes.set_xticks(range(len(shares)), [f"{name}\n{share.total}" for name, share in shares], fontsize=8)
        axes.set(title=title, ylim=(0, 1.04))
        axes.grid(alpha=0.3, axis="y")
    _save(figure, path)


def confidence_plot(path: Path, bins: Sequence[ReliabilityBin], coverage: Sequence[Coverage]) -> None:
    """Left: how often readings of each confidence are right. Right: errors among the rest when the least sure go."""
    figure = _figure(11, 4.2)
    left, right = figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2)
    filled = [each for each in bins if each.count]
    left.plot([0, 1], [0, 1], color="0.6", linestyle="--")
    left.bar(
        [(each.low + each.high) / 2 for each in filled],
        [each.accuracy for each in filled],
        width=[0.9 * (each.high - each.low) for each in filled],
        color="#3b78b8",
    )
    for each in filled:
        left.annotate(
            str(each.count), ((each.low + each.high) / 2, each.accuracy), ha="center", va="bottom", fontsize=7
        )
    left.set(xlabel="confidence", ylabel="part that is right", xlim=(0, 1), ylim=(0, 1.08), title="reliability")
    kept = [row for row in coverage if row.kept]
    right.plot([100 * row.rejected for row in kept], [100 * (1 - row.accuracy) for row in kept])
    right.set(xlabel="rejected, %", ylabel="wrong among the kept, %", title="risk and coverage")
    right.set_ylim(bottom=0)
    for axes in (left, right):
        axes.grid(alpha=0.3)
    _save(figure, path)


def coverage_plot(
    path: Path, curves: Mapping[str, Sequence[Coverage]], marked: Mapping[str, Sequence[Coverage]]
) -> None:
    """Errors among the rest when the least sure go, a line a name, the first one thick.

    Args:
        path: the PNG.
        curves: by name, with falling coverage.
        marked: by name, points of the curves that are marked; those of the first one with what is right there.
    """
    figure = _figure(8, 5)
    axes = figure.add_subplot()
    for number, (name, curve) in enumerate(curves.items()):
        colour, width = ("black", 2.5) if number == 0 else (f"C{number - 1}", 1.3)
        kept = [row for row in curve if row.kept]
        axes.plot(
            [100 * r.rejected for r in kept], [100 * (1 - r.accuracy) for r in kept], color=colour, lw=width, label=name
        )
        for row in (row for row in marked.get(name, ()) if row.kept):
            point = 100 * row.rejected, 100 * (1 - row.accuracy)
            axes.plot(*point, "o", color=colour, markersize=3 + width)
            if number == 0:
                told = f"{100 * row.accuracy:.1f} %"
                axes.annotate(told, point, (4, 6), textcoords="offset points", fontsize=8)
    axes.set(xlabel="rejected, the least sure first, %", ylabel="wrong among the kept, %", title="risk and coverage")
    axes.margins(y=0.12)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    _save(figure, path)


def reliability_plot(path: Path, diagrams: Mapping[str, Sequence[ReliabilityBin]]) -> None:
    """How often readings of each confidence are right: bars for the first name, a line for each of the others.

    The bars have 95 % intervals and the number of readings below them.
    """
    figure = _figure(8, 5)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="0.6", linestyle="--")
    for number, (name, bins) in enumerate(diagrams.items()):
        filled = [each for each in bins if each.count]
        if number:
            points = [each.confidence for each in filled], [each.accuracy for each in filled]
            axes.plot(*points, marker="o", markersize=4, color=f"C{number - 1}", label=name)
            continue
        middles, heights = [(each.low + each.high) / 2 for each in filled], [each.accuracy for each in filled]
        widths = [0.9 * (each.high - each.low) for each in filled]
        axes.bar(middles, heights, widths, color="0.82", label=name)
        intervals = [wilson_interval(round(each.accuracy * each.count), each.count) for each in filled]
        reach = [(h - low, high - h) for h, (low, high) in zip(heights, intervals, strict=True)]
        axes.errorbar(middles, heights, np.maximum(np.transpose(reach), 0), fmt="none", ecolor="0.4", capsize=3)
        for middle, each in zip(middles, filled, strict=True):
            axes.annotate(str(each.count), (middle, 0.01), ha="center", fontsize=8)
    axes.set(xlabel="confidence", ylabel="part that is right", xlim=(0, 1), ylim=(0, 1.04), title="reliability")
    axes.grid(alpha=0.3)
    if diagrams:
        axes.legend(fontsize=8, loc="upper left")
    _save(figure, path)


def tuning_plot(path: Path, records: Sequence[Record]) -> None:
    """Left: the losses after the last epoch over the learning rate. Right: the validation loss epoch by epoch."""
    figure = _figure(11, 4.2)
    left, right = figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2)
    others = [name for name in (records[0].params if records else {}) if name != "learning_rate"]
    several = [name for name in others if len({record.params[name] for record in records}) > 1]
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(", ".join(f"{name} {record.params[name]}" for name in several), []).append(record)
    for number, (name, group) in enumerate(groups.items()):
        ended = sorted((r for r in group if math.isfinite(r.objective)), key=lambda r: float(r.params["learning_rate"]))
        rates = [float(r.params["learning_rate"]) for r in ended]
        for curve, style, told in (("loss", "--", "loss"), ("val_loss", "-", "validation loss")):
            losses = [r.last(curve) for r in ended]
            left.plot(rates, losses, style, marker="o", color=f"C{number}", label=" ".join((told, name)).strip())
        failed = [float(r.params["learning_rate"]) for r in group if not math.isfinite(r.objective)]
        if failed:
            left.plot(failed, [0.97] * len(failed), "rx", transform=left.get_xaxis_transform(), label="failed")
    left.set(xscale="log", xlabel="learning rate", ylabel="loss after the last epoch")
    for record in records:
        curve = "val_loss" if "val_loss" in record.epochs else "loss"
        if math.isfinite(record.objective):
            values = record.epochs[curve]
            right.plot(range(1, len(values) + 1), values, marker=".", label=record.name)
    right.set(xlabel="epoch", ylabel="validation loss")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=7)
    _save(figure, path)


def _figure(width: float, height: float) -> Any:
    """A figure of its own (not pyplot's, which wants a screen and keeps figures), inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: Path) -> None:
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=110)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, data.getvalue())

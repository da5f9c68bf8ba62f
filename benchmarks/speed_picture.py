"""The speed benchmark's figures as a picture: where a reading's time goes, and how it grows with the photo."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np

from benchmarks.speed_tables import FLOOR, OCR, Reading, Report
from reader.image import write_atomic

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def draw(report: Report, steps: Sequence[str], path: Path) -> None:
    """Writes the picture: on the left the parts of a reading, on the right whole times against photo size, one CPU.

    Raises:
        OSError: it cannot be written.
    """
    cpus = min(each.cpus for each in report.readings)
    readings = [each for each in report.readings if each.cpus == cpus]
    divided = [each for each in readings if each.steps]
    size = (13, max(4.2, 1.4 + 0.3 * len(divided)))
    figure, (parts, growth) = plt.subplots(1, 2, figsize=size, width_ratios=(3, 2), layout="constrained")
    _parts(parts, divided, steps)
    _growth(growth, readings)
    figure.suptitle(f"One reading on {cpus} CPU{'s' * (cpus > 1)}: {report.machine}", fontsize=10)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=110)
    plt.close(figure)
    write_atomic(path, buffer.getvalue())


def _parts(axes: plt.Axes, readings: Sequence[Reading], steps: Sequence[str]) -> None:
    names = [f"{each.engine}, {each.megapixels:g} MP" for each in readings]
    left = np.zeros(len(readings))
    for number, step in enumerate(steps):
        widths = np.array([max(each.steps[step], 0.0) for each in readings])
        axes.barh(names, widths, left=left, label=step, color=f"C{number}", height=0.7)
        left += widths
    for place, (each, end) in enumerate(zip(readings, left, strict=True)):
        axes.text(end, place, f" {each.whole:.0f}", va="center", fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.08)
    axes.set_xlabel("ms (medians of each part; at the end the median of the whole)")
    axes.tick_params(labelsize=8)
    axes.legend(ncols=len(steps), fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)


def _growth(axes: plt.Axes, readings: Sequence[Reading]) -> None:
    shown = {OCR: "general OCR (RapidOCR)", FLOOR: "JPEG decoded, nothing else"}
    for engine in dict.fromkeys(each.engine for each in readings):
        course = sorted((each.megapixels, each.whole) for each in readings if each.engine == engine)
        style = "k:" if engine == FLOOR else "k--" if engine == OCR else "-"
        axes.plot(*zip(*course, strict=True), style, marker="o", label=shown.get(engine, engine))
    sizes = sorted({each.megapixels for each in readings})
    axes.set(xscale="log", yscale="log", xlabel="megapixels", ylabel="ms a photo", xticks=sizes)
    axes.set_xticks(sizes, [f"{size:g}" for size in sizes])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)

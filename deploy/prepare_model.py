"""Exports trained networks for serving: .keras files in, deploy/models/ out.

Every export is run against the Keras model before it is used. deploy/models/ is replaced when all of it is done;
after a failure it is as it was.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import numpy as np

    from reader.runtime import Network

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

_Reader = TypeVar("_Reader")

FORMATS = ("savedmodel", "onnx", "onnx_int8")
STAGES = ("stage1", "stage2")

EXAMPLES = """examples:
  python prepare_model.py                                    deploy/retinanet/*.keras, or ../retinanet/*.keras
  python prepare_model.py --formats onnx onnx_int8           without TensorFlow Serving's format
  python prepare_model.py --formats onnx                     float32 alone
  python prepare_model.py --int8 stage1 stage2 display plate     line readers in int8 too
  python prepare_model.py --stage1 mine1.keras --stage2 mine2.keras --calibration photos/ --validation other_photos/

Thresholds, rules and the calibration of confidence are taken over from the bundle.json that is there, or from
--settings. int8 is used for a network where it is faster and reads as well as float32 (--agreement)."""


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    from reader.arguments import probability  # found only now that the project is on the path

    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--stage1", type=Path, metavar="FILE", help="(default: retinanet/stage1.keras here, else the one above)")
    add("--stage2", type=Path, metavar="FILE", help="(default: retinanet/stage2.keras here, else the one above)")
    add("--out", type=Path, default=HERE / "models", metavar="DIR", help="(default: models/ here)")
    add("--formats", nargs="+", choices=FORMATS, default=list(FORMATS), help="(default: all; onnx_int8 includes onnx)")
    add(
        "--int8",
        nargs="+",
        default=list(STAGES),
        metavar="NAME",
        help="what may be int8: stage1, stage2, line readers by task, which gain a fifth (default: both stages)",
    )
    add("--calibration", type=Path, metavar="DIR", help="photos for the ranges of int8 (default: made ones)")
    add("--validation", type=Path, metavar="DIR", help="photos on which readings are compared (default: made ones)")
    add("--photos", type=_count, default=200, metavar="N", help="made photos to compare on (default: %(default)s)")
    add(
        "--agreement",
        type=probability,
        metavar="P",
        help="int8 is used where at least this share of the readings stays the same (default: as many as stay the same "
        "in float32 when the photos are moved by a pixel; of made photos also no fewer right than chance explains)",
    )
    add("--lines", type=Path, metavar="DIR", help="line readers, TASK.keras (default: crnn/ here, else the one above)")
    add("--point", type=Path, metavar="FILE", help="(default: points/point.keras here, else the one above)")
    add("--corners", type=Path, metavar="FILE", help="(default: corners/corners.keras here, else the one above)")
    add("--judge", type=Path, metavar="FILE", help="(default: corners/judge.keras here, else the one above)")
    add(
        "--characters",
        type=Path,
        metavar="DIR",
        help="second looks at the characters of lines, TASK_characters.keras (default: characters/ here, else above)",
    )
    add("--no_lines", action="store_true", help="no line readers: meters' displays are read by stage 2 alone then")
    add("--no_characters", action="store_true", help="lines are read by their networks alone")
    add("--no_corners", action="store_true", help="displays are cut out along the corners that stage 1 finds")
    add("--no_judge", action="store_true", help="what stage 1 takes for a display is one")
    add("--settings", type=Path, metavar="FILE", help="bundle.json with thresholds and calibration to take over")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Exports; returns the exit code. Faults are one line on stderr."""
    flags = parse_arguments(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    flags.stage1 = flags.stage1 or find_source("stage1")
    flags.stage2 = flags.stage2 or find_source("stage2")
    try:
        for path in (flags.stage1, flags.stage2):
            if not path.is_file():
                raise FileNotFoundError(f"{path}: no such file; train_stage1.py and train_stage2.py make them")
        lines = {} if flags.no_lines else find_lines(flags.lines)
        point = None if flags.no_lines else find_small("point", "points", flags.point)  # beside the line reader only
        corners = None if flags.no_corners else find_small("corners", "corners", flags.corners)
        judge = None if flags.no_judge else find_small("judge", "corners", flags.judge)
        seconds = {} if flags.no_lines or flags.no_characters else find_characters(flags.characters, lines)
        unknown = sorted(set(flags.int8) - {*STAGES, *lines})
        if unknown:
            raise ValueError(f"--int8 {' '.join(unknown)}: wanted of {', '.join([*STAGES, *lines])}")
        from characters.preparation import prepare_characters
        from corners.preparation import prepare_corners, prepare_judge
        from crnn.preparation import LineWish, prepare_lines  # TensorFlow, seconds to import: when there is work for it
        from points.preparation import PointWish, prepare_point
        from reader.bundle import CornersSettings, save_bundle
        from reader.corners import CornerSharpener, DisplayJudge
        from reader.gaps import PointReader
        from reader.lines import LineReader
        from reader.pipeline import DISPLAY_TASK
        from retinanet.preparation import Wish, known_settings, prepare
        from synthesis.crops import make_display

        before = known_settings(flags.settings or flags.out)
        formats = tuple(flags.formats)
        line_wish = LineWish(
            lines,
            formats,
            before.lines if before else {},
            agreement=flags.agreement,
            int8=tuple(flags.int8),
        )
        with replacing(flags.out) as folder:
            made = prepare_lines(line_wish, folder, _made_line)
            looked = prepare_point(PointWish(point, formats), folder, _made_digits) if point else None
            known = before.characters if before else {}
            second = prepare_characters(seconds, formats, folder, _made_line, known)
            looks = before.corners.looks if before and before.corners else CornersSettings.looks
            sharp = prepare_corners(corners, formats, folder, _made_corners, looks) if corners else None
            judging = before.judge if before else None
            judged = prepare_judge(judge, formats, folder, _made_corners, judging) if judge else None
            wish = Wish(
                {"stage1": flags.stage1, "stage2": flags.stage2},
                formats,
                settings=before,
                calibration=flags.calibration,
                validation=flags.validation,
                photos=flags.photos,
                agreement=flags.agreement,
                int8=tuple(flags.int8),
                line=_on_onnx(LineReader, made.get(DISPLAY_TASK), folder),
                points=_on_onnx(PointReader, looked, folder),
                sharpener=_on_onnx(CornerSharpener, sharp, folder),
                judge=_on_onnx(DisplayJudge, judged, folder),
            )
            bundle = prepare(wish, folder, _made_photo, lambda rng: make_display(rng).image)
            small = {"point": looked, "corners": sharp, "judge": judged}
            save_bundle(replace(bundle, lines=made, characters=second, **small), folder)
    except (OSError, ValueError) as error:  # ReleaseError, ExportError, BundleError and ImageError are ValueErrors
        print(f"prepare_model.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"prepare_model.py: interrupted; {flags.out} is as it was", file=sys.stderr)
        return 130
    print(f"written: {flags.out}")
    return complete_context() if flags.out.resolve() == HERE / "models" else 0


def complete_context() -> int:
    """Put the core into this folder too, so that `docker build` can follow at once; returns the exit code."""
    sys.path.insert(0, str(HERE))
    from make_context import main as make

    return make([])


def find_source(stage: str) -> Path:
    """The .keras file of a stage: the one put here, else the one that training saves."""
    here = HERE / "retinanet" / f"{stage}.keras"
    return here if here.is_file() else HERE.parent / "retinanet" / f"{stage}.keras"


def find_lines(folder: Path | None) -> dict[str, Path]:
    """The .keras files of line readers by task: those given, those put here, or those that training saved.

    Raises:
        FileNotFoundError: a folder was given, and there is none.
    """
    return _by_name(folder, "crnn", "no line readers there; train_lines.py makes TASK.keras")


def find_characters(folder: Path | None, lines: Collection[str]) -> dict[str, Path]:
    """The .keras files of second looks by task, found as those of `lines`; without those of tasks not among these.

    Raises:
        FileNotFoundError: a folder was given, and there is none.
    """
    from characters.preparation import name_of

    missing = "no such networks there; train_characters.py makes TASK_characters.keras"
    found = _by_name(folder, "characters", missing)
    return {task: found[name_of(task)] for task in lines if name_of(task) in found}


def _by_name(folder: Path | None, package: str, missing: str) -> dict[str, Path]:
    if folder is not None and not any(folder.glob("*.keras")):
        raise FileNotFoundError(f"{folder}: {missing}")
    folders = [folder] if folder is not None else [HERE.parent / package, HERE / package]
    return {path.stem: path for place in folders for path in sorted(place.glob("*.keras"))}


def find_small(name: str, package: str, path: Path | None) -> Path | None:
    """The .keras file of a small network: the one given, put here, or saved by training; None where there is none.

    Raises:
        FileNotFoundError: one was given, and is not there.
    """
    if path is not None and not path.is_file():
        script = "train_point.py" if package == "points" else f"train_{package}.py"
        raise FileNotFoundError(f"{path}: no such file; {script} makes it")
    known = (HERE / package / f"{name}.keras", HERE.parent / package / f"{name}.keras")
    return path or next((each for each in known if each.is_file()), None)


def _on_onnx(kind: Callable[[Network, Any], _Reader], settings: Any, folder: Path) -> _Reader | None:
    """A reader of that kind on the ONNX file that was exported; None without settings, or with no such file in them."""
    from reader.runtime import OnnxNetwork

    if settings is None or "onnx" not in settings.files:
        return None
    return kind(OnnxNetwork(folder / settings.files["onnx"], threads=1), settings)


def _made_photo(rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """A made photo (H, W, 3), and what it should read; "" for nothing."""
    from synthesis.meter import make_photo

    photo = make_photo(rng)
    return photo.image, photo.reading or ""


def _made_corners(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray | None]:
    """A made photo (H, W, 3), and the corners (4, 2) of its display; None where it shows none."""
    from synthesis.meter import make_photo

    photo = make_photo(rng)
    return photo.image, photo.corners


def _made_line(task: str, rng: np.random.Generator) -> tuple[np.ndarray, str | None]:
    """A made line (H, W, 3), and its text; of a display, whose decimals are letters of their own, the picture alone."""
    from reader.pipeline import DISPLAY_TASK
    from synthesis.crops import make_display
    from synthesis.lines import make_line

    return (make_display(rng).image, None) if task == DISPLAY_TASK else make_line(task, rng)


def _made_digits(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A made display (h, w, 3) and the boxes (n, 4) of its digits from left to right."""
    import numpy as np  # like all imports of packages: only when there is work for it

    from synthesis.crops import make_display

    display = make_display(rng)
    return display.image, np.array(sorted(box[:4] for box in display.boxes if box[4].isdigit()), np.float64)


@contextlib.contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """A folder to write into, which takes the place of `out` when all went well; other files in `out` move with it."""
    out = out.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    new = out.with_name(f".{out.name}.{os.getpid()}.partial")
    old = out.with_name(f".{out.name}.{os.getpid()}.old.partial")
    new.mkdir()
    try:
        yield new
        if out.exists():
            for entry in out.iterdir():
                if not _is_ours(entry.name):
                    _copy(entry, new / entry.name)
            out.rename(old)
        try:
            new.rename(out)
        except OSError:
            if old.exists():
                old.rename(out)
            raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _is_ours(name: str) -> bool:
    from characters.preparation import name_of
    from crnn.config import TASKS

    ours = (*STAGES, "point", "corners", "judge", *TASKS, *map(name_of, TASKS))
    return name == "bundle.json" or name in {f"{each}{end}" for each in ours for end in ("", ".onnx", "_int8.onnx")}


def _copy(entry: Path, target: Path) -> None:
    if entry.is_dir():
        shutil.copytree(entry, target)
    else:
        shutil.copy2(entry, target)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())

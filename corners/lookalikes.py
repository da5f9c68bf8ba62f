"""A set of what stage 1 takes for displays and is none: what the corner network learns to tell from displays.

Use: python -m corners.lookalikes --dataset_path SET... --out FOLDER

Number plates, labels, keypads, rulers: the first network proposes them because it sees them small and among much else.
Photos without a meter show nothing but such; of photos of meters all is taken that lies beside their displays. Each is
kept with what is around it, as a stage 1 set whose quadrilaterals are no displays (`train_corners.py --lookalikes`).
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from reader.arguments import count, probability

if TYPE_CHECKING:
    from reader.bundle import Stage1Settings
    from reader.pipeline import MeterReader
    from reader.types import UInt8
    from training.datasets import Stage1Sample

EXAMPLES = """examples:
  python synthesize.py scenes --count 4000 --out made_scenes --seed 3
  python make_dataset.py stage1 --labels made_scenes/stage1/labels.json --images made_scenes/stage1/images \\
      --out datasets/scenes
  python -m corners.lookalikes --dataset_path datasets/scenes datasets/my_meters --out datasets/lookalikes
  python -m corners.lookalikes --lines datasets/plates datasets/prices --out datasets/more_lookalikes
  python train_corners.py --dataset_path datasets/my_meters --lookalikes datasets/lookalikes datasets/more_lookalikes
"""
#: Places that overlap a display by more (IoU) are no others, but this display badly seen.
_BESIDE = 0.02
#: Places that reach out of the photo are moved to its edge, unless less of them (IoU) would be left.
_WITHIN = 0.8
#: Places that overlap by more are one.
_SAME = 0.5
#: Of a lookalike with its surroundings: the longer side in pixels, enough for what the network sees of it.
SIDE = 480
_QUALITY = 97
#: Places of a photo, each way up, that are looked at.
_PROPOSED = 6


def lookalikes(
    reader: MeterReader, photo: UInt8, displays: npt.ArrayLike, hard: float = 0.0
) -> list[npt.NDArray[np.float32]]:
    """The corners of what stage 1 proposes on a photo and is no display.

    Args:
        reader: what proposes.
        photo: (H, W, 3) uint8 RGB.
        displays: (N, 4, 2) the corners of the photo's displays in pixels.
        hard: those alone that the reader's judge takes for displays with at least this probability.

    Returns:
        Corners (4, 2) in photo pixels, those that convince most first.
    """
    from reader.geometry import quad_iou
    from reader.photo import Photo

    shown = np.asarray(displays, np.float32).reshape(-1, 4, 2)
    kept: list[npt.NDArray[np.float32]] = []
    for found, _ in sorted(reader.places(Photo.of(photo)), key=lambda each: -each[1]):
        corners = np.clip(found.display.corners, 0, photo.shape[1::-1])
        if quad_iou(corners, found.display.corners) < _WITHIN:
            continue
        if any(quad_iou(corners, each) > _BESIDE for each in shown):
            continue
        if any(quad_iou(corners, each) > _SAME for each in kept):
            continue
        if hard and reader.judge is not None and reader.judge.probability(photo, corners) < hard:
            continue
        kept.append(corners)
    return kept


def write_lookalikes(
    reader: MeterReader,
    sets: Sequence[Path],
    out: Path,
    max_side: int,
    overwrite: bool = False,
    hard: float = 0.0,
    lines: Sequence[Path] = (),
) -> Counter[str]:
    """Writes the lookalikes of stage 1 sets as one set, each in the split of its photo.

    Args:
        reader: what proposes them.
        sets: folders of stage 1 sets.
        out: folder to make.
        max_side: photos are looked at no larger than this, in pixels.
        overwrite: replace a set that was made before.
        hard: see `lookalikes`.
        lines: folders of sets of lines, such as number plates, in which nothing is a display.

    Returns:
        How many there are, by split.

    Raises:
        DatasetError: a set that cannot be read, nothing found, or something in the way.
    """
    from corners.views import surroundings
    from reader.image import encode_jpeg, letterbox, load_image
    from training.assemble import replacing
    from training.labelstudio import DatasetError
    from training.tfds_writer import VERSION, SetWriter, set_name

    target = out / set_name(1) / VERSION
    # From the start: what stands in the way is said before all the looking.
    with replacing(target, overwrite) as folder:
        found: list[tuple[str, bytes, npt.NDArray[np.float64], str]] = []  # encoded: thousands would fill the memory
        for split, title, count, samples in _photos(sets, lines, max_side):
            for sample in tqdm(samples, desc=title, unit="photo", total=count):
                quads = lookalikes(reader, sample.image, sample.corners, hard)
                places = replace(sample, corners=np.reshape(quads, (-1, 4, 2)), labels=np.zeros(len(quads), np.int64))
                for each in surroundings([places]):
                    square, placed = letterbox(each.image, SIDE)
                    corners = placed.forward(each.corners[0])
                    found.append((split, encode_jpeg(square, _QUALITY), corners, Path(each.name).stem))
        counts = Counter(split for split, *_ in found)
        if not counts["train"]:
            raise DatasetError("nothing on these photos looks like a display; photos of number plates or labels may")
        with SetWriter(folder, 1, sorted(counts), SIDE) as writer:
            stored = {}
            for number, (split, data, corners, name) in enumerate(found):
                stored[f"{name}_{number}.jpg"] = split
                writer.add(split, load_image(data), corners[None], [0], f"{name}_{number}.jpg")
            writer.close(stored)
    return counts


def _photos(
    sets: Sequence[Path], lines: Sequence[Path], max_side: int
) -> Iterator[tuple[str, str, int, Iterable[Stage1Sample]]]:
    """Split, title, number and photos of each part of the sets; pictures of lines are photos without a display.

    The splits "test" are for measuring only.
    """
    from training.datasets import Stage1Sample, count_stored, stage1_samples
    from training.line_sets import line_samples
    from training.tfds_writer import LINES_NAME, set_name

    nothing = np.zeros((0, 4, 2), np.float32), np.zeros(0, np.int64)
    for split in ("train", "validation"):
        for path in sets:
            count = count_stored(path, set_name(1), split)
            yield split, f"{path.name} {split}", count, stage1_samples([path], split, max_side)
        for path in lines:
            pictures = (Stage1Sample(each.image, *nothing, each.name) for each in line_samples([path], split))
            yield split, f"{path.name} {split}", count_stored(path, LINES_NAME, split), pictures


def _curious(settings: Stage1Settings, min_score: float) -> Stage1Settings:
    """Stage 1 as it proposes what it believes little in too, much of it for each photo."""
    return replace(settings, score_threshold=min_score, candidates=_PROPOSED)


def main(arguments: list[str] | None = None) -> int:
    """Flags, then one call; the exit code. Faults of the input are one line on stderr."""
    parser = argparse.ArgumentParser(
        prog="python -m corners.lookalikes",
        description="Collects what stage 1 takes for displays and is none.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--dataset_path", nargs="+", type=Path, default=[], metavar="PATH", help="stage 1 sets")
    add("--lines", nargs="+", type=Path, default=[], metavar="PATH", help="sets of plates, price tags and other lines")
    add("--out", type=Path, required=True, help="folder of the set to make")
    add("--models", type=Path, metavar="DIR", help="bundle whose stage 1 proposes (default: deploy/models)")
    add(
        "--min_score",
        type=probability,
        default=0.1,
        help="places that convince less are left out (default: %(default)s)",
    )
    add(
        "--hard",
        type=probability,
        default=0.0,
        metavar="P",
        help="those alone that the bundle's judge takes for displays with at least this probability (default: all)",
    )
    add("--max_side", type=count, default=1280, help="photos are looked at no larger (default: %(default)s)")
    add("--overwrite", action="store_true", help="replace a set that was made before")
    flags = parser.parse_args(arguments)
    from reader.bundle import BundleError
    from reader.pipeline import MeterReader
    from training.labelstudio import DatasetError

    try:
        reader = MeterReader.load(flags.models)
        if not flags.dataset_path and not flags.lines:
            raise DatasetError("no set came; --dataset_path or --lines wanted")
        if flags.hard and reader.judge is None:
            raise DatasetError("--hard wants a bundle with a judge; --models has none")
        reader = reader.with_bundle(replace(reader.bundle, stage1=_curious(reader.bundle.stage1, flags.min_score)))
        counts = write_lookalikes(
            reader, flags.dataset_path, flags.out, flags.max_side, flags.overwrite, flags.hard, flags.lines
        )
    except (BundleError, DatasetError, OSError) as error:
        print(f"corners.lookalikes: {error}", file=sys.stderr)
        return 1
    told = ", ".join(f"{split} {number}" for split, number in sorted(counts.items()))
    print(f"{flags.out}: {sum(counts.values())} lookalikes, {told}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

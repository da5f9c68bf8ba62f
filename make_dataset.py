"""Makes the TFDS sets for training: of meters out of Label Studio exports, of lines out of labelled pictures.

Also makes Label Studio exports out of a JSONL set of meters.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from reader.line_settings import LINE_TASKS
from reader.symbols import STAGE1_CLASSES
from training import assemble, line_assemble
from training.jsonl import KINDS, JsonlOptions
from training.labelstudio import DatasetError
from training.line_texts import text_rules
from training.splits import SplitRule, read_split_file

EXAMPLES = """examples:
  python make_dataset.py stage1 --labels labels.json --images photos --out datasets --preview stage1.png
  python make_dataset.py stage2 --labels crops.json --images crops --out datasets
  python make_dataset.py stage1 --labels a.json --images a --labels b.json --images b --out datasets --size 640
  python make_dataset.py labelstudio --manifest set/manifest.jsonl --out set_labelstudio
  python make_dataset.py lines --task plate --source plates --out datasets --preview plates.png --stats
  python make_dataset.py lines --task price --source prices.csv --source more.jsonl --out datasets --split 0.7 0.2 0.1
"""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The flags."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for stage in (1, 2):
        what = "photos with polygons around displays" if stage == 1 else "rectified displays with boxes around digits"
        sub = commands.add_parser(f"stage{stage}", help=f"Label Studio export(s) of {what} -> TFDS set")
        sub.set_defaults(stage=stage, size=None)
        sub.add_argument("--labels", type=Path, action="append", required=True, help="JSON export; may be repeated")
        sub.add_argument("--images", type=Path, action="append", required=True, help="its folder of images, one each")
        sub.add_argument("--out", type=Path, required=True, help="data_dir to write the set into")
        if stage == 1:
            sub.add_argument("--size", type=int, default=1024, help="side of the stored pictures (default 1024)")
        sub.add_argument(
            "--split",
            type=float,
            nargs=3,
            default=(0.8, 0.1, 0.1),
            metavar=("TRAIN", "VALIDATION", "TEST"),
            help="parts of photos whose tasks have no data.split (default 0.8 0.1 0.1)",
        )
        sub.add_argument(
            "--split_file", type=Path, help='JSON {"file name": "train"}, such as a set\'s splits.json; wins'
        )
        sub.add_argument("--seed", type=int, default=0, help="of the splits; the same for both stages")
        sub.add_argument("--skip_faulty", action="store_true", help="leave faulty tasks out instead of failing")
        sub.add_argument("--overwrite", action="store_true", help="replace the set that is there")
        sub.add_argument("--preview", type=Path, help="contact sheet (default: preview.png in the set)")
    sub = commands.add_parser("labelstudio", help="JSONL set -> Label Studio exports of both stages")
    sub.add_argument("--manifest", type=Path, required=True, help="manifest.jsonl")
    sub.add_argument("--out", type=Path, required=True, help="folder for stage1/ and stage2/; must not exist")
    sub.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="kinds of records (default: all)")
    sub.add_argument("--margin", type=float, default=0.15, help="around a rectified display, in its heights")
    sub.add_argument("--size_limit", type=int, help="longer side of stage 1 pictures, at most")
    sub.add_argument("--default_class", choices=STAGE1_CLASSES, default="analog", help="of records without cls")
    sub.add_argument("--unlabelled", action="store_true", help="also tasks to label, of the records without labels")
    sub.add_argument("--validation", type=float, default=0.1, help="part of the train records (default 0.1)")
    sub.add_argument("--seed", type=int, default=0, help="of the validation part")
    sub.add_argument("--corners", type=Path, help="JSON of corners by image, for records that have none")
    sub.add_argument("--readings", type=Path, help="JSON of corrected readings by image; they win")
    sub.add_argument("--skip_faulty", action="store_true", help="leave faulty records and boxes out, do not fail")
    sub.add_argument("--overwrite", action="store_true", help="replace --out")
    _lines_flags(commands.add_parser("lines", help="labelled pictures of lines of characters -> TFDS set"))
    return parser.parse_args(arguments)


def _lines_flags(sub: argparse.ArgumentParser) -> None:
    """The flags of lines."""
    sub.add_argument(
        "--source",
        type=Path,
        action="append",
        required=True,
        help="folder of pictures with labels in their names, after the last '-'; a .csv or .tsv with a header "
        "img_name,text; or a .jsonl with image, text, split; may be repeated",
    )
    sub.add_argument("--task", choices=LINE_TASKS, required=True, help="what stands in the lines")
    sub.add_argument("--out", type=Path, required=True, help="data_dir to write the set into")
    sub.add_argument(
        "--split",
        type=float,
        nargs=3,
        default=(0.8, 0.2, 0.0),
        metavar=("TRAIN", "VALIDATION", "TEST"),
        help="parts (default 0.8 0.2 0); lines that a source names test or validation stay so, and what it names "
        "train is divided into train and validation",
    )
    sub.add_argument("--seed", type=int, default=0, help="of the splits")
    sub.add_argument(
        "--group_by",
        choices=("text", "picture"),
        help="what is never divided: lines of the same text (default for plates, captchas), or only the same picture",
    )
    sub.add_argument("--alphabet", help="the characters that may come (default: those of the task)")
    sub.add_argument(
        "--lengths", type=int, nargs=2, metavar=("FEWEST", "MOST"), help="characters of a line (default: the task's)"
    )
    sub.add_argument(
        "--correct_lookalikes", action="store_true", help="take O as 0, I as 1 ... where only those are possible"
    )
    sub.add_argument("--skip_faulty", action="store_true", help="leave faulty lines out instead of failing")
    sub.add_argument("--overwrite", action="store_true", help="replace the set that is there")
    sub.add_argument("--preview", type=Path, help="contact sheet (default: preview.png in the set)")
    sub.add_argument("--stats", action="store_true", help="print lengths, characters and sizes of every split")


def _labelstudio(args: argparse.Namespace) -> None:
    options = JsonlOptions(
        kinds=tuple(args.kinds),
        margin=args.margin,
        size_limit=args.size_limit,
        default_class=args.default_class,
        unlabelled=args.unlabelled,
        skip_faulty=args.skip_faulty,
        validation=args.validation,
        seed=args.seed,
        corners=args.corners,
        readings=args.readings,
    )
    assemble.make_exports(args.manifest, args.out, options, args.overwrite)


def _stage(args: argparse.Namespace) -> None:
    given = read_split_file(args.split_file) if args.split_file else {}
    options = assemble.SetOptions(
        stage=args.stage,
        size=args.size,
        rule=SplitRule(tuple(args.split), args.seed, given),
        skip_faulty=args.skip_faulty,
        overwrite=args.overwrite,
        preview=args.preview,
    )
    assemble.make_set(args.labels, args.images, args.out, options)


def _lines(args: argparse.Namespace) -> None:
    lengths = tuple(args.lengths) if args.lengths else None
    options = line_assemble.LineSetOptions(
        texts=text_rules(args.task, args.alphabet, lengths, args.correct_lookalikes),
        rule=SplitRule(tuple(args.split), args.seed),
        group_by=args.group_by,
        skip_faulty=args.skip_faulty,
        overwrite=args.overwrite,
        preview=args.preview,
        statistics=args.stats,
    )
    line_assemble.make_line_set(args.source, args.out, options)


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns the exit status."""
    args = parse(arguments)
    try:
        if args.command == "labelstudio":
            _labelstudio(args)
        elif args.command == "lines":
            _lines(args)
        else:
            _stage(args)
    except DatasetError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:  # a full disk, a folder without permission
        print(f"error: {error.strerror or error}: {error.filename or args.out}; nothing was written", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    # TensorFlow is imported later, when a set is written. It only writes files here; oneDNN would print a line.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    sys.exit(main())

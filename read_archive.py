"""An archive of photos of meters in, a table of readings out; killed and started again it goes on."""

from __future__ import annotations

import argparse
import re
import signal
import sys
from datetime import date
from pathlib import Path

from reader.arguments import count, probability, whole

EXAMPLES = """examples:
  python read_archive.py photos/ readings.parquet
  python read_archive.py "cellars/**/*.jpg" readings.csv --decimals 3
  python read_archive.py list.txt readings.parquet                 a path or URL a line
  python read_archive.py "shards/*.tar" readings.parquet           tar files of photos
  python read_archive.py s3://bucket/photos/ readings.parquet --limit 1000
  python read_archive.py photos/ readings.parquet --previous readings_2025.csv --max_per_day 2
  python read_archive.py s3://bucket/photos/ readings.parquet --address 10.0.0.1:6379

One row a photo; one that cannot be read is a row with its error. Beside OUT: OUT.report.txt and OUT.report.json,
OUT.to_check.csv (what a person should look at, worst first), OUT.refused.jpg (a sheet of photos without a reading).
The exit code is 0 when every photo could be opened (with a reading or a reason why there is none), 1 when some could
not, 2 when nothing could be done, 130 after Ctrl-C: the same command goes on."""


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("source", metavar="SOURCE", help="a folder, a glob in quotes, a list (.txt, .csv), tar files, s3:// or gs://")
    add("out", type=_table, metavar="OUT", help="the table of readings: .parquet or .csv")
    add("--models", type=Path, metavar="DIR", help="another folder of weights than deploy/models")
    add("--decimals", type=whole, metavar="N", help="the meters' number of decimals, where you know it")
    add(
        "--min_confidence",
        type=probability,
        metavar="P",
        help="reject readings below it, 0 to 1 (default: the models' threshold)",
    )
    add("--limit", type=count, metavar="N", help="only the first N photos")
    add("--workers", type=count, metavar="N", help="processes that read (default: one a core)")
    add("--address", metavar="HOST:PORT", help="read on this Ray cluster (or auto); all its machines must see SOURCE")
    add("--overwrite", action="store_true", help="replace OUT, and an unfinished run with other flags")
    verdicts = parser.add_argument_group("previous readings")
    add = verdicts.add_argument
    add("--previous", type=Path, metavar="CSV", help="columns meter, reading, and if wanted date, max_per_day")
    add(
        "--meter_pattern",
        metavar="REGEX",
        help="finds (?P<meter>...) and perhaps (?P<date>...) in a photo's path (default: the file's name up to its "
        'first "_" or "."); the columns meter and date of a list in CSV go before it',
    )
    add("--max_per_day", type=_decimal, metavar="X", help="greatest plausible increase, where the CSV gives none")
    add("--reading_date", type=_date, metavar="DATE", help="of photos that name none (default: today)")
    flags = parser.parse_args(arguments)
    if flags.previous is None and (flags.meter_pattern or flags.max_per_day or flags.reading_date):
        parser.error("--meter_pattern, --max_per_day and --reading_date go with --previous")
    return flags


def main(arguments: list[str] | None = None) -> int:
    """Reads the archive; returns the exit code."""
    flags = parse_arguments(arguments)
    try:
        from archive.cluster import ClusterError
        from archive.job import Job, run
        from archive.journal import JournalError
        from archive.previous import PreviousError
        from archive.sources import SourceError
        from reader.bundle import BundleError
    except ImportError as error:
        print(f"read_archive.py: {error}; pip install -r requirements-archive.txt", file=sys.stderr)
        return 2
    try:
        report = run(Job(**vars(flags)))
    except (SourceError, JournalError, PreviousError, ClusterError, BundleError) as error:
        print(f"read_archive.py: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"read_archive.py: {error.filename or flags.out}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("read_archive.py: stopped; the same command goes on", file=sys.stderr)
        return 130
    print(report.text(), end="")
    print(f"{flags.out}: {report.photos} rows")
    return 1 if report.errors else 0


def _table(text: str) -> Path:
    if "://" in text or Path(text).suffix.lower() not in (".parquet", ".csv"):
        raise argparse.ArgumentTypeError(f"{text!r} is no file on this machine that ends in .parquet or .csv")
    return Path(text)


def _decimal(text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,9})?", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 0 or more such as 2.5")
    return text


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date such as 2026-05-31") from None


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())

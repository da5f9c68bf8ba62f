"""Completes this folder as a Docker build context: puts the shared core, ../reader, into build/reader.

Docker sees nothing outside its context, and a second copy of the core in git would go its own way. So the copy is
made here, is ignored by git, and is made anew each time.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

EXAMPLES = """examples:
  python prepare_model.py && python make_context.py
  docker build --network=host -t counter_recognition_rest_api -f Dockerfile ."""


def make_context(here: Path = HERE) -> Path:
    """Copy the core into a context.

    Args:
        here: the folder that becomes the context, beside `reader`.

    Returns:
        The copy.

    Raises:
        OSError: the core is not there, or the folder cannot be written.
    """
    source, target = here.parent / "reader", here / "build" / "reader"
    fresh = target.with_name("reader.partial")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(source, fresh, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
    return target


def main(arguments: list[str] | None = None) -> int:
    """Flags, then one call; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args(arguments)
    try:
        target = make_context()
    except OSError as error:
        print(f"make_context.py: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"{target.relative_to(HERE)} is up to date")
    if not (HERE / "models" / "bundle.json").is_file():
        print("make_context.py: models/bundle.json is missing; python prepare_model.py writes it", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Make the pages on performance from the records, or find out whether they are what those say.

    python -m benchmarks.pages [--docs docs] [--check]

With ``--check`` nothing is written; the exit code is 1 if a page differs or a record is missing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rustybt.benchmark.pages import differences, made_pages
from rustybt.cli import exit_code_of
from rustybt.cli.output import say
from rustybt.files import write_atomic

DOCS = Path(__file__).parents[1] / "docs"


def main(arguments: Sequence[str]) -> int:
    """Make the pages, or compare them; return 1 if they differ."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pages", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--docs", type=Path, default=DOCS, help="the folder of the pages")
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if a page differs")
    options = parser.parse_args(arguments)
    if options.check:
        return compare(options.docs)
    for path, text in made_pages(options.docs).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, text.encode(), mode=0o644)
        say(str(path))
    return 0


def compare(docs: Path) -> int:
    """Print what differs below *docs*; return 1 if anything does."""
    found = differences(docs)
    for difference in found:
        say(str(difference))
    if not found:
        say("the pages are what the records say")
    return int(bool(found))


def command() -> None:
    """Run the command line and exit."""
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(exit_code_of(command))

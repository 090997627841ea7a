"""What commands print: one JSON document, or lines and tables for people."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence


def emit_json(document: Mapping[str, object]) -> None:
    """Print *document* as JSON on stdout."""
    say(json.dumps(document, indent=2))


def say(line: str = "") -> None:
    """Print one line on stdout.

    A reader that has seen enough (``head``) fails no command: it goes on, with its own exit code.
    """
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:  # caught here: the parser would end the command with code 1
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def warn(line: str) -> None:
    """Print one line on stderr."""
    sys.stderr.write(f"rustybt: {line}\n")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "") -> None:
    """Print *rows* under *columns*; in full width when stdout is no terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 160)
    drawn = Table(title=title or None, title_justify="left")
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*map(Text, row))
    with console.capture() as lines:  # rich itself would end the process where nobody reads
        console.print(drawn)
    say(lines.get().removesuffix("\n"))

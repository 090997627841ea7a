"""Options that several commands share."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

DEFAULT_HOME = Path("~/.rustybt")

HomeOption = Annotated[
    Path, typer.Option("--home", envvar="RUSTYBT_HOME", help="The deployment's folder.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def wall_clock() -> datetime:
    """Return the present time, aware UTC: the one place where the command line reads it."""
    return datetime.now(UTC)

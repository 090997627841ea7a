"""``rustybt fetch-dividends``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rustybt.cli.market import instant_of
from rustybt.cli.options import JsonOption, wall_clock
from rustybt.cli.output import emit_json, say

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rustybt.adapters.yfinance import YfinanceSource


def fetch(
    symbols: Annotated[str, typer.Option(help="Symbols, separated by commas.")],
    start: Annotated[str, typer.Option(help="First day: 2024-01-01.")],
    output: Annotated[Path, typer.Option(help="The CSV file to write, new.", dir_okay=False)],
    end: Annotated[str | None, typer.Option(help="Day to stop before [today].")] = None,
    *,
    json: JsonOption = False,
) -> None:
    """Fetch the dividends that go with Yahoo's bars, as a file for  backtest --actions."""
    from rustybt.adapters.yfinance import YfinanceSource
    from rustybt.engine.errors import ActionError

    names = [name.strip() for name in symbols.split(",") if name.strip()]
    if not names:
        raise typer.BadParameter("names no symbol", param_hint="--symbols")
    first = instant_of(start, "--start")
    last = instant_of(end, "--end") if end else wall_clock()
    if first >= last:
        raise typer.BadParameter("it has to be before --end", param_hint="--start")
    if output.exists():
        raise ActionError(f"{output} exists and is left as it is", remedy="name another --output")
    count = write_dividends(YfinanceSource(), names, first, last, output)
    if json:
        emit_json({"dividends": count, "file": str(output)})
    else:
        say(f"{count} dividends in {output}")


def write_dividends(
    source: YfinanceSource, symbols: Sequence[str], start: datetime, end: datetime, path: Path
) -> int:
    """Write what *source* has for all *symbols* to *path*, whole or not at all; return how many."""
    import polars as pl

    from rustybt.files import write_atomic

    found = pl.concat([source.dividends(symbol, start, end) for symbol in symbols])
    write_atomic(path, found.write_csv().encode(), mode=0o644)
    return found.height

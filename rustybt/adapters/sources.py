"""Sources by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from rustybt.data.errors import SourceError

if TYPE_CHECKING:
    from rustybt.data.source import Source

SOURCES: Final = ("csv", "yfinance", "ccxt")


def open_source(name: str, *, path: Path | None = None, venue: str = "binance") -> Source:
    """Return the source called *name*; *path* is for csv, *venue* for ccxt.

    Raise ``SourceError`` if there is none, it lacks what it needs, or its library is missing.
    """
    if name not in SOURCES:
        raise SourceError(f"there is no source {name!r}", expected=f"one of {', '.join(SOURCES)}")
    if name == "csv":
        from rustybt.adapters.csv import CsvSource

        if path is None:
            raise SourceError("the source csv needs a file", remedy="name it with --path")
        return CsvSource(path)
    if name == "ccxt":
        from rustybt.adapters.ccxt import CcxtSource

        return CcxtSource(venue)
    from rustybt.adapters.yfinance import YfinanceSource

    return YfinanceSource()

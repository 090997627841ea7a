"""Open a deployment's source of market data and fetch its last bars, as they come."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from rustybt.data.errors import SourceUnavailableError
from rustybt.data.interval import Interval
from rustybt.data.quality import Circumstances, sift
from rustybt.deployment import open_declared_source
from rustybt.errors import RustyBTError
from rustybt.settings import Settings, load_settings

LIBRARIES = {"ccxt": "ccxt", "yfinance": "yfinance"}


def main(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the source in the settings of *home* is and, since *since*, delivers.

    ``error`` says why it cannot be opened. For each symbol there are either its ``rows`` as text
    and how many of them the rules refuse, or an ``error``; ``reachable`` tells whether asking again
    later could help.
    """
    try:
        settings = load_settings(Path(arguments["home"]), {})
        source = open_declared_source(settings)
    except RustyBTError as error:
        return {"error": str(error), "symbols": {}}
    kind = (settings.data_source or "").partition(":")[0]
    library = LIBRARIES.get(kind)
    since = datetime.fromisoformat(arguments["since"])
    return {
        "error": "",
        "name": source.name,
        "library": f"{library} {importlib.metadata.version(library)}" if library else "none needed",
        "symbols": {
            symbol: _fetched(source, settings, symbol, since) for symbol in settings.data_symbols
        },
    }


def _fetched(source: Any, settings: Settings, symbol: str, since: datetime) -> dict[str, Any]:
    """Return the last bars of one symbol, or why there are none."""
    now = datetime.now(UTC)
    interval = Interval(settings.data_interval)
    try:
        pages = source.pages(symbol, interval, since, now - interval.length)
        raw = pl.concat([page.rows for page in pages])
    except RustyBTError as error:
        reachable = not isinstance(error, SourceUnavailableError)
        return {"error": str(error), "reachable": reachable}
    judged = sift(raw, Circumstances(now=now, interval=interval))
    return {
        "error": "",
        "reachable": True,
        "refused": judged.counts,
        "rows": [list(row[1:]) for row in raw.tail(60).iter_rows()],
    }

"""Read the same bars twice through the catalog of a deployment's settings, in a folder of its own.

The deployment is not touched: its settings are taken for a home that is made for the purpose.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rustybt.data.interval import Interval
from rustybt.data.practice import PRACTICE_START, PRACTICE_SYMBOLS
from rustybt.deployment import open_catalog, update_data
from rustybt.home import Home
from rustybt.settings import load_settings

if TYPE_CHECKING:
    from rustybt.data.catalog import Catalog

NOW = datetime(2026, 2, 2, tzinfo=UTC)
DAILY = Interval("1d")


def main(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return how many reads there were in the second round, and how many were hits.

    *home* is the deployment's.
    """
    settings = load_settings(Path(arguments["home"]), {})
    bars = Home(Path.cwd()).practice_file
    bars.parent.mkdir(parents=True, exist_ok=True)
    own = {
        "home": Path.cwd(),
        "data_source": "csv",
        "data_path": bars,
        "data_symbols": PRACTICE_SYMBOLS,
        "data_interval": str(DAILY),
        "data_start": PRACTICE_START,
    }
    scratch = settings.model_copy(update=own)
    list(update_data(scratch, lambda: NOW))
    catalog = open_catalog(scratch, lambda: NOW)
    first = [catalog.read(symbol, DAILY) for symbol in PRACTICE_SYMBOLS]
    before = _hits(catalog)
    second = [catalog.read(symbol, DAILY) for symbol in PRACTICE_SYMBOLS]
    return {
        "megabytes": settings.data_cache_size_mb,
        "rows": [table.height for table in first],
        "same": all(one.equals(other) for one, other in zip(first, second, strict=True)),
        "reads": len(second),
        "hits": _hits(catalog) - before,
    }


def _hits(catalog: Catalog) -> int:
    """Return how many reads were answered from memory so far."""
    return catalog.cache.hits if catalog.cache is not None else 0

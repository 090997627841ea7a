"""Bring rows into a catalog and say which of them became bars, and where the others are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rustybt.adapters.csv import CsvSource
from rustybt.data.catalog import Catalog
from rustybt.data.ingest import Ingest
from rustybt.data.interval import Interval
from rustybt.data.quality import RULES, Circumstances
from rustybt.errors import RustyBTError

HEADER = "timestamp,open,high,low,close,volume"


def main(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the names of the rules there are, and what became of the rows of each of *cases*."""
    now = datetime.fromisoformat(arguments["now"])
    cases: Mapping[str, Mapping[str, Any]] = arguments["cases"]
    return {
        "rules": list(RULES),
        "cases": {
            name: _ingested(Path(f"case{number}"), now, **case)
            for number, (name, case) in enumerate(cases.items())
        },
    }


def _ingested(
    folder: Path, now: datetime, rows: Sequence[Sequence[str]], interval: str, zone: str = ""
) -> dict[str, Any]:
    """Fetch *rows* from a file into a new catalog; return the bars and the refused rows of it."""
    from zoneinfo import ZoneInfo

    folder.mkdir()
    file = folder / "X.csv"
    file.write_text("\n".join([HEADER, *(",".join(row) for row in rows), ""]), "utf-8")
    catalog = Catalog(folder / "catalog", lambda: now)
    length = Interval(interval)
    circumstances = Circumstances(now=now, interval=length, zone=ZoneInfo(zone) if zone else None)
    try:
        Ingest(
            source=CsvSource(file),
            catalog=catalog,
            symbol="X",
            start=datetime(1970, 1, 1, tzinfo=UTC),
            end=now,
            circumstances=circumstances,
        ).run()
        bars = catalog.read("X", length)
    except RustyBTError as error:
        return {"error": str(error), "bars": [], "refused": []}
    return {
        "error": "",
        "bars": [[row[0].isoformat(), *map(str, row[1:])] for row in bars.iter_rows()],
        "refused": list(catalog.refused("X", length)),
    }

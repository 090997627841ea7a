"""Try a source: what it delivers, whether the rules accept it, and how old it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from rustybt.data.errors import SourceError
from rustybt.data.gaps import TradingCalendar, expected_times
from rustybt.data.quality import Circumstances, sift

if TYPE_CHECKING:
    from rustybt.data.source import Source


@dataclass(frozen=True, slots=True)
class Probe:
    """What a source delivered of *symbol*: *bars* that are sound, *refused* rows by rule.

    *behind* counts the finished bars that the calendar expects after *last*.
    """

    symbol: str
    bars: int
    refused: Mapping[str, int]
    first: datetime
    last: datetime
    behind: int


def probe(
    source: Source,
    symbol: str,
    circumstances: Circumstances,
    calendar: TradingCalendar,
    start: datetime,
) -> Probe:
    """Fetch *symbol*'s bars from *start* until now and return what they are like.

    Nothing is stored. Raise ``SourceError`` if there is no sound bar, or as the source does.
    """
    interval, now = circumstances.interval, circumstances.now
    end = now - interval.length + timedelta(microseconds=1)
    rows = [page.rows for page in source.pages(symbol, interval, start, end)]
    found = sift(pl.concat(rows), circumstances) if rows else None
    if found is None or found.bars.is_empty():
        counts = found.counts if found else {}
        raise SourceError(
            f"{source.name} gave no sound {interval} bar of {symbol} since {start:%Y-%m-%d}",
            expected="at least one",
            remedy=f"rows were refused: {counts}" if counts else "check symbol and interval",
        )
    times = found.bars["timestamp"]
    last: datetime = times[-1]
    behind = expected_times(interval, calendar, last + timedelta(microseconds=1), end)
    return Probe(symbol, len(times), found.counts, times[0], last, len(behind))

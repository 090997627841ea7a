"""Read the same bars of the practice exchange from its stream, and later from its history."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import polars as pl

from readiness_tests.probes.adversity_gaps import Listener
from readiness_tests.probes.adversity_session import SYMBOL
from rustybt.adapters.ccxt import CcxtSource
from rustybt.data.interval import Interval
from rustybt.exchange.serving import Exchange, running_exchange
from rustybt.model.bar import Bar

DAY = timedelta(days=1)


def main(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return at least *bars* bars of the stream, those of the history, and what was shown.

    A bar is its start (ISO 8601, UTC) and its prices and volume, as text.
    """
    return asyncio.run(_read(arguments["bars"]))


async def _read(count: int) -> dict[str, Any]:
    """Listen, then ask."""
    async with running_exchange() as exchange:
        listener = Listener(exchange)
        await listener.feed.start(listener.told.append, [SYMBOL], DAY)
        try:
            await listener.until(lambda: bool(listener.bars), steps=True)
            for number in range(count):
                exchange.step()
                await listener.until(partial(_has_more_than, listener, number + 1))
        finally:
            await listener.feed.stop()
        stream = listener.bars
        first, last = stream[0].start, stream[-1].end
        history = await asyncio.to_thread(_history, exchange, first, last)
        tape = exchange.venue.tapes[SYMBOL].bars
        shown = [bar for bar in tape if first <= bar.start and bar.end <= last]
    return {
        "stream": [_row(bar) for bar in stream],
        "history": history,
        "shown": [_row(bar) for bar in shown],
    }


def _has_more_than(listener: Listener, bars: int) -> bool:
    return len(listener.bars) > bars


def _history(exchange: Exchange, start: datetime, end: datetime) -> list[list[str]]:
    """Return what the source of market data has of the same time."""
    source = CcxtSource("binance", exchange.ccxt_config())
    pages = source.pages(SYMBOL, Interval("1d"), start, end)
    rows = pl.concat([page.rows for page in pages])
    return [
        [datetime.fromisoformat(time).astimezone(UTC).isoformat(), *map(_plain, numbers)]
        for _, time, *numbers in rows.iter_rows()
    ]


def _row(bar: Bar) -> list[str]:
    """Return a bar as text."""
    numbers = (bar.open, bar.high, bar.low, bar.close, bar.volume)
    return [bar.start.isoformat(), *(_plain(f"{number:f}") for number in numbers)]


def _plain(number: str) -> str:
    """Return a number without zeros that say nothing."""
    return number.rstrip("0").rstrip(".") if "." in number else number

"""Bars to practise on: invented, the same for everybody, and never those of a real market.

A day's bar depends on the symbol, on the day and on the close before it, so a longer series begins
with the shorter one: the catalog takes new days as a continuation.
"""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PRACTICE_SYMBOLS: Final = ("ELM/USDT", "OAK/USDT")
"""Coins that do not exist."""
PRACTICE_START: Final = date(2025, 1, 1)
_LEVEL: Final = 10_000  # cents, the price that the walk is drawn back to
_LARGEST_STEP: Final = 300  # basis points a day
_COLUMNS: Final = "timestamp,symbol,open,high,low,close,volume"


def practice_file(last: date, symbols: Sequence[str] = PRACTICE_SYMBOLS) -> str:
    """Return a CSV file with the daily bars of *symbols* to the day *last*, included."""
    rows = [row for symbol in symbols for row in _rows(symbol, last)]
    return "\n".join([_COLUMNS, *rows, ""])


def _rows(symbol: str, last: date) -> Iterator[str]:
    """Yield one symbol's lines: a walk in whole cents, drawn back to where it began."""
    close, day = _LEVEL, PRACTICE_START
    while day <= last:
        step, up, down, traded = _drawn(symbol, day)
        pull = (_LEVEL - close) // 100
        opened, close = close, close + close * (step + pull) // 10_000
        high = max(opened, close) + up
        low = min(opened, close) - down
        prices = ",".join(map(_money, (opened, high, low, close)))
        yield f"{day.isoformat()},{symbol},{prices},{1_000 + traded}"
        day += timedelta(days=1)


def _drawn(symbol: str, day: date) -> tuple[int, int, int, int]:
    """Return the chance of one day: step in basis points, shadows in cents, volume in units."""
    digest = hashlib.sha256(f"{symbol} {day.isoformat()}".encode()).digest()
    numbers = [int.from_bytes(digest[place : place + 4], "big") for place in range(0, 16, 4)]
    step = numbers[0] % (2 * _LARGEST_STEP + 1) - _LARGEST_STEP
    return step, numbers[1] % 100, numbers[2] % 100, numbers[3] % 9_000


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"

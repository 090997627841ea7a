"""The lengths of candles, as the wire writes them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from rustybt.exchange.errors import RefusalError

INTERVALS: Final[Mapping[str, timedelta]] = MappingProxyType(
    {
        "1s": timedelta(seconds=1),
        "1m": timedelta(minutes=1),
        "3m": timedelta(minutes=3),
        "5m": timedelta(minutes=5),
        "15m": timedelta(minutes=15),
        "30m": timedelta(minutes=30),
        "1h": timedelta(hours=1),
        "2h": timedelta(hours=2),
        "4h": timedelta(hours=4),
        "6h": timedelta(hours=6),
        "8h": timedelta(hours=8),
        "12h": timedelta(hours=12),
        "1d": timedelta(days=1),
        "3d": timedelta(days=3),
        "1w": timedelta(weeks=1),
    }
)


def length_of(interval: str) -> timedelta:
    """Return the length of *interval*, or refuse it."""
    length = INTERVALS.get(interval)
    if length is None:
        raise RefusalError(-1120, "Invalid interval.")
    return length

"""A bar as strategies see it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant(microseconds: int) -> datetime:
    """Return the time so many *microseconds* after 1970 began, aware UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


class StrategyBar:
    """The last closed bar of *symbol*, in floats: for decisions, not for money.

    There is one per symbol, and its fields change with every bar: keep the numbers, not the bar.
    *start* is when it began, in microseconds since 1970 UTC; *row* counts the rows of the data.
    """

    __slots__ = ("close", "high", "low", "open", "row", "start", "symbol", "volume")

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.row = -1
        self.start = 0
        self.open = self.high = self.low = self.close = self.volume = float("nan")

    @property
    def time(self) -> datetime:
        """When the bar began, aware UTC."""
        return instant(self.start)

    def __repr__(self) -> str:
        prices = f"{self.open} {self.high} {self.low} {self.close}"
        return f"<{self.symbol} {self.time:%Y-%m-%d %H:%M} {prices} x {self.volume}>"

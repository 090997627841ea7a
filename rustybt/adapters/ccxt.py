"""Bars from crypto venues, through ccxt's public calls; no credentials are needed or used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rustybt.data.bars import raw_rows
from rustybt.data.errors import SourceError, SourceUnavailableError
from rustybt.data.interval import Interval
from rustybt.data.source import Page

_LIMIT: Final = 1000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(slots=True)
class CcxtSource:
    """The candles of the venue whose ccxt id is *venue*, such as ``binance``.

    *options* go to ccxt's class as they are: other URLs, a proxy. Raise ``SourceError`` if ccxt is
    not installed or does not know the venue.
    """

    venue: str
    options: Mapping[str, object] = field(default_factory=dict)
    resumable: bool = field(default=True, init=False)
    _exchange: Any = field(init=False)

    def __post_init__(self) -> None:
        try:
            import ccxt  # type: ignore[import-untyped] # it has no types we could use
        except ImportError as error:
            raise SourceError(
                "ccxt is not installed", remedy="pip install 'rustybt[live]'"
            ) from error
        if self.venue not in ccxt.exchanges:
            raise SourceError(f"ccxt knows no venue {self.venue!r}", expected="an id like binance")
        # Pauses are the ingest's business, which can be told to hurry in a test.
        self._exchange = getattr(ccxt, self.venue)({**self.options, "enableRateLimit": False})
        self._exchange.number = str  # the venue's digits, not a float's

    @property
    def name(self) -> str:
        """``ccxt:`` and the venue's id."""
        return f"ccxt:{self.venue}"

    @property
    def requests_per_minute(self) -> int:
        """What ccxt says the venue allows, from the milliseconds between requests."""
        return max(1, int(60_000 / float(self._exchange.rateLimit)))

    def pages(
        self, symbol: str, interval: Interval, start: datetime, end: datetime
    ) -> Iterator[Page]:
        """Yield up to 1000 candles at a time.

        Raise ``SourceUnavailableError`` for ccxt's ``NetworkError`` (timeouts, rate limits, venue
        down) and ``SourceError`` for its other errors: unknown symbol, interval not offered.
        """
        while start < end:
            candles = self._candles(symbol, interval, start)
            rows = [candle for candle in candles if start <= _time(candle) < end]
            following = _time(candles[-1]) + interval.length if candles else end
            # No candle, or none that is new: the venue has no more.
            until = min(following, end) if rows else end
            yield Page(raw_rows([_time(row).isoformat(), *row[1:6]] for row in rows), until)
            start = until

    def _candles(self, symbol: str, interval: Interval, start: datetime) -> list[list[Any]]:
        import ccxt

        since = -((_EPOCH - start) // _MILLISECOND)  # rounded up: not before *start*
        try:
            candles: list[list[Any]] = self._exchange.fetch_ohlcv(
                symbol, interval.value, since, _LIMIT
            )
        except ccxt.NetworkError as error:
            raise SourceUnavailableError(
                f"{self.venue} does not answer or refuses for now ({type(error).__name__})",
                remedy="check the network, and try again later",
            ) from error
        except ccxt.BaseError as error:
            # ccxt's own text may hold a URL with a signature.
            raise SourceError(
                f"{self.venue} has no {interval} bars of {symbol} for us ({type(error).__name__})",
                expected="a symbol such as BTC/USDT, and an interval that the venue offers",
            ) from error
        return candles


def _time(candle: list[Any]) -> datetime:
    return _EPOCH + int(candle[0]) * _MILLISECOND

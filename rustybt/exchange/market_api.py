"""The REST interface to the market: prices, candles, the book, and what is traded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from rustybt.exchange import wire
from rustybt.exchange.errors import RefusalError, missing, unknown_symbol
from rustybt.exchange.intervals import length_of
from rustybt.exchange.market import average_price
from rustybt.exchange.records import Trading, instant, milliseconds
from rustybt.model.money import divide, multiply, subtract, text

if TYPE_CHECKING:
    from rustybt.exchange.limits import RateLimits
    from rustybt.exchange.market import DayTicker
    from rustybt.exchange.venue import PracticeVenue
    from rustybt.model.bar import Bar

_DAY: Final = timedelta(days=1)
_LARGEST_LIMIT: Final = 1_000


class ApiRequest(Struct, frozen=True, kw_only=True):
    """What was asked: *now* stamps what comes of it, *clock* is the time that the venue tells.

    *stale* hides that many of the newest candles, *partial* shows the one that has just begun.
    """

    params: Mapping[str, str]
    now: datetime
    clock: datetime
    account: str = ""
    stale: int = 0
    partial: bool = False


class MarketApi:
    """Answers questions about the market. Every method raises :class:`RefusalError`."""

    def __init__(self, venue: PracticeVenue, limits: RateLimits) -> None:
        self.venue = venue
        self._limits = limits
        self._named: dict[str, str] = {}

    def symbol(self, params: Mapping[str, str]) -> str:
        """Return the venue's name of the symbol asked for."""
        if "symbol" not in params:
            raise missing("symbol")
        return self.symbol_of(params["symbol"])

    def symbol_of(self, written: str) -> str:
        """Return the venue's name of a symbol that the wire writes so."""
        instruments = self.venue.instruments
        if len(self._named) != len(instruments):
            self._named = {wire.wire_symbol(each): name for name, each in instruments.items()}
        symbol = self._named.get(written)
        if symbol is None:
            raise unknown_symbol()
        return symbol

    def written(self, symbol: str) -> str:
        """Return how the wire writes *symbol*."""
        return wire.wire_symbol(self.venue.instruments[symbol])

    def time(self, request: ApiRequest) -> Any:
        """Return the venue's clock."""
        return {"serverTime": milliseconds(request.clock)}

    def exchange_info(self, request: ApiRequest) -> Any:
        """Return what is traded by which filters, and how often one may ask."""
        limits = [
            ("REQUEST_WEIGHT", "MINUTE", 1, self._limits.weight),
            ("ORDERS", "SECOND", 10, self._limits.orders),
        ]
        return {
            "timezone": "UTC",
            "serverTime": milliseconds(request.clock),
            "rateLimits": [
                {"rateLimitType": kind, "interval": unit, "intervalNum": number, "limit": limit}
                for kind, unit, number, limit in limits
                if limit is not None
            ],
            "exchangeFilters": [],
            "symbols": [
                wire.instrument_json(instrument, self.venue.trading[symbol], self.venue.filters)
                for symbol, instrument in self.venue.instruments.items()
                if self.venue.trading[symbol] is not Trading.DELISTED
            ],
        }

    def _symbols(self, params: Mapping[str, str]) -> list[str]:
        """Return the symbols asked for: one, or all."""
        return [self.symbol(params)] if "symbol" in params else list(self.venue.instruments)

    def _one_or_all(
        self, request: ApiRequest, answer: Callable[[str, DayTicker], wire.Json]
    ) -> Any:
        """Answer for one symbol, or with a list for all that have a price."""
        days = {each: self.venue.tapes[each].day(_DAY) for each in self._symbols(request.params)}
        found = [answer(symbol, day) for symbol, day in days.items() if day is not None]
        return found[0] if "symbol" in request.params and found else found

    def ticker(self, request: ApiRequest) -> Any:
        """Return what was traded in the last 24 hours."""
        return self._one_or_all(request, self._ticker)

    def _ticker(self, symbol: str, day: DayTicker) -> wire.Json:
        depth = self.venue.tapes[symbol].depth(self.venue.instruments[symbol])
        change = subtract(day.last.close, day.first.open)
        bid, ask = depth.bids[0] if depth.bids else depth.asks[0], depth.asks[0]
        return {
            "symbol": self.written(symbol),
            "priceChange": text(change),
            "priceChangePercent": f"{divide(multiply(change, 100), day.first.open):.3f}",
            "weightedAvgPrice": f"{average_price(day):.8f}",
            "prevClosePrice": text(day.first.open),
            "lastPrice": text(day.last.close),
            "lastQty": text(bid.quantity),
            "bidPrice": text(bid.price),
            "bidQty": text(bid.quantity),
            "askPrice": text(ask.price),
            "askQty": text(ask.quantity),
            "openPrice": text(day.first.open),
            "highPrice": text(day.high),
            "lowPrice": text(day.low),
            "volume": text(day.volume),
            "quoteVolume": text(day.value),
            "openTime": milliseconds(day.first.start),
            "closeTime": milliseconds(day.last.end),
            "firstId": 1,
            "lastId": day.bars,
            "count": day.bars,
        }

    def price(self, request: ApiRequest) -> Any:
        """Return the last price."""
        return self._one_or_all(
            request,
            lambda symbol, day: {"symbol": self.written(symbol), "price": text(day.last.close)},
        )

    def average(self, request: ApiRequest) -> Any:
        """Return the average price."""
        day = self.venue.tapes[self.symbol(request.params)].day(_DAY)
        if day is None:
            return {"mins": 0, "price": "0", "closeTime": 0}
        time = milliseconds(day.last.end)
        return {"mins": 0, "price": text(day.last.close), "closeTime": time}

    def book_ticker(self, request: ApiRequest) -> Any:
        """Return the best bid and offer."""
        return self._one_or_all(request, lambda symbol, _: self.best(symbol))

    def best(self, symbol: str) -> wire.Json:
        """Return the best bid and offer of *symbol*, which has a price."""
        depth = self.venue.tapes[symbol].depth(self.venue.instruments[symbol])
        bid, ask = depth.bids[0] if depth.bids else depth.asks[0], depth.asks[0]
        return {
            "symbol": self.written(symbol),
            "bidPrice": text(bid.price),
            "bidQty": text(bid.quantity),
            "askPrice": text(ask.price),
            "askQty": text(ask.quantity),
        }

    def depth(self, request: ApiRequest) -> Any:
        """Return the book."""
        symbol = self.symbol(request.params)
        limit = limit_of(request.params, 100)
        tape = self.venue.tapes[symbol]
        depth = tape.depth(self.venue.instruments[symbol])
        return {
            "lastUpdateId": tape.shown,
            "bids": [[text(each.price), text(each.quantity)] for each in depth.bids[:limit]],
            "asks": [[text(each.price), text(each.quantity)] for each in depth.asks[:limit]],
        }

    def klines(self, request: ApiRequest) -> Any:
        """Return candles."""
        params = request.params
        symbol = self.symbol(params)
        if "interval" not in params:
            raise missing("interval")
        length = length_of(params["interval"])
        start, end = instant_of(params, "startTime"), instant_of(params, "endTime")
        tape = self.venue.tapes[symbol]
        limit = limit_of(params, 500)
        candles = tape.candles(start, end, limit + request.stale, length)
        candles = candles[: -request.stale] if request.stale else candles
        partial = tape.begun(length) if request.partial else None
        if partial is not None and (end is None or partial.start <= end):
            candles.append(partial)
        candles = candles[:limit] if start is not None else candles[-limit:]
        return [wire.candle_json(bar) for bar in candles]

    def public_trades(self, request: ApiRequest) -> Any:
        """Return one trade for each bar, at its close."""
        tape = self.venue.tapes[self.symbol(request.params)]
        bars = list(tape.bars)[-limit_of(request.params, 500) :]
        first = tape.shown - len(bars) + 1
        return [_public_trade(bar, number) for number, bar in enumerate(bars, first)]

    def aggregate_trades(self, request: ApiRequest) -> Any:
        """Return the same, as the other endpoint words it."""
        names = {"id": "a", "price": "p", "qty": "q", "time": "T", "isBuyerMaker": "m"}
        return [
            {
                **{short: trade[name] for name, short in names.items()},
                "f": trade["id"],
                "l": trade["id"],
            }
            for trade in self.public_trades(request)
        ]


def instant_of(params: Mapping[str, str], name: str) -> datetime | None:
    """Return the time that parameter *name* says."""
    number = wire.whole(params, name)
    if number is None:
        return None
    try:
        return instant(number)
    except OverflowError:
        raise RefusalError(-1100, f"Illegal characters found in parameter '{name}'.") from None


def limit_of(params: Mapping[str, str], default: int) -> int:
    """Return how many are asked for."""
    limit = wire.whole(params, "limit")
    return min(_LARGEST_LIMIT, max(1, default if limit is None else limit))


def _public_trade(bar: Bar, number: int) -> wire.Json:
    return {
        "id": number,
        "price": text(bar.close),
        "qty": text(bar.volume),
        "quoteQty": text(multiply(bar.volume, bar.close)),
        "time": milliseconds(bar.end),
        "isBuyerMaker": False,
        "isBestMatch": True,
    }

"""The REST interface: which endpoint asks the venue for what. No wires yet, only words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from msgspec import Struct

from rustybt.exchange import wire
from rustybt.exchange.errors import RefusalError, missing, unknown_symbol
from rustybt.exchange.intervals import length_of
from rustybt.exchange.market import average_price
from rustybt.exchange.records import Kind, OrderRecord, Trading, instant, milliseconds
from rustybt.model.money import divide, multiply, subtract, text

if TYPE_CHECKING:
    from rustybt.exchange.limits import RateLimits
    from rustybt.exchange.market import DayTicker
    from rustybt.exchange.records import TradeRecord
    from rustybt.exchange.venue import PracticeVenue
    from rustybt.model.bar import Bar

_DAY: Final = timedelta(days=1)
_LARGEST_LIMIT: Final = 1_000

T = TypeVar("T")


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


class Endpoint(NamedTuple):
    """How to answer, whether only to a signed request or a known key, and what it weighs."""

    answer: Callable[[Api, ApiRequest], Any]
    signed: bool
    weight: int = 1
    is_order: bool = False
    keyed: bool = False


class Api:
    """Answers requests from a venue. Every method raises :class:`RefusalError`."""

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

    # Public

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
        limit = _limit(request.params, 100)
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
        start, end = _instant(params, "startTime"), _instant(params, "endTime")
        tape = self.venue.tapes[symbol]
        limit = _limit(params, 500)
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
        bars = list(tape.bars)[-_limit(request.params, 500) :]
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

    # Signed

    def account(self, request: ApiRequest) -> Any:
        """Return the balances."""
        balances = self.venue.balances(request.account)
        if request.params.get("omitZeroBalances") == "true":
            balances = {asset: each for asset, each in balances.items() if each.total}
        return {
            "makerCommission": 0,
            "takerCommission": 0,
            "canTrade": True,
            "canWithdraw": False,
            "canDeposit": False,
            "updateTime": milliseconds(request.now),
            "accountType": "SPOT",
            "balances": wire.balances_json(balances),
            "permissions": ["SPOT"],
        }

    def place(self, request: ApiRequest) -> Any:
        """Place an order."""
        symbol = self.symbol(request.params)
        order = wire.order_request(request.params, symbol)
        record = self.venue.place(request.account, order, request.now)
        return self._placed(record, request.params)

    def probe(self, request: ApiRequest) -> Any:
        """Say whether an order would be taken."""
        order = wire.order_request(request.params, self.symbol(request.params))
        self.venue.probe(request.account, order, request.now)
        return {}

    def _placed(self, record: OrderRecord, params: Mapping[str, str]) -> wire.Json:
        """Return the answer to a new order, as long as it was asked for."""
        at_once = record.kind in (Kind.LIMIT, Kind.MARKET)
        wanted = params.get("newOrderRespType", "FULL" if at_once else "ACK")
        full = wire.placed_json(record, self.written(record.symbol), self._trades_of(record))
        if wanted == "ACK":
            names = ("symbol", "orderId", "orderListId", "clientOrderId", "transactTime")
            return {name: full[name] for name in names}
        if wanted == "RESULT":
            del full["fills"]
        return full

    def _trades_of(self, record: OrderRecord) -> list[TradeRecord]:
        """Return the trades that the newest order has made."""
        trades = self.venue.accounts[record.account].trades.get(record.symbol, [])
        found = []
        for trade in reversed(trades):
            if trade.order_id != record.order_id:
                break
            found.append(trade)
        return found[::-1]

    def replace(self, request: ApiRequest) -> Any:
        """Cancel an order and place another."""
        params = request.params
        symbol = self.symbol(params)
        if params.get("cancelReplaceMode") != "STOP_ON_FAILURE":
            raise RefusalError(-1102, "The practice exchange knows STOP_ON_FAILURE only.")
        try:
            done = self.venue.cancel_replace(
                request.account,
                wire.order_request(params, symbol),
                request.now,
                order_id=wire.whole(params, "cancelOrderId"),
                client_id=params.get("cancelOrigClientOrderId"),
                cancel_id=params.get("cancelNewClientOrderId", ""),
            )
        except RefusalError as refusal:
            refusal.data = self._failure(refusal.data)
            raise
        return {
            "cancelResult": "SUCCESS",
            "newOrderResult": "SUCCESS",
            "cancelResponse": wire.cancelled_json(done.cancelled, self.written(symbol)),
            "newOrderResponse": self._placed(done.placed, params),
        }

    def _failure(self, data: dict[str, object] | None) -> dict[str, object] | None:
        """Return what became of a replacement that failed."""
        if data is None:
            return None
        if isinstance(refusal := data.get("cancel"), RefusalError):
            return {
                "cancelResult": "FAILURE",
                "newOrderResult": "NOT_ATTEMPTED",
                "cancelResponse": wire.refusal_json(refusal),
                "newOrderResponse": None,
            }
        cancelled, new = data["cancelled"], data["new"]
        assert isinstance(cancelled, OrderRecord)  # noqa: S101 - what the venue says
        assert isinstance(new, RefusalError)  # noqa: S101 - what the venue says
        return {
            "cancelResult": "SUCCESS",
            "newOrderResult": "FAILURE",
            "cancelResponse": wire.cancelled_json(cancelled, self.written(cancelled.symbol)),
            "newOrderResponse": wire.refusal_json(new),
        }

    def cancel(self, request: ApiRequest) -> Any:
        """Cancel an order."""
        params = request.params
        symbol = self.symbol(params)
        record = self.venue.cancel(
            request.account,
            symbol,
            request.now,
            order_id=wire.whole(params, "orderId"),
            client_id=params.get("origClientOrderId"),
            cancel_id=params.get("newClientOrderId", ""),
        )
        return wire.cancelled_json(record, self.written(symbol))

    def cancel_all(self, request: ApiRequest) -> Any:
        """Cancel all orders in a symbol."""
        symbol = self.symbol(request.params)
        records = self.venue.cancel_all(request.account, symbol, request.now)
        return [wire.cancelled_json(record, self.written(symbol)) for record in records]

    def order(self, request: ApiRequest) -> Any:
        """Return an order."""
        symbol = self.symbol(request.params)
        record = self.venue.order(
            request.account,
            symbol,
            order_id=wire.whole(request.params, "orderId"),
            client_id=request.params.get("origClientOrderId"),
        )
        return wire.order_json(record, self.written(symbol))

    def open_orders(self, request: ApiRequest) -> Any:
        """Return the open orders, in one symbol or all."""
        symbol = self.symbol(request.params) if "symbol" in request.params else None
        return [
            wire.order_json(record, self.written(record.symbol))
            for record in self.venue.open_orders(request.account, symbol)
        ]

    def all_orders(self, request: ApiRequest) -> Any:
        """Return orders in a symbol, whatever became of them."""
        symbol, params = self.symbol(request.params), request.params
        limit, span = _limit(params, 500), _Span.of(params)
        from_id = wire.whole(params, "orderId")
        if from_id is not None or span.is_open:
            found = self.venue.all_orders(request.account, symbol, from_id=from_id, limit=limit)
        else:
            every = self.venue.all_orders(request.account, symbol, from_id=0, limit=span.most)
            found = span.cut(every, limit, lambda order: order.created)
        return [wire.order_json(record, self.written(symbol)) for record in found]

    def my_trades(self, request: ApiRequest) -> Any:
        """Return trades in a symbol."""
        symbol, params = self.symbol(request.params), request.params
        limit, span = _limit(params, 500), _Span.of(params)
        from_id, order_id = wire.whole(params, "fromId"), wire.whole(params, "orderId")
        if order_id is None and (from_id is not None or span.is_open):
            found = self.venue.my_trades(request.account, symbol, from_id=from_id, limit=limit)
        else:
            every = self.venue.my_trades(
                request.account, symbol, from_id=from_id or 0, limit=span.most
            )
            if order_id is not None:
                every = [each for each in every if each.order_id == order_id]
            found = span.cut(every, limit, lambda trade: trade.time)
        return [wire.trade_json(trade, self.written(symbol)) for trade in found]


class _Span(NamedTuple):
    """From when until when something is asked for, both included."""

    start: datetime | None
    end: datetime | None
    most: int = 1 << 62

    @classmethod
    def of(cls, params: Mapping[str, str]) -> _Span:
        """Return the span that *params* ask for."""
        return cls(_instant(params, "startTime"), _instant(params, "endTime"))

    @property
    def is_open(self) -> bool:
        """Whether it has no bounds."""
        return self.start is None and self.end is None

    def cut(self, values: list[T], limit: int, time: Callable[[T], datetime]) -> list[T]:
        """Return those of *values* inside: the first ones after a start, else the last ones."""
        found = [
            each
            for each in values
            if (self.start is None or milliseconds(time(each)) >= milliseconds(self.start))
            and (self.end is None or milliseconds(time(each)) <= milliseconds(self.end))
        ]
        return found[:limit] if self.start is not None else found[-limit:]


def _instant(params: Mapping[str, str], name: str) -> datetime | None:
    """Return the time that parameter *name* says."""
    number = wire.whole(params, name)
    if number is None:
        return None
    try:
        return instant(number)
    except OverflowError:
        raise RefusalError(-1100, f"Illegal characters found in parameter '{name}'.") from None


def _limit(params: Mapping[str, str], default: int) -> int:
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


ENDPOINTS: Final[Mapping[tuple[str, str], Endpoint]] = {
    ("GET", "ping"): Endpoint(lambda _, __: {}, signed=False),
    ("GET", "time"): Endpoint(Api.time, signed=False),
    ("GET", "exchangeInfo"): Endpoint(Api.exchange_info, signed=False, weight=20),
    ("GET", "ticker/24hr"): Endpoint(Api.ticker, signed=False, weight=2),
    ("GET", "ticker/price"): Endpoint(Api.price, signed=False, weight=2),
    ("GET", "ticker/bookTicker"): Endpoint(Api.book_ticker, signed=False, weight=2),
    ("GET", "avgPrice"): Endpoint(Api.average, signed=False, weight=2),
    ("GET", "depth"): Endpoint(Api.depth, signed=False, weight=5),
    ("GET", "klines"): Endpoint(Api.klines, signed=False, weight=2),
    ("GET", "trades"): Endpoint(Api.public_trades, signed=False, weight=25),
    ("GET", "aggTrades"): Endpoint(Api.aggregate_trades, signed=False, weight=4),
    ("GET", "account"): Endpoint(Api.account, signed=True, weight=20),
    ("POST", "order"): Endpoint(Api.place, signed=True, is_order=True),
    ("POST", "order/test"): Endpoint(Api.probe, signed=True),
    ("POST", "order/cancelReplace"): Endpoint(Api.replace, signed=True, is_order=True),
    ("DELETE", "order"): Endpoint(Api.cancel, signed=True),
    ("GET", "order"): Endpoint(Api.order, signed=True, weight=4),
    ("GET", "openOrders"): Endpoint(Api.open_orders, signed=True, weight=6),
    ("DELETE", "openOrders"): Endpoint(Api.cancel_all, signed=True),
    ("GET", "allOrders"): Endpoint(Api.all_orders, signed=True, weight=20),
    ("GET", "myTrades"): Endpoint(Api.my_trades, signed=True, weight=20),
}
"""What can be asked, by HTTP method and path below ``/api/v3/``."""

"""The REST interface to accounts, and which endpoint asks for what. No wires yet, only words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from rustybt.exchange import wire
from rustybt.exchange.errors import RefusalError
from rustybt.exchange.market_api import ApiRequest, MarketApi, instant_of, limit_of
from rustybt.exchange.records import Kind, OrderRecord, milliseconds

if TYPE_CHECKING:
    from rustybt.exchange.records import TradeRecord


T = TypeVar("T")


class Endpoint(NamedTuple):
    """How to answer, whether only to a signed request or a known key, and what it weighs."""

    answer: Callable[[Api, ApiRequest], Any]
    signed: bool
    weight: int = 1
    is_order: bool = False
    keyed: bool = False


class Api(MarketApi):
    """Answers requests about accounts as well. Every method raises :class:`RefusalError`."""

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
        limit, span = limit_of(params, 500), _Span.of(params)
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
        limit, span = limit_of(params, 500), _Span.of(params)
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
        return cls(instant_of(params, "startTime"), instant_of(params, "endTime"))

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

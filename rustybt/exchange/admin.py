"""The admin endpoints, behind the token that is printed at the start, and the page for people."""

from __future__ import annotations

import hmac
from decimal import Decimal
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from aiohttp import web
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from rustybt.exchange import wire
from rustybt.exchange.errors import ExchangeError, RefusalError
from rustybt.exchange.faults import fault_of
from rustybt.exchange.records import FeeIn, Trading
from rustybt.malformed import MALFORMED
from rustybt.model.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rustybt.exchange.server import PracticeServer

TOKEN_HEADER: Final = "X-Practice-Token"  # noqa: S105 - the name of a header
_NEWEST: Final = 30

T = TypeVar("T", bound=Struct)
_encode = msgspec.json.Encoder(decimal_format="string").encode


class _Step(Struct, forbid_unknown_fields=True):
    bars: int = 1


class _Grid(Struct, forbid_unknown_fields=True):
    """New filters of a symbol; what is not given stays."""

    symbol: str
    tick: Decimal | UnsetType = UNSET
    lot: Decimal | UnsetType = UNSET
    min_quantity: Decimal | UnsetType = UNSET
    max_quantity: Decimal | UnsetType = UNSET
    min_notional: Decimal | UnsetType = UNSET
    max_notional: Decimal | UnsetType = UNSET


class _Halt(Struct, forbid_unknown_fields=True):
    symbol: str
    trading: Trading


class _Forced(Struct, forbid_unknown_fields=True):
    account: str
    order_id: int
    quantity: Decimal
    price: Decimal


class _Fees(Struct, forbid_unknown_fields=True):
    fee_in: FeeIn


class _Cut(Struct, forbid_unknown_fields=True):
    users: bool = True
    market: bool = True


class _Candles(Struct, forbid_unknown_fields=True):
    partial: bool


class Admin:
    """What who runs the exchange can do to it."""

    def __init__(self, server: PracticeServer) -> None:
        self._server = server

    def add_to(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_get("/", self._page)
        app.router.add_get("/practice/state", self._state)
        for path, act in (
            ("/practice/step", self._step),
            ("/practice/faults", self._arm),
            ("/practice/instrument", self._regrid),
            ("/practice/trading", self._halt),
            ("/practice/trade", self._force),
            ("/practice/fees", self._fees),
            ("/practice/cut", self._cut),
            ("/practice/reset", self._reset),
            ("/practice/candles", self._candles),
        ):
            app.router.add_post(path, self._guarded(act))
        app.router.add_get("/practice/heard", self._guarded(self._heard))
        app.router.add_get("/practice/faults", self._guarded(self._armed))
        app.router.add_delete("/practice/faults", self._guarded(self._disarm))
        app.router.add_delete("/practice/faults/{number:[0-9]+}", self._guarded(self._disarm))

    def _guarded(
        self, act: Callable[[web.Request, bytes], Any]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        """Return a handler that asks for the token and says what was wrong."""

        async def handle(request: web.Request) -> web.Response:
            given = request.headers.get(TOKEN_HEADER, "")
            if not hmac.compare_digest(given.encode(), self._server.token.encode()):
                return _said({"error": f"send the admin token in {TOKEN_HEADER}"}, status=401)
            try:
                return _said(act(request, await request.read()))
            except (ExchangeError, RefusalError, InvalidValueError) as error:
                return _said({"error": str(error)}, status=400)

        return handle

    # Reading

    async def _page(self, _: web.Request) -> web.Response:
        text = resources.files("rustybt.exchange").joinpath("page.html").read_text("utf-8")
        headers = {
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline';"
            " script-src 'unsafe-inline'; connect-src 'self'; img-src data:"
        }
        return web.Response(text=text, content_type="text/html", headers=headers)

    async def _state(self, _: web.Request) -> web.Response:
        """Return what the page shows."""
        venue = self._server.venue
        return _said(
            {
                "market_time": self._server.market_time().isoformat(),
                "bars_left": None if self._server.replay is None else self._server.replay.left,
                "faults": len(self._server.faults.all()),
                "symbols": [self._symbol(symbol) for symbol in venue.instruments],
                "accounts": [self._account(name) for name in venue.accounts],
            }
        )

    def _symbol(self, symbol: str) -> wire.Json:
        venue = self._server.venue
        tape, instrument = venue.tapes[symbol], venue.instruments[symbol]
        depth = tape.depth(instrument)
        return {
            "symbol": symbol,
            "trading": venue.trading[symbol].value,
            "price": None if tape.price is None else f"{tape.price}",
            "closes": [f"{bar.close}" for bar in list(tape.bars)[-120:]],
            "bids": [[f"{each.price}", f"{each.quantity}"] for each in depth.bids[:8]],
            "asks": [[f"{each.price}", f"{each.quantity}"] for each in depth.asks[:8]],
        }

    def _account(self, name: str) -> wire.Json:
        account = self._server.venue.accounts[name]
        newest = list(account.orders.values())[-_NEWEST:]
        shown = {record.order_id: record for record in (*account.open.values(), *newest)}
        trades = sorted(
            (trade for trades in account.trades.values() for trade in trades[-_NEWEST:]),
            key=lambda trade: -trade.trade_id,
        )
        return {
            "account": name,
            "balances": wire.balances_json(account.wallet.all()),
            "orders": [
                {**wire.order_json(record, record.symbol), "average": f"{record.average_price:f}"}
                for record in sorted(shown.values(), key=lambda record: -record.order_id)
            ],
            "trades": [wire.trade_json(trade, trade.symbol) for trade in trades[:_NEWEST]],
        }

    # Acting

    def _step(self, _: web.Request, body: bytes) -> Any:
        shown = self._server.step(_read(body, _Step).bars)
        replay = self._server.replay
        return {"shown": shown, "left": 0 if replay is None else replay.left}

    def _arm(self, _: web.Request, body: bytes) -> Any:
        return {"number": self._server.faults.add(fault_of(body))}

    def _armed(self, _: web.Request, __: bytes) -> Any:
        return [
            {"number": number, "hits": hits, "fault": fault}
            for number, (fault, hits) in self._server.faults.all().items()
        ]

    def _heard(self, _: web.Request, __: bytes) -> Any:
        """Return how many market streams have a listener, and how many hear of accounts."""
        listeners = tuple(self._server.hub.listeners)
        return {
            "streams": len({stream for each in listeners for stream in each.streams}),
            "users": sum(each.hears_users for each in listeners),
        }

    def _disarm(self, request: web.Request, _: bytes) -> Any:
        number = request.match_info.get("number")
        if number is None:
            self._server.faults.clear()
        else:
            self._server.faults.remove(int(number))
        return {}

    def _regrid(self, _: web.Request, body: bytes) -> Any:
        grid = _read(body, _Grid)
        instrument = self._server.venue.instruments.get(grid.symbol)
        if instrument is None:
            raise ExchangeError(f"{grid.symbol!r} is not traded here")
        given = {
            name: value
            for name in grid.__struct_fields__[1:]
            if (value := getattr(grid, name)) is not UNSET
        }
        self._server.venue.set_instrument(replace(instrument, **given))
        return self._changed()

    def _halt(self, _: web.Request, body: bytes) -> Any:
        halt = _read(body, _Halt)
        self._server.venue.set_trading(halt.symbol, halt.trading, self._server.now())
        return self._changed()

    def _fees(self, _: web.Request, body: bytes) -> Any:
        self._server.venue.set_fees(_read(body, _Fees).fee_in)
        return self._changed()

    def _changed(self) -> Any:
        """Keep what was changed."""
        if self._server.store is not None:
            self._server.store.changed()
        self._server.commit()
        return {}

    def _force(self, _: web.Request, body: bytes) -> Any:
        forced = _read(body, _Forced)
        trade = self._server.venue.force_trade(
            forced.account, forced.order_id, forced.quantity, forced.price, self._server.now()
        )
        self._server.commit()
        return {"trade_id": trade.trade_id}

    def _cut(self, _: web.Request, body: bytes) -> Any:
        cut = _read(body, _Cut)
        return {"closed": self._server.hub.cut(users=cut.users, market=cut.market)}

    def _reset(self, _: web.Request, __: bytes) -> Any:
        return {"closed": self._server.sockets.reset()}

    def _candles(self, _: web.Request, body: bytes) -> Any:
        self._server.partial_candles = _read(body, _Candles).partial
        return {}


def _read(body: bytes, kind: type[T]) -> T:
    """Return what *body* asks for; raise :class:`ExchangeError` if that makes no sense."""
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except MALFORMED as error:
        raise ExchangeError(f"this cannot be read: {error}") from None


def _said(answer: Any, *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=_encode(answer), content_type="application/json")

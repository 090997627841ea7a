"""What a venue says of an account when it is asked: one order, or everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rustybt.adapters.venue.wire import exact, fill_of, milliseconds, order_of
from rustybt.trading.reports import Balance, OrderFound, VenueOrder, VenueSnapshot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rustybt.adapters.venue.limiter import Limiter
    from rustybt.model.fill import Fill
    from rustybt.model.instrument import Instrument
    from rustybt.trading.ports import Clock

_PAGE: Final = 500
"""How many trades or orders are asked for at once."""
_LEAST_PAGE: Final = 50
"""No venue of ccxt's gives fewer at once if it has more."""
_REMEMBERED: Final = 50_000
"""Of how many orders ids are remembered: open ones are seen again with every snapshot."""
_OLDEST_FIRST: Final = frozenset({"binance", "binanceus", "binanceusdm", "binancecoinm"})
"""Venues that give as many trades as asked for, and from a given time on the oldest first."""


class Ids:
    """Under which ids the venue has our orders: earlier ones of a replaced order included.

    So many are *remembered*: those that were not mentioned for longest are forgotten first.
    """

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        self._remembered = remembered
        self._clients: dict[str, str] = {}
        self._venues: dict[str, str] = {}
        self._symbols: dict[str, str] = {}

    def know(self, client_id: str, venue_id: str) -> None:
        """Take *venue_id* for the newest of the order *client_id*."""
        self._keep(self._clients, venue_id, client_id)
        self._keep(self._venues, client_id, venue_id)

    def learn(self, client_id: str, venue_id: str) -> None:
        """Remember whose *venue_id* is, the newest or not, unless that is known."""
        self._keep(self._clients, venue_id, self._clients.get(venue_id, client_id))

    def place(self, client_id: str, symbol: str) -> None:
        """Remember what an order trades."""
        self._keep(self._symbols, client_id, symbol)

    def _keep(self, ids: dict[str, str], name: str, value: str) -> None:
        """Remember *value* as the newest, and forget the oldest where there are too many."""
        ids.pop(name, None)
        ids[name] = value
        if len(ids) > self._remembered:
            del ids[next(iter(ids))]

    def knows(self, venue_id: str) -> bool:
        """Tell whether it is known whose order *venue_id* is."""
        return venue_id in self._clients

    def client(self, venue_id: str, otherwise: str | None = None) -> str:
        """Return the client id of an order; *otherwise*, or a name of our own, if it has none."""
        return self._clients.get(venue_id) or otherwise or f"venue-{venue_id}"

    def venue(self, client_id: str) -> str | None:
        """Return the newest id that the venue has for an order."""
        return self._venues.get(client_id)

    def symbol(self, client_id: str) -> str | None:
        """Return what an order trades."""
        return self._symbols.get(client_id)


class AccountReader:
    """Asks *exchange* (of ccxt) about the account, no faster than *limiter* lets it.

    Methods raise whatever ccxt raises.
    """

    def __init__(
        self,
        exchange: Any,
        limiter: Limiter,
        ids: Ids,
        instruments: Mapping[str, Instrument],
        clock: Clock,
    ) -> None:
        self._exchange = exchange
        self._limiter = limiter
        self._ids = ids
        self._instruments = instruments
        self._clock = clock

    async def order(self, client_id: str, symbol: str) -> OrderFound:
        """Return an order and its trades."""
        known = self._ids.venue(client_id)
        found = await self._call(
            "fetch_order", known, symbol, {} if known else {"clientOrderId": client_id}
        )
        self._ids.know(client_id, str(found["id"]))
        trades = []
        if exact(found.get("filled")):
            page = await self._call(
                "fetch_my_trades", symbol, None, _PAGE, {"orderId": found["id"]}
            )
            trades = [each for each in page if str(each.get("order")) == str(found["id"])]
        quote = self._instruments[symbol].quote
        return OrderFound(
            time=self._clock.now(),
            client_id=client_id,
            order=order_of(found, client_id),
            fills=tuple(fill_of(each, client_id, quote) for each in trades),
        )

    async def snapshot(self, symbols: Sequence[str], since: datetime | None) -> VenueSnapshot:
        """Return balances, open orders and, from *since* on, trades in *symbols*.

        A venue answers nothing about what it has delisted; balances tell what is left of it.
        """
        asked = self._clock.now()
        listed = [symbol for symbol in symbols if symbol in self._exchange.markets]
        balances = await self._call("fetch_balance")
        orders: list[VenueOrder] = []
        fills: list[Fill] = []
        complete = True
        for symbol in listed:
            orders += await self._open_orders(symbol)
        for symbol in listed:
            found, whole = await self._fills(symbol, since)
            fills += found
            complete = complete and whole
        return VenueSnapshot(
            time=self._clock.now(),
            asked=asked,
            balances=tuple(_balances(balances)),
            orders=tuple(orders),
            fills=tuple(sorted(fills, key=lambda fill: (fill.time, fill.trade_id))),
            since=since,
            complete=complete,
        )

    async def _open_orders(self, symbol: str) -> list[VenueOrder]:
        """Return the open orders in *symbol*, and remember whose they are."""
        result = []
        for found in await self._call("fetch_open_orders", symbol):
            client_id = found.get("clientOrderId")
            if client_id:
                self._ids.know(client_id, str(found["id"]))
                self._ids.place(client_id, symbol)
            result.append(order_of(found, client_id))
        return result

    async def _fills(self, symbol: str, since: datetime | None) -> tuple[list[Fill], bool]:
        """Return our trades in *symbol* from *since* on, and whether none is missing between."""
        start = None if since is None else milliseconds(since)
        trades, complete = await self._trades(symbol, start)
        unknown = {str(each.get("order")) for each in trades if each.get("order")}
        await self._learn(symbol, {each for each in unknown if not self._ids.knows(each)}, start)
        quote = self._instruments[symbol].quote
        fills = [fill_of(each, self._ids.client(str(each.get("order"))), quote) for each in trades]
        return fills, complete

    async def _trades(self, symbol: str, start: int | None) -> tuple[list[Any], bool]:
        """Return trades from *start* (milliseconds) on, page by page, and whether all are there."""
        in_order = self._exchange.id in _OLDEST_FIRST
        found: dict[str, Any] = {}
        while True:
            page = await self._call("fetch_my_trades", symbol, start, _PAGE)
            fresh = [each for each in page if str(each["id"]) not in found]
            is_first = not found
            found.update((str(each["id"]), each) for each in fresh)
            if len(page) < (_PAGE if in_order else _LEAST_PAGE):
                # Where the newest come first, a later page says nothing of those between.
                return list(found.values()), in_order or is_first
            if start is None or not fresh:
                return list(found.values()), False
            start = page[-1]["timestamp"]

    async def _learn(self, symbol: str, unknown: set[str], start: int | None) -> None:
        """Find out which client ids the orders *unknown* in *symbol* have."""
        if not self._exchange.has.get("fetchOrders"):
            return
        seen: set[str] = set()
        while unknown:
            page = await self._call("fetch_orders", symbol, start, _PAGE)
            fresh = [each for each in page if str(each["id"]) not in seen]
            for found in fresh:
                seen.add(str(found["id"]))
                unknown.discard(str(found["id"]))
                if found.get("clientOrderId"):
                    self._ids.learn(found["clientOrderId"], str(found["id"]))
            if start is None or not fresh:
                return
            start = page[-1]["timestamp"]

    async def _call(self, method: str, *given: Any) -> Any:
        """Call a method of ccxt when it is our turn."""
        await self._limiter.acquire()
        return await getattr(self._exchange, method)(*given)


def _balances(found: Mapping[str, Any]) -> list[Balance]:
    """Return what there is of each currency."""
    return [
        Balance(
            currency=currency,
            free=exact(found["free"].get(currency)),
            used=exact(found["used"].get(currency)),
        )
        for currency, total in sorted(found["total"].items())
        if exact(total)
    ]

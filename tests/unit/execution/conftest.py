"""A venue on a short leash: one symbol, one bar a day, and events told in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from rustybt.execution import FillPolicy, Matcher, MatchingRules, OrderManager, VenueEvent
from rustybt.model import (
    Bar,
    Fill,
    Instrument,
    InstrumentKind,
    Order,
    OrderFilled,
    OrderGroup,
    OrderState,
    OrderType,
    OrderUpdated,
    Quote,
    Side,
    TimeInForce,
)

START = datetime(2024, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
SHARE = Instrument(
    symbol="X",
    base="X",
    quote="USD",
    tick=Decimal("0.01"),
    lot=Decimal(1),
    kind=InstrumentKind.EQUITY,
)
DECIMALS = {"quantity", "price", "trigger", "trail"}


def numbers(text: str) -> list[Decimal]:
    """Return the decimals in *text*."""
    return [Decimal(word) for word in text.split()]


class Venue:
    """A matcher, the orders sent to it as their owner sees them, and the time.

    Every event is applied to the orders, so each test also shows that the table allows it.
    """

    def __init__(self, instrument: Instrument = SHARE, **rules: Any) -> None:
        self.now = START
        self.policy = rules.get("policy", FillPolicy.NEXT_OPEN)
        matcher_settings = {
            key: rules.pop(key) for key in ("session_end", "trade_ids", "venue_ids") if key in rules
        }
        others = {"Y": replace(SHARE, symbol="Y")}
        self.matcher = Matcher(
            {instrument.symbol: instrument, **others}, MatchingRules(**rules), **matcher_settings
        )
        self.symbol = instrument.symbol
        self.orders = OrderManager()
        self.fills: list[Fill] = []
        self.events: list[VenueEvent] = []
        self.seen: Bar | Quote | None = None

    def order(self, words: str, **changes: Any) -> Order:
        """Return an order from words like ``buy 10 limit price=99``; it is called ``a``.

        A word with an equals sign sets a field, ``ioc`` and the like the time in force,
        ``post_only`` and ``reduce_only`` are flags.
        """
        side, quantity, kind, *rest = words.split()
        fields: dict[str, Any] = {
            "client_id": "a",
            "symbol": self.symbol,
            "side": Side(side),
            "type": OrderType(kind),
            "quantity": Decimal(quantity),
            "created": self.now,
        }
        for word in rest:
            name, _, value = word.partition("=")
            if value:
                fields[name] = Decimal(value) if name in DECIMALS else value
            elif name in {"post_only", "reduce_only"}:
                fields[name] = True
            else:
                fields["time_in_force"] = TimeInForce(name)
        return Order(**{**fields, **changes})

    def submit(self, *orders: str | Order, group: OrderGroup | None = None) -> list[str]:
        """Send orders, given as orders or as words after a name: ``a: buy 10 market``."""
        made = [self._made(order) for order in orders]
        for order in made:
            self.orders.add(order)
            self.orders.move(order.client_id, OrderState.SUBMITTED)
        return self._told(self.matcher.submit(made, self.now, seen=self.seen, group=group))

    def _made(self, order: str | Order) -> Order:
        """Return the order that words describe."""
        if isinstance(order, Order):
            return order
        name, _, words = order.rpartition(": ")
        return self.order(words, client_id=name or "a")

    def cancel(self, client_id: str = "a") -> list[str]:
        """Ask for the end of an order."""
        self.orders.move(client_id, OrderState.PENDING_CANCEL)
        return self._told(self.matcher.cancel(client_id, self.now))

    def modify(self, client_id: str = "a", **terms: str) -> list[str]:
        """Ask for other terms."""
        order = replace(self.orders[client_id], state=OrderState.NEW, fills=(), filled=Decimal(0))
        wanted = replace(order, **{name: Decimal(value) for name, value in terms.items()})
        self.orders.move(client_id, OrderState.PENDING_REPLACE)
        return self._told(self.matcher.modify(wanted, self.now, seen=self.seen))

    def bar(self, prices: str, volume: str = "1000", *, symbol: str | None = None) -> list[str]:
        """Let a day pass with the given open, high, low and close."""
        first, high, low, last = numbers(prices)
        end = self.now + DAY
        bar = Bar(symbol or self.symbol, self.now, end, first, high, low, last, Decimal(volume))
        self.now = bar.end
        self.seen = bar
        return self._told(self.matcher.on_bar(bar), opened=bar.start)

    def quote(self, prices: str, sizes: str = "1000 1000") -> list[str]:
        """Show a bid and an ask, a second later."""
        self.now += timedelta(seconds=1)
        bid, ask = numbers(prices)
        bid_size, ask_size = numbers(sizes)
        quote = Quote(self.symbol, self.now, bid, ask, bid_size, ask_size)
        self.seen = quote
        return self._told(self.matcher.on_quote(quote))

    def expire(self) -> list[str]:
        """Let the venue look at the clock."""
        return self._told(self.matcher.expire(self.now))

    @property
    def position(self) -> Decimal:
        """What the venue holds for us."""
        return self.matcher.position(self.symbol)

    def _told(self, events: list[VenueEvent], opened: datetime | None = None) -> list[str]:
        """Apply *events* and return them in words."""
        for event in events:
            self.orders.apply(event)
        self.events += events
        self.fills += [event.fill for event in events if isinstance(event, OrderFilled)]
        return [told(event, opened) for event in events]


def told(event: VenueEvent, opened: datetime | None) -> str:
    """Return an event in words."""
    if isinstance(event, OrderUpdated):
        reason = f": {event.reason}" if event.reason else ""
        return f"{event.client_id} {event.state}{reason}"
    if isinstance(event, OrderFilled):
        fill = event.fill
        when = "open " if fill.time == opened else ""
        return (
            f"{fill.client_id} {fill.side} {fill.quantity} at {fill.price} {when}{fill.liquidity}"
        )
    terms = f"{event.quantity} price={event.price} trigger={event.trigger}"
    return f"{event.client_id} replaced {terms}"


@pytest.fixture
def venue() -> Venue:
    """A venue with the default rules."""
    return Venue()


@pytest.fixture
def make_venue() -> type[Venue]:
    """What makes a venue with rules of its own."""
    return Venue

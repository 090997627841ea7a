"""The simulated venue of a backtest: orders with a life of their own, and when to look at them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rustybt.engine.tape import ExactBar
from rustybt.execution.errors import UnknownOrderError
from rustybt.execution.matching import Matcher, end_of_day
from rustybt.execution.order_manager import OrderManager
from rustybt.execution.splits import Split, split_order
from rustybt.model.order_state import OrderState
from rustybt.strategy.bar import instant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from rustybt.engine.tape import Tape
    from rustybt.execution.broker import VenueEvent
    from rustybt.execution.rules import MatchingRules
    from rustybt.model.group import OrderGroup
    from rustybt.model.instrument import Instrument
    from rustybt.model.order import Order


class Idle(NamedTuple):
    """A bar with its low above *lower*, its high below *upper*, that ends before *wake*, is idle.

    Bounds are floats. Rounding never changes which of two numbers is larger, only whether they are
    equal, and equal ones are looked at.
    """

    lower: float
    upper: float
    wake: datetime | None


class Venue:
    """A matcher, the states of its orders, and the symbols in which something may happen."""

    def __init__(
        self,
        tape: Tape,
        instruments: Mapping[str, Instrument],
        rules: MatchingRules,
        session_end: Callable[[str, datetime], datetime] | None,
    ) -> None:
        self._tape = tape
        self._columns = tape.columns
        self.matcher = Matcher(instruments, rules, session_end=session_end or end_of_day)
        self.orders = OrderManager()
        self.resting: dict[int, Idle] = {}
        self._symbols = tape.symbols

    def submit(
        self,
        symbol: int,
        orders: Sequence[Order],
        now: datetime,
        seen: int | None,
        position: Decimal,
        group: OrderGroup | None = None,
    ) -> list[VenueEvent]:
        """Send *orders* in one symbol; *seen* is the row that has just closed, if one has."""
        for order in orders:
            self.orders.add(order.to(OrderState.SUBMITTED))
        self.matcher.set_position(self._symbols[symbol], position)
        bar = None if seen is None else ExactBar(self._tape, seen)
        events = self.matcher.submit(orders, now, seen=bar, group=group)
        return self._noted(symbol, events)

    def cancel(self, symbol: int, client_id: str, now: datetime) -> list[VenueEvent]:
        """Ask for the end of an order; nothing comes of it if the order has ended."""
        try:
            events = self.matcher.cancel(client_id, now)
        except UnknownOrderError:
            return []
        return self._noted(symbol, events)

    def trade(self, symbol: int, row: int, position: Decimal) -> list[VenueEvent]:
        """Show the bar in *row* to the orders of *symbol*, unless nothing can come of it."""
        idle = self.resting[symbol]
        columns = self._columns
        if columns["low"][row] > idle.lower and columns["high"][row] < idle.upper:
            end = self._tape.began(row) + self._tape.bar_length
            if idle.wake is None or instant(end) < idle.wake:
                return []
        self.matcher.set_position(self._symbols[symbol], position)
        return self._noted(symbol, self.matcher.on_bar(ExactBar(self._tape, row)))

    def split(self, symbol: int, new: int, old: int, now: datetime) -> None:
        """Bring the orders at work in *symbol* to what they are after a split."""
        name = self._symbols[symbol]
        self._noted(symbol, self.matcher.split(name, new, old, now))
        book = self.matcher.book(name)
        for client_id in book.orders:
            order = split_order(self.orders[client_id], Split(new, old), book.instrument)
            if order is not None:
                self.orders.revise(order)

    def finish(self, now: datetime) -> list[VenueEvent]:
        """End what has outlived its time at the end of the data."""
        events = self.matcher.expire(now)
        for event in events:
            self.orders.apply(event)
        return events

    def _noted(self, symbol: int, events: list[VenueEvent]) -> list[VenueEvent]:
        """Move the orders along and work out when to look at the symbol again."""
        for event in events:
            self.orders.apply(event)
        book = self.matcher.book(self._symbols[symbol])
        if book.orders or book.requests:
            bounds = book.bounds
            self.resting[symbol] = Idle(float(bounds.lower), float(bounds.upper), book.wake)
        else:
            self.resting.pop(symbol, None)
        return events

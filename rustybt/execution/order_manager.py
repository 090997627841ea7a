"""All orders of an account and where they are in their lives, as far as the events tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from rustybt.execution.errors import DuplicateOrderError, UnknownOrderError
from rustybt.model.errors import ConflictingFillError
from rustybt.model.event import OrderFilled, OrderReplaced, OrderUpdated
from rustybt.model.order import OrderState
from rustybt.model.order_state import PENDING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rustybt.execution.broker import VenueEvent
    from rustybt.model.order import Order

_WORKING = frozenset({OrderState.ACCEPTED, OrderState.TRIGGERED, OrderState.PARTIALLY_FILLED})
_TRIGGERED_OR_LATER = frozenset(
    {
        *PENDING,
        OrderState.TRIGGERED,
        OrderState.PARTIALLY_FILLED,
        OrderState.FILLED,
        OrderState.CANCELLED,
        OrderState.EXPIRED,
    }
)
_IN_FLIGHT = PENDING | {OrderState.SUBMITTED}


class OrderManager:
    """Orders by client id. Reports move them along; what comes twice moves them once.

    The model's table decides what may follow what, and raises for the rest. An order is added
    before it is sent, so that a report of one that is not here is about somebody else's:
    :class:`~rustybt.execution.errors.UnknownOrderError`.
    """

    def __init__(self, orders: Iterable[Order] = ()) -> None:
        self._orders: dict[str, Order] = {}
        self._open: dict[str, Order] = {}
        self._trades: dict[tuple[str, str], str] = {}
        for order in orders:
            self.add(order)

    def add(self, order: Order) -> None:
        """Take up *order*; raise :class:`DuplicateOrderError` if its client id is known."""
        if order.client_id in self._orders:
            raise DuplicateOrderError(
                f"client id {order.client_id!r} stands for another order",
                expected="a client id of its own for each order",
            )
        for fill in order.fills:
            self._trades[fill.symbol, fill.trade_id] = order.client_id
        self._set(order)

    def __getitem__(self, client_id: str) -> Order:
        """Return the order *client_id*; raise :class:`UnknownOrderError` if there is none."""
        try:
            return self._orders[client_id]
        except KeyError:
            raise UnknownOrderError(
                f"no order has the client id {client_id!r}",
                expected="an order that was sent from here",
                remedy="reconcile with the venue",
            ) from None

    def __contains__(self, client_id: str) -> bool:
        return client_id in self._orders

    def orders(self) -> tuple[Order, ...]:
        """Return all orders, oldest first."""
        return tuple(self._orders.values())

    def open(self, symbol: str | None = None) -> tuple[Order, ...]:
        """Return the orders that may still trade, oldest first; all, or those in *symbol*."""
        return tuple(
            order for order in self._open.values() if symbol is None or order.symbol == symbol
        )

    def in_flight(self) -> tuple[Order, ...]:
        """Return the orders about which the venue owes an answer."""
        return tuple(order for order in self._open.values() if order.state in _IN_FLIGHT)

    def move(self, client_id: str, state: OrderState, reason: str | None = None) -> Order:
        """Return the order in *state*, because of something done here: sent, denied, cancelled.

        Raise :class:`~rustybt.model.errors.InvalidTransitionError` if the table forbids it.
        """
        return self._set(self[client_id].to(state, reason=reason))

    def revise(self, order: Order) -> Order:
        """Keep *order* in place of its version so far: a split has changed it, nobody asked."""
        self[order.client_id]
        return self._set(order)

    def apply(self, event: VenueEvent) -> Order:
        """Return the order that *event* is about as it is after it.

        Raise what :class:`~rustybt.model.order.Order` raises for a report that cannot be, and
        :class:`~rustybt.model.errors.ConflictingFillError` for one trade of two orders.
        """
        if isinstance(event, OrderFilled):
            return self._fill(event)
        if isinstance(event, OrderUpdated):
            return self._set(_updated(self[event.client_id], event))
        return self._set(_replaced(self[event.client_id], event))

    def _fill(self, event: OrderFilled) -> Order:
        """Book a fill on its order."""
        fill = event.fill
        owner = self._trades.get((fill.symbol, fill.trade_id), fill.client_id)
        if owner != fill.client_id:
            raise ConflictingFillError(
                f"trade {fill.trade_id!r} of {fill.symbol} was reported for order {owner!r}"
                f" and for {fill.client_id!r}",
                expected="one order per trade",
                remedy="stop trading and reconcile with the venue",
            )
        order = self[fill.client_id].fill(fill)
        self._trades[fill.symbol, fill.trade_id] = fill.client_id
        return self._set(order)

    def _set(self, order: Order) -> Order:
        """Keep *order* in place of its earlier version."""
        self._orders[order.client_id] = order
        if order.is_open:
            self._open[order.client_id] = order
        else:
            self._open.pop(order.client_id, None)
        return order


def _updated(order: Order, event: OrderUpdated) -> Order:
    """Return *order* after a report of its state."""
    if event.state in _WORKING:
        return _at_work(order, event)
    if event.state is OrderState.FILLED:
        return order  # only the trades themselves say how much and at which price
    if event.state is order.state:
        return order
    return order.to(event.state, venue_id=event.venue_id, reason=event.reason)


def _at_work(order: Order, event: OrderUpdated) -> Order:
    """Return *order* after a report that it works at the venue."""
    if order.state in PENDING and event.reason:
        return order.resumed(event.reason)  # the request is refused
    if event.state is OrderState.TRIGGERED:
        return _triggered(order, event)
    if event.venue_id is not None:
        return order.accepted(event.venue_id)
    return order


def _triggered(order: Order, event: OrderUpdated) -> Order:
    """Return *order* with its trigger reached; a late report changes nothing else."""
    if order.state in _TRIGGERED_OR_LATER:
        return replace(order, triggered=True)
    return order.to(OrderState.TRIGGERED, venue_id=event.venue_id)


def _replaced(order: Order, event: OrderReplaced) -> Order:
    """Return *order* with the terms that are in force now, asked for or not.

    The venue sizes the exits of a bracket itself, and another session of ours may have asked. A
    cancel that is under way stays so.
    """
    cancelling = order.state is OrderState.PENDING_CANCEL
    if cancelling:
        order = order.resumed(order.reason)
    if order.state is not OrderState.PENDING_REPLACE:
        order = order.to(OrderState.PENDING_REPLACE)
    order = order.replaced(
        quantity=event.quantity,
        price=event.price,
        trigger=event.trigger,
        venue_id=event.venue_id,
    )
    return order.to(OrderState.PENDING_CANCEL) if cancelling and order.is_open else order

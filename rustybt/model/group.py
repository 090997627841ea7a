"""Orders that depend on each other: one-cancels-other, and an entry with its exits.

Venues that know such groups follow these rules themselves; for the others, and in the simulator,
:func:`reactions` says what is to be done. It looks only at the orders as they are, so that it can
be asked again after a restart and never asks twice for what is already under way.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from rustybt.model.checks import Problems
from rustybt.model.money import ZERO, add, subtract, total
from rustybt.model.order import Order, OrderType
from rustybt.model.order_state import PENDING, OrderState


class GroupKind(StrEnum):
    """How the orders of a group depend on each other."""

    OCO = "oco"
    """Once one is triggered or trades, the others are cancelled."""
    BRACKET = "bracket"
    """The exits wait for the entry and together never exceed what it filled."""


class OrderGroup(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The client ids of orders that depend on each other; of a bracket, the entry comes first."""

    group_id: str
    kind: GroupKind
    members: tuple[str, ...]

    def __post_init__(self) -> None:
        problems = Problems()
        problems.text("group_id", self.group_id)
        problems.member("kind", self.kind, GroupKind)
        for member in self.members:
            problems.text("member", member)
        if len(self.members) < 2:
            problems.append(f"a group has at least 2 members, not {len(self.members)}")
        if len(set(self.members)) < len(self.members):
            problems.append(f"members {', '.join(self.members)} are not all different")
        problems.refuse("group", self.group_id)


class Reaction(StrEnum):
    """What to do with an order of a group."""

    SUBMIT = "submit"
    RESIZE = "resize"
    CANCEL = "cancel"


class GroupAction(Struct, frozen=True, gc=False):
    """Do *reaction* with the order *client_id*; *quantity* is its new total, fills included."""

    reaction: Reaction
    client_id: str
    quantity: Decimal | None = None


def oco(group_id: str, *orders: Order) -> tuple[OrderGroup, tuple[Order, ...]]:
    """Return a one-cancels-other group of *orders*, and the orders as its members.

    Raise :class:`~rustybt.model.errors.InvalidValueError` unless they trade one symbol to one side.
    """
    problems = Problems()
    if len({(order.symbol, order.side) for order in orders}) > 1:
        problems.append("its orders differ in symbol or side")
    problems.refuse("group", group_id)
    return _group(group_id, GroupKind.OCO, orders)


def bracket(
    group_id: str, entry: Order, *, take_profit: Order, stop_loss: Order
) -> tuple[OrderGroup, tuple[Order, ...]]:
    """Return a bracket group of *entry* and its two exits, and the orders as its members.

    Raise :class:`~rustybt.model.errors.InvalidValueError` unless the exits undo the entry: same
    symbol and quantity, opposite side, reduce-only, and of types that take a profit or stop a loss.
    """
    problems = Problems()
    _check_exit(problems, entry, "take_profit", take_profit, _TAKES_PROFIT)
    _check_exit(problems, entry, "stop_loss", stop_loss, _STOPS_LOSS)
    problems.refuse("group", group_id)
    return _group(group_id, GroupKind.BRACKET, (entry, take_profit, stop_loss))


_TAKES_PROFIT = frozenset({OrderType.LIMIT, OrderType.TAKE_PROFIT})
_STOPS_LOSS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP})


def _check_exit(
    problems: Problems, entry: Order, name: str, order: Order, types: frozenset[OrderType]
) -> None:
    """Check that *order* can only undo *entry*."""
    if order.type not in types:
        problems.append(f"{name} is a {order.type} order")
    if order.symbol != entry.symbol:
        problems.append(f"{name} trades {order.symbol!r}, the entry {entry.symbol!r}")
    if order.side is entry.side:
        problems.append(f"{name} is a {order.side} like the entry")
    if order.quantity != entry.quantity:
        problems.append(f"{name} is of {order.quantity}, the entry of {entry.quantity}")
    if not order.reduce_only:
        problems.append(f"{name} is not reduce_only")


def _group(
    group_id: str, kind: GroupKind, orders: tuple[Order, ...]
) -> tuple[OrderGroup, tuple[Order, ...]]:
    """Return the group and its orders."""
    group = OrderGroup(group_id, kind, tuple(order.client_id for order in orders))
    return group, tuple(replace(order, group=group_id) for order in orders)


def reactions(group: OrderGroup, orders: Mapping[str, Order]) -> tuple[GroupAction, ...]:
    """Return what is to be done in *group* given all its *orders* by client id, in member order.

    An order whose cancel or modification is under way is left alone until the venue has answered.
    """
    members = [orders[member] for member in group.members]
    if group.kind is GroupKind.OCO:
        return _oco_reactions(members)
    return _bracket_reactions(members[0], members[1:])


def _oco_reactions(members: list[Order]) -> tuple[GroupAction, ...]:
    """Cancel the others once one is triggered or trades."""
    started = next((order for order in members if order.filled or order.triggered), None)
    if started is None:
        return ()
    return _cancels([order for order in members if order is not started])


def _cancels(orders: list[Order]) -> tuple[GroupAction, ...]:
    """Cancel those of *orders* that are open and not being cancelled yet."""
    return tuple(
        GroupAction(Reaction.CANCEL, order.client_id)
        for order in orders
        if order.is_open and order.state is not OrderState.PENDING_CANCEL
    )


def _bracket_reactions(entry: Order, exits: list[Order]) -> tuple[GroupAction, ...]:
    """Keep the exits at what the entry filled and no exit has closed yet.

    Once an exit trades, the rest of the entry is not wanted any more. The other exit stays until
    the entry is closed: a fill that races with the cancel still has to be got out of.
    """
    closed = total(order.filled for order in exits)
    exposed = subtract(entry.filled, closed)
    unwanted = _cancels([entry]) if closed else ()
    if exposed <= ZERO:
        return unwanted if entry.is_open else _cancels(exits)
    sized = (_size(order, add(order.filled, exposed)) for order in exits)
    return (*unwanted, *(action for action in sized if action is not None))


def _size(order: Order, quantity: Decimal) -> GroupAction | None:
    """Return how to bring an exit to *quantity*; ``None`` if it is there or cannot be changed."""
    if order.state is OrderState.NEW:
        return GroupAction(Reaction.SUBMIT, order.client_id, quantity)
    settled = order.is_open and order.state is not OrderState.SUBMITTED
    if settled and order.state not in PENDING and order.quantity != quantity:
        return GroupAction(Reaction.RESIZE, order.client_id, quantity)
    return None

"""Groups of orders inside a simulated venue.

The rules are those of :func:`rustybt.model.group.reactions`; here they are followed at the very
price at which something happens, so that the second of two alternatives cannot trade in the same
bar and the exits of a bracket work from the fill of its entry on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from rustybt.execution.splits import split_order
from rustybt.model.group import GroupKind, reactions
from rustybt.model.order import OrderState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from decimal import Decimal

    from rustybt.execution.splits import Split
    from rustybt.model.fill import Fill
    from rustybt.model.group import GroupAction, OrderGroup
    from rustybt.model.instrument import Instrument
    from rustybt.model.order import Order


class Group:
    """A group and its orders as the rules want to see them: exits are new until they work."""

    __slots__ = ("_orders", "spec")

    def __init__(self, spec: OrderGroup, orders: Iterable[Order]) -> None:
        self.spec = spec
        self._orders = {order.client_id: order for order in orders}

    @classmethod
    def begin(cls, spec: OrderGroup, orders: Iterable[Order]) -> Group:
        """Return a group whose orders have just come."""
        group = cls(spec, (replace(order, state=OrderState.NEW) for order in orders))
        for client_id in spec.members:
            if not group.holds_back(client_id):
                group.submit(client_id)
        return group

    @classmethod
    def resume(cls, spec: OrderGroup, orders: Mapping[str, Order]) -> Group:
        """Return a group that goes on after a restart, given its *orders*, ended ones included.

        Exits have begun to work if the entry has filled anything.
        """
        members = [orders[client_id] for client_id in spec.members]
        if spec.kind is GroupKind.BRACKET and not members[0].filled:
            exits = (
                replace(order, state=OrderState.NEW) if order.is_open else order
                for order in members[1:]
            )
            members = [members[0], *exits]
        return cls(spec, members)

    def holds_back(self, client_id: str) -> bool:
        """Tell whether an order is the exit of a bracket and waits for its entry."""
        is_exit = self.spec.kind is GroupKind.BRACKET and client_id != self.spec.members[0]
        return is_exit and self._orders[client_id].state is OrderState.NEW

    @property
    def is_over(self) -> bool:
        """Whether none of its orders is open."""
        return not any(order.is_open for order in self._orders.values())

    def reactions(self) -> tuple[GroupAction, ...]:
        """Return what is to be done now."""
        return reactions(self.spec, self._orders)

    def submit(self, client_id: str) -> None:
        """Note that an order works."""
        self.move(client_id, OrderState.SUBMITTED)
        self.move(client_id, OrderState.ACCEPTED)

    def move(self, client_id: str, state: OrderState) -> None:
        """Note that an order is in *state*."""
        self._orders[client_id] = self._orders[client_id].to(state)

    def fill(self, fill: Fill) -> None:
        """Note a trade of one of the orders."""
        self._orders[fill.client_id] = self._orders[fill.client_id].fill(fill)

    def split(self, split: Split, instrument: Instrument) -> bool:
        """Count in units after *split*; return False if an order has nothing left."""
        orders = {
            client_id: split_order(order, split, instrument)
            for client_id, order in self._orders.items()
        }
        self._orders = {name: order for name, order in orders.items() if order is not None}
        return len(self._orders) == len(orders)

    def size(self, client_id: str, quantity: Decimal) -> None:
        """Note the quantity of an order; what else changed is no matter for its group."""
        order = self._orders[client_id]
        if order.state is OrderState.NEW:
            order = order.sized(quantity)
        else:
            order = order.to(OrderState.PENDING_REPLACE).replaced(quantity=quantity)
        self._orders[client_id] = order

"""Groups of orders inside a simulated venue.

The rules are those of :func:`rustybt.model.group.reactions`; here they are followed at the very
price at which something happens, so that the second of two alternatives cannot trade in the same
bar and the exits of a bracket work from the fill of its entry on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from rustybt.model.group import GroupKind, reactions
from rustybt.model.order import OrderState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rustybt.model.fill import Fill
    from rustybt.model.group import GroupAction, OrderGroup
    from rustybt.model.order import Order


class Group:
    """A group and its orders as the rules want to see them: exits are new until they work."""

    __slots__ = ("_orders", "spec")

    def __init__(self, spec: OrderGroup, orders: Iterable[Order]) -> None:
        self.spec = spec
        self._orders = {order.client_id: replace(order, state=OrderState.NEW) for order in orders}
        for client_id in spec.members:
            if not self.holds_back(client_id):
                self.submit(client_id)

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

    def modify(self, terms: Order) -> None:
        """Note that an order has the quantity and prices of *terms* now."""
        order = self._orders[terms.client_id]
        if order.state is OrderState.NEW:
            order = replace(
                order, quantity=terms.quantity, price=terms.price, trigger=terms.trigger
            )
        else:
            order = order.to(OrderState.PENDING_REPLACE).replaced(
                quantity=terms.quantity, price=terms.price, trigger=terms.trigger
            )
        self._orders[terms.client_id] = order

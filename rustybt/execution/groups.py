"""Orders that belong together: one cancels the other, and brackets.

What one order of a group fills, the others may not fill any more; what has nothing left to fill is
cancelled. A partial fill of a take-profit so leaves the stop in place for the rest.

A group that is called like the client id of one of its orders is a bracket, and that order its
entry: the others are its exits. They wait until the entry has filled something, and never fill
more than it did. When the entry ends without having filled anything, they are cancelled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rustybt.model.money import ZERO, add, subtract

if TYPE_CHECKING:
    from decimal import Decimal

    from rustybt.execution.working import Working
    from rustybt.model.order import Order


def is_entry(order: Order) -> bool:
    """Tell whether *order* is the entry of a bracket."""
    return order.group == order.client_id


class Group:
    """The open orders of one group, and what the group has traded.

    *entered* is what a bracket's entry has filled, ``None`` if there is no entry.
    """

    __slots__ = ("entered", "entry", "filled", "legs")

    def __init__(self) -> None:
        self.entry: Working | None = None
        self.entered: Decimal | None = None
        self.filled = ZERO
        self.legs: dict[str, Working] = {}

    def join(self, working: Working) -> None:
        """Add an order."""
        if is_entry(working.order):
            self.entry = working
            self.entered = add(self.entered or ZERO, working.traded.quantity)
        else:
            self.legs[working.order.client_id] = working
            self.filled = add(self.filled, working.traded.quantity)

    def leave(self, working: Working) -> None:
        """Take out an order that has ended."""
        if working is self.entry:
            self.entry = None
        else:
            self.legs.pop(working.order.client_id, None)

    @property
    def is_over(self) -> bool:
        """Whether no order of it is open."""
        return self.entry is None and not self.legs

    def count(self, working: Working, quantity: Decimal) -> None:
        """Count a fill of one of the orders."""
        if working is self.entry:
            self.entered = add(self.entered or ZERO, quantity)
        else:
            self.filled = add(self.filled, quantity)

    def room(self, working: Working) -> Decimal:
        """Return how much an open order may still fill, negative if the others filled too much."""
        if working is self.entry:
            return working.leaves
        left = subtract(working.order.quantity, self.filled)
        return left if self.entered is None else min(left, subtract(self.entered, self.filled))

    def settle(self) -> list[Working]:
        """Let the legs wait that have no room yet; return the ones that never will have any."""
        over: list[Working] = []
        for leg in self.legs.values():
            has_room = self.room(leg) > ZERO
            may_have = self.entry is not None and leg.order.quantity > self.filled
            leg.waiting = may_have and not has_room
            if not has_room and not may_have:
                over.append(leg)
        return over

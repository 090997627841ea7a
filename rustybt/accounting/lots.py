"""What a position consists of, and what it cost.

A lot is a quantity and its cost, both negative for a short position. What is left of a lot after a
part was closed cost ``basis * quantity / per``: always a share of the whole lot, never a share of a
share, so that closing 10 at once or as 3 and 7 leaves the same cost to the last digit.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec import Struct

from rustybt.model.money import EXACT, ONE, ZERO, add, divide, multiply, subtract

if TYPE_CHECKING:
    from collections.abc import Iterable


class Lot(Struct, gc=False):
    """*quantity* units of a lot that was *per* units at a cost of *basis* in quote currency."""

    quantity: Decimal
    basis: Decimal
    per: Decimal

    def cost(self) -> Decimal:
        """Return what this quantity cost; exact while nothing of the lot was closed."""
        if self.quantity == self.per:
            return self.basis
        if self.per == ONE:
            return multiply(self.basis, self.quantity)
        return divide(multiply(self.basis, self.quantity), self.per)


class Lots:
    """The open lots of one position, oldest first.

    With *averaged*, what is added is merged into the one lot there is (average cost); otherwise
    each addition is a lot of its own and the oldest is closed first (FIFO).
    """

    __slots__ = ("averaged", "open", "quantity")

    def __init__(self, lots: Iterable[Lot] = (), *, averaged: bool) -> None:
        self.averaged = averaged
        self.open = deque(lots)
        self.quantity = ZERO
        for lot in self.open:
            self.quantity = add(self.quantity, lot.quantity)

    def cost(self) -> Decimal:
        """Return the cost of the position in quote currency, negative for a short one."""
        result = ZERO
        for lot in self.open:
            result = add(result, lot.cost())
        return result

    def trade(self, quantity: Decimal, unit_price: Decimal) -> None:
        """Add the signed *quantity*, bought or sold at *unit_price* (price times multiplier).

        What goes against the position closes it, and what is left over opens the opposite one.
        """
        held = self.quantity
        after = add(held, quantity)
        if not held or (held > ZERO) is (quantity > ZERO):
            self._increase(quantity, unit_price)
        elif after and (held > ZERO) is (after > ZERO):
            self._reduce(quantity)
        else:
            self.open.clear()
            if after:
                self._increase(after, unit_price)
        self.quantity = after

    def _increase(self, quantity: Decimal, unit_price: Decimal) -> None:
        """Open a lot, or add to the averaged one."""
        if not self.averaged:
            self.open.append(Lot(quantity, unit_price, ONE))
            return
        cost = multiply(quantity, unit_price)
        if self.open:
            lot = self.open.pop()
            cost = add(lot.cost(), cost)
            quantity = add(lot.quantity, quantity)
        self.open.append(Lot(quantity, cost, quantity))

    def _reduce(self, quantity: Decimal) -> None:
        """Close the part *quantity*, which has the opposite sign, oldest lots first."""
        left = quantity
        while left:
            lot = self.open[0]
            rest = add(lot.quantity, left)
            if rest and (rest > ZERO) is (lot.quantity > ZERO):
                lot.quantity = rest
                return
            self.open.popleft()
            left = rest

    def split(self, new: int, old: int, step: Decimal) -> tuple[Lots, Decimal]:
        """Return these lots after every *old* units became *new*, and the units that got lost.

        Only whole multiples of *step* remain. The lots keep their cost; that of the lost units, at
        the end of the youngest lot, goes away with them. The lost quantity is signed like the
        position and rounded to 40 digits.
        """
        lots: list[Lot] = []
        before = done = carried = ZERO
        for lot in self.open:
            before = add(before, lot.quantity)
            available = carried = add(carried, lot.cost())
            whole = _whole(multiply(before, new), old, step)
            quantity = subtract(whole, done)
            if quantity:
                excess = subtract(multiply(before, new), multiply(whole, old))
                carried = divide(multiply(lot.cost(), excess), multiply(lot.quantity, new))
                lots.append(Lot(quantity, subtract(available, carried), quantity))
            done = whole
        lost = divide(subtract(multiply(before, new), multiply(done, old)), old)
        return Lots(lots, averaged=self.averaged), lost


def _whole(numerator: Decimal, denominator: int, step: Decimal) -> Decimal:
    """Return *numerator* / *denominator* in whole *step*, towards zero."""
    return multiply(EXACT.divide_int(numerator, multiply(step, denominator)), step)

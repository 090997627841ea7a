"""Which of the open orders can only make positions smaller, whatever becomes of the others."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from rustybt.model.money import ZERO, subtract

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from decimal import Decimal

    from rustybt.model.order import Order


def only_reducing(orders: Iterable[Order], quantities: Mapping[str, Decimal]) -> frozenset[str]:
    """Return the client ids of those *orders* that can do nothing but reduce what is held.

    *quantities* are signed, by symbol. Orders flagged reduce-only are among them: the venue sees to
    it. Of the others, the oldest come first, as long as all of them together cannot turn a position
    around. Those of one group replace each other, so only the largest of them counts.
    """
    found: set[str] = set()
    against: defaultdict[str, dict[str, list[Order]]] = defaultdict(dict)
    for order in orders:
        if order.reduce_only:
            found.add(order.client_id)
        if order.reducible(quantities.get(order.symbol, ZERO)):
            unit = order.group or order.client_id
            against[order.symbol].setdefault(unit, []).append(order)
    for symbol, units in against.items():
        left = quantities[symbol].copy_abs()
        flagged_first = sorted(units.values(), key=_is_unflagged)
        for members in flagged_first:
            largest = max(order.leaves for order in members)
            if largest <= left:
                found.update(order.client_id for order in members)
            left = max(ZERO, subtract(left, largest))
    return frozenset(found)


def _is_unflagged(unit: list[Order]) -> bool:
    """Tell whether the venue would let an order of *unit* turn a position around."""
    return not all(order.reduce_only for order in unit)

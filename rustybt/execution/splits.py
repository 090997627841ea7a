"""What a split makes of orders: as many more units as prices are lower."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from rustybt.model.money import Rounding, add, divide, multiply, to_step
from rustybt.model.order import OrderState, TrailUnit

if TYPE_CHECKING:
    from decimal import Decimal

    from rustybt.model.fill import Fill
    from rustybt.model.instrument import Instrument
    from rustybt.model.order import Order


class Split(NamedTuple):
    """Every *old* units became *new* units."""

    new: int
    old: int

    def units(self, quantity: Decimal, lot: Decimal) -> Decimal:
        """Return what *quantity* has become, in whole *lot*, towards zero."""
        whole = multiply(lot, self.old)
        return divide(to_step(multiply(quantity, self.new), whole, Rounding.DOWN), self.old)

    def price(self, price: Decimal, tick: Decimal, rounding: Rounding) -> Decimal:
        """Return what *price* has become, on the *tick* grid."""
        return to_step(divide(multiply(price, self.old), self.new), tick, rounding)


def split_terms(order: Order, split: Split, instrument: Instrument) -> Order:
    """Return *order* with the prices it has after *split*; a limit is never worse than it was."""
    tick = instrument.tick
    price, trigger, trail = order.price, order.trigger, order.trail
    if price is not None:
        price = instrument.limit_price(divide(multiply(price, split.old), split.new), order.side)
    if trigger is not None:
        trigger = split.price(trigger, tick, Rounding.NEAREST)
    if trail is not None and order.trail_unit is TrailUnit.PRICE:
        trail = max(tick, split.price(trail, tick, Rounding.NEAREST))
    return replace(order, price=price, trigger=trigger, trail=trail)


def split_order(order: Order, split: Split, instrument: Instrument) -> Order | None:
    """Return *order* as it is after *split*; ``None`` if nothing is left of it.

    What was filled counts in units after the split, as one fill.
    """
    lot = instrument.lot
    filled, leaves = split.units(order.filled, lot), split.units(order.leaves, lot)
    left = leaves if order.is_open else filled
    if not left and (order.is_open or order.state is OrderState.FILLED):
        return None
    if not leaves and order.state is not OrderState.FILLED:
        leaves = lot  # of an order that has ended unfilled something stays unfilled
    state = order.state
    if not filled and state is OrderState.PARTIALLY_FILLED:
        state = OrderState.TRIGGERED if order.triggered else OrderState.ACCEPTED
    fills: tuple[Fill, ...] = ()
    if filled:
        last = order.fills[-1]
        price = split.price(last.price, instrument.tick, Rounding.NEAREST)
        fills = (replace(last, quantity=filled, price=price),)
    return replace(
        split_terms(order, split, instrument),
        state=state,
        quantity=add(filled, leaves),
        filled=filled,
        fills=fills,
    )

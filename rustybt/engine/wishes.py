"""What strategies wish for, on its way to becoming orders."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

from rustybt.model.instrument import Side
from rustybt.model.money import ZERO
from rustybt.model.order import Order
from rustybt.strategy.bar import instant

if TYPE_CHECKING:
    from datetime import datetime

    from rustybt.model.instrument import Instrument
    from rustybt.strategy.ticket import Terms

FINEST: Final = Decimal("1e-18")
"""The tick of an instrument whose prices are taken as they come."""


class Refusal(NamedTuple):
    """A wish that came to nothing; *time* is in microseconds since 1970, *quantity* signed."""

    time: int
    symbol: str
    client_id: str
    quantity: Decimal | None
    reason: str


class Waiting(NamedTuple):
    """A market order on its way to the next open; *quantity* is signed."""

    client_id: str
    quantity: Decimal


def order_on(terms: Terms, client_id: str, symbol: str, quantity: Decimal, now: datetime) -> Order:
    """Return a new order of the signed *quantity*, made at *now*."""
    return Order(
        client_id=client_id,
        symbol=symbol,
        side=Side.BUY if quantity > ZERO else Side.SELL,
        quantity=quantity.copy_abs(),
        created=now,
        type=terms.type,
        price=terms.price,
        trigger=terms.trigger,
        trail=terms.trail,
        trail_unit=terms.trail_unit,
        time_in_force=terms.time_in_force,
        expires=terms.expires,
        post_only=terms.post_only,
        reduce_only=terms.reduce_only,
    )


def signed(order: Order) -> Decimal:
    """Return the quantity of *order*, negative for a sale."""
    return order.quantity if order.side is Side.BUY else order.quantity.copy_negate()


def described(order: Order) -> str:
    """Return what *order* asks for, in a line."""
    prices = [order.price, order.trigger, order.trail]
    terms = [f"{price:f}" for price in prices if price is not None]
    return " ".join([str(order.type), f"{signed(order):f}", *terms])


def number_of(client_id: str) -> int:
    """Return the number in a client id: they count up."""
    return int(client_id[1:])


_EPOCH = instant(0)


def microseconds(time: datetime) -> int:
    """Return *time* in microseconds since 1970."""
    since = time - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def is_unbounded(instrument: Instrument) -> bool:
    """Tell whether any price and any whole number of lots can be traded."""
    return (
        not instrument.min_quantity
        and not instrument.min_notional
        and instrument.max_quantity is None
        and instrument.max_notional is None
        and instrument.min_price is None
        and instrument.max_price is None
        and instrument.tick <= FINEST
    )

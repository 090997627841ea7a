"""Why a venue would not take an order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rustybt.model.money import Rounding, is_multiple

if TYPE_CHECKING:
    from decimal import Decimal

    from rustybt.model.instrument import Instrument
    from rustybt.model.order import Order


def refusal(instrument: Instrument, order: Order, price: Decimal | None) -> str:
    """Say why a venue would not take *order*, nothing if it would.

    *price* is the market's, ``None`` if unknown; it serves for an order that names none itself.
    """
    prices = [named for named in (order.price, order.trigger) if named is not None]
    if not prices and price is not None:
        prices = [instrument.round_price(price, Rounding.NEAREST)]
    found = [problem for each in prices for problem in instrument.violations(order.quantity, each)]
    if not prices and not is_multiple(order.quantity, instrument.lot):
        found.append(f"quantity {order.quantity} is off the lot {instrument.lot}")
    return "; ".join(dict.fromkeys(found))

"""Why a venue would not take an order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rustybt.model.money import EXACT

if TYPE_CHECKING:
    from decimal import Decimal

    from rustybt.model.instrument import Instrument
    from rustybt.model.order import Order


def refusal(instrument: Instrument, order: Order, price: Decimal | None) -> str:
    """Say why a venue would not take *order*, nothing if it would.

    *price* is the market's, ``None`` if unknown; it values an order that names none itself.
    """
    named = [each for each in (order.price, order.trigger) if each is not None]
    if not named:
        return "; ".join(_unpriced(instrument, order.quantity, price))
    found = [problem for each in named for problem in instrument.violations(order.quantity, each)]
    return "; ".join(dict.fromkeys(found))


def _unpriced(instrument: Instrument, quantity: Decimal, price: Decimal | None) -> list[str]:
    """Return why an order for *quantity* at whatever price there is would be refused."""
    found: list[str] = []
    if EXACT.remainder(quantity, instrument.lot):
        found.append(f"quantity {quantity} is off the lot {instrument.lot}")
    found += _outside("quantity", quantity, instrument.min_quantity, instrument.max_quantity)
    if price is not None:
        notional = instrument.notional(quantity, price).copy_abs()
        found += _outside("notional", notional, instrument.min_notional, instrument.max_notional)
    return found


def _outside(name: str, value: Decimal, low: Decimal, high: Decimal | None) -> list[str]:
    """Say that *value* is below *low* or above *high*, if it is."""
    if value < low:
        return [f"{name} {value} is below the minimum {low}"]
    if high is not None and value > high:
        return [f"{name} {value} is above the maximum {high}"]
    return []

"""What holding a position costs: borrowing shares, funding perpetuals.

The results are meant for :class:`~rustybt.model.event.Charged`: positive is paid, negative is
received. They are rounded once, at the end, to the *cent* of the currency in the stated direction.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from rustybt.model.money import ZERO, Rounding, divide, multiply, product, to_step

YEAR = timedelta(days=365)
"""The year that borrow rates are quoted for; some desks count 360 days."""
_MICROSECOND = timedelta(microseconds=1)


def borrow_charge(
    value: Decimal,
    annual_rate: Decimal,
    held: timedelta,
    *,
    cent: Decimal,
    year: timedelta = YEAR,
    rounding: Rounding = Rounding.UP,
) -> Decimal:
    """Return what borrowing a short position of market *value* costs over the time *held*.

    A short position has a negative value; one that is long or flat borrows nothing.
    """
    if value >= ZERO:
        return ZERO
    owed = product(value.copy_negate(), annual_rate, Decimal(held // _MICROSECOND))
    return to_step(divide(owed, Decimal(year // _MICROSECOND)), cent, rounding)


def funding_charge(
    value: Decimal, rate: Decimal, *, cent: Decimal, rounding: Rounding = Rounding.NEAREST
) -> Decimal:
    """Return the funding on a position of market *value*, signed, at the *rate* of the interval.

    With a positive rate long positions pay and short ones receive.
    """
    return to_step(multiply(value, rate), cent, rounding)

"""Exact decimals: where they come from, how they are added up and how they are rounded.

Every amount, price and quantity is a :class:`~decimal.Decimal` made from text. Arithmetic goes
through the two contexts of this module and never through the ambient one, which leaks between
asyncio tasks, is reset in every new thread, and drops digits beyond its 28th in silence.

* ``EXACT`` adds, subtracts and multiplies. It never rounds: a result that does not fit raises.
* ``QUOTIENT`` divides, keeping 40 significant digits, half to even. Quotients are for averages and
  ratios; whatever has to balance is made so that it does whichever way a quotient was rounded.

Why 256 digits: a number from outside has at most 36 significant digits, is below 1e18 and has
nothing beyond the 35th decimal (quantities of 1e15, prices of 1e-12 and 18 decimals of a coin all
fit). So the product of three of them, and a 40-digit share of it, lies between 1e54 and 1e-145, and
the sum of any number of these that a computer can hold stays exact. Unused digits cost nothing.
"""

from __future__ import annotations

import re
from decimal import (
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    FloatOperation,
    Inexact,
    InvalidOperation,
    Overflow,
    localcontext,
)
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from rustybt.model.errors import InvalidValueError, PrecisionError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

DIGITS: Final = 36
"""Most significant digits that a price, quantity or amount from outside may have."""
INTEGER_DIGITS: Final = 18
"""Most digits it may have before the point."""

_TRAPS = [InvalidOperation, DivisionByZero, Overflow, FloatOperation]
EXACT: Final = Context(prec=256, rounding=ROUND_HALF_EVEN, traps=[*_TRAPS, Inexact])
_OUTSIDE = Context(prec=DIGITS, Emax=INTEGER_DIGITS - 1, Emin=0, traps=[*_TRAPS, Inexact])
QUOTIENT: Final = Context(prec=40, rounding=ROUND_HALF_EVEN, traps=_TRAPS)

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)

# Bound methods: they carry their context along, at half the price of entering one per call.
add = EXACT.add
subtract = EXACT.subtract
multiply = EXACT.multiply
divide = QUOTIENT.divide

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_LIMITS = f"at most {DIGITS} significant digits, {INTEGER_DIGITS} of them before the point"


class Rounding(StrEnum):
    """The direction in which a number is brought to a multiple of a step."""

    DOWN = "down"
    """Towards zero: never more than was wanted."""
    UP = "up"
    """Away from zero: never less than was wanted."""
    FLOOR = "floor"
    """Towards minus infinity."""
    CEILING = "ceiling"
    """Towards plus infinity."""
    NEAREST = "nearest"
    """To the nearest multiple, a tie to the even one."""


def exact_arithmetic() -> AbstractContextManager[Context]:
    """Return a context manager in which operators on decimals are exact or raise ``Inexact``."""
    return localcontext(EXACT)


def decimal(value: str | int | Decimal, name: str = "number") -> Decimal:
    """Return *value* as an exact decimal; *name* says in an error what it was meant to be.

    Text has to be an ordinary ASCII number, an exponent allowed. Raise
    :class:`~rustybt.model.errors.InvalidValueError` for a float (its digits are not the ones that
    were written), a bool, and whatever is not finite or outside the limits of :func:`is_supported`.
    """
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise InvalidValueError(name, [f"{value!r} is not a finite number"])
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        kind = type(value).__name__
        raise InvalidValueError(name, [f"{value!r} is a {kind}, not text, an int or a Decimal"])
    result = Decimal(value)
    if not is_supported(result):
        raise InvalidValueError(name, [f"{value} is not a finite number of {_LIMITS}"])
    return result


def is_supported(value: Decimal) -> bool:
    """Tell whether *value* is finite, below 1e18, of at most 36 digits, none after the 35th place.

    Arithmetic on such numbers cannot lose anything: see this module's description.
    """
    try:
        return _OUTSIDE.plus(value).is_finite()
    except (Inexact, Overflow, InvalidOperation):
        return False


def total(values: Iterable[Decimal]) -> Decimal:
    """Return the exact sum of *values*, 0 for none."""
    result = ZERO
    for value in values:
        result = add(result, value)
    return result


def product(*factors: Decimal) -> Decimal:
    """Return the exact product of *factors*, 1 for none."""
    result = ONE
    for factor in factors:
        result = multiply(result, factor)
    return result


def to_step(value: Decimal, step: Decimal, rounding: Rounding) -> Decimal:
    """Return the multiple of *step* that *value* is rounded to in the stated direction.

    *step* must be positive: a tick, a lot, a currency's smallest unit. The result is exact and
    is written with the step's decimals. Raise :class:`~rustybt.model.errors.PrecisionError` when
    *value* is too far from *step* for the multiple to be counted.
    """
    if step <= ZERO:
        raise InvalidValueError("step", [f"{step} is not positive"])
    try:
        count, rest = EXACT.divmod(value, step)
        if rest:
            count = add(count, _adjustment(count, rest, step, rounding))
        return add(multiply(count, step), ZERO)  # adding zero turns -0 into 0
    except (Inexact, InvalidOperation):
        raise PrecisionError(f"{value} cannot be counted in steps of {step}") from None


def _adjustment(count: Decimal, rest: Decimal, step: Decimal, rounding: Rounding) -> int:
    """Return what to add to *count*, a quotient truncated towards zero that left *rest*."""
    away = -1 if rest.is_signed() else 1
    doubled = add(rest, rest).copy_abs()
    odd = bool(EXACT.remainder(count, 2))
    return {
        Rounding.DOWN: 0,
        Rounding.UP: away,
        Rounding.FLOOR: min(away, 0),
        Rounding.CEILING: max(away, 0),
        Rounding.NEAREST: away if doubled > step or (doubled == step and odd) else 0,
    }[rounding]


def is_multiple(value: Decimal, step: Decimal) -> bool:
    """Tell whether *value* is a whole number of positive *step*."""
    return to_step(value, step, Rounding.FLOOR) == value


def text(value: Decimal) -> str:
    """Return *value* as venues want it: all its digits, never an exponent, never ``-0``."""
    return f"{value if value else value.copy_abs():f}"

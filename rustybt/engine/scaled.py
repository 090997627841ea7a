"""Exact money in machine integers: what many fills cost, worked out all at once.

A price of 101.25 is the integer 10125 at a scale of 2. Sums and products of such integers are exact
as long as they fit into 64 bits, which is made sure of beforehand, by bounds in Python's unbounded
integers. Where they might not fit there is no answer, and decimals have to do.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from rustybt.engine.account import FillLog
from rustybt.model.money import EXACT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

_LARGEST: Final = 2**62
_WHOLE: Final = 2**53  # integers up to here are floats as well
_DIGITS: Final = 15  # a float has this many decimal digits for sure
_POWERS: Final = 22  # floats hold powers of ten up to this one exactly
_SAMPLE: Final = 64
_LISTS: Final = ("cash", "client_ids", "fees", "prices", "quantities", "rows", "symbols", "times")


class Scaled(NamedTuple):
    """Exact numbers: *units* times ten to the power of minus *scale*."""

    units: Integers
    scale: int

    def at(self, places: Integers) -> Scaled:
        """Return the numbers at some *places*."""
        return Scaled(self.units[places], self.scale)

    def decimals(self) -> list[Decimal]:
        """Return the numbers."""
        return [EXACT.scaleb(Decimal(number), -self.scale) for number in self.units.tolist()]

    def floats(self) -> Floats:
        """Return the floats that are nearest to the numbers."""
        if self.scale <= _POWERS and self.bound <= _WHOLE:
            return self.units / 10.0**self.scale  # both are exact, so the quotient is rounded once
        power = 10**self.scale
        return np.array([number / power for number in self.units.tolist()])

    @property
    def bound(self) -> int:
        """The largest size of a unit."""
        return int(np.abs(self.units).max()) if self.units.size else 0


def scaled_floats(values: Floats) -> Scaled | None:
    """Return the numbers that *values* are printed as; ``None`` if one has over 15 digits.

    Two numbers of up to 15 digits never have the same float. So if a float is the nearest one to
    such a number, then that is the number as which the float is printed, and there is no other.
    """
    for scale in range(_DIGITS + 1):
        power = 10.0**scale
        if _is_at(values[:_SAMPLE], power) and _is_at(values, power):
            return Scaled(np.rint(values * power).astype(np.int64), scale)
    return None


def _is_at(values: Floats, power: float) -> bool:
    """Tell whether all *values* are whole numbers, of up to 15 digits, divided by *power*."""
    units = np.rint(values * power)
    return bool((np.abs(units) < 10.0**_DIGITS).all() and (units / power == values).all())


def scaled_decimals(values: Sequence[Decimal]) -> Scaled | None:
    """Return decimals as integers at the scale that all of them have; ``None`` if too large."""
    scale = max((_scale(value) for value in values), default=0)
    units = [int(EXACT.scaleb(value, scale)) for value in values]
    if any(abs(number) >= _LARGEST for number in units):
        return None
    return Scaled(np.array(units, dtype=np.int64), scale)


def _scale(value: Decimal) -> int:
    """Return how many decimals *value* has, zeros at the end not counted."""
    exponent = EXACT.normalize(value).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


class Booking(NamedTuple):
    """Fees and the cash after each fill."""

    fees: Scaled
    cash: Scaled


def book_at_once(
    cash: Decimal, quantities: Scaled, prices: Scaled, rate: Decimal
) -> Booking | None:
    """Return what fills leave of *cash*; ``None`` if it does not fit into 64 bits.

    *quantities* are signed; the fee of a fill is its notional times *rate*.
    """
    parts = scaled_decimals([rate]), scaled_decimals([cash])
    if parts[0] is None or parts[1] is None:
        return None
    rates, start = parts[0], parts[1]
    price_scale = quantities.scale + prices.scale
    scale = max(price_scale + rates.scale, start.scale)
    lift, cash_lift = 10 ** (scale - price_scale), 10 ** (scale - start.scale)
    fee_lift = int(rates.units[0]) * 10 ** (scale - price_scale - rates.scale)
    largest = quantities.bound * prices.bound
    flow = largest * (lift + abs(fee_lift))
    most = quantities.units.size * flow + start.bound * cash_lift
    if max(most, lift, abs(fee_lift), cash_lift) >= _LARGEST:
        return None
    costs = quantities.units * prices.units
    fees = np.abs(costs) * fee_lift
    left = int(start.units[0]) * cash_lift - np.cumsum(costs * lift + fees)
    return Booking(Scaled(fees, scale), Scaled(left, scale))


class ScaledLog(FillLog):
    """A log of fills that were booked all at once; its lists are made when they are asked for.

    *held* are the units of the symbol in question after each fill.
    """

    __slots__ = (
        "_booking",
        "_ids",
        "_prices",
        "_quantities",
        "_rows",
        "_symbols",
        "_times",
        "held",
    )

    def __init__(
        self,
        *,
        rows: Integers,
        times: Integers,
        symbols: Integers,
        ids: Integers,
        quantities: Scaled,
        prices: Floats,
        held: Floats,
        booking: Booking,
    ) -> None:
        super().__init__()
        for name in _LISTS:
            delattr(self, name)
        self._rows, self._times, self._symbols, self._ids = rows, times, symbols, ids
        self._quantities, self._prices, self._booking = quantities, prices, booking
        self.held = held

    def __len__(self) -> int:
        return int(self._rows.size)

    def __getattr__(self, name: str) -> object:
        """Make the list *name*: it is asked for the first time."""
        if name not in _LISTS:
            raise AttributeError(name)
        setattr(self, name, self._made(name))
        return object.__getattribute__(self, name)

    def _made(self, name: str) -> list[object]:
        """Return the list *name*."""
        booking = self._booking
        columns = {"rows": self._rows, "times": self._times, "symbols": self._symbols}
        exact = {"quantities": self._quantities, "fees": booking.fees, "cash": booking.cash}
        if name in columns:
            return list(columns[name].tolist())
        if name in exact:
            return list(exact[name].decimals())
        if name == "prices":
            return [Decimal(repr(price)) for price in self._prices.tolist()]
        return [f"O{number}" for number in self._ids.tolist()]

    @property
    def places(self) -> tuple[Integers, Integers]:
        """The rows and the symbols of all fills."""
        return self._rows, self._symbols

    def cash_floats(self) -> Floats:
        """Return what was left after each fill, in floats."""
        return self._booking.cash.floats()

    def last_cash(self, before: Decimal) -> Decimal:
        """Return the cash after the last fill; *before* if there was none."""
        left = self._booking.cash
        if not left.units.size:
            return before
        return EXACT.scaleb(Decimal(int(left.units[-1])), -left.scale)

"""What can be traded, and the grid on which a venue accepts prices and quantities."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from rustybt.model.checks import Problems
from rustybt.model.errors import InvalidValueError
from rustybt.model.money import EXACT, ONE, ZERO, Rounding, is_multiple, multiply, product, to_step


class Side(StrEnum):
    """Whether a trade buys or sells."""

    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> Side:
        """The side that undoes this one."""
        return Side.SELL if self is Side.BUY else Side.BUY


class InstrumentKind(StrEnum):
    """How a trade in the instrument is settled."""

    SPOT = "spot"
    """A pair of currencies; the base is delivered, and fees may be taken out of it."""
    EQUITY = "equity"
    """A share; the full price is paid at the trade."""
    FUTURE = "future"
    """A contract that expires: margin is set aside, only the gain or loss is paid."""
    PERPETUAL = "perpetual"
    """A contract that never expires and charges funding instead."""


class Instrument(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """A tradable thing, its currencies and the venue's filters.

    *tick* is the smallest price step in quote currency; *lot* the smallest quantity step in units
    (coins, shares, contracts); *min_notional* the smallest order value in quote currency;
    *multiplier* the number of units of the underlying per unit traded. Margin rates are fractions
    of the notional, 1 meaning paid in full. ``None`` means that there is no such bound.

    Raise :class:`~rustybt.model.errors.InvalidValueError` naming every field that cannot be.
    """

    symbol: str
    base: str
    quote: str
    tick: Decimal
    lot: Decimal
    kind: InstrumentKind = InstrumentKind.SPOT
    min_quantity: Decimal = ZERO
    max_quantity: Decimal | None = None
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    min_notional: Decimal = ZERO
    max_notional: Decimal | None = None
    multiplier: Decimal = ONE
    initial_margin: Decimal = ONE
    maintenance_margin: Decimal = ONE

    def __post_init__(self) -> None:
        problems = Problems()
        for name in ("symbol", "base", "quote"):
            problems.text(name, getattr(self, name))
        problems.member("kind", self.kind, InstrumentKind)
        for name in ("tick", "lot", "multiplier", "initial_margin", "maintenance_margin"):
            problems.positive(name, getattr(self, name))
        _check_range(problems, "quantity", self.min_quantity, self.max_quantity)
        _check_range(problems, "notional", self.min_notional, self.max_notional)
        self._check_prices(problems)
        if not problems and self.maintenance_margin > self.initial_margin:
            problems.append(
                f"maintenance_margin {self.maintenance_margin} is above"
                f" initial_margin {self.initial_margin}"
            )
        if self.kind is InstrumentKind.SPOT and self.base == self.quote:
            problems.append(f"base and quote are both {self.base!r}")
        problems.refuse("instrument", self.symbol)

    def _check_prices(self, problems: Problems) -> None:
        """Check the price bounds, which may be negative."""
        low, high = self.min_price, self.max_price
        low_fine = low is None or problems.number("min_price", low)
        high_fine = high is None or problems.number("max_price", high)
        if low_fine and high_fine:
            _check_order(problems, "price", low, high)

    @property
    def is_margined(self) -> bool:
        """Whether only gains and losses are paid, not the full price."""
        return self.kind is InstrumentKind.FUTURE or self.kind is InstrumentKind.PERPETUAL

    def notional(self, quantity: Decimal, price: Decimal) -> Decimal:
        """Return the exact value in quote currency of *quantity* at *price*, signed like them."""
        return product(quantity, price, self.multiplier)

    def round_price(self, price: Decimal, rounding: Rounding) -> Decimal:
        """Return *price* on the tick grid, rounded in the stated direction."""
        return to_step(price, self.tick, rounding)

    def limit_price(self, price: Decimal, side: Side) -> Decimal:
        """Return *price* on the tick grid, never worse for *side* than what was asked.

        A buy is rounded down and a sale up.
        """
        rounding = Rounding.FLOOR if side is Side.BUY else Rounding.CEILING
        return to_step(price, self.tick, rounding)

    def round_quantity(self, quantity: Decimal) -> Decimal:
        """Return *quantity* on the lot grid, towards zero: never more than was wanted."""
        return to_step(quantity, self.lot, Rounding.DOWN)

    def affordable(self, notional: Decimal, price: Decimal) -> Decimal:
        """Return the largest quantity on the lot grid worth at most *notional* at *price*.

        Raise :class:`~rustybt.model.errors.InvalidValueError` for a price that is not positive or
        a notional below zero.
        """
        problems = Problems()
        problems.not_negative("notional", notional)
        problems.positive("price", price)
        problems.refuse("purchase of", self.symbol)
        lots = EXACT.divide_int(notional, product(price, self.multiplier, self.lot))
        return multiply(lots, self.lot)

    def violations(self, quantity: Decimal, price: Decimal) -> tuple[str, ...]:
        """Return why the venue would refuse *quantity* at *price*; empty if it would not.

        For an order without a price, pass the price at which it would probably trade.
        """
        found: list[str] = []
        notional = self.notional(quantity, price).copy_abs()
        if not is_multiple(price, self.tick):
            found.append(f"price {price} is off the tick {self.tick}")
        if not is_multiple(quantity, self.lot):
            found.append(f"quantity {quantity} is off the lot {self.lot}")
        if price <= ZERO and not self.is_margined:  # only futures have traded below zero
            found.append(f"price {price} is not above 0")
        found += _outside("price", price, self.min_price, self.max_price)
        found += _outside("quantity", quantity, self.min_quantity, self.max_quantity)
        found += _outside("notional", notional, self.min_notional, self.max_notional)
        return tuple(found)

    def check(self, quantity: Decimal, price: Decimal) -> None:
        """Raise :class:`~rustybt.model.errors.InvalidValueError` with all :meth:`violations`."""
        found = self.violations(quantity, price)
        if found:
            raise InvalidValueError(f"order for {self.symbol!r}", found)


def _check_range(problems: Problems, name: str, low: Decimal, high: Decimal | None) -> None:
    """Check two bounds that cannot be negative, and that they leave something between them."""
    low_fine = problems.not_negative(f"min_{name}", low)
    high_fine = high is None or problems.positive(f"max_{name}", high)
    if low_fine and high_fine:
        _check_order(problems, name, low, high)


def _check_order(problems: Problems, name: str, low: Decimal | None, high: Decimal | None) -> None:
    """Check that *low* is not above *high*."""
    if low is not None and high is not None and low > high:
        problems.append(f"min_{name} {low} is above max_{name} {high}")


def _outside(name: str, value: Decimal, low: Decimal | None, high: Decimal | None) -> list[str]:
    """Say that *value* is below *low* or above *high*, if it is."""
    if low is not None and value < low:
        return [f"{name} {value} is below the minimum {low}"]
    if high is not None and value > high:
        return [f"{name} {value} is above the maximum {high}"]
    return []

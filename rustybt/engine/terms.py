"""On which terms positions are held: what borrowing costs, and what a margin call does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec import Struct

from rustybt.accounting.charges import YEAR, borrow_charge
from rustybt.model.checks import Problems
from rustybt.model.event import ChargeKind
from rustybt.model.money import ZERO, Rounding

if TYPE_CHECKING:
    from collections.abc import Iterator

Rates = Mapping[str, Decimal] | Decimal
"""One rate for all symbols, or one for each; a symbol that is not named has none."""


class HoldingCosts(Struct, frozen=True, kw_only=True):
    """What a position costs for each day on which it is held at midnight (UTC).

    *borrow* is the annual rate that a short position pays, *funding* the one that a long position
    pays and a short one receives; both are fractions of the value at the last close, for a *year*
    of so many days. Each charge is rounded once, to the *cent*: what is paid for borrowing up,
    funding to the nearest. Raise :class:`~rustybt.model.errors.InvalidValueError` naming all that
    is wrong.
    """

    borrow: Rates = ZERO
    funding: Rates = ZERO
    year: timedelta = YEAR
    cent: Decimal = Decimal("0.01")

    def __post_init__(self) -> None:
        problems = Problems()
        for name in ("borrow", "funding"):
            given = getattr(self, name)
            rates = given if isinstance(given, Mapping) else {"": given}
            for symbol, rate in rates.items():
                problems.number(f"{name} {symbol}".strip(), rate)
        if self.year <= timedelta(0):
            problems.append(f"year must be longer than nothing, not {self.year}")
        problems.positive("cent", self.cent)
        problems.refuse("costs of", "holding")

    @property
    def symbols(self) -> frozenset[str]:
        """The symbols that have rates of their own."""
        named = [rates for rates in (self.borrow, self.funding) if isinstance(rates, Mapping)]
        return frozenset(symbol for rates in named for symbol in rates)

    def charges(
        self, symbol: str, value: Decimal, days: int
    ) -> Iterator[tuple[ChargeKind, Decimal]]:
        """Yield what a position of *value*, negative if short, costs for so many *days*."""
        held = timedelta(days=days)
        if value < ZERO:
            rate = _rate(self.borrow, symbol)
            yield (
                ChargeKind.BORROW,
                borrow_charge(value, rate, held, cent=self.cent, year=self.year),
            )
        funding = borrow_charge(
            value.copy_abs().copy_negate(),
            _rate(self.funding, symbol),
            held,
            cent=self.cent,
            year=self.year,
            rounding=Rounding.NEAREST,
        )
        yield ChargeKind.FUNDING, funding if value > ZERO else funding.copy_negate()


def _rate(rates: Rates, symbol: str) -> Decimal:
    """Return the rate of *symbol*."""
    return rates.get(symbol, ZERO) if isinstance(rates, Mapping) else rates

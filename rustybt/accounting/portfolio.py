"""What the books are worth at given prices, in one currency."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec import Struct

from rustybt.accounting.errors import LedgerError, MissingPriceError
from rustybt.model.money import ONE, ZERO, add, divide, multiply, subtract

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rustybt.accounting.ledger import Ledger


class Valuation(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """The books at one set of prices. All amounts are in *currency* and exact.

    *long* and *short* are the market values of the positions, short ones negative. *equity* is
    what would be left if everything were closed at these prices without further cost.
    *initial_margin* is what the positions bind, *maintenance_margin* the equity below which the
    venue closes them.
    """

    currency: str
    cash: Decimal
    long: Decimal
    short: Decimal
    equity: Decimal
    realised: Decimal
    unrealised: Decimal
    fees: Decimal
    income: Decimal
    charges: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal

    @property
    def gross_exposure(self) -> Decimal:
        """Value of all positions, long and short alike."""
        return subtract(self.long, self.short)

    @property
    def net_exposure(self) -> Decimal:
        """Value of the long positions less that of the short ones."""
        return add(self.long, self.short)

    @property
    def leverage(self) -> Decimal | None:
        """Gross exposure over equity, to 40 digits; ``None`` without positive equity."""
        return divide(self.gross_exposure, self.equity) if self.equity > ZERO else None

    @property
    def free_margin(self) -> Decimal:
        """Equity that no position binds; negative when too little is there."""
        return subtract(self.equity, self.initial_margin)

    @property
    def is_margin_call(self) -> bool:
        """Whether equity has fallen below the maintenance margin."""
        return self.equity < self.maintenance_margin


def value(
    ledger: Ledger,
    prices: Mapping[str, Decimal],
    *,
    currency: str,
    rates: Mapping[str, Decimal] | None = None,
) -> Valuation:
    """Return what *ledger* is worth in *currency*.

    *prices* has a price in quote currency for each open position, *rates* for each other currency
    how much *currency* one unit of it is worth. Raise
    :class:`~rustybt.accounting.errors.MissingPriceError` listing all that are missing; a position
    without a price is never taken to be worth nothing.
    """
    positions = ledger.positions()
    known = {**(rates or {}), currency: ONE}
    if rates and rates.get(currency, ONE) != ONE:
        raise LedgerError(f"one {currency} is worth one {currency}, not {rates[currency]}")
    _require(ledger, [*positions], prices, known)
    sums = dict.fromkeys(Valuation.__struct_fields__[1:], ZERO)

    def count(name: str, amount: Decimal, rate: Decimal) -> None:
        sums[name] = add(sums[name], multiply(amount, rate))

    for each in ledger.currencies:
        account, rate = ledger.account(each), known[each]
        for name in ("cash", "realised", "fees", "income", "charges"):
            count(name, getattr(account, name), rate)
        # What contracts cost was not paid: with it, their value counts like any other position's.
        count("equity", subtract(account.cash, account.margined_cost), rate)
    for symbol, position in positions.items():
        instrument, price = ledger.instrument(symbol), prices[symbol]
        rate = known[instrument.quote]
        worth = position.value(price)
        count("long" if worth > ZERO else "short", worth, rate)
        count("equity", worth, rate)
        count("unrealised", position.unrealised(price), rate)
        size = worth.copy_abs()
        count("initial_margin", multiply(size, instrument.initial_margin), rate)
        count("maintenance_margin", multiply(size, instrument.maintenance_margin), rate)
    return Valuation(currency=currency, **sums)


def _require(
    ledger: Ledger, symbols: list[str], prices: Mapping[str, Decimal], rates: Mapping[str, Decimal]
) -> None:
    """Raise with everything that a valuation needs and does not have."""
    unpriced = [symbol for symbol in symbols if symbol not in prices]
    needed = {*ledger.currencies, *(ledger.instrument(symbol).quote for symbol in symbols)}
    unrated = sorted(needed - rates.keys())
    missing = [f"price of {symbol}" for symbol in unpriced]
    missing += [f"rate of {currency}" for currency in unrated]
    if missing:
        raise MissingPriceError(
            f"a valuation lacks the {', the '.join(missing)}",
            expected="a price for each open position and a rate for each other currency",
        )

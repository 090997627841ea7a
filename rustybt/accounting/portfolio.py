"""What the books are worth at given prices, in one currency."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec import Struct

from rustybt.accounting.errors import LedgerError, MissingPriceError
from rustybt.model.money import ONE, ZERO, add, divide, multiply, subtract, total

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rustybt.accounting.ledger import Ledger
    from rustybt.accounting.state import Position
    from rustybt.model.instrument import Instrument


class Valuation(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """The books at one set of prices. All amounts are in *currency* and exact.

    *long* and *short* are the market values of the positions, short ones negative, and
    *gross_exposure* the sum of all their sizes. *equity* is what would be left if everything were
    closed at these prices without further cost.
    *initial_margin* is what the positions bind, *maintenance_margin* the equity below which the
    venue closes them.
    """

    currency: str
    cash: Decimal
    long: Decimal
    short: Decimal
    gross_exposure: Decimal
    equity: Decimal
    realised: Decimal
    unrealised: Decimal
    fees: Decimal
    income: Decimal
    charges: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal

    @property
    def net_exposure(self) -> Decimal:
        """Value of the long positions less what the short ones owe."""
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
    :class:`~rustybt.accounting.errors.MissingPriceError` listing all that are missing (a position
    without a price is never taken to be worth nothing), and
    :class:`~rustybt.accounting.errors.LedgerError` for a rate that cannot be.
    """
    positions = ledger.positions()
    known = _checked(rates or {}, currency)
    _require(ledger, [*positions], prices, known)
    sums = _Sums()
    for each in ledger.currencies:
        account, rate = ledger.account(each), known[each]
        for name in ("cash", "realised", "fees", "income", "charges"):
            sums.count(name, getattr(account, name), rate)
        # What contracts cost was not paid: with it, their value counts like any other position's.
        sums.count("equity", subtract(account.cash, account.margined_cost), rate)
    for symbol, position in positions.items():
        instrument, price = ledger.instrument(symbol), prices[symbol]
        sums.count_position(position, price, instrument, known[instrument.quote])
    return Valuation(currency=currency, **sums.amounts)


def equity(
    ledger: Ledger,
    prices: Mapping[str, Decimal],
    *,
    currency: str,
    rates: Mapping[str, Decimal] | None = None,
) -> Decimal:
    """Return the equity that :func:`value` would, without the rest of it.

    Much faster, for whoever asks at each order; the arguments and errors are the same.
    """
    worth = ledger.worth(prices)
    known = _checked(rates or {}, currency)
    missing = sorted(worth.keys() - known.keys())
    if missing:
        raise MissingPriceError.of([f"rate of {each}" for each in missing])
    return total(multiply(amount, known[each]) for each, amount in worth.items())


class _Sums:
    """The amounts of a valuation, added up in its currency."""

    def __init__(self) -> None:
        self.amounts = dict.fromkeys(Valuation.__struct_fields__[1:], ZERO)

    def count(self, name: str, amount: Decimal, rate: Decimal) -> None:
        """Add *amount*, of which one unit is worth *rate*, to the field *name*."""
        self.amounts[name] = add(self.amounts[name], multiply(amount, rate))

    def count_position(
        self, position: Position, price: Decimal, instrument: Instrument, rate: Decimal
    ) -> None:
        """Add an open position at *price*."""
        worth = position.value(price)
        size = worth.copy_abs()
        self.count("long" if position.quantity > ZERO else "short", worth, rate)
        self.count("gross_exposure", size, rate)
        self.count("equity", worth, rate)
        self.count("unrealised", position.unrealised(price), rate)
        self.count("initial_margin", multiply(size, instrument.initial_margin), rate)
        self.count("maintenance_margin", multiply(size, instrument.maintenance_margin), rate)


def _checked(rates: Mapping[str, Decimal], currency: str) -> dict[str, Decimal]:
    """Return *rates* with the one of *currency* itself; raise for a rate that cannot be."""
    wrong = [f"{rate} for {name}" for name, rate in sorted(rates.items()) if rate <= ZERO]
    if rates.get(currency, ONE) != ONE:
        wrong.append(f"{rates[currency]} for {currency} itself")
    if wrong:
        raise LedgerError(
            f"exchange rates into {currency} cannot be {', '.join(wrong)}",
            expected="what one unit of each currency is worth, above 0",
        )
    return {**rates, currency: ONE}


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
        raise MissingPriceError.of(missing)

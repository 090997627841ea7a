"""The books: cash, positions, fees and what they earned, on exact decimals.

Everything is kept so that it balances by construction. Per instrument the ledger adds up the
*proceeds* of all trades (what sales brought less what purchases cost) and knows the cost of what is
still open; the realised profit is the sum of the two. So, in every currency and to the last digit::

    cash = deposits + income - charges - fees + proceeds
    proceeds = realised - cost of open positions

A fee taken in the base currency of a spot pair was never cash: the position is smaller by it, and
it counts as a fee worth its quantity at the price of the trade. A fee in a third currency is taken
from the cash of that currency.

Contracts (futures, perpetuals) are kept the same way and only shown differently: their open cost
was not paid, so :meth:`Ledger.cash` adds it back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from rustybt.accounting.book import Book
from rustybt.accounting.errors import LedgerError, MissingPriceError, UnknownInstrumentError
from rustybt.accounting.state import Account, CostMethod, LedgerState, Position
from rustybt.model.event import CashMoved, Charged, DividendPaid
from rustybt.model.fill import Fill
from rustybt.model.instrument import Side
from rustybt.model.money import ZERO, Rounding, add, multiply, product, subtract, to_step

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from decimal import Decimal

    from rustybt.model.event import BookEntry, SharesSplit
    from rustybt.model.instrument import Instrument


class Ledger:
    """Books that trades and other entries are written into, each exactly once.

    A change that cannot be booked raises and leaves the books as they were. What comes twice under
    one id is booked once. The ledger reads no clock: times are those of the entries.
    """

    def __init__(
        self, instruments: Iterable[Instrument] = (), *, method: CostMethod = CostMethod.AVERAGE
    ) -> None:
        self.method = method
        self._books: dict[str, Book] = {}
        self._margined: list[Book] = []
        self._cash: dict[str, Decimal] = {}
        self._deposits: dict[str, Decimal] = {}
        self._income: dict[str, Decimal] = {}
        self._charges: dict[str, Decimal] = {}
        self._other_fees: dict[str, Decimal] = {}
        self._entries: dict[str, BookEntry] = {}
        for instrument in instruments:
            self.add_instrument(instrument)

    def add_instrument(self, instrument: Instrument) -> None:
        """Open a book for *instrument*; a new version of a known one takes its place.

        A venue changes ticks and limits during a session. Raise
        :class:`~rustybt.accounting.errors.LedgerError` if the change touches what the books are
        kept in: kind, currencies or multiplier.
        """
        book = self._books.get(instrument.symbol)
        if book is None:
            book = Book(instrument, averaged=self.method is CostMethod.AVERAGE)
            self._books[instrument.symbol] = book
            if instrument.is_margined:
                self._margined.append(book)
            return
        for name in ("kind", "base", "quote", "multiplier"):
            ours, theirs = getattr(book.instrument, name), getattr(instrument, name)
            if ours != theirs:
                raise LedgerError(
                    f"{name} of {instrument.symbol} cannot change from {ours} to {theirs}",
                    expected="the same instrument with other filters",
                    remedy="give the new contract a symbol of its own",
                )
        book.instrument = instrument

    def apply(self, fill: Fill) -> bool:
        """Book *fill*; return False if its trade was booked before.

        Raise :class:`~rustybt.accounting.errors.UnknownInstrumentError` for a symbol without a
        book and :class:`~rustybt.model.errors.ConflictingFillError` if its trade id was booked for
        a different trade.
        """
        book = self._book(fill.symbol)
        quantity = fill.quantity if fill.side is Side.BUY else fill.quantity.copy_negate()
        if book.knows(fill, quantity):
            return False
        book.trades[fill.trade_id] = (quantity, fill.price)
        unit_price = multiply(fill.price, book.multiplier)
        fee = fill.fee
        if fee and fill.fee_currency is not None and fill.fee_currency != book.quote:
            if fill.fee_currency == book.base:
                quantity = subtract(quantity, fee)
                fee = multiply(fee, unit_price)
            else:
                self._pay_other_fee(fill.fee_currency, fee)
                fee = ZERO
        amount = multiply(quantity, unit_price)
        if quantity:
            book.lots.trade(quantity, unit_price)
        book.proceeds = subtract(book.proceeds, amount)
        book.fees = add(book.fees, fee)
        cash = self._cash.get(book.quote, ZERO)
        self._cash[book.quote] = subtract(cash, add(amount, fee))
        return True

    def book(self, entry: BookEntry) -> bool:
        """Book an *entry* that is no trade; return False if it was booked before.

        Raise :class:`~rustybt.accounting.errors.UnknownInstrumentError` for a symbol without a
        book and :class:`~rustybt.accounting.errors.LedgerError` if its id was used for another
        entry, or for a split that leaves a fraction without a price to pay it with.
        """
        known = self._entries.get(entry.entry_id)
        if known is not None:
            if replace(entry, time=known.time) == known:
                return False
            raise LedgerError(
                f"entry {entry.entry_id!r} was booked as {known} and is now {entry}",
                expected="one entry per id",
                remedy="stop trading and reconcile with the venue",
            )
        if isinstance(entry, CashMoved):
            self._add(self._deposits, entry.currency, entry.amount)
            self._add(self._cash, entry.currency, entry.amount)
        elif isinstance(entry, DividendPaid):
            self._book_dividend(entry)
        elif isinstance(entry, Charged):
            self._book_charge(entry)
        else:
            self._book_split(entry)
        self._entries[entry.entry_id] = entry
        return True

    def record(self, fact: Fill | BookEntry) -> bool:
        """Book *fact*, a fill or another entry; return False if it was booked before."""
        return self.apply(fact) if isinstance(fact, Fill) else self.book(fact)

    def _book_dividend(self, entry: DividendPaid) -> None:
        """Receive, or pay when short, a distribution on what is held."""
        book = self._book(entry.symbol)
        amount = multiply(book.lots.quantity, entry.per_unit)
        book.income = add(book.income, amount)
        self._add(self._income, book.quote, amount)
        self._add(self._cash, book.quote, amount)

    def _book_charge(self, entry: Charged) -> None:
        """Pay or receive a charge; it counts for its instrument if it is in the quote currency."""
        if entry.symbol is not None:
            book = self._book(entry.symbol)
            if entry.currency == book.quote:
                book.charges = add(book.charges, entry.amount)
        self._add(self._charges, entry.currency, entry.amount)
        self._add(self._cash, entry.currency, entry.amount.copy_negate())

    def _book_split(self, entry: SharesSplit) -> None:
        """Split a position and sell what does not make a whole lot."""
        book = self._book(entry.symbol)
        lots, lost = book.lots.split(entry.new, entry.old, book.instrument.lot)
        if lost and entry.price is None:
            raise LedgerError(
                f"a {entry.new}:{entry.old} split of {book.lots.quantity} {entry.symbol}"
                f" leaves a fraction of {lost}",
                expected=f"whole lots of {book.instrument.lot}, or a price to pay for the rest",
                remedy="give the price at which fractions are paid out",
            )
        if lost and entry.price is not None:
            value = product(lost, entry.price, book.multiplier)
            amount = to_step(value, entry.cent, Rounding.NEAREST)
            book.proceeds = add(book.proceeds, amount)
            self._add(self._cash, book.quote, amount)
        book.lots = lots

    def _pay_other_fee(self, currency: str, fee: Decimal) -> None:
        """Take a fee from the cash of a currency that the instrument has no part in."""
        self._add(self._other_fees, currency, fee)
        self._add(self._cash, currency, fee.copy_negate())

    @staticmethod
    def _add(amounts: dict[str, Decimal], currency: str, amount: Decimal) -> None:
        """Add *amount* to what there is in *currency*."""
        amounts[currency] = add(amounts.get(currency, ZERO), amount)

    def _book(self, symbol: str) -> Book:
        """Return the book of *symbol*."""
        try:
            return self._books[symbol]
        except KeyError:
            raise UnknownInstrumentError(
                f"the ledger has no instrument {symbol!r}",
                expected=", ".join(sorted(self._books)) or "an instrument to be added first",
                remedy="add the instrument, then book again",
            ) from None

    @property
    def symbols(self) -> tuple[str, ...]:
        """All symbols with a book, sorted."""
        return tuple(sorted(self._books))

    @property
    def currencies(self) -> tuple[str, ...]:
        """All currencies in which anything was ever paid, sorted."""
        return tuple(sorted(self._cash))

    def instrument(self, symbol: str) -> Instrument:
        """Return the instrument of *symbol* as last added."""
        return self._book(symbol).instrument

    def quantity(self, symbol: str) -> Decimal:
        """Return the units held of *symbol*, negative when short."""
        return self._book(symbol).lots.quantity

    def quantities(self) -> dict[str, Decimal]:
        """Return the units held of each open position, negative when short."""
        return {
            symbol: book.lots.quantity for symbol, book in self._books.items() if book.lots.quantity
        }

    def position(self, symbol: str) -> Position:
        """Return the position in *symbol*, flat or not."""
        return self._book(symbol).position()

    def positions(self) -> dict[str, Position]:
        """Return the positions that are open, by symbol."""
        return {
            symbol: self._books[symbol].position()
            for symbol in self.symbols
            if self._books[symbol].lots.quantity
        }

    def cash(self, currency: str) -> Decimal:
        """Return what there is of *currency* to pay with; 0 for one never seen."""
        result = self._cash.get(currency, ZERO)
        for book in self._margined:
            if book.quote == currency:
                result = add(result, book.lots.cost())
        return result

    def worth(self, prices: Mapping[str, Decimal]) -> dict[str, Decimal]:
        """Return, per currency, what cash and positions are worth together at *prices*.

        Contracts count with their gain. This is the quick way to equity, exact like the long one.
        Raise :class:`~rustybt.accounting.errors.MissingPriceError` listing each open position
        without a price.
        """
        result = dict(self._cash)
        unpriced = []
        for symbol, book in self._books.items():
            quantity = book.lots.quantity
            if not quantity:
                continue
            price = prices.get(symbol)
            if price is None:
                unpriced.append(symbol)
            else:  # a contract's cost is missing from this cash: its whole value makes up for it
                value = multiply(multiply(quantity, price), book.multiplier)
                result[book.quote] = add(result[book.quote], value)
        if unpriced:
            raise MissingPriceError.of([f"price of {symbol}" for symbol in sorted(unpriced)])
        return result

    def account(self, currency: str) -> Account:
        """Return all that happened in *currency*."""
        fees = self._other_fees.get(currency, ZERO)
        proceeds = cost = margined = ZERO
        for book in self._books.values():
            if book.quote != currency:
                continue
            fees, proceeds = add(fees, book.fees), add(proceeds, book.proceeds)
            open_cost = book.lots.cost()
            cost = add(cost, open_cost)
            if book.instrument.is_margined:
                margined = add(margined, open_cost)
        return Account(
            currency=currency,
            deposits=self._deposits.get(currency, ZERO),
            income=self._income.get(currency, ZERO),
            charges=self._charges.get(currency, ZERO),
            fees=fees,
            proceeds=proceeds,
            cost=cost,
            margined_cost=margined,
        )

    def holdings(self) -> dict[str, Decimal]:
        """Return what a spot account holds of each currency: its cash and its coins."""
        result = {currency: self.cash(currency) for currency in self.currencies}
        for symbol in self.symbols:
            book = self._books[symbol]
            if book.base is not None and book.lots.quantity:
                self._add(result, book.base, book.lots.quantity)
        return result

    def state(self) -> LedgerState:
        """Return everything the ledger knows, for a snapshot; equal ledgers have equal states."""
        return LedgerState(
            method=self.method,
            books=tuple(self._books[symbol].state() for symbol in self.symbols),
            cash=dict(self._cash),
            deposits=dict(self._deposits),
            income=dict(self._income),
            charges=dict(self._charges),
            other_fees=dict(self._other_fees),
            entries=tuple(self._entries[key] for key in sorted(self._entries)),
        )

    @classmethod
    def restore(cls, state: LedgerState) -> Ledger:
        """Return a ledger that knows what *state* says."""
        ledger = cls((book.instrument for book in state.books), method=state.method)
        for book in state.books:
            ledger._books[book.instrument.symbol].restore(book)
        ledger._cash = dict(state.cash)
        ledger._deposits = dict(state.deposits)
        ledger._income = dict(state.income)
        ledger._charges = dict(state.charges)
        ledger._other_fees = dict(state.other_fees)
        ledger._entries = {entry.entry_id: entry for entry in state.entries}
        return ledger

"""What the books say, as values: positions, accounts, and all of it for a snapshot."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from rustybt.accounting.lots import Lot
from rustybt.model.event import CashMoved, Charged, DividendPaid, SharesSplit
from rustybt.model.instrument import Instrument
from rustybt.model.money import ZERO, add, divide, multiply, product, subtract


class CostMethod(StrEnum):
    """Which of the units held are taken to be the ones that are closed."""

    AVERAGE = "average"
    """All alike, at their average cost."""
    FIFO = "fifo"
    """The oldest first."""


class Position(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """One instrument in the books. All amounts are in its quote currency.

    *quantity* is negative when short. *cost* is what the open quantity cost, negative for a short
    position; *proceeds* what all sales brought less what all purchases cost, before *fees*.
    *income* is dividends received less paid; *charges* borrow and funding paid less received.
    """

    symbol: str
    quantity: Decimal
    multiplier: Decimal
    cost: Decimal
    proceeds: Decimal
    fees: Decimal
    income: Decimal
    charges: Decimal

    @property
    def average_price(self) -> Decimal | None:
        """Average price of the open quantity, to 40 digits; ``None`` when flat."""
        if not self.quantity:
            return None
        return divide(self.cost, multiply(self.quantity, self.multiplier))

    @property
    def realised(self) -> Decimal:
        """Profit on what was closed, before fees, income and charges."""
        return add(self.proceeds, self.cost)

    def value(self, price: Decimal) -> Decimal:
        """Return the market value of the open quantity at *price*, negative when short."""
        return product(self.quantity, price, self.multiplier)

    def unrealised(self, price: Decimal) -> Decimal:
        """Return the profit on what is open at *price*."""
        return subtract(self.value(price), self.cost)


class Account(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """All that happened in one currency; *proceeds* and *cost* as in :class:`Position`.

    *margined_cost* is the part of *cost* that belongs to contracts and was not paid.
    """

    currency: str
    deposits: Decimal = ZERO
    income: Decimal = ZERO
    charges: Decimal = ZERO
    fees: Decimal = ZERO
    proceeds: Decimal = ZERO
    cost: Decimal = ZERO
    margined_cost: Decimal = ZERO

    @property
    def realised(self) -> Decimal:
        """Profit on what was closed, before fees, income and charges."""
        return add(self.proceeds, self.cost)

    @property
    def cash(self) -> Decimal:
        """What is there to pay with, derived from all that happened."""
        paid = add(self.charges, self.fees)
        received = add(add(self.deposits, self.income), self.proceeds)
        return add(subtract(received, paid), self.margined_cost)


class BookState(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One instrument's part of a snapshot; *trades* maps trade id to signed quantity and price."""

    instrument: Instrument
    lots: tuple[Lot, ...]
    proceeds: Decimal
    fees: Decimal
    income: Decimal
    charges: Decimal
    trades: dict[str, tuple[Decimal, Decimal]]


class LedgerState(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a ledger knows; it can be written with :mod:`rustybt.model.codec`."""

    method: CostMethod
    books: tuple[BookState, ...]
    cash: dict[str, Decimal]
    deposits: dict[str, Decimal]
    income: dict[str, Decimal]
    charges: dict[str, Decimal]
    other_fees: dict[str, Decimal]
    entries: tuple[CashMoved | DividendPaid | SharesSplit | Charged, ...]

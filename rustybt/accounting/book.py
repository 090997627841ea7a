"""One instrument's part of the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rustybt.accounting.lots import Lot, Lots
from rustybt.accounting.state import BookState, Position
from rustybt.model.errors import ConflictingFillError
from rustybt.model.instrument import InstrumentKind
from rustybt.model.money import ZERO

if TYPE_CHECKING:
    from decimal import Decimal

    from rustybt.model.fill import Fill
    from rustybt.model.instrument import Instrument


class Book:
    """One instrument's running account."""

    __slots__ = (
        "base",
        "charges",
        "fees",
        "income",
        "instrument",
        "lots",
        "multiplier",
        "proceeds",
        "quote",
        "trades",
    )

    def __init__(self, instrument: Instrument, *, averaged: bool) -> None:
        self.instrument = instrument
        self.quote = instrument.quote
        # The currency in which a fee makes the position smaller; only coins are delivered.
        self.base = instrument.base if instrument.kind is InstrumentKind.SPOT else None
        self.multiplier = instrument.multiplier
        self.lots = Lots(averaged=averaged)
        self.proceeds = self.fees = self.income = self.charges = ZERO
        self.trades: dict[str, tuple[Decimal, Decimal]] = {}

    def knows(self, fill: Fill, quantity: Decimal) -> bool:
        """Tell whether *fill* was booked before; raise if another trade has its id."""
        known = self.trades.get(fill.trade_id)
        if known is None:
            return False
        if known == (quantity, fill.price):
            return True
        raise ConflictingFillError(
            f"trade {fill.trade_id!r} of {fill.symbol} was booked as {known[0]} at {known[1]}"
            f" and is now reported as {quantity} at {fill.price}",
            expected="one trade per trade id",
            remedy="stop trading and reconcile with the venue",
        )

    def position(self) -> Position:
        """Return this account as a value."""
        return Position(
            symbol=self.instrument.symbol,
            quantity=self.lots.quantity,
            multiplier=self.multiplier,
            cost=self.lots.cost(),
            proceeds=self.proceeds,
            fees=self.fees,
            income=self.income,
            charges=self.charges,
        )

    def state(self) -> BookState:
        """Return this account for a snapshot."""
        return BookState(
            instrument=self.instrument,
            lots=tuple(Lot(lot.quantity, lot.basis, lot.per) for lot in self.lots.open),
            proceeds=self.proceeds,
            fees=self.fees,
            income=self.income,
            charges=self.charges,
            trades=dict(self.trades),
        )

    def restore(self, state: BookState) -> None:
        """Take over what *state* says."""
        lots = [Lot(lot.quantity, lot.basis, lot.per) for lot in state.lots]
        self.lots = Lots(lots, averaged=self.lots.averaged)
        self.proceeds, self.fees = state.proceeds, state.fees
        self.income, self.charges = state.income, state.charges
        self.trades = dict(state.trades)

"""Cash, positions and the log of fills while a backtest runs: the least that is exact."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rustybt.model.fill import Fill
from rustybt.model.instrument import Side
from rustybt.model.money import ONE, ZERO, add, multiply, subtract
from rustybt.strategy.bar import instant

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from decimal import Decimal

    from rustybt.model.event import BookEntry
    from rustybt.model.instrument import Instrument


class FillLog:
    """One entry per fill in parallel lists, in order. Quantities are signed.

    *times* are microseconds since 1970; *rows* are the bars that the fills happened in; *cash* is
    what was left after each. What is no trade (a dividend, a split, a charge) stands among them as
    what it changed: units at a price of 0, and cash as a fee; *entries* has what it was, by number.
    """

    __slots__ = (
        "cash",
        "client_ids",
        "entries",
        "fees",
        "prices",
        "quantities",
        "rows",
        "symbols",
        "times",
    )

    def __init__(self) -> None:
        self.entries: dict[int, BookEntry] = {}
        self.rows: list[int] = []
        self.times: list[int] = []
        self.symbols: list[int] = []
        self.client_ids: list[str] = []
        self.quantities: list[Decimal] = []
        self.prices: list[Decimal] = []
        self.fees: list[Decimal] = []
        self.cash: list[Decimal] = []

    def __len__(self) -> int:
        return len(self.rows)

    def facts(self, symbols: Sequence[str]) -> Iterator[Fill | BookEntry]:
        """Yield fills and other entries in order."""
        for number in range(len(self)):
            entry = self.entries.get(number)
            yield self.fill(number, symbols) if entry is None else entry

    def fill(self, number: int, symbols: Sequence[str]) -> Fill:
        """Return entry *number* as a value of the model."""
        quantity = self.quantities[number]
        return Fill(
            trade_id=f"T{number + 1}",
            client_id=self.client_ids[number],
            symbol=symbols[self.symbols[number]],
            side=Side.BUY if quantity > ZERO else Side.SELL,
            quantity=quantity.copy_abs(),
            price=self.prices[number],
            time=instant(self.times[number]),
            fee=self.fees[number],
        )


class Account:
    """The books of a running backtest in one currency.

    ``cash = initial cash - sum(quantity * price * multiplier + fee)``, exactly; positions are units
    by index of their symbol. What contracts cost counts as paid here:
    :attr:`~rustybt.engine.result.Result.ledger` shows it the way a venue does.
    """

    __slots__ = ("cash", "instruments", "log", "multipliers", "positions")

    def __init__(self, cash: Decimal, instruments: Sequence[Instrument]) -> None:
        self.cash = cash
        self.instruments = instruments
        multipliers = [instrument.multiplier for instrument in instruments]
        self.multipliers = [ONE if each == ONE else each for each in multipliers]
        self.positions = [ZERO] * len(instruments)
        self.log = FillLog()

    def book(
        self,
        symbol: int,
        row: int,
        time: int,
        client_id: str,
        quantity: Decimal,
        price: Decimal,
        fee: Decimal,
    ) -> None:
        """Book a trade of the signed *quantity*."""
        cost = multiply(quantity, price)
        if self.multipliers[symbol] is not ONE:  # most are, and a product costs as much as a sum
            cost = multiply(cost, self.multipliers[symbol])
        self.cash = cash = subtract(self.cash, add(cost, fee))
        self.positions[symbol] = add(self.positions[symbol], quantity)
        log = self.log
        log.rows.append(row)
        log.times.append(time)
        log.symbols.append(symbol)
        log.client_ids.append(client_id)
        log.quantities.append(quantity)
        log.prices.append(price)
        log.fees.append(fee)
        log.cash.append(cash)

    def enter(
        self, symbol: int, row: int, time: int, entry: BookEntry, units: Decimal, amount: Decimal
    ) -> None:
        """Book what is no trade: it gives *units* and an *amount* of cash, or takes them."""
        self.log.entries[len(self.log)] = entry
        self.book(symbol, row, time, "", units, ZERO, amount.copy_negate())

"""The result of a backtest in several currencies: everything counts in the base currency."""

from __future__ import annotations

from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from rustybt.accounting.performance import summarise
from rustybt.engine.currencies import ForeignAccount
from rustybt.engine.curve import Curve, closes
from rustybt.engine.frames import digits
from rustybt.engine.result import Result
from rustybt.engine.wishes import microseconds
from rustybt.model.money import ZERO, add, multiply, product, total

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal
    from typing import Any

    from rustybt.accounting.performance import Performance
    from rustybt.accounting.state import Account
    from rustybt.engine.desk import Desk
    from rustybt.engine.tape import Floats, Integers


class ForeignResult(Result):
    """The outcome of a backtest whose instruments quote in several currencies.

    *currency* is the base; cash, equity, fees and statistics are in it, at the rates of their
    moment. Fills, round trips and the ledger are in the currencies of their instruments.
    """

    def __init__(self, desk: Desk, **known: Any) -> None:
        super().__init__(desk, **known)
        if not isinstance(desk.account, ForeignAccount):
            raise TypeError("the account has one currency")
        self._books = desk.account
        self._exchange = desk.account.exchange
        self.currency = self._exchange.base

    @property
    def _ends(self) -> Integers:
        """When each slice was over."""
        return self._tape.times + self._tape.bar_length

    @cached_property
    def balances(self) -> dict[str, Decimal]:
        """Cash at the end, by currency."""
        currencies = sorted({self.currency, *self._books.balances})
        return {currency: self.ledger.cash(currency) for currency in currencies}

    @cached_property
    def cash(self) -> Decimal:
        """All cash at the end."""
        return self._valued(self.balances)

    @cached_property
    def final_equity(self) -> Decimal:
        """Cash and the value of all positions at the last close of each symbol."""
        return self.equity_at(self._tape.times.size - 1)

    @cached_property
    def fees(self) -> Decimal:
        """All fees paid, each at the rate of its time."""
        log = self._books.log
        return total(
            multiply(fee, self._books.rate_of(log.symbols[number], log.times[number]))
            for number, fee in enumerate(log.fees)
            if fee and number not in log.entries
        )

    def equity_at(self, point: int) -> Decimal:
        """Return the exact equity at the close of the slice number *point*."""
        books, log, tape = self._books, self._books.log, self._tape
        end, time = int(tape.slices[point + 1]), int(self._ends[point])
        result, held = self.initial_cash, [ZERO] * len(books.positions)
        for number, symbol in enumerate(log.symbols):
            if log.rows[number] >= end:
                break
            flow = multiply(self._flow(number), books.rate_of(symbol, time))
            result = add(result, flow)
            held[symbol] = add(held[symbol], log.quantities[number])
        for symbol, units in enumerate(held):
            if units:
                value = product(units, tape.last(symbol, end), books.multipliers[symbol])
                result = add(result, multiply(value, books.rate_of(symbol, time)))
        return result

    def _flow(self, number: int) -> Decimal:
        """Return the cash, in the instrument's currency, that entry *number* of the log brought."""
        log = self._books.log
        multiplier = self._books.multipliers[log.symbols[number]]
        cost = product(log.quantities[number], log.prices[number], multiplier)
        return add(cost, log.fees[number]).copy_negate()

    @cached_property
    def curve(self) -> Curve:
        """Equity, cash and gross exposure at the close of every instant with bars."""
        cash = np.full(self._tape.times.size, float(self.initial_cash))
        for symbol in self._numbers:
            flows = [self._flow(number) for number in self._numbers[symbol]]
            cash += self._steps(symbol, flows) * self._rates(symbol)
        equity = cash.copy()
        for value in self._values():
            equity += value
        return Curve(equity, cash, self._values)

    def _values(self) -> Iterator[Floats]:
        """Yield what the position in each symbol that was traded was worth at every slice."""
        for symbol in self._numbers:
            units = [self._books.log.quantities[number] for number in self._numbers[symbol]]
            value = self._steps(symbol, units) * closes(self._tape, symbol) * self._rates(symbol)
            yield value * float(self._books.multipliers[symbol])

    @cached_property
    def _numbers(self) -> dict[int, list[int]]:
        """The entries of the log by symbol, of those that were traded."""
        found: dict[int, list[int]] = {}
        for number, symbol in enumerate(self._books.log.symbols):
            found.setdefault(symbol, []).append(number)
        return found

    def _steps(self, symbol: int, changes: list[Decimal]) -> Floats:
        """Return the sum of *changes*, one for each entry of a symbol, at every slice."""
        rows = np.array([self._books.log.rows[number] for number in self._numbers[symbol]])
        edges = np.concatenate(([0], self._tape.slice_of(rows), [self._tape.times.size]))
        levels = [float(level) for level in accumulate(changes, add, initial=ZERO)]
        return np.repeat(np.array(levels), np.diff(edges))

    def _rates(self, symbol: int) -> Floats:
        """Return the rate of a symbol's currency at the close of every slice."""
        currency = self._books.instruments[symbol].quote
        if currency == self.currency:
            return np.ones(self._tape.times.size)
        return self._exchange.column(currency, self._ends)

    @cached_property
    def performance(self) -> Performance | None:
        """All statistics; what a round trip earned counts at the rate of its end."""
        if self.ruined:
            return None
        quotes = {each.symbol: each.quote for each in self._books.instruments}
        profits = [
            multiply(
                trade.net, self._exchange.rate(quotes[trade.symbol], microseconds(trade.closed))
            )
            for trade in self.trades
        ]
        return summarise(self.returns, profits, periods=self.periods)

    def summary(self) -> dict[str, object]:
        """Return the figures that matter, ready for JSON; exact ones as text."""
        balances = {currency: digits(amount) for currency, amount in self.balances.items()}
        return {**super().summary(), "balances": balances}

    def _held(self) -> dict[str, object]:
        """Return what holding positions brought and cost, at the last rates."""
        held = super()._held()
        if held:
            accounts = [self.ledger.account(currency) for currency in self.balances]
            for name in ("income", "charges"):
                amounts = {each.currency: _amount(each, name) for each in accounts}
                held[name] = digits(self._valued(amounts))
        return held

    def _valued(self, amounts: dict[str, Decimal]) -> Decimal:
        """Return *amounts* in the base currency, at the last rates."""
        end = int(self._ends[-1])
        return total(
            multiply(amount, self._exchange.rate(currency, end))
            for currency, amount in amounts.items()
        )


def _amount(account: Account, name: str) -> Decimal:
    """Return income or charges."""
    return account.income if name == "income" else account.charges

"""The risk manager at the door of a backtest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rustybt.model.money import ONE, ZERO, add, multiply, product, subtract
from rustybt.risk.limits import Denial
from rustybt.risk.manager import RiskManager
from rustybt.risk.portfolio import PortfolioSnapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from decimal import Decimal

    from rustybt.engine.view import View
    from rustybt.model.order import Order
    from rustybt.risk.limits import RiskLimits, TradingHours

DAY_LENGTH = 86_400_000_000  # microseconds


class Gate:
    """Reviews orders against *limits*; what the account was worth at midnight is worked out late.

    Most days see no order: rather than mark the books every day, the equity at its start is found
    from the log of fills when the first order of a day is reviewed.
    """

    def __init__(self, limits: RiskLimits, view: View, hours: TradingHours | None = None) -> None:
        self._manager = RiskManager(limits, hours=hours)
        self._view = view
        self._account = view.account
        self._tape = view.tape
        self._instruments = {each.symbol: each for each in view.account.instruments}
        self._day: tuple[int, Decimal] = (-1, ZERO)

    def review(
        self,
        orders: Sequence[Order],
        now: int,
        prices: dict[str, Decimal],
        equity: Decimal,
        working: Iterable[Order],
    ) -> Denial | None:
        """Return why *orders* may not be sent at *now* (microseconds), ``None`` if they may."""
        positions = zip(self._tape.symbols, self._account.positions, strict=True)
        portfolio = PortfolioSnapshot(
            currency=self._view.currency,
            equity=equity,
            day_start_equity=self._day_start(now),
            instruments=self._instruments,
            positions={symbol: units for symbol, units in positions if units},
            prices=prices,
            orders=working,
            rates=self._view.rates(),
        )
        for order in orders:
            outcome = self._manager.review(order, portfolio, order.created)
            if isinstance(outcome, Denial):
                return outcome
        return None

    def _day_start(self, now: int) -> Decimal:
        """Return the equity at the midnight before *now*."""
        day = now // DAY_LENGTH
        if self._day[0] != day:
            self._day = day, self._equity_before(day * DAY_LENGTH)
        return self._day[1]

    def _equity_before(self, time: int) -> Decimal:
        """Return the equity before *time*, which is close to the end of the log."""
        account, log, foreign = self._account, self._account.log, self._view.foreign
        cash, positions = account.cash, account.positions.copy()
        abroad = {} if foreign is None else foreign.balances.copy()
        for number in range(len(log) - 1, -1, -1):
            if log.times[number] < time:
                break
            symbol, quantity = log.symbols[number], log.quantities[number]
            cost = product(quantity, log.prices[number], account.multipliers[symbol])
            paid, currency = add(cost, log.fees[number]), account.instruments[symbol].quote
            if currency in abroad:
                abroad[currency] = add(abroad[currency], paid)
            else:
                cash = add(cash, paid)
            positions[symbol] = subtract(positions[symbol], quantity)
        for symbol, units in enumerate(positions):
            if units:
                worth = multiply(self._close_before(symbol, time), account.multipliers[symbol])
                rate = ONE if foreign is None else foreign.rate_of(symbol, time)
                cash = add(cash, product(units, worth, rate))
        for currency, balance in abroad.items():
            if balance and foreign is not None:
                cash = add(cash, multiply(balance, foreign.exchange.rate(currency, time)))
        return cash

    def _close_before(self, symbol: int, time: int) -> Decimal:
        """Return the last close of *symbol* known at *time*."""
        rows = self._tape.rows_of[symbol]
        ends = self._tape.starts[rows] + self._tape.bar_length
        known = int(np.searchsorted(ends, time, side="right"))
        return self._tape.exact(int(rows[max(known - 1, 0)]), "close")

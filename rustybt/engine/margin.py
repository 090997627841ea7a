"""Margin: what may be opened, and what happens when equity no longer covers what is held."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from rustybt.engine.errors import BacktestError
from rustybt.model.money import ZERO, divide, multiply, subtract, total
from rustybt.risk.checks import Case
from rustybt.risk.limits import RiskLimits
from rustybt.risk.portfolio import PortfolioSnapshot
from rustybt.strategy.bar import instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from decimal import Decimal

    from rustybt.engine.desk import Desk
    from rustybt.model.order import Order


class MarginPolicy(StrEnum):
    """What follows when equity falls below the maintenance margin.

    Either way all open orders are cancelled.
    """

    LIQUIDATE = "liquidate"
    """All positions are reduced by one fraction, at the market, to what equity covers initially."""
    HALT = "halt"
    """Nothing is sold; from then on only orders that reduce a position are taken."""


class MarginCall(NamedTuple):
    """Equity was below *required*, the maintenance margin, in the account's currency."""

    time: datetime
    equity: Decimal
    required: Decimal


class Margin:
    """Holds the orders of a *desk* to the initial margin and its positions to the maintenance one.

    Both are counted at the last closes, in the fractions that the instruments say.
    """

    def __init__(self, desk: Desk, policy: str) -> None:
        try:
            self.policy = MarginPolicy(policy)
        except ValueError:
            raise BacktestError(
                f"there is no margin policy {policy!r}", expected=", ".join(MarginPolicy)
            ) from None
        self._desk = desk
        self.calls: list[MarginCall] = []
        self._halted = False
        self._forced: dict[int, str] = {}
        # Counted with such a multiplier, what positions are worth is what they bind.
        self._binding = {
            each.symbol: replace(each, multiplier=multiply(each.multiplier, each.initial_margin))
            for each in desk.account.instruments
        }

    # Orders

    def refusal(self, orders: Sequence[Order]) -> str:
        """Say why *orders* may not be sent; nothing if they may."""
        desk = self._desk
        held = zip(desk.tape.symbols, desk.account.positions, strict=True)
        portfolio = PortfolioSnapshot(
            currency=desk.currency,
            equity=desk.equity,
            day_start_equity=ZERO,
            instruments=self._binding,
            positions={symbol: units for symbol, units in held if units},
            prices=desk.prices(desk.indices[orders[0].symbol]),
            orders=desk.venue.orders.open(),
            rates=desk.rates(),
        )
        reasons = (self._reason(order, portfolio) for order in orders)
        return next(filter(None, reasons), "")

    def _reason(self, order: Order, portfolio: PortfolioSnapshot) -> str:
        """Say why *order* may not be sent; count it if it may."""
        case = Case(order, portfolio, _NO_LIMITS, order.created)
        if not case.reduces:
            if self._halted:
                return f"margin call of {self.calls[0].time}: only reducing orders are taken"
            bound = portfolio.gross_exposure(order.symbol, case.reach)
            if bound is None:
                return "initial_margin cannot be checked without the price of every position"
            if bound > portfolio.equity:
                return f"initial_margin ({bound} against an equity of {portfolio.equity})"
        portfolio.include(order)
        return ""

    # Positions

    def call(self) -> None:
        """Do what the policy says if equity is below the maintenance margin."""
        desk = self._desk
        values = {
            index: multiply(units.copy_abs(), desk.unit_value(index).copy_abs())
            for index, units in enumerate(desk.account.positions)
            if units
        }
        instruments = desk.account.instruments
        required = total(
            multiply(value, instruments[index].maintenance_margin)
            for index, value in values.items()
        )
        equity = desk.equity
        if equity >= required or self._halted:
            return
        bound = total(
            multiply(value, instruments[index].initial_margin) for index, value in values.items()
        )
        called = MarginCall(instant(desk.now), equity, required)
        if self.policy is MarginPolicy.HALT:
            self._halted = True
            self.calls.append(called)
            self._cancel_all()
        elif cuts := self._cuts(values, max(equity, ZERO), bound):
            self.calls.append(called)
            self._cancel_all()
            for index, quantity in cuts.items():
                self._forced[index] = desk.force(index, quantity)

    def _cuts(self, values: Iterable[int], equity: Decimal, bound: Decimal) -> dict[int, Decimal]:
        """Return what to trade, signed, so that the rest binds no more than *equity*."""
        desk = self._desk
        cuts = {}
        for index in values:
            if desk.next_row(index) < 0 or self._is_under_way(index):
                continue
            units = desk.account.positions[index]
            kept = divide(multiply(units.copy_abs(), equity), bound)
            kept = desk.account.instruments[index].round_quantity(kept)
            cut = subtract(units.copy_abs(), kept)
            cuts[index] = cut.copy_negate() if units > ZERO else cut
        return cuts

    def _is_under_way(self, index: int) -> bool:
        """Tell whether a forced order in a symbol is still open."""
        forced = self._forced.get(index)
        return forced is not None and self._desk.venue.orders[forced].is_open

    def _cancel_all(self) -> None:
        """Cancel all orders but the forced ones."""
        forced = set(self._forced.values())
        for client_id in self._desk.open_orders():
            if client_id not in forced:
                self._desk.cancel(client_id)


_NO_LIMITS = RiskLimits()

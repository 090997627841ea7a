"""An account to review orders in: 10 000 dollars, two shares, a coin and a future."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from rustybt.model import Instrument, InstrumentKind, Order, OrderType, Side
from rustybt.risk import PortfolioSnapshot, RiskLimits, RiskManager

D = Decimal
NOW = datetime(2024, 3, 1, 15, tzinfo=UTC)


def instrument(symbol: str, quote: str = "USD", multiplier: str = "1") -> Instrument:
    """Return a margined instrument."""
    return Instrument(
        symbol=symbol,
        base=symbol,
        quote=quote,
        tick=D("0.01"),
        lot=D("0.001"),
        kind=InstrumentKind.FUTURE,
        multiplier=D(multiplier),
    )


INSTRUMENTS = {
    "X": instrument("X"),
    "Y": instrument("Y"),
    "E": instrument("E", quote="EUR"),
    "F": instrument("F", multiplier="50"),
}
PRICES = {"X": D(100), "Y": D(10), "E": D(20), "F": D(4)}
RATES = {"EUR": D("1.25")}


class Desk:
    """Makes orders and snapshots, and reviews."""

    now = NOW

    def order(self, words: str, **changes: Any) -> Order:
        """Return an order from words like ``buy 10 X limit price=99``; it is called ``a``."""
        side, quantity, symbol, *rest = words.split()
        kind = rest.pop(0) if rest else "market"
        fields: dict[str, Any] = {
            "client_id": "a",
            "symbol": symbol,
            "side": Side(side),
            "type": OrderType(kind),
            "quantity": D(quantity),
            "created": NOW,
        }
        for word in rest:
            name, _, value = word.partition("=")
            fields[name] = D(value) if value else True
        return Order(**{**fields, **changes})

    def snapshot(self, *orders: Order, **changes: Any) -> PortfolioSnapshot:
        """Return an account without positions, apart from *changes*."""
        positions = {symbol: D(units) for symbol, units in changes.pop("positions", {}).items()}
        fields: dict[str, Any] = {
            "currency": "USD",
            "equity": D(10_000),
            "day_start_equity": D(10_000),
            "instruments": INSTRUMENTS,
            "positions": positions,
            "prices": PRICES,
            "orders": orders,
            "rates": RATES,
        }
        return PortfolioSnapshot(**{**fields, **changes})

    def review(
        self, words: str | Order, snapshot: PortfolioSnapshot | None = None, **limits: Any
    ) -> str:
        """Return ``approved``, or the denial as ``limit value threshold``."""
        order = self.order(words) if isinstance(words, str) else words
        manager = RiskManager(RiskLimits(**limits))
        answer = manager.review(order, snapshot or self.snapshot(), NOW)
        return told(answer)


def told(answer: Any) -> str:
    """Return an answer in a few words."""
    limit = getattr(answer, "limit", None)
    if limit is None:
        return "approved"
    figures = [answer.value, answer.threshold]
    return " ".join([str(limit), *[str(figure) for figure in figures if figure is not None]])


@pytest.fixture
def desk() -> Desk:
    """The account above."""
    return Desk()

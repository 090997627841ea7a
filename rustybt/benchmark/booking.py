"""Fills for the ledger, and the same arithmetic in a bare loop of floats."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from rustybt.accounting import CostMethod, Ledger
from rustybt.model import Fill, Instrument, InstrumentKind, Side
from rustybt.model.money import ZERO, add, multiply, subtract

if TYPE_CHECKING:
    from collections.abc import Sequence

SYMBOLS: Final = 10
METHODS: Final = (CostMethod.AVERAGE, CostMethod.FIFO)
_START = datetime(2020, 1, 1, tzinfo=UTC)
_FEE = Decimal("0.001")
_CENT = Decimal("0.01")


class Plain(NamedTuple):
    """A fill in floats; *quantity* is signed."""

    symbol: str
    quantity: float
    price: float
    fee: float


def fills(count: int) -> list[Fill]:
    """Return *count* fills in several symbols, with a fee of 10 basis points, always the same.

    Positions grow, shrink and turn round.
    """
    random = np.random.default_rng(2)
    prices = (10_000 + np.cumsum(random.integers(-9, 10, count)) % 5_000).tolist()
    sizes = random.integers(1, 20, count).tolist()
    buys = random.integers(0, 2, count).tolist()
    return [
        _fill(number, price, size, Side.BUY if buy else Side.SELL)
        for number, (price, size, buy) in enumerate(zip(prices, sizes, buys, strict=True))
    ]


def _fill(number: int, cents: int, size: int, side: Side) -> Fill:
    """Return one fill."""
    price, quantity = multiply(Decimal(cents), _CENT), Decimal(size)
    return Fill(
        trade_id=f"T{number}",
        client_id=f"O{number}",
        symbol=f"S{number % SYMBOLS}",
        side=side,
        quantity=quantity,
        price=price,
        time=_START + timedelta(seconds=number),
        fee=multiply(multiply(quantity, price), _FEE),
    )


def plain(made: Sequence[Fill]) -> list[Plain]:
    """Return the same fills in floats."""
    return [
        Plain(each.symbol, float(each.signed_quantity), float(each.price), float(each.fee))
        for each in made
    ]


def expected_cash(made: Sequence[Fill]) -> Decimal:
    """Return the cash that *made* leave behind, starting from none."""
    cash = ZERO
    for each in made:
        cash = subtract(cash, add(multiply(each.signed_quantity, each.price), each.fee))
    return cash


def book(made: Sequence[Fill], method: CostMethod) -> Decimal:
    """Book all fills into a new ledger and return its cash."""
    ledger = Ledger(
        (
            Instrument(
                symbol=f"S{number}",
                base=f"S{number}",
                quote="USD",
                tick=_CENT,
                lot=Decimal(1),
                kind=InstrumentKind.EQUITY,
            )
            for number in range(SYMBOLS)
        ),
        method=method,
    )
    for each in made:
        ledger.apply(each)
    return ledger.cash("USD")


def bare(rows: Sequence[Plain]) -> float:
    """Keep cash, positions, average costs and profits in floats; return the cash."""
    cash = profit = 0.0
    held: dict[str, float] = {}
    costs: dict[str, float] = {}
    for symbol, quantity, price, fee in rows:
        units, cost = held.get(symbol, 0.0), costs.get(symbol, 0.0)
        cash -= quantity * price + fee
        if units * quantity < 0:
            closed = min(abs(quantity), abs(units)) * (1 if quantity > 0 else -1)
            share = cost * -closed / units
            profit -= closed * price + share
            cost += (quantity - closed) * price - share
        else:
            cost += quantity * price
        held[symbol], costs[symbol] = units + quantity, cost
    return cash

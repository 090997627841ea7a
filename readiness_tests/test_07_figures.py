"""Section 7: value, profit and returns, over real prices, against sums of our own."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any

from pytest_rustybt_ready import Evidence, ready
from readiness_tests.engine import EngineUnderTest
from readiness_tests.reckoning import NEARLY, Account, Books, Comparison, Trading

LEDGER = "rustybt/accounting/ledger.py"
PERFORMANCE = "rustybt/accounting/performance.py"

INDICES = Path(__file__).with_name("indices_2008.csv")
"""The S&P 500 and the NASDAQ Composite in September and October of 2008 (Yahoo Finance)."""

TRADES = {
    "SPX": {1: "120", 6: "-40.5", 11: "35", 17: "-300", 23: "85.25", 30: "310", 36: "-99.75"},
    "IXIC": {0: "-33.3", 9: "80", 10: "-46.7", 15: "61", 28: "-150.123", 33: "89.123", 40: "-7"},
}
TRADING = Trading(orders=TRADES, cash="1000000", commission="7.5", slippage="2")
PRECISION = Fraction(1, 10**13)
"""How far a return, a float, may be off: a few hundred times what one division rounds."""

Rows = dict[str, list[list[str]]]


@ready.validation("7.2.3")
def test_value_profit_and_returns_are_right(engine: EngineUnderTest, evidence: Evidence) -> None:
    """Two indices, long and short, with fees and slippage: every figure agrees with fractions."""
    bars = _index_bars()
    orders, targets = _told(TRADES), _targets(TRADES)
    common: dict[str, Any] = {"bars": bars, "cash": TRADING.cash, "commission": TRADING.commission}
    dear, plain = Account(bars, TRADING), Account(bars, replace(TRADING, slippage="0"))
    slow = common | {"told": orders, "slippage": TRADING.slippage}
    ways = {
        "at the open": (slow, dear),
        "through matching": (slow | {"shortcut": False}, dear),
        "as a column": (common | {"told": targets, "path": "signals", "floats": True}, plain),
    }
    seen = engine.run("backtest", runs=[run for run, _ in ways.values()])
    compared = Comparison()
    for (way, (_, ours)), theirs in zip(ways.items(), seen, strict=True):
        _compare_fills(way, ours, theirs, compared)
        _compare_accounts(way, ours, theirs, compared)
    evidence.record("ways to trade", list(ways))
    evidence.record("bars", {symbol: len(rows) for symbol, rows in bars.items()})
    evidence.record("fills", len(dear.fills))
    evidence.record("figures compared", compared.figures)
    evidence.expect("first figure that differs", "none", observed=compared.first)
    evidence.meets("difference", observed=compared.difference)


def _index_bars() -> Rows:
    """Return the bars of each symbol in the file, every number as it is written."""
    bars: Rows = {}
    with INDICES.open(encoding="utf-8") as file:
        for day, symbol, *numbers in list(csv.reader(file))[1:]:
            bars.setdefault(symbol, []).append([f"{day}T00:00:00+00:00", *numbers])
    return bars


def _told(orders: Mapping[str, Mapping[int, str]]) -> dict[str, dict[str, list[str]]]:
    """Return signed orders as the signals of a strategy."""
    return {
        symbol: {
            str(number): ["sell", quantity[1:]] if quantity.startswith("-") else ["buy", quantity]
            for number, quantity in signals.items()
        }
        for symbol, signals in orders.items()
    }


def _targets(orders: Mapping[str, Mapping[int, str]]) -> dict[str, dict[str, list[str]]]:
    """Return the positions that signed orders lead to, as signals."""
    held = {
        symbol: accumulate(map(Decimal, signals.values())) for symbol, signals in orders.items()
    }
    return {
        symbol: {str(number): ["target", str(next(held[symbol]))] for number in signals}
        for symbol, signals in orders.items()
    }


def _compare_fills(
    way: str, ours: Account, theirs: Mapping[str, Any], compared: Comparison
) -> None:
    """Compare quantity, price and fee of each fill."""
    fills = [_signed_fill(fill) for fill in theirs["fills"]]
    compared.hold(f"{way}: fills", len(fills), Fraction(len(ours.fills)))
    for number, (own, other) in enumerate(zip(ours.fills, fills, strict=False), start=1):
        for name, expected, observed in zip(("quantity", "price", "fee"), own, other, strict=True):
            compared.hold(f"{way}: {name} of fill {number}", observed, expected)


def _signed_fill(fill: Sequence[str]) -> list[str]:
    _, _, side, quantity, price, fee = fill
    return [quantity if side == "buy" else f"-{quantity}", price, fee]


def _compare_accounts(
    way: str, ours: Account, theirs: Mapping[str, Any], compared: Comparison
) -> None:
    """Compare what is there after every bar, and at the end."""
    points = [ours.start, *ours.equity]
    compared.hold(f"{way}: points", len(theirs["equity"]), Fraction(len(ours.equity)))
    for number, expected in enumerate(ours.equity):
        compared.hold(f"{way}: value after bar {number}", theirs["equity"][number], expected)
        growth = expected / points[number] - 1
        compared.hold(
            f"{way}: return of bar {number}", theirs["returns"][number], growth, PRECISION
        )
    last = ours.equity[-1]
    compared.hold(f"{way}: cash", theirs["cash"], ours.cash)
    compared.hold(f"{way}: fees", theirs["fees"], ours.fees)
    compared.hold(f"{way}: profit", theirs["profit"], last - ours.start)
    compared.hold(f"{way}: total return", theirs["total_return"], last / ours.start - 1, PRECISION)
    _compare_books(f"{way}, books", ours, theirs["valued"], compared)


def _compare_books(
    way: str, ours: Account, theirs: Mapping[str, str], compared: Comparison
) -> None:
    """Compare what the ledger shows at the last closes."""
    last = ours.equity[-1]
    compared.hold(f"{way}: equity", theirs["equity"], last)
    compared.hold(f"{way}: fees", theirs["fees"], ours.fees)
    compared.hold(f"{way}: cash", theirs["cash"], ours.cash)
    compared.hold(f"{way}: cash to pay with", theirs["cash_to_pay_with"], ours.cash)
    # Average costs may have more than 40 digits; what is taken from them was rounded there.
    compared.hold(f"{way}: realised", theirs["realised"], ours.realised, NEARLY)
    compared.hold(f"{way}: unrealised", theirs["unrealised"], last - ours.cash - ours.cost, NEARLY)


@test_value_profit_and_returns_are_right.fails_when
def a_fee_is_left_out(engine: EngineUnderTest) -> None:
    """What an order costs is known, and its fills are free."""
    engine.edit(
        "rustybt/execution/costs.py",
        "return subtract(commission.total(after), commission.total(before))",
        "return subtract(commission.total(after), commission.total(after))",
    )


@test_value_profit_and_returns_are_right.fails_when
def a_fee_is_left_out_of_the_books(engine: EngineUnderTest) -> None:
    """The ledger counts the fee and does not pay it."""
    engine.edit(LEDGER, "subtract(cash, add(amount, fee))", "subtract(cash, amount)")


@test_value_profit_and_returns_are_right.fails_when
def a_return_is_taken_from_the_wrong_base(engine: EngineUnderTest) -> None:
    """A return is the gain over what there is after it."""
    engine.edit(PERFORMANCE, "array[1:] / array[:-1] - 1", "1 - array[:-1] / array[1:]")


@test_value_profit_and_returns_are_right.fails_when
def the_total_return_only_adds_up(engine: EngineUnderTest) -> None:
    """Returns are added, not compounded."""
    engine.edit(PERFORMANCE, "np.cumprod(array + 1)", "1 + np.cumsum(array)")


@test_value_profit_and_returns_are_right.fails_when
def slippage_moves_the_price_in_our_favour(engine: EngineUnderTest) -> None:
    """The side of an order is taken for its opposite when its price moves."""
    engine.edit("rustybt/execution/market.py", "add(price, shift)", "subtract(price, shift)")


DIVIDENDS: tuple[dict[str, Any], ...] = (
    {"deposit": "100000.01"},
    {"symbol": "LONG", "quantity": "130.5", "price": "99.37", "fee": "1.25"},
    {"symbol": "SHORT", "quantity": "-75", "price": "41.003", "fee": "0.99"},
    {"prices": {"LONG": "101.5", "SHORT": "40.1"}},
    {"symbol": "LONG", "dividend": "0.4375"},
    {"symbol": "SHORT", "dividend": "0.21"},
    {"symbol": "SHORT", "charge": "3.07"},
    {"prices": {"LONG": "98.0001", "SHORT": "43.9"}},
    {"symbol": "LONG", "quantity": "-30.5", "price": "98.5", "fee": "1.1"},
    {"symbol": "SHORT", "quantity": "75", "price": "44.25", "fee": "1.05"},
    {"prices": {"LONG": "97.77", "SHORT": "0.01"}},
)


@ready.validation("7.2.3")
def test_dividends_and_charges_count(engine: EngineUnderTest, evidence: Evidence) -> None:
    """Long positions receive dividends, short ones pay them, and borrowing costs what it costs."""
    (seen,) = engine.run("ledger", runs=[{"steps": list(DIVIDENDS)}])
    compared, ours = Comparison(), Books()
    for number, (step, theirs) in enumerate(zip(DIVIDENDS, seen, strict=True)):
        ours.take(step)
        for name, expected in ours.figures(step).items():
            compared.hold(f"step {number}: {name}", theirs[name], expected)
    evidence.record("figures compared", compared.figures)
    evidence.expect("first figure that differs", "none", observed=compared.first)
    evidence.meets("difference", observed=compared.difference)


@test_dividends_and_charges_count.fails_when
def a_dividend_is_ignored(engine: EngineUnderTest) -> None:
    """A dividend is written down, and the cash does not change."""
    engine.edit(
        LEDGER,
        "        self._add(self._cash, book.quote, amount)\n\n    def _book_charge",
        "\n    def _book_charge",
    )


@test_dividends_and_charges_count.fails_when
def a_short_position_receives_the_dividend(engine: EngineUnderTest) -> None:
    """Whoever is short is paid like the others."""
    engine.edit(
        LEDGER,
        "multiply(book.lots.quantity, entry.per_unit)",
        "multiply(book.lots.quantity.copy_abs(), entry.per_unit)",
    )


@test_dividends_and_charges_count.fails_when
def a_short_position_is_worth_something(engine: EngineUnderTest) -> None:
    """What a short position owes counts as if it were owned."""
    engine.edit(
        "rustybt/accounting/portfolio.py",
        "worth = position.value(price)",
        "worth = position.value(price).copy_abs()",
    )


@test_dividends_and_charges_count.fails_when
def borrowing_is_free(engine: EngineUnderTest) -> None:
    """What a position is charged is not taken from the cash."""
    engine.edit(
        LEDGER, "self._add(self._cash, entry.currency, entry.amount.copy_negate())", "return"
    )

"""Backtests small enough to check by hand, against what they gave when they were checked.

``bars.csv`` has six days of two symbols; each ``.txt`` beside it is one run: every fill, then cash,
positions and equity. To accept a change that is meant, write the text that the failing test shows
into the file, and check it with pencil and paper first.
"""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from rustybt.engine import Backtest, Result
from rustybt.engine.bar_files import read_bars
from rustybt.engine.frames import digits
from rustybt.execution import BasisPointCommission, FixedSlippage, PerShareCommission
from rustybt.strategy import Strategy, StrategyBar

HERE = Path(__file__).parent


class Rising(Strategy):
    """Ten units after a day that closed above its open, none after one that closed below."""

    def on_bar(self, bar: StrategyBar) -> None:
        self.order_target(bar.symbol, 10 if bar.close > bar.open else 0)

    def signals(self) -> pl.Expr:
        up, down = pl.col("close") > pl.col("open"), pl.col("close") < pl.col("open")
        # A day without a change wants none either: on_bar orders 0 there, which is the same here.
        return pl.when(up).then(10).when(down).then(0).otherwise(0)


class Protected(Strategy):
    """One bracket in ACME: in at the next open, out at 106.5 or at the market below 99."""

    def on_bar(self, bar: StrategyBar) -> None:
        if bar.symbol == "ACME" and bar.row == 0:
            self.bracket("ACME", 7, take_profit="106.5", stop_loss="99")


class Halves(Strategy):
    """Half of equity in each symbol, topped up every day."""

    def on_bars(self, bars: Mapping[str, StrategyBar]) -> None:
        for symbol in bars:
            self.order_target_percent(symbol, 0.5)


class Short(Strategy):
    """Sell short at a limit, buy back at a lower one."""

    def on_bar(self, bar: StrategyBar) -> None:
        if bar.symbol == "BOLT" and bar.row == 1:
            self.sell("BOLT", 20, limit="50.15")
            self.buy("BOLT", 20, limit="47")


CASES: dict[str, tuple[type[Strategy], dict[str, Any]]] = {
    "rising": (Rising, {"commission": BasisPointCommission(Decimal(20))}),
    "protected": (Protected, {"slippage": FixedSlippage(Decimal("0.05"))}),
    "halves": (Halves, {"lot": 1, "commission": PerShareCommission(Decimal("0.01"), Decimal(1))}),
    "short": (Short, {}),
}


def written(result: Result) -> str:
    """Return the outcome as lines."""
    lines = [
        f"{fill.time:%Y-%m-%d} {fill.symbol} {fill.side:4} {digits(fill.quantity):>3}"
        f" at {digits(fill.price):>7} fee {digits(fill.fee)}"
        for fill in result.fills
    ]
    held = ", ".join(f"{digits(units)} {symbol}" for symbol, units in result.positions.items())
    lines += [
        f"cash {digits(result.cash)}, holding {held or 'nothing'}",
        f"equity {digits(result.final_equity)}, fees {digits(result.fees)}",
        f"open orders {len(result.open_orders)}, refused {len(result.refusals)}",
        "",
    ]
    return "\n".join(lines)


@pytest.mark.parametrize("name", CASES)
def test_a_small_backtest_gives_what_was_checked(name: str) -> None:
    """Every fill, fee and balance is what it was."""
    kind, options = CASES[name]
    result = Backtest(kind, read_bars(HERE / "bars.csv"), cash=10000, **options).run()

    assert written(result) == (HERE / f"{name}.txt").read_text()


def test_both_paths_give_the_golden_result() -> None:
    """The strategy with both ways of saying its rule gives the same text on both."""
    data, (kind, options) = read_bars(HERE / "bars.csv"), CASES["rising"]
    results = [
        Backtest(kind, data, cash=10000, path="callback", **options).run(),
        Backtest(kind, data, cash=10000, path="signals", **options).run(),
    ]

    assert [written(each) for each in results] == [(HERE / "rising.txt").read_text()] * 2

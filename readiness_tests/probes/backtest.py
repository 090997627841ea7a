"""Run backtests of a strategy that does what it was told, bar by bar, and say what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import polars as pl

from rustybt.accounting import value
from rustybt.engine import Backtest, Result
from rustybt.execution import BasisPointCommission, BasisPointSlippage
from rustybt.strategy import Signals, Strategy, StrategyBar

CLOSE = 4
VALUED = ("cash", "equity", "realised", "unrealised", "fees")
NUMBERS = ("open", "high", "low", "close", "volume")


class Told(Strategy):
    """Gives the signals it was told to give, by symbol and number of the bar.

    It notes what is *held* after each bar.
    """

    def __init__(self, told: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__()
        self.told = told
        self.counts: dict[str, int] = {}
        self.held: list[dict[str, str]] = []

    def on_bar(self, bar: StrategyBar) -> None:
        """Give the signal of this bar, if there is one."""
        number = self.counts.get(bar.symbol, 0)
        self.counts[bar.symbol] = number + 1
        signal = self.told.get(bar.symbol, {}).get(str(number))
        if signal is not None:
            self.give(bar.symbol, *signal)

    def on_bars(self, bars: Mapping[str, StrategyBar]) -> None:
        """Note what is held after this bar of each symbol, before a new order can have traded."""
        self.held.append({symbol: str(self.position(symbol)) for symbol in bars})

    def give(self, symbol: str, word: str, amount: str = "0") -> None:
        """Say *word* to the engine: buy, sell, hold, target or share."""
        if word == "buy":
            self.buy(symbol, amount)
        elif word == "sell":
            self.sell(symbol, amount)
        elif word == "hold":  # to want what is there already is to want nothing
            self.order_target(symbol, self.position(symbol))
        elif word == "target":
            self.order_target(symbol, amount)
        else:
            self.order_target_percent(symbol, Decimal(amount))


class Targets(Told):
    """The same, said as a column: only targets can be said so."""

    def signals(self) -> Signals | pl.Expr:
        """Return the target after each bar of each symbol."""
        target = pl.lit(None, dtype=pl.Float64)
        for symbol, signals in self.told.items():
            levels = {int(number): float(signal[1]) for number, signal in signals.items()}
            level = pl.int_range(pl.len()).replace_strict(
                levels, default=None, return_dtype=pl.Float64
            )
            target = pl.when(pl.col("symbol") == symbol).then(level).otherwise(target)
        return target


def main(arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the outcome of each of *runs*."""
    return [run(**each) for each in arguments["runs"]]


def run(
    bars: Mapping[str, Sequence[Sequence[str]]],
    told: Mapping[str, Mapping[str, Any]],
    cash: str = "100000",
    commission: str = "0",
    slippage: str = "0",
    lot: str = "0.00000001",
    fill: str = "next_open",
    path: str = "callback",
    *,
    shortcut: bool = True,
    orders: bool = False,
    floats: bool = False,
) -> dict[str, Any]:
    """Run one backtest; *bars* are time, prices and volume as text, costs are basis points.

    With *orders* it is run twice, the second time to write down what the strategy sends. With
    *floats* the engine gets the bars as floats.
    """
    kind = Targets if path == "signals" else Told
    options: dict[str, Any] = {
        "cash": cash,
        "commission": BasisPointCommission(Decimal(commission)),
        "slippage": BasisPointSlippage(Decimal(slippage)) if Decimal(slippage) else None,
        "lot": lot,
        "fill": fill,
        "path": path,
        "shortcut": shortcut,
    }
    data = {symbol: _frame(rows, floats=floats) for symbol, rows in bars.items()}
    strategy = kind(told)
    result = Backtest(strategy, data, **options).run()
    sent = Backtest(kind(told), data, **options).decisions() if orders else []
    return _outcome(result, strategy, bars) | {
        "sent": [[at // 1_000_000, symbol, order] for at, symbol, order in sent]
    }


def _frame(rows: Sequence[Sequence[str]], *, floats: bool) -> pl.DataFrame:
    """Return the bars with their times; as text the engine takes them exactly."""
    times = [datetime.fromisoformat(row[0]).astimezone(UTC) for row in rows]
    columns = {name: [row[place] for row in rows] for place, name in enumerate(NUMBERS, start=1)}
    frame = pl.DataFrame({"timestamp": times, **columns})
    return frame.with_columns(pl.col(NUMBERS).cast(pl.Float64)) if floats else frame


def _outcome(
    result: Result, strategy: Told, bars: Mapping[str, Sequence[Sequence[str]]]
) -> dict[str, Any]:
    """Return everything that a check compares; money as text, statistics as floats."""
    marks = {symbol: Decimal(rows[-1][CLOSE]) for symbol, rows in bars.items()}
    valuation = value(result.ledger, marks, currency=result.currency)
    return {
        "fills": [
            [int(f.time.timestamp()), f.symbol, str(f.side), f.quantity, f.price, f.fee]
            for f in result.fills
        ],
        "equity": [result.equity_at(point) for point in range(len(result.curve.equity))],
        "curve": result.curve.equity.tolist(),
        "returns": result.returns.tolist(),
        "total_return": result.performance and result.performance.total_return,
        "cash": result.cash,
        "fees": result.fees,
        "profit": result.profit,
        "final_equity": result.final_equity,
        "positions": result.positions,
        "held": strategy.held,
        "open_orders": len(result.open_orders),
        "refused": [str(refusal) for refusal in result.refusals],
        "summary": result.summary(),
        "valued": {name: getattr(valuation, name) for name in VALUED}
        | {"cash_to_pay_with": result.ledger.cash(result.currency)},
    }

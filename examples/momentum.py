r"""Hold what rises: long while a fast average is above a slow one.

    python -m rustybt backtest --strategy examples/momentum.py --data prices.csv

On bars that fetch-data has stored, part of them, and with the dividends that go with them:

    python -m rustybt backtest --strategy examples/momentum.py --catalog ~/.rustybt \
        --symbol AAPL --symbol MSFT --from 2020-01-01 --to 2024-01-01
    python -m rustybt fetch-dividends --symbols AAPL,MSFT --start 2020-01-01 --output paid.csv
    python -m rustybt backtest --strategy examples/momentum.py --catalog ~/.rustybt \
        --actions paid.csv

The rule is written twice, bar by bar and as a column. A backtest takes the column, which is many
times faster; live trading takes the bars. Both trade the same: a test of this project says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rustybt.strategy import SMA, Crossing, Strategy

if TYPE_CHECKING:
    import polars as pl

    from rustybt.strategy import StrategyBar


class Momentum(Strategy):
    """Cross of two simple moving averages, *units* at a time, long only."""

    fast = 20
    slow = 50
    units = 10

    def on_start(self) -> None:
        """Keep two averages for each symbol."""
        self.averages = {
            symbol: (SMA(self.fast), SMA(self.slow), Crossing()) for symbol in self.symbols
        }

    def on_bar(self, bar: StrategyBar) -> None:
        """Buy when the fast average has come out on top, sell when it has gone below."""
        fast, slow, crossing = self.averages[bar.symbol]
        crossed = crossing.update(fast.update(bar.close), slow.update(bar.close))
        if crossed > 0:
            self.order_target(bar.symbol, self.units)
        elif crossed < 0:
            self.order_target(bar.symbol, 0)

    def signals(self) -> pl.Expr:
        """Say the same as the target after each bar."""
        from rustybt.strategy import expressions as ex

        return ex.switch(ex.crossing(ex.sma(self.fast), ex.sma(self.slow)), on=self.units)

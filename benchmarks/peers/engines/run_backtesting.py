"""backtesting.py: one run per symbol, since it knows one at a time; each has its share of cash."""

from __future__ import annotations

from typing import Any

from harness import Job, Outcome, measure, scaled_sums


def load(job: Job) -> Any:
    """Return one backtest per symbol."""
    import pandas as pd
    from backtesting import Backtest, Strategy

    class Crossover(Strategy):  # type: ignore[misc]  # the library says no types
        def init(self) -> None:
            def sums() -> tuple[Any, Any]:
                return scaled_sums(self.data.Close.astype("int64"), job.fast, job.slow)

            self.averages = self.I(sums, plot=False)

        def next(self) -> None:
            (was_fast, fast), (was_slow, slow) = self.averages[0][-2:], self.averages[1][-2:]
            if was_fast < was_slow and fast > slow and not self.position:
                self.buy(size=job.quantity)
            elif was_fast > was_slow and fast < slow and self.position:
                self.position.close()

    index = pd.to_datetime(job.start + job.step * pd.RangeIndex(job.bars), unit="s")
    share = job.cash / len(job.symbols)
    return [
        Backtest(
            pd.DataFrame(
                {
                    name.title(): job.column(number, name).astype(float)
                    for name in ("open", "high", "low", "close", "volume")
                },
                index=index,
            ),
            Crossover,
            cash=share,
            commission=job.fee_rate,
        )
        for number in range(len(job.symbols))
    ]


def run(_: Job, native: Any) -> Outcome:
    """Run them one after the other and add up."""
    equity, fills = 0.0, 0
    for backtest in native:
        statistics = backtest.run()
        equity += statistics["Equity Final [$]"]
        strategy = statistics["_strategy"]
        fills += 2 * len(strategy.closed_trades) + len(strategy.trades)
    return Outcome(equity, fills)


if __name__ == "__main__":
    measure(load, run, package="backtesting")

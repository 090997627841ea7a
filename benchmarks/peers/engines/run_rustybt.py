"""Ours by its callbacks: the strategy sees every bar, money is exact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness import Job, Outcome, measure


def by_polars(path: str) -> Callable[[str], Any]:
    """Read a Parquet file as ours does."""
    import polars as pl

    table = pl.read_parquet(path)
    return lambda name: table[name].to_numpy()


def frames(job: Job) -> Any:
    """Return a frame of prices in dollars per symbol."""
    import numpy as np
    import polars as pl

    starts = (job.start + job.step * np.arange(job.bars, dtype=np.int64)) * 1_000_000
    times = pl.Series(starts).cast(pl.Datetime("us", "UTC"))
    return {
        symbol: pl.DataFrame(
            {
                "timestamp": times,
                **{
                    name: job.column(number, name) / 100
                    for name in ("open", "high", "low", "close")
                },
                "volume": job.column(number, "volume").astype(float),
            }
        )
        for number, symbol in enumerate(job.symbols)
    }


def load(job: Job) -> Any:
    """Return the frames and the strategy."""
    import rustybt.engine  # noqa: F401 - its import belongs to loading
    from rustybt.strategy import SMA, Crossing, Strategy, StrategyBar

    class Crossover(Strategy):
        def on_start(self) -> None:
            self.averages = {
                symbol: (SMA(job.fast), SMA(job.slow), Crossing()) for symbol in self.symbols
            }

        def on_bar(self, bar: StrategyBar) -> None:
            fast, slow, crossing = self.averages[bar.symbol]
            crossed = crossing.update(fast.update(bar.close), slow.update(bar.close))
            if crossed:
                self.order_target(bar.symbol, job.quantity if crossed > 0 else 0)

    return frames(job), Crossover


def run(job: Job, native: Any) -> Outcome:
    """Run from the frames to the final equity and the equity curve."""
    from decimal import Decimal

    from rustybt.engine import Backtest
    from rustybt.execution import BasisPointCommission

    bars, strategy = native
    result = Backtest(
        strategy,
        bars,
        cash=Decimal(job.cash) / 100,
        commission=BasisPointCommission(Decimal(job.bps)),
    ).run()
    if result.curve.equity.size != job.bars:  # the curve belongs to what is timed
        raise SystemExit("the equity curve misses bars")
    return Outcome(str(result.final_equity * 100), len(result.fills))


if __name__ == "__main__":
    measure(load, run, package="rustybt", again=True, read=by_polars)

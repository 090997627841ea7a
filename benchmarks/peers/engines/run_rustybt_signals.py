"""Ours by its signals: targets said as a column, money is exact."""

from __future__ import annotations

from typing import Any

from harness import Job, measure
from run_rustybt import by_polars, frames, run


def load(job: Job) -> Any:
    """Return the frames and the strategy."""
    import polars as pl

    import rustybt.engine  # noqa: F401 - its import belongs to loading
    from rustybt.strategy import Strategy
    from rustybt.strategy import expressions as ex

    class Crossover(Strategy):
        def signals(self) -> pl.Expr:
            crossed = ex.crossing(ex.sma(job.fast), ex.sma(job.slow))
            return ex.switch(crossed, on=job.quantity)

    return frames(job), Crossover


if __name__ == "__main__":
    measure(load, run, package="rustybt", again=True, read=by_polars)

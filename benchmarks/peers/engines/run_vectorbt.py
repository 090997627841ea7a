"""vectorbt: signals and portfolio as arrays; orders are put into the next row at its open."""

from __future__ import annotations

from typing import Any

import numpy as np
from harness import Job, Outcome, crossings, measure


def load(job: Job) -> Any:
    """Return the closes and opens as frames, a column per symbol."""
    import pandas as pd
    import vectorbt  # noqa: F401 - its import belongs to loading

    index = pd.to_datetime(job.start + job.step * pd.RangeIndex(job.bars), unit="s")
    return {
        name: pd.DataFrame(
            np.column_stack([job.column(each, name) for each in range(len(job.symbols))]).astype(
                float
            ),
            index=index,
            columns=list(job.symbols),
        )
        for name in ("open", "close")
    }


def run(job: Job, native: Any) -> Outcome:
    """Run once; the second time its functions are compiled."""
    import vectorbt as vbt

    close = native["close"]
    crossed = np.column_stack(
        [
            crossings(close[symbol].to_numpy().astype(np.int64), job.fast, job.slow)
            for symbol in job.symbols
        ]
    )
    delayed = np.zeros_like(crossed)
    delayed[1:] = crossed[:-1]
    portfolio = vbt.Portfolio.from_signals(
        close,
        entries=delayed > 0,
        exits=delayed < 0,
        price=native["open"],
        size=float(job.quantity),
        fees=job.fee_rate,
        init_cash=float(job.cash),
        cash_sharing=True,
        group_by=True,
        freq=f"{job.step}s",
    )
    curve = portfolio.value().to_numpy()
    return Outcome(float(curve[-1]), int(portfolio.orders.count()))


if __name__ == "__main__":
    measure(load, run, package="vectorbt", again=True)

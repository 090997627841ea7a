"""bt: trades and marks at one price per bar, here the open; signals come from the close before."""

from __future__ import annotations

from typing import Any

import numpy as np
from harness import Job, Outcome, crossings, measure


def load(job: Job) -> Any:
    """Return the opens as a frame, a column per symbol, and the closes as arrays."""
    import bt
    import pandas as pd

    index = pd.to_datetime(job.start + job.step * pd.RangeIndex(job.bars), unit="s")
    opens = pd.DataFrame(
        np.column_stack(
            [job.column(each, "open").astype(float) for each in range(len(job.symbols))]
        ),
        index=index,
        columns=list(job.symbols),
    )

    class Crossover(bt.Algo):  # type: ignore[misc]  # the library says no types
        def __init__(self) -> None:
            super().__init__("Crossover")
            self.wanted: dict[Any, list[tuple[str, int]]] = {}
            for number, symbol in enumerate(job.symbols):
                crossed = crossings(job.column(number, "close"), job.fast, job.slow)
                held = False
                for row in np.flatnonzero(crossed[:-1]).tolist():
                    if bool(crossed[row] > 0) is not held:
                        held = not held
                        signed = job.quantity if held else -job.quantity
                        self.wanted.setdefault(index[row + 1], []).append((symbol, signed))

        def __call__(self, target: Any) -> bool:
            for symbol, quantity in self.wanted.get(target.now, ()):
                target.transact(quantity, child=symbol)
            return True

    return bt, opens, Crossover


def run(job: Job, native: Any) -> Outcome:
    """Run; the signals are made here, the engine walks the bars."""
    bt, opens, crossover = native
    rate = job.fee_rate
    algo = crossover()
    backtest = bt.Backtest(
        bt.Strategy("crossover", [algo], children=list(job.symbols)),
        opens,
        initial_capital=float(job.cash),
        commissions=lambda quantity, price: abs(quantity) * price * rate,
        integer_positions=True,
        progress_bar=False,
    )
    backtest.run()
    fills = sum(len(each) for each in algo.wanted.values())
    return Outcome(float(backtest.strategy.value), fills)


if __name__ == "__main__":
    measure(load, run, package="bt")

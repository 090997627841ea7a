"""backtrader: its own averages and events; market orders trade at the next open."""

from __future__ import annotations

from typing import Any

from harness import Job, Outcome, measure


def load(job: Job) -> Any:
    """Return the engine with its feeds; it copies them into lines when it starts."""
    import backtrader as bt
    import pandas as pd

    class Crossover(bt.Strategy):  # type: ignore[misc]  # the library says no types
        def __init__(self) -> None:
            self.filled = 0
            self.averages = [
                (
                    data,
                    bt.ind.SMA(data.close, period=job.fast),
                    bt.ind.SMA(data.close, period=job.slow),
                )
                for data in self.datas
            ]

        def next(self) -> None:
            for data, fast, slow in self.averages:
                position = self.getposition(data).size
                if fast[-1] < slow[-1] and fast[0] > slow[0] and not position:
                    self.buy(data=data, size=job.quantity)
                elif fast[-1] > slow[-1] and fast[0] < slow[0] and position:
                    self.sell(data=data, size=job.quantity)

        def notify_order(self, order: Any) -> None:
            self.filled += order.status == order.Completed

    engine = bt.Cerebro(stdstats=False)
    engine.broker.setcash(float(job.cash))
    engine.broker.setcommission(commission=job.fee_rate)
    engine.addstrategy(Crossover)
    index = pd.to_datetime(job.start + job.step * pd.RangeIndex(job.bars), unit="s")
    for number, symbol in enumerate(job.symbols):
        frame = pd.DataFrame(
            {
                name: job.column(number, name).astype(float)
                for name in ("open", "high", "low", "close", "volume")
            },
            index=index,
        )
        engine.adddata(bt.feeds.PandasData(dataname=frame, openinterest=-1), name=symbol)
    return engine


def run(_: Job, native: Any) -> Outcome:
    """Run from its feeds to the final value."""
    strategy = native.run()[0]
    return Outcome(native.broker.getvalue(), strategy.filled)


if __name__ == "__main__":
    measure(load, run, package="backtrader")

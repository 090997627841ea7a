"""zipline-reloaded: bars from a bundle on a calendar without holidays, prices held as integers.

A bundle is written into the job's folder first; that counts as loading. Orders are given the open
of the next bar by a slippage model of our own: the engine's models know closes only.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from harness import Job, Outcome, measure

NAMES = ("open", "high", "low", "close", "volume")
MINUTE, MINUTES_OF_A_DAY = 60, 1_440


def load(job: Job) -> Any:
    """Write the bundle; return what describes the run."""
    os.environ["ZIPLINE_ROOT"] = str(job.folder)
    import pandas as pd
    from zipline.data import bundles
    from zipline.utils.calendar_utils import get_calendar

    index = pd.to_datetime(job.start + job.step * pd.RangeIndex(job.bars), unit="s")
    days = index[[0, -1]].normalize()
    if job.step == MINUTE:
        index = index + pd.Timedelta(minutes=1)  # its minutes are named by their ends
        sessions = days
    else:
        # Days on this calendar end at midnight, when it still shows the day before: it sees each
        # bar a session later, so it is given one more session.
        sessions = days + pd.to_timedelta([0, 1], unit="D")

    def frame(number: int) -> Any:
        columns = {name: job.column(number, name).astype(float) for name in NAMES}
        return pd.DataFrame(columns, index=index)

    def ingest(
        _environ: Any, assets: Any, minutes: Any, daily: Any, adjustments: Any, *_: Any
    ) -> None:
        described = pd.DataFrame(
            {
                "symbol": list(job.symbols),
                "asset_name": list(job.symbols),
                "start_date": sessions[0],
                "end_date": sessions[1],
                "auto_close_date": sessions[1] + pd.Timedelta(days=30),
                "exchange": "HERE",
            }
        )
        assets.write(
            equities=described,
            exchanges=pd.DataFrame(
                [["HERE", "HERE", "US"]], columns=["exchange", "canonical_name", "country_code"]
            ),
        )
        writer = minutes if job.step == MINUTE else daily
        writer.write(((n, frame(n)) for n in range(len(job.symbols))), show_progress=False)
        adjustments.write()

    bundles.register(
        "bars",
        ingest,
        calendar_name="24/7",
        start_session=sessions[0],
        end_session=sessions[1],
        minutes_per_day=MINUTES_OF_A_DAY,
    )
    bundles.ingest("bars", show_progress=False)
    return sessions, get_calendar("24/7")


def run(job: Job, native: Any) -> Outcome:
    """Run the algorithm over the bundle."""
    import pandas as pd
    from zipline import run_algorithm
    from zipline.api import order, set_commission, set_slippage, symbol
    from zipline.finance import commission, slippage

    span, calendar = native

    class NextOpen(slippage.SlippageModel):  # type: ignore[misc]  # the library says no types
        def process_order(self, data: Any, waiting: Any) -> tuple[float, int]:
            return data.current(waiting.asset, "open"), waiting.amount

    closes = np.zeros((job.bars, len(job.symbols)), dtype=np.int64)

    def initialize(context: Any) -> None:
        context.assets = [symbol(name) for name in job.symbols]
        context.row = 0 if job.step == MINUTE else -1
        context.fast = np.zeros(len(job.symbols), dtype=np.int64)
        context.slow = np.zeros(len(job.symbols), dtype=np.int64)
        context.side = np.zeros(len(job.symbols), dtype=np.int64)
        context.held = np.zeros(len(job.symbols), dtype=bool)
        set_commission(us_equities=commission.PerDollar(cost=job.fee_rate))
        set_slippage(us_equities=NextOpen())

    def handle_data(context: Any, data: Any) -> None:
        row = context.row
        context.row += 1
        if not 0 <= row < job.bars:  # no bar yet, or the last session goes on after the last one
            return
        if len(context.assets) == 1:
            closes[row, 0] = round(data.current(context.assets[0], "close"))
        else:
            closes[row] = data.current(context.assets, "close").to_numpy().round()
        context.fast += closes[row] - (closes[row - job.fast] if row >= job.fast else 0)
        context.slow += closes[row] - (closes[row - job.slow] if row >= job.slow else 0)
        if row < job.slow - 1:
            return
        side = np.sign(context.fast * job.slow - context.slow * job.fast)
        turned = (side * context.side == -1) & ((side > 0) != context.held)
        context.side = side
        for number in np.flatnonzero(turned).tolist():
            context.held[number] = not context.held[number]
            signed = job.quantity if context.held[number] else -job.quantity
            order(context.assets[number], signed)

    sessions = calendar.sessions_in_range(*span)
    performance = run_algorithm(
        start=span[0],
        end=span[1],
        initialize=initialize,
        handle_data=handle_data,
        capital_base=float(job.cash),
        data_frequency="minute" if job.step == MINUTE else "daily",
        bundle="bars",
        trading_calendar=calendar,
        benchmark_returns=pd.Series(0.0, index=sessions),
        default_extension=False,
    )
    fills = int(performance["transactions"].map(len).sum())
    return Outcome(float(performance["portfolio_value"].iloc[-1]), fills)


if __name__ == "__main__":
    measure(load, run, package="zipline-reloaded")

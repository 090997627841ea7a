"""What both ways to drive zipline-reloaded share: a bundle of the bars, and a run over it.

The bundle, on a calendar without holidays, is written into the job's folder first; that counts as
loading. Orders are given the open of the next bar by a slippage model of our own: the engine's
models know closes only.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from harness import Job, Outcome

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


def first_row(job: Job) -> int:
    """Return the number of the bar that the first call sees; -1 if it sees none yet."""
    return 0 if job.step == MINUTE else -1


def run(
    job: Job,
    native: Any,
    begin: Callable[[Any], None],
    handle: Callable[[Any, Any, int], None],
) -> Outcome:
    """Run over the bundle: *begin* with the context, then *handle* bar by bar, with its number."""
    import pandas as pd
    from zipline import run_algorithm
    from zipline.api import set_commission, set_slippage, symbol
    from zipline.finance import commission, slippage

    span, calendar = native

    class NextOpen(slippage.SlippageModel):  # type: ignore[misc]  # the library says no types
        def process_order(self, data: Any, waiting: Any) -> tuple[float, int]:
            return data.current(waiting.asset, "open"), waiting.amount

    def initialize(context: Any) -> None:
        context.assets = [symbol(name) for name in job.symbols]
        context.row = first_row(job)
        set_commission(us_equities=commission.PerDollar(cost=job.fee_rate))
        set_slippage(us_equities=NextOpen())
        begin(context)

    def handle_data(context: Any, data: Any) -> None:
        row = context.row
        context.row += 1
        if 0 <= row < job.bars:  # or there is no bar yet, or none left in the last session
            handle(context, data, row)

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

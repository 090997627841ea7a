"""Apply the gap policies to bars with holes, and show bars with holes to a strategy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from rustybt.adapters.csv import CsvSource
from rustybt.calendars import get_calendar
from rustybt.data.bars import NUMBERS
from rustybt.data.catalog import Catalog
from rustybt.data.gaps import GapPolicy, apply_gap_policy, expected_times
from rustybt.data.interval import Interval
from rustybt.data.quality import Circumstances, sift
from rustybt.engine import Backtest
from rustybt.errors import RustyBTError
from rustybt.strategy import Strategy, StrategyBar


class Watching(Strategy):
    """Notes the bars it is shown, and trades nothing."""

    def on_start(self) -> None:
        """Begin with none."""
        self.shown: list[list[Any]] = []

    def on_bar(self, bar: StrategyBar) -> None:
        """Note one."""
        self.shown.append([bar.time, bar.close])


def main(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what each policy makes of *rows*, and what a strategy sees of bars that have holes.

    Bars are expected on all days from *start* until before *end*.
    """
    start, end = (datetime.fromisoformat(arguments[key]) for key in ("start", "end"))
    bars = _bars(arguments["rows"], end)
    calendar = get_calendar("24/7", start=start.date(), end=end.date())
    expected = expected_times(Interval.D1, calendar, start, end)
    found = {policy.value: _applied(bars, expected, policy) for policy in GapPolicy}
    filled = apply_gap_policy(bars, expected, GapPolicy.FORWARD_FILL)
    return {
        "policies": found,
        "unsaid": _applied(bars, expected),
        "from the catalog": _shown(_stored(bars, end)),
        "after a forward fill": _shown(filled),
        "after a forward fill, in floats": _shown(filled.with_columns(pl.col(NUMBERS).cast(float))),
    }


def _bars(rows: Sequence[Sequence[str]], now: datetime) -> pl.DataFrame:
    """Return *rows* as bars, by way of a file."""
    header = "timestamp,open,high,low,close,volume"
    file = Path("rows.csv")
    file.write_text("\n".join([header, *(",".join(row) for row in rows), ""]), "utf-8")
    raw = CsvSource(file).rows("X")
    return sift(raw, Circumstances(now=now, interval=Interval.D1)).bars


def _stored(bars: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Return *bars* as the catalog gives them back."""
    catalog = Catalog(Path("catalog"), lambda: now)
    catalog.write("X", Interval.D1, bars, source="probe")
    return catalog.read("X", Interval.D1)


def _applied(bars: pl.DataFrame, expected: pl.Series, *policy: GapPolicy) -> dict[str, Any]:
    """Return the bars that a policy makes of *bars*, or the name of its error and its message."""
    try:
        table = apply_gap_policy(bars, expected, *policy)
    except RustyBTError as error:
        return {"error": type(error).__name__, "message": str(error), "bars": []}
    columns = ("timestamp", "close", "volume", "filled")
    return {"error": "", "message": "", "bars": [list(row) for row in table.select(columns).rows()]}


def _shown(frame: pl.DataFrame) -> list[list[Any]]:
    """Return the bars that a strategy is shown in a backtest over *frame*."""
    strategy = Watching()
    Backtest(strategy, {"X": frame}).run()
    return strategy.shown

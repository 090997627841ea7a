"""The tear sheet of a backtest: one HTML file, readable anywhere and for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from rustybt.engine.charts import Mark, line_chart, monthly_returns
from rustybt.engine.frames import digits
from rustybt.engine.pages import page_environment

if TYPE_CHECKING:
    from rustybt.engine.result import Result

# fmt: off
_MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)
# fmt: on
_TRADES_SHOWN: Final = 200
_MARKS_SHOWN: Final = 400
_NAMES: Final = {
    "total_return": ("Total return", "percent"),
    "annual_return": ("Annual return", "percent"),
    "volatility": ("Volatility a year", "percent"),
    "sharpe_ratio": ("Sharpe ratio", "number"),
    "sortino_ratio": ("Sortino ratio", "number"),
    "calmar_ratio": ("Calmar ratio", "number"),
    "max_drawdown": ("Maximum drawdown", "percent"),
    "longest_drawdown": ("Longest drawdown, bars", "count"),
    "value_at_risk": ("Value at risk, 5 %", "percent"),
    "conditional_value_at_risk": ("Expected shortfall, 5 %", "percent"),
    "exposure_time": ("Time in the market", "percent"),
    "trades": ("Round trips", "count"),
    "win_rate": ("Win rate", "percent"),
    "profit_factor": ("Profit factor", "number"),
}


def tear_sheet(result: Result) -> str:
    """Return the tear sheet of *result* as HTML."""
    environment = page_environment()
    environment.filters["percent"] = lambda value: f"{value:.1%}"
    environment.filters["digits"] = digits
    summary = result.summary()
    times = result.equity_frame["timestamp"].cast(pl.Int64).to_numpy()
    equity = result.curve.equity
    return environment.get_template("tearsheet.html.j2").render(
        summary=summary,
        statistics=[
            (label, _shown(summary.get(name), kind)) for name, (label, kind) in _NAMES.items()
        ],
        equity=line_chart(times, equity, title="Equity", marks=_marks(result)),
        drawdown=line_chart(
            times,
            result.equity_frame["drawdown"].to_numpy(),
            title="Drawdown",
            percent=True,
            filled=True,
        ),
        months=_MONTHS,
        years=[] if result.ruined else monthly_returns(times, result.returns),
        trades=result.trades[-_TRADES_SHOWN:],
        all_trades=len(result.trades),
        refusals=result.refusals[:_TRADES_SHOWN],
    )


def _shown(value: object, kind: str) -> str:
    """Return a figure for people; a dash where it is not defined."""
    if not isinstance(value, int | float):
        return "\N{EN DASH}"
    if kind == "count":
        return f"{value:,}"
    return f"{value:.2%}" if kind == "percent" else f"{value:.3f}"


def _marks(result: Result) -> list[Mark]:
    """Return where on the equity curve the trades were; none if they were too many to see."""
    fills = result.fills_frame
    if fills.height > _MARKS_SHOWN:
        return []
    times = fills["timestamp"].cast(pl.Int64).to_numpy()
    own = result.equity_frame["timestamp"].cast(pl.Int64).to_numpy()
    places = np.clip(np.searchsorted(own, times, side="right") - 1, 0, own.size - 1)
    values = result.curve.equity[places]
    return [
        Mark(time, value, side == "buy")
        for time, value, side in zip(times.tolist(), values.tolist(), fills["side"], strict=True)
    ]

"""The page of a sweep: one HTML file with the heat map, readable anywhere and for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rustybt.engine.charts import line_chart
from rustybt.engine.pages import page_environment
from rustybt.engine.sweep.heatmap import heat_maps

if TYPE_CHECKING:
    from rustybt.engine.sweep.result import SweepResult

_SHOWN: Final = 50
_COLUMNS: Final = {
    "final_equity": ("Final equity", "text"),
    "total_return": ("Return", "percent"),
    "annual_return": ("A year", "percent"),
    "sharpe_ratio": ("Sharpe", "number"),
    "sortino_ratio": ("Sortino", "number"),
    "calmar_ratio": ("Calmar", "number"),
    "max_drawdown": ("Drawdown", "percent"),
    "trades": ("Trades", "text"),
}


def page(result: SweepResult) -> str:
    """Return the page of *result* as HTML."""
    environment = page_environment()
    environment.filters["day"] = lambda time: f"{time:%Y-%m-%d}"
    environment.filters["figure"] = shown
    path = result.out_of_sample
    return environment.get_template("sweep.html.j2").render(
        result=result,
        metric=result.metric,
        names=list(result.grid.values),
        columns=_COLUMNS,
        best=result.best,
        maps=heat_maps(result),
        ranking=[result.row(each) for each in result.ranked[:_SHOWN]],
        all_ranked=len(result.ranked),
        windows=result.window_frame.to_dicts() if result.windows else [],
        chained=result.chained(),
        tested=None if path is None else line_chart(*path, title="Growth of 1, test parts only"),
        failed=[result.row(each) for each in result.failed[:_SHOWN]],
    )


def shown(value: object, kind: str = "number") -> str:
    """Return a figure for people; a dash where it is not defined."""
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, float):
        return f"{value:.2%}" if kind == "percent" else f"{value:.3f}"
    return str(value)

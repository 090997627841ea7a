"""What combinations are ranked by."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

from rustybt.engine.sweep.errors import SweepError

if TYPE_CHECKING:
    from rustybt.engine.sweep.task import Figures


class Metric(NamedTuple):
    """A figure to rank by: its *name* on the command line, its *column* in tables."""

    name: str
    column: str
    label: str
    percent: bool = False
    lower_is_better: bool = False

    def of(self, figures: Figures | None) -> float | Decimal | None:
        """Return the figure; ``None`` where it is not defined."""
        value = None if figures is None else getattr(figures, self.column)
        return Decimal(value) if isinstance(value, str) else value

    def rank(self, figures: Figures | None) -> tuple[bool, float | Decimal]:
        """Return what sorts the best first and what has no such figure last."""
        value = self.of(figures)
        if value is None:
            return True, 0.0
        return False, value if self.lower_is_better else -value


METRICS: Final = {
    metric.name: metric
    for metric in (
        Metric("sharpe", "sharpe_ratio", "Sharpe ratio"),
        Metric("sortino", "sortino_ratio", "Sortino ratio"),
        Metric("calmar", "calmar_ratio", "Calmar ratio"),
        Metric("return", "total_return", "Total return", percent=True),
        Metric("annual-return", "annual_return", "Annual return", percent=True),
        Metric("drawdown", "max_drawdown", "Maximum drawdown", percent=True),
        Metric("volatility", "volatility", "Volatility a year", percent=True, lower_is_better=True),
        Metric("equity", "final_equity", "Final equity"),
    )
}


def metric_named(name: str) -> Metric:
    """Return the metric of that name, or of the column it is in; raise if there is none."""
    for metric in METRICS.values():
        if name in (metric.name, metric.column):
            return metric
    raise SweepError(f"there is no metric {name!r}", expected=", ".join(METRICS))

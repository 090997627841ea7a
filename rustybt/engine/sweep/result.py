"""What a sweep found."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from msgspec.structs import asdict

from rustybt.accounting.performance import max_drawdown, sharpe_ratio, total_return
from rustybt.engine.frames import plain, write_parquet
from rustybt.engine.sweep.task import Figures
from rustybt.strategy.bar import instant

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from rustybt.engine.sweep.grid import Grid
    from rustybt.engine.sweep.metrics import Metric
    from rustybt.engine.sweep.task import Outcome
    from rustybt.engine.sweep.windows import Window
    from rustybt.engine.tape import Floats, Integers
    from rustybt.strategy.parameters import Parameter

_KINDS: dict[type, Any] = {int: pl.Int64, float: pl.Float64, bool: pl.Boolean}
_FIGURES = {
    "final_equity": pl.String,
    "profit": pl.String,
    "fees": pl.String,
    "total_return": pl.Float64,
    "annual_return": pl.Float64,
    "volatility": pl.Float64,
    "sharpe_ratio": pl.Float64,
    "sortino_ratio": pl.Float64,
    "calmar_ratio": pl.Float64,
    "max_drawdown": pl.Float64,
    "trades": pl.Int64,
    "fills": pl.Int64,
    "refused": pl.Int64,
    "ruined": pl.Boolean,
}


class SweepResult:
    """The outcome of a sweep: one row per combination (and window), exact money as text.

    *reused* of the results came from an earlier run; *interrupted* says that some are missing.
    *notes* are about the data and about what was kept from before.
    """

    def __init__(
        self,
        grid: Grid,
        outcomes: Sequence[Outcome],
        *,
        strategy: str,
        metric: Metric,
        windows: Sequence[Window],
        times: Integers,
        symbols: Sequence[str],
        currency: str,
        periods: float,
        reused: int,
        interrupted: bool,
        notes: Sequence[str],
    ) -> None:
        self.grid = grid
        self.strategy = strategy
        self.metric = metric
        self.symbols = tuple(symbols)
        self.currency = currency
        self.reused = reused
        self.interrupted = interrupted
        self.notes = tuple(notes)
        self.windows = tuple(windows)
        self._times = times
        self._periods = periods
        order = {window.start: number for number, window in enumerate(windows)}
        self._tests = {
            order[each.part.start]: each for each in outcomes if each.part.first > each.part.start
        }
        runs = [each for each in outcomes if each.part.first == each.part.start]
        self.outcomes = sorted(runs, key=lambda each: (each.part, each.number))

    @property
    def failed(self) -> list[Outcome]:
        """The runs that ended with an error."""
        return [each for each in (*self.outcomes, *self._tests.values()) if each.error is not None]

    @property
    def start(self) -> datetime:
        """When the first bar began."""
        return instant(int(self._times[0]))

    @property
    def end(self) -> datetime:
        """When the last bar began."""
        return instant(int(self._times[-1]))

    @cached_property
    def ranked(self) -> list[Outcome]:
        """All runs that have figures, the best first; equals in the order of the grid."""
        done = [each for each in self.outcomes if each.figures is not None]
        return sorted(
            done, key=lambda each: (*self.metric.rank(each.figures), each.part, each.number)
        )

    @property
    def best(self) -> dict[str, Parameter] | None:
        """The parameters that did best over all of the data; ``None`` if no run has the figure.

        Of walk-forward windows, those that did best in the last training: what to go on with.
        """
        runs = self.ranked
        if self.windows:
            last = [each for each in self.outcomes if each.part.start == self.windows[-1].start]
            chosen = best_in_training(self.metric, last, self.windows[-1])
            runs = [] if chosen is None else [chosen]
        if not runs or self.metric.of(runs[0].figures) is None:
            return None
        return self.grid.combinations[runs[0].number]

    # Tables

    @cached_property
    def frame(self) -> pl.DataFrame:
        """One row per combination, in the order of the grid: parameters, figures, error.

        With walk-forward windows one row per window and combination, over its train part.
        """
        columns = {"window": self._window_numbers(self.outcomes)} if self.windows else {}
        numbers = [each.number for each in self.outcomes]
        figures = [each.figures for each in self.outcomes]
        errors = pl.Series([each.error for each in self.outcomes], dtype=pl.String)
        return pl.DataFrame(
            {**columns, **self._parameters(numbers), **_figures(figures), "error": errors}
        )

    @cached_property
    def window_frame(self) -> pl.DataFrame:
        """One row per walk-forward window: its times, what was chosen, and how that did in test.

        Figures are those of the test part; ``trained`` is the metric that the choice was made by.
        Where nothing could be chosen, parameters and figures are null.
        """
        numbers = range(len(self.windows))
        chosen = [best_in_training(self.metric, self.outcomes, each) for each in self.windows]
        tests = [self._tests.get(number) for number in numbers]
        trained = [each and self.metric.of(each.figures) for each in chosen]
        return pl.DataFrame(
            {
                "window": pl.Series(numbers, dtype=pl.Int64),
                "train_start": self._starts([each.start for each in self.windows]),
                "test_start": self._starts([each.split for each in self.windows]),
                "test_end": self._starts([each.end - 1 for each in self.windows]),
                **self._parameters([each and each.number for each in chosen]),
                "trained": pl.Series(
                    [None if each is None else float(each) for each in trained], dtype=pl.Float64
                ),
                **_figures([each and each.figures for each in tests]),
                "error": pl.Series([each and each.error for each in tests], dtype=pl.String),
            }
        )

    @cached_property
    def out_of_sample(self) -> tuple[Integers, Floats] | None:
        """When each tested bar began, and what 1 invested before the first test came to there.

        Test parts follow one another; where nothing was chosen there is no return. ``None`` without
        windows, if a test failed or was ruined, or if some were not run.
        """
        returns: list[Floats] = []
        times: list[Integers] = []
        for number, window in enumerate(self.windows):
            gained = self._returns(number, window)
            if gained is None:
                return None
            returns.append(gained)
            times.append(self._times[window.split : window.end])
        if not returns:
            return None
        growth: Floats = np.cumprod(1 + np.concatenate(returns), dtype=np.float64)
        return np.concatenate(times), growth

    def _returns(self, number: int, window: Window) -> Floats | None:
        """Return the returns of a test; ``None`` if there should be some and are not."""
        test = self._tests.get(number)
        if test is not None:
            kept = None if test.figures is None else test.figures.returns
            return None if kept is None else np.array(kept)
        if self.interrupted or best_in_training(self.metric, self.outcomes, window) is not None:
            return None
        return np.zeros(window.end - window.split)

    def _window_numbers(self, outcomes: Sequence[Outcome]) -> pl.Series:
        """Return which window each outcome is of."""
        order = {window.start: number for number, window in enumerate(self.windows)}
        return pl.Series([order[each.part.start] for each in outcomes], dtype=pl.Int64)

    def _starts(self, places: Sequence[int]) -> pl.Series:
        """Return when the bars at *places* began."""
        return pl.Series(self._times[list(places)]).cast(pl.Datetime("us", "UTC"))

    def _parameters(self, numbers: Sequence[int | None]) -> dict[str, pl.Series]:
        """Return one column for each swept parameter."""
        found = {}
        for name, values in self.grid.values.items():
            column = [
                None if number is None else self.grid.combinations[number][name]
                for number in numbers
            ]
            kind = _KINDS.get(type(values[0]), pl.String)
            if kind is pl.String:
                column = [None if each is None else str(plain(each)) for each in column]
            found[name] = pl.Series(column, dtype=kind)
        return found

    # Files, text

    def to_parquet(self, folder: Path) -> tuple[Path, ...]:
        """Write ``results`` and, with windows, ``windows`` as Parquet into *folder*.

        Return the files; each is whole or absent. Raise ``OSError`` if the disk refuses.
        """
        folder.mkdir(parents=True, exist_ok=True)
        files = [write_parquet(self.frame, folder / "results.parquet")]
        if self.windows:
            files.append(write_parquet(self.window_frame, folder / "windows.parquet"))
        return tuple(files)

    def to_html(self, path: Path) -> Path:
        """Write the page with the heat map, one file without scripts or network."""
        from rustybt.engine.sweep.page import page
        from rustybt.files import write_atomic

        write_atomic(path, page(self).encode(), mode=0o644)
        return path

    def row(self, outcome: Outcome) -> dict[str, object]:
        """Return parameters and figures of one run, ready for JSON."""
        combination = self.grid.combinations[outcome.number]
        figures = {} if outcome.figures is None else asdict(outcome.figures)
        figures.pop("returns", None)
        window = {}
        if self.windows:
            window = {"window": self._window_numbers([outcome])[0]}
        return {
            **window,
            "parameters": {name: plain(value) for name, value in combination.items()},
            **figures,
            "error": outcome.error,
        }

    def summary(self, top: int = 10) -> dict[str, object]:
        """Return what matters, ready for JSON: the best *top* runs, windows, what failed."""
        best = self.best
        document: dict[str, object] = {
            "strategy": self.strategy,
            "symbols": len(self.symbols),
            "instants": int(self._times.size),
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "currency": self.currency,
            "combinations": len(self.grid.combinations),
            "excluded": self.grid.size - len(self.grid.combinations),
            "runs": len(self.outcomes) + len(self._tests),
            "reused": self.reused,
            "failed": len(self.failed),
            "interrupted": self.interrupted,
            "metric": self.metric.name,
            "best": best and {name: plain(value) for name, value in best.items()},
            "ranking": [self.row(each) for each in self.ranked[:top]],
            "errors": [self.row(each) for each in self.failed[:top]],
            "notes": list(self.notes),
        }
        if self.windows:
            document["windows"] = self.window_frame.with_columns(
                pl.col(pl.Datetime).dt.to_string("iso:strict")
            ).to_dicts()
            document["out_of_sample"] = self.chained()
        return document

    def chained(self) -> dict[str, float | None] | None:
        """Return the statistics of all tests one after the other; ``None`` if some are missing."""
        if self.out_of_sample is None:
            return None
        growth = np.concatenate(([1.0], self.out_of_sample[1]))
        returns = growth[1:] / growth[:-1] - 1
        drawdown = max_drawdown(returns)
        return {
            "total_return": total_return(returns),
            "sharpe_ratio": sharpe_ratio(returns, periods=self._periods),
            "max_drawdown": 0.0 if drawdown is None else drawdown.depth,
        }


def best_in_training(metric: Metric, outcomes: Sequence[Outcome], window: Window) -> Outcome | None:
    """Return what did best in the train part of *window*; ``None`` if no run has the figure.

    Of equals the first of the grid is taken.
    """
    part = (window.start, window.start, window.split)
    runs = [each for each in outcomes if each.part == part and metric.of(each.figures) is not None]
    return min(runs, key=lambda each: (*metric.rank(each.figures), each.number), default=None)


def _figures(found: Sequence[Figures | None]) -> dict[str, pl.Series]:
    """Return one column for each figure."""
    return {
        name: pl.Series([each and getattr(each, name) for each in found], dtype=kind)
        for name, kind in _FIGURES.items()
    }

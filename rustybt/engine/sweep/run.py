"""Sweeps: one strategy, many combinations of its parameters, each an exact backtest."""

from __future__ import annotations

import contextlib
import hashlib
import os
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, Self, Unpack

from rustybt.engine.actions import read_actions
from rustybt.engine.backtest import Backtest
from rustybt.engine.intake import take_in
from rustybt.engine.sweep.errors import SweepError
from rustybt.engine.sweep.grid import Grid
from rustybt.engine.sweep.metrics import metric_named
from rustybt.engine.sweep.result import SweepResult, best_in_training
from rustybt.engine.sweep.shipment import data_digest
from rustybt.engine.sweep.source import source_digest, source_of
from rustybt.engine.sweep.state import Inputs, State
from rustybt.engine.sweep.task import Options, Outcome, Part, Task
from rustybt.engine.sweep.windows import WalkForward
from rustybt.engine.sweep.workbench import Workbench
from rustybt.strategy.base import Strategy
from rustybt.strategy.loader import load_strategy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rustybt.engine.intake import Frames
    from rustybt.engine.sweep.grid import Values


_LITTLE: Final = 30_000_000
"""Bars by signals that are done here before others could begin."""
_BY_BAR: Final = 15
_OVERHEAD: Final = 20_000
"""What a run costs besides its bars, in bars by signals."""


class Runner(Protocol):
    """Whoever runs tasks."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...

    def outcomes(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Run *tasks* and yield their outcomes as they come, in any order."""


class Sweep:
    """Backtests of *strategy* (a class, or a file with one) over *data* for many *parameters*.

    *parameters* maps names to values: text like ``5:50:5`` or ``20,50``, or any iterable. *where*
    are conditions like ``fast < slow``. *metric* is what the best is chosen by: one of
    :data:`~rustybt.engine.sweep.metrics.METRICS`. *walk_forward* (an object, or text like
    ``252/63``) chooses the best on each train part and runs it on what follows.

    *processes* run side by side; 1 runs all in this one. By default there is one for each core, or
    only this one for what takes no longer than to start others. A run that kills its process ends
    the whole sweep in this one, and is a row with an error in others. *dask* is the address of a
    cluster that runs them instead. *state* is a file that results are kept in: the next run of the
    same sweep does only what is missing. *progress* is told tasks done and tasks in all.

    *options* are those of :class:`~rustybt.engine.backtest.Backtest`: cash, commission, slippage,
    fill, rules, instruments, currency, lot, limits, interval, periods, actions, costs, margin,
    margins; *symbol* is what bars are called that do not say.

    Raise :class:`~rustybt.engine.sweep.errors.SweepError` (and, for bars,
    :class:`~rustybt.engine.errors.BarDataError`) for what cannot be run.
    """

    def __init__(
        self,
        strategy: type[Strategy] | Path | str,
        data: Frames,
        parameters: Mapping[str, Values],
        *,
        where: str | Sequence[str] = (),
        metric: str = "sharpe",
        walk_forward: WalkForward | str | None = None,
        processes: int | None = None,
        dask: str | None = None,
        state: Path | None = None,
        progress: Callable[[int, int], object] | None = None,
        symbol: str = "ASSET",
        **options: Unpack[Options],
    ) -> None:
        kind = strategy if isinstance(strategy, type) else load_strategy(Path(strategy))
        self._strategy = kind
        self.grid = Grid(kind, parameters, where)
        self.metric = metric_named(metric)
        self._options = options
        _refuse_uncounted(options)
        Backtest(kind, {}, **options)  # raises for options that cannot be
        self._path = state
        self._progress = progress
        instruments = options.get("instruments") or {}
        signed = frozenset(name for name, each in instruments.items() if each.is_margined)
        self._bars = take_in(data, signed=signed, name=symbol)
        self._bench = Workbench(kind, self._bars, options)
        actions = options.get("actions")
        self._actions = () if actions is None else read_actions(actions)
        if isinstance(walk_forward, str):
            walk_forward = WalkForward.parse(walk_forward)
        self._windows = walk_forward.windows(self._bench.whole.end) if walk_forward else []
        self._processes = self._worthwhile() if processes is None else _processes(processes)
        self._dask = dask
        is_here = dask is None and self._processes == 1
        self._source = None if is_here else source_of(kind)
        self._inputs = None if state is None else self._digests()
        self._done, self._all = 0, 0

    def _worthwhile(self) -> int:
        """Return how many processes are quickest."""
        parts = [each.split - each.start for each in self._windows] or [self._bench.whole.end]
        runs = len(self.grid.combinations) * len(parts)
        bars = self._bench.height * sum(parts) / len(parts) / self._bench.whole.end
        by_signals = self._strategy.signals is not Strategy.signals
        return quickest(runs, bars, by_signals=by_signals, cores=os.cpu_count() or 1)

    def run(self) -> SweepResult:
        """Run what has not been run yet and return all results.

        A combination that fails is a row with its error. An interrupt from the keyboard ends the
        sweep: what has been done is returned, marked as interrupted.
        """
        parts = [Part(each.start, each.start, each.split) for each in self._windows]
        tasks = [
            Task(number, combination, part)
            for part in parts or [self._bench.whole]
            for number, combination in enumerate(self.grid.combinations)
        ]
        self._done, self._all = 0, len(tasks) + len(self._windows)
        found: list[Outcome] = []
        with contextlib.ExitStack() as stack:
            state = self._state(stack)
            notes = [note for each in self._bars for note in each.notes]
            notes += self._bench.left_out(self._actions)
            notes += [] if state is None else state.notes
            runner = _Late(self._runner, stack)
            interrupted = False
            reused = 0
            try:
                reused += self._run(tasks, runner, state, found)
                if self._windows:
                    reused += self._run(self._tests(found), runner, state, found)
            except KeyboardInterrupt:
                interrupted = True
        return SweepResult(
            self.grid,
            found,
            strategy=self._strategy.__name__,
            metric=self.metric,
            windows=self._windows,
            times=self._bench.times,
            symbols=self._bench.symbols,
            currency=self._options.get("currency", "USD"),
            periods=self._bench.periods,
            reused=reused,
            interrupted=interrupted,
            notes=notes,
        )

    def _run(
        self, tasks: Sequence[Task], runner: _Late, state: State | None, found: list[Outcome]
    ) -> int:
        """Run *tasks*, appending to *found*; return how many were known from before."""
        known = [] if state is None else state.known(tasks)
        found += known
        self._tell(len(known))
        have = {(each.number, each.part) for each in known}
        missing = {
            (each.number, each.part): each for each in tasks if (each.number, each.part) not in have
        }
        if missing:
            for outcome in runner.outcomes(list(missing.values())):
                found.append(outcome)
                if state is not None:
                    state.keep(missing[outcome.number, outcome.part], outcome)
                self._tell(1)
        return len(known)

    def _tell(self, count: int) -> None:
        """Say that *count* more tasks are done."""
        self._done += count
        if self._progress is not None:
            self._progress(self._done, self._all)

    def _tests(self, found: Sequence[Outcome]) -> list[Task]:
        """Return the test of each window with what did best in its training."""
        tasks = []
        for window in self._windows:
            best = best_in_training(self.metric, found, window)
            if best is None:
                self._tell(1)  # nothing to run: nothing did well enough to have the figure
                continue
            parameters = self.grid.combinations[best.number]
            part = Part(window.start, window.split, window.end)
            tasks.append(Task(best.number, parameters, part))
        return tasks

    def _runner(self) -> Runner:
        """Return whoever runs the tasks."""
        if self._source is None:
            return _Here(self._bench)
        if self._dask is not None:
            from rustybt.engine.sweep.cluster import Cluster

            return Cluster(self._dask, self._source, self._bars, self._options)
        from rustybt.engine.sweep.pool import Pool

        return Pool(self._source, self._bars, self._options, self._processes)

    def _state(self, stack: contextlib.ExitStack) -> State | None:
        """Return the results of earlier runs, if they are kept."""
        if self._path is None or self._inputs is None:
            return None
        return stack.enter_context(State(self._path, self._inputs))

    def _digests(self) -> Inputs:
        """Return what results depend on; raise where a change of it could not be noticed."""
        # A table's text shows some of its rows only.
        settings = repr(sorted({**self._options, "actions": self._actions}.items()))
        if " at 0x" in settings:
            raise SweepError(
                "the costs or limits have no text by which a change of them could be noticed",
                remedy="give their classes a __repr__ that says all, or do without a state",
            )
        return Inputs(
            strategy=source_digest(self._strategy),
            data=data_digest(self._bars),
            settings=hashlib.sha256(settings.encode()).hexdigest(),
            engine=version("rustybt"),
        )


class _Here:
    """Runs tasks in this process."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing behind: there is nothing."""

    def outcomes(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Run *tasks* one after the other."""
        return map(self._bench.outcome, tasks)


class _Late:
    """A runner that is made when there is something to run, and ended with *stack*."""

    def __init__(self, make: Callable[[], Runner], stack: contextlib.ExitStack) -> None:
        self._make = make
        self._stack = stack
        self._runner: Runner | None = None

    def outcomes(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Run *tasks*."""
        if self._runner is None:
            self._runner = self._stack.enter_context(self._make())
        return self._runner.outcomes(tasks)


def quickest(runs: int, bars: float, *, by_signals: bool, cores: int) -> int:
    """Return how many processes are quickest for *runs* over so many *bars* each.

    To start others takes as long as some tens of millions of bars by signals, or a fraction of that
    bar by bar.
    """
    work = runs * (_OVERHEAD + bars * (1 if by_signals else _BY_BAR))
    return 1 if work <= _LITTLE else cores


def _processes(wanted: int) -> int:
    """Return how many processes to use."""
    if wanted < 1:
        raise SweepError(f"{wanted} processes", expected="1 or more")
    return wanted


def _refuse_uncounted(options: Mapping[str, object]) -> None:
    """Refuse options of a backtest whose effects a sweep does not count, rather than drop them."""
    known = Options.__annotations__
    wrong = sorted(options.keys() - known.keys())
    if wrong:
        raise SweepError(
            f"a sweep does not take {', '.join(wrong)}",
            expected=", ".join(known),
            remedy="run a Backtest for each combination",
        )

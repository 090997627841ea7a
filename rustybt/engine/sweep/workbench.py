"""What a process needs to run combinations: the strategy and the bars, prepared once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import numpy as np

from rustybt.engine.actions import place
from rustybt.engine.curve import periods_per_year
from rustybt.engine.intake import Bars
from rustybt.engine.sweep.measure import Measurement
from rustybt.engine.sweep.task import Options, Outcome, Part
from rustybt.engine.tape import Tape
from rustybt.errors import RustyBTError
from rustybt.strategy.loader import described

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rustybt.engine.actions import Action
    from rustybt.engine.sweep.task import Figures, Task
    from rustybt.strategy.base import Strategy

_TAPES: Final = 4
"""Parts of the data that are kept in order; tasks come part by part."""


class Workbench:
    """Runs tasks of one *strategy* class on *bars* that have been taken in."""

    def __init__(self, strategy: type[Strategy], bars: Sequence[Bars], options: Options) -> None:
        self._strategy = strategy
        self._bars = [each for each in bars if each.frame.height]
        whole = Tape(self._bars, interval=options.get("interval"))
        self.times = whole.times
        self.symbols = whole.symbols
        self.height = whole.height
        self.whole = Part(0, 0, int(self.times.size))
        self.periods = options.get("periods") or periods_per_year(self.times)
        self._options: Options = {**options, "interval": whole.interval, "periods": self.periods}
        self._tapes = {(0, self.whole.end): whole}
        self._lock = threading.Lock()

    def outcome(self, task: Task) -> Outcome:
        """Run *task*; what is wrong with its combination becomes its error."""
        try:
            return Outcome(task.number, task.part, self._figures(task))
        except RustyBTError as error:
            return Outcome(task.number, task.part, None, str(error))
        except Exception as error:  # noqa: BLE001 - the other combinations have to go on
            return Outcome(task.number, task.part, None, described(error))

    def left_out(self, actions: Sequence[Action]) -> list[str]:
        """Return notes on those of *actions* that find no bar to take effect before."""
        return place(actions, self._tape(0, self.whole.end))[1]

    def _figures(self, task: Task) -> Figures:
        """Run *task* and return its figures."""
        start, first, end = task.part
        strategy = self._strategy(**task.parameters)
        return Measurement(strategy, self._tape(start, end), **self._options).figures(
            first=first - start, periods=self.periods, keep_returns=first > start
        )

    def _tape(self, start: int, end: int) -> Tape:
        """Return the bars of the instants from *start* to before *end*."""
        with self._lock:
            known = self._tapes.get((start, end))
            if known is None:
                known = Tape(self._between(start, end), interval=self._options["interval"])
                while len(self._tapes) >= _TAPES:
                    del self._tapes[next(iter(self._tapes))]
                self._tapes[start, end] = known
            return known

    def _between(self, start: int, end: int) -> list[Bars]:
        """Return the bars of some instants, by symbol; symbols without any are left out."""
        edges = self.times[[start, end - 1]] + np.array([0, 1])
        found = []
        for each in self._bars:
            first, last = np.searchsorted(each.frame["timestamp"].to_numpy(), edges).tolist()
            if first < last:
                exact = None if each.exact is None else each.exact[first:last]
                found.append(Bars(each.symbol, each.frame[first:last], exact, each.notes))
        return found

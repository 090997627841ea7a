"""Find out whether a strategy decides on bars that had not happened yet.

What it decides up to some bar must be the same whether the data ends there or goes on. So it is run
on prefixes of the data, and their decisions are compared with those of the whole.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Final, NamedTuple, Unpack

import numpy as np
import polars as pl

from rustybt.engine.backtest import Backtest
from rustybt.engine.errors import BacktestError
from rustybt.engine.intake import take_in
from rustybt.engine.tape import Tape
from rustybt.engine.targets import target_column
from rustybt.strategy.bar import instant
from rustybt.strategy.base import Strategy
from rustybt.strategy.signals import as_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rustybt.engine.intake import Frames
    from rustybt.engine.sweep.task import Options

Decision = tuple[int, str, str]
"""After which bar (its start), the symbol, the order."""

_TOLERANCE: Final = 1e-9
_EXHAUSTIVE: Final = 400


class Leak(NamedTuple):
    """A decision that changes when later bars become known."""

    symbol: str
    time: int
    known_until: int
    then: str
    later: str

    def __str__(self) -> str:
        time, until = instant(self.time), instant(self.known_until)
        return (
            f"{self.symbol} at {time:%Y-%m-%d %H:%M}: {self.then} with data until"
            f" {until:%Y-%m-%d %H:%M}, {self.later} with all of it"
        )


class LookaheadReport(NamedTuple):
    """What was compared and what came of it."""

    strategy: str
    decisions: int
    prefixes: int
    leaks: tuple[Leak, ...]

    @property
    def is_clean(self) -> bool:
        """Whether no decision changed."""
        return not self.leaks

    @property
    def conclusion(self) -> str:
        """The outcome in a sentence."""
        looked = f"{self.decisions} decisions of {self.strategy} on {self.prefixes} prefixes"
        if self.leaks:
            return f"{self.strategy} looks ahead: of {looked}, {len(self.leaks)} changed"
        return f"{looked} are the same as on all of the data"


def find_lookahead(
    make: Callable[[], Strategy],
    data: Frames,
    *,
    cuts: int = 50,
    seed: int = 0,
    **options: Unpack[Options],
) -> LookaheadReport:
    """Compare what strategies that *make* returns decide on prefixes of *data* and on all of it.

    A strategy with signals is compared target by target, at every row of every prefix; one without
    by its orders. *cuts* is how many prefixes are tried, spread over the data and always with the
    shortest and the longest; few rows are tried one by one. *options* are those of the backtest in
    which orders are compared. Raise
    :class:`~rustybt.engine.errors.BacktestError` if there was no decision to compare: that is no
    sign of innocence.
    """
    bars = {
        each.symbol: each.frame.with_columns(pl.col("timestamp").cast(pl.Datetime("us", "UTC")))
        for each in take_in(data, signed=frozenset(_symbols(data)))
        if each.frame.height
    }
    times = np.unique(
        np.concatenate([f["timestamp"].cast(pl.Int64).to_numpy() for f in bars.values()])
    )
    # Before every symbol has begun a prefix would not even have the same symbols.
    begun = max(int(frame["timestamp"].cast(pl.Int64).min()) for frame in bars.values())  # type: ignore[arg-type]  # a column of integers
    first = int(np.searchsorted(times, begun))
    ends = [first + end for end in _ends(times.size - first, cuts, seed)]
    strategy = make()
    known_until = [int(times[end]) for end in ends]
    if type(strategy).signals is not Strategy.signals:
        decisions, leaks = _signals(make, bars, known_until)
    else:
        decisions, leaks = _orders(make, bars, known_until, options)
    if not decisions:
        raise BacktestError(
            f"{type(strategy).__name__} decided nothing on {times.size} instants: nothing to check",
            remedy="give it data on which it trades",
        )
    return LookaheadReport(type(strategy).__name__, decisions, len(ends), leaks)


def _symbols(data: Frames) -> set[str]:
    """Return all symbols: whether prices may be negative is no business of this check."""
    if isinstance(data, pl.LazyFrame):
        data = data.collect()
    if isinstance(data, pl.DataFrame):
        return set(data["symbol"].cast(pl.String)) if "symbol" in data.columns else {"ASSET"}
    return set(data)


def _ends(count: int, cuts: int, seed: int) -> list[int]:
    """Return after which instants the data is cut off; the end itself is no cut."""
    if count < 2:
        return []
    if count <= min(cuts, _EXHAUSTIVE) + 1:
        return list(range(count - 1))
    # Spread evenly, then shaken: a leak of a weekly pattern must not fall between the cuts.
    places = np.linspace(0, count - 2, cuts).astype(np.int64)
    shaken = places + np.random.default_rng(seed).integers(-2, 3, cuts)
    return sorted({0, count - 2, *np.clip(shaken, 0, count - 2).tolist()})


def _signals(
    make: Callable[[], Strategy], bars: Mapping[str, pl.DataFrame], ends: Sequence[int]
) -> tuple[int, tuple[Leak, ...]]:
    """Compare target columns; return the number of targets that were said and the leaks."""
    strategy = make()
    strategy.symbols = tuple(bars)
    name = type(strategy).__name__
    signals = as_signals(strategy.signals(), name)
    decisions, leaks = 0, []
    for symbol, frame in bars.items():
        whole = target_column(frame, symbol, signals, name).to_numpy()
        decisions += int(np.count_nonzero(np.diff(np.nan_to_num(whole), prepend=0.0)))
        times = frame["timestamp"].cast(pl.Int64).to_numpy()
        for end in ends:
            height = int(np.searchsorted(times, end, side="right"))
            if not height:
                continue
            part = target_column(frame[:height], symbol, signals, name).to_numpy()
            same = np.isclose(part, whole[:height], rtol=_TOLERANCE, atol=0.0, equal_nan=True)
            for row in np.flatnonzero(~same)[:1].tolist():
                then, later = f"{part[row]:g}", f"{whole[row]:g}"
                leaks.append(Leak(symbol, int(times[row]), int(times[height - 1]), then, later))
    return decisions, tuple(leaks)


def _orders(
    make: Callable[[], Strategy],
    bars: Mapping[str, pl.DataFrame],
    ends: Sequence[int],
    options: Options,
) -> tuple[int, tuple[Leak, ...]]:
    """Compare orders; return how many there were and the leaks."""
    given: Options = {"interval": Tape(take_in(bars, signed=frozenset(bars))).interval, **options}
    whole = Backtest(make(), bars, **given).decisions()
    leaks = []
    for end in ends:
        known = {
            symbol: frame.filter(pl.col("timestamp").cast(pl.Int64) <= end)
            for symbol, frame in bars.items()
        }
        part = Backtest(make(), known, **given).decisions()
        upto = [decision for decision in whole if decision[0] <= end]
        leak = _first_difference(part, upto, end)
        leaks += [leak] if leak is not None else []
    return len(whole), tuple(leaks)


def _first_difference(part: Sequence[Decision], upto: Sequence[Decision], end: int) -> Leak | None:
    """Return where what was ordered with data until *end* departs from what is ordered with all."""
    for ours, theirs in zip_longest(part, upto):
        if ours != theirs:
            time, symbol, _ = ours or theirs
            then, later = (each[2] if each else "no order" for each in (ours, theirs))
            return Leak(symbol, time, end, then, later)
    return None

"""Measurements that take turns, so that all of them feel the same machine."""

from __future__ import annotations

import gc
from statistics import median
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Work = Callable[[], object]
    Seconds = Callable[[], float]


class Ratio(Struct, frozen=True):
    """How many times as long *upper* takes as *lower*; at most *wanted*, if that is known."""

    upper: str
    lower: str
    wanted: float | None = None

    @property
    def name(self) -> str:
        """The name in records: ``callback_over_float``."""
        return f"{self.upper}_over_{self.lower}"


class Case(Struct, frozen=True, kw_only=True):
    """One thing to measure in several ways.

    *works* does it once in each way; each handles *count* items of the kind *unit* (``bars``).
    *facts* are what all ways agree on, and *ratios* which of them are compared.
    """

    name: str
    unit: str
    count: int
    works: Mapping[str, Work]
    ratios: Sequence[Ratio]
    facts: Mapping[str, object]


def take_turns(
    works: Mapping[str, Work],
    rounds: int,
    seconds: Seconds,
    advance: Callable[[], object] | None = None,
) -> dict[str, list[float]]:
    """Return how long each of *works* took in each of *rounds* by the clock *seconds*.

    Each round does all of them, beginning with another one every time. *advance* is called after
    each.
    """
    return take_turns_by(works, rounds, (seconds,), advance)[0]


def take_turns_by(
    works: Mapping[str, Work],
    rounds: int,
    clocks: Sequence[Seconds],
    advance: Callable[[], object] | None = None,
) -> list[dict[str, list[float]]]:
    """Return the same for each of several *clocks* that are looked at together."""
    names = list(works)
    times: list[dict[str, list[float]]] = [{name: [] for name in names} for _ in clocks]
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            gc.collect()
            before = [clock() for clock in clocks]
            works[name]()
            for each, clock, start in zip(times, clocks, before, strict=True):
                each[name].append(clock() - start)
            if advance is not None:
                advance()
    return times


def figures(
    case: Case, wall: Mapping[str, list[float]], cpu: Mapping[str, list[float]]
) -> dict[str, object]:
    """Return the part of a record that *case* makes: every round, medians, speeds and ratios.

    *wall* are times by the clock, *cpu* those of the processor, which other work disturbs less.
    """
    medians = {name: median(each) for name, each in wall.items()}
    return {
        "name": case.name,
        "unit": case.unit,
        "count": case.count,
        "facts": dict(case.facts),
        "seconds": _rounds(wall),
        "cpu_seconds": _rounds(cpu),
        "median_seconds": {name: _short(each) for name, each in medians.items()},
        "per_second": {name: round(case.count / each) for name, each in medians.items()},
        "ratios": {
            each.name: {
                "median": ratio_of(each, wall),
                "cpu_median": ratio_of(each, cpu),
                "wanted": each.wanted,
            }
            for each in case.ratios
        },
    }


def _rounds(times: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """Return all rounds as a record has them."""
    return {name: [_short(each) for each in rounds] for name, rounds in times.items()}


def ratio_of(ratio: Ratio, times: Mapping[str, list[float]]) -> float:
    """Return the median of the ratios of each round."""
    pairs = zip(times[ratio.upper], times[ratio.lower], strict=True)
    return _short(median(up / low for up, low in pairs))


def _short(number: float) -> float:
    """Return *number* with 6 significant digits: more would be noise."""
    return float(f"{number:.6g}")

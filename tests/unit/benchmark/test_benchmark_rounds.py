"""Rounds that take turns, and what becomes of their times."""

import math
from collections.abc import Callable, Iterator
from itertools import accumulate, count

import pytest

from rustybt.benchmark.rounds import Case, Ratio, figures, take_turns, take_turns_by


def clock(*steps: float) -> Callable[[], float]:
    """Return a clock that moves on by *steps*, one a call, beginning at 0."""
    times = accumulate(steps, initial=0.0)
    return lambda: next(times)


def ticking() -> Callable[[], float]:
    """Return a clock that moves on by 1 with every call."""
    ticks: Iterator[int] = count()
    return lambda: float(next(ticks))


def test_every_round_begins_with_another_work() -> None:
    """All works are done once in each round, and each is first in turn."""
    done: list[str] = []
    works = {name: (lambda name=name: done.append(name)) for name in "abc"}
    take_turns(works, 4, ticking())
    assert "".join(done) == "abc" "bca" "cab" "abc"


def test_times_are_by_the_clock_and_in_the_order_of_the_rounds() -> None:
    """A work's time is from before it to after it, whenever in its round it came."""
    works = {"a": lambda: None, "b": lambda: None}
    # a: 1, then b: 2 in the first round; b: 3, then a: 4 in the second; 100 in between.
    times = take_turns(works, 2, clock(1, 100, 2, 100, 3, 100, 4))
    assert times == {"a": [1, 4], "b": [2, 3]}


def test_progress_is_told_after_each_measurement() -> None:
    """Whoever looks on hears of every single one."""
    told: list[int] = []
    take_turns({"a": lambda: None, "b": lambda: None}, 3, ticking(), lambda: told.append(1))
    assert len(told) == 6


def test_several_clocks_are_looked_at_together() -> None:
    """Each clock has times of its own for the same work."""
    works = {"a": lambda: None}
    assert take_turns_by(works, 2, (clock(1, 0, 2), clock(10, 0, 20))) == [
        {"a": [1, 2]},
        {"a": [10, 20]},
    ]


def case(**changes: object) -> Case:
    words = {
        "name": "1x10",
        "unit": "bars",
        "count": 10,
        "works": {},
        "ratios": (Ratio("slow", "fast", 3.0), Ratio("fast", "slow")),
        "facts": {"fills": 2},
    }
    return Case(**{**words, **changes})  # type: ignore[arg-type]  # words of any type


def test_ratios_are_medians_of_the_ratios_of_each_round() -> None:
    """A round on a slow machine counts like any other: what is compared felt the same."""
    wall = {"slow": [4.0, 60.0, 9.0], "fast": [2.0, 20.0, 1.0]}
    cpu = {"slow": [1.0, 1.0, 4.0], "fast": [2.0, 2.0, 2.0]}
    found = figures(case(), wall, cpu)
    third = pytest.approx(1 / 3, rel=1e-5)
    assert found["ratios"] == {
        "slow_over_fast": {"median": 3.0, "cpu_median": 0.5, "wanted": 3.0},
        "fast_over_slow": {"median": third, "cpu_median": 2.0, "wanted": None},
    }


def test_figures_keep_every_round_and_say_medians_and_speeds() -> None:
    """Nothing that was measured is left out."""
    found = figures(case(ratios=()), {"a": [0.5, 0.1, 0.2]}, {"a": [0.4, 0.3, 0.1]})
    assert found == {
        "name": "1x10",
        "unit": "bars",
        "count": 10,
        "facts": {"fills": 2},
        "seconds": {"a": [0.5, 0.1, 0.2]},
        "cpu_seconds": {"a": [0.4, 0.3, 0.1]},
        "median_seconds": {"a": 0.2},
        "per_second": {"a": 50},
        "ratios": {},
    }


def test_numbers_have_six_digits() -> None:
    """More digits would only be noise."""
    found = figures(case(ratios=()), {"a": [math.pi / 1000]}, {"a": [1.0]})
    assert found["seconds"] == {"a": [0.00314159]}

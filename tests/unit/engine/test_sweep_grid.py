"""Grids, conditions, windows and metrics: what a sweep is asked for, before anything runs."""

from decimal import Decimal

import pytest

from rustybt.engine.sweep.constraint import Constraint
from rustybt.engine.sweep.errors import SweepError
from rustybt.engine.sweep.grid import Grid, values_in
from rustybt.engine.sweep.metrics import METRICS, metric_named
from rustybt.engine.sweep.task import Figures
from rustybt.engine.sweep.windows import WalkForward, Window
from rustybt.strategy import Strategy


class Parameters(Strategy):
    fast = 20
    slow = 50
    size = Decimal("0.5")
    width = 1.5
    kind = "plain"
    short = False

    def on_bar(self, bar: object) -> None:
        self.last = bar


class Bare(Strategy):
    def on_bar(self, bar: object) -> None:
        self.last = bar


VALUES = [
    ("7", ["7"]),
    ("5:8", ["5", "6", "7", "8"]),
    ("5:50:15", ["5", "20", "35", "50"]),
    ("5:49:15", ["5", "20", "35"]),
    ("0.1:0.3:0.1", ["0.1", "0.2", "0.3"]),
    (" 1 : 2 , 9", ["1", "2", "9"]),
    ("-1:1", ["-1", "0", "1"]),
    ("1e2:1.2e2:10", ["100", "110", "120"]),
    ("true,false", ["true", "false"]),
]


@pytest.mark.parametrize(("text", "expected"), VALUES)
def test_ranges_and_lists_are_spelled_out(text: str, expected: list[str]) -> None:
    """A range has both ends in it if its step gets there; numbers stay exact."""
    assert values_in(text) == expected


NO_VALUES = ["", "5,", "5:x", "5:1", "1:5:0", "1:5:-1", "1:2:3:4", "1:nan", "0:inf", "0:1:1e-9"]


@pytest.mark.parametrize("text", NO_VALUES)
def test_what_says_no_values_is_refused(text: str) -> None:
    """Empty items, words in ranges, ranges that do not go up or never end."""
    with pytest.raises(ValueError, match=r"empty|range|go up|more than"):
        values_in(text)


def test_values_have_the_types_of_the_defaults() -> None:
    """Text becomes what the parameter is; repeated values count once; words keep their colons."""
    grid = Grid(
        Parameters,
        {
            "fast": "5,5,6",
            "size": "0.10,0.1,0.2",
            "width": [1, 2.5],
            "kind": "a:b, c",
            "short": "yes,no",
            "slow": 9,
        },
    )

    assert grid.values == {
        "fast": [5, 6],
        "size": [Decimal("0.10"), Decimal("0.2")],
        "width": [1.0, 2.5],
        "kind": ["a:b", "c"],
        "short": [True, False],
        "slow": [9],
    }
    assert grid.size == len(grid.combinations) == 32


def test_the_first_parameter_varies_slowest() -> None:
    """Combinations come in the order of the values, and conditions leave some out."""
    grid = Grid(Parameters, {"fast": "1:3", "slow": "2:3"}, where="fast < slow")

    assert grid.combinations == [
        {"fast": 1, "slow": 2},
        {"fast": 1, "slow": 3},
        {"fast": 2, "slow": 3},
    ]
    assert grid.size == 6


def test_all_problems_of_a_grid_are_told_at_once() -> None:
    """Unknown names, wrong types and bad ranges: one error names every one of them."""
    with pytest.raises(SweepError) as caught:
        Grid(Parameters, {"fats": "1:2", "fast": "1,x", "slow": "5:1", "size": []})

    message = str(caught.value)
    for part in ("'fats' is not a parameter", "fast = 'x' is not of type int", "slow: '5:1'"):
        assert part in message
    assert "size has no values" in message
    assert "fast (now 20)" in message


def test_a_grid_that_makes_no_sense_is_refused() -> None:
    """No values at all, a strategy without parameters, nothing left, too many."""
    with pytest.raises(SweepError, match="no parameter of Parameters was given values"):
        Grid(Parameters, {})
    with pytest.raises(SweepError, match="Bare has no parameters"):
        Grid(Bare, {"fast": "1:2"})
    with pytest.raises(SweepError, match="no parameter of Bare was given values"):
        Grid(Bare, {})
    with pytest.raises(SweepError, match="all 2 combinations are excluded by fast > slow"):
        Grid(Parameters, {"fast": "1:2"}, where=["fast > slow"])
    with pytest.raises(SweepError, match="the grid has 2000000 combinations"):
        Grid(Parameters, {"fast": range(2000), "slow": range(1000)})


HOLDS = [
    ("fast < slow", True),
    ("not fast < slow", False),
    ("1 < fast < 10", False),
    ("slow >= 2 * fast and size > 0", True),
    ("fast > slow or kind == 'plain'", True),
    ("width == 1.5", True),
    ("size + 0.1 == 0.6", True),
    ("-fast < +slow - 1", True),
    ("fast % 7 == 6 and fast // 7 == 2 and slow / fast != 2", True),
    ("short", False),
]


@pytest.mark.parametrize(("text", "expected"), HOLDS)
def test_conditions_are_what_they_look_like(text: str, expected: bool) -> None:
    """Comparisons, arithmetic and logic on the parameters, exactly."""
    known = Parameters.parameters()

    assert Constraint(text, known).holds(known) is expected


NO_CONDITIONS = {
    "fast <": "invalid syntax",
    "fats < slow": "'fats' is not a parameter",
    "__import__('os').system('true')": "has no place in it",
    "fast ** slow > 1": "has no place in it",
    "fast.real < slow": "has no place in it",
    "fast in (1, 2)": "has no place in it",
    "fast < None": "has no place in it",
    "~fast > 0": "has no place in it",
    "fast < slow" + " " * 1000: "longer than",
    "-" * 990 + "1 > fast": "",
}


@pytest.mark.parametrize(("text", "problem"), NO_CONDITIONS.items())
def test_what_is_no_condition_is_refused(text: str, problem: str) -> None:
    """Nothing is executed: what is not a comparison of parameters is refused with the reason."""
    with pytest.raises(SweepError, match="the condition") as caught:
        Constraint(text, Parameters.parameters()).holds(Parameters.parameters())

    assert problem in str(caught.value)


@pytest.mark.parametrize("text", ["fast / (slow - 50) > 1", "kind < fast", "kind * 'a' > fast"])
def test_conditions_that_cannot_be_told_are_refused(text: str) -> None:
    """A division by zero and words among numbers name the values that they came with."""
    known = Parameters.parameters()

    with pytest.raises(SweepError, match="with fast = 20, slow = 50"):
        Constraint(text, known).holds(known)


def test_windows_follow_one_another() -> None:
    """Train, then test; the next window begins a step later; the last test may be shorter."""
    assert WalkForward.parse("4/2").windows(9) == [
        Window(0, 4, 6),
        Window(2, 6, 8),
        Window(4, 8, 9),
    ]
    assert WalkForward(4, 2, 3).windows(9) == [Window(0, 4, 6), Window(3, 7, 9)]
    assert str(WalkForward.parse("4/2")) == "4/2/2"


@pytest.mark.parametrize("text", ["", "5", "5/x", "1/2/3/4", "1/5", "5/0", "5/3/2", "5/-1"])
def test_what_makes_no_windows_is_refused(text: str) -> None:
    """Other forms, parts without bars, tests that overlap."""
    with pytest.raises(SweepError, match=r"windows|overlap"):
        WalkForward.parse(text)


def test_windows_need_something_to_test_on() -> None:
    """As many instants as the train part has are one too few."""
    assert len(WalkForward(5, 2).windows(6)) == 1
    with pytest.raises(SweepError, match="none is left to test on"):
        WalkForward(5, 2).windows(5)


def figures(**values: float | str | None) -> Figures:
    """Return figures with some *values*."""
    plain = {"final_equity": "1", "profit": "0", "fees": "0", "fills": 0, "trades": 0}
    return Figures(**{**plain, "refused": 0, "ruined": False, **values})  # type: ignore[arg-type]  # right names


def test_metrics_rank_the_best_first_and_the_undefined_last() -> None:
    """More is better but for volatility; exact equity is compared exactly."""
    sharpe, volatility = metric_named("sharpe"), metric_named("volatility")
    equity = metric_named("final_equity")

    def order(metric: object, column: str, values: list[object]) -> list[object]:
        made = [figures(**{column: value}) for value in values]  # type: ignore[arg-type]  # as named
        ranked = sorted([*made, None], key=metric.rank)  # type: ignore[attr-defined]  # a metric
        return [each and getattr(each, column) for each in ranked]

    assert order(sharpe, "sharpe_ratio", [0.5, None, 2.0]) == [2.0, 0.5, None, None]
    assert order(volatility, "volatility", [0.5, 0.1]) == [0.1, 0.5, None]
    more, less = "10000000000000000.01", "10000000000000000.00"
    assert order(equity, "final_equity", [less, more]) == [more, less, None]
    assert metric_named("sharpe_ratio") is METRICS["sharpe"]
    with pytest.raises(SweepError, match="there is no metric 'luck'"):
        metric_named("luck")

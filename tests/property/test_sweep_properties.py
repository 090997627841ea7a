"""Grids, conditions and windows under many inputs; resumed sweeps are whole ones."""

import tempfile
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rustybt.accounting import performance
from rustybt.engine.sweep import Sweep, WalkForward
from rustybt.engine.sweep.constraint import Constraint
from rustybt.engine.sweep.errors import SweepError
from rustybt.engine.sweep.grid import Grid, values_in
from rustybt.engine.sweep.measure import ratios
from rustybt.engine.sweep.state import parsed
from rustybt.strategy import Strategy
from rustybt.strategy import expressions as ex

WORDS = st.text("0123456789.:,- e+naif", max_size=12)


class Signals(Strategy):
    """A crossing of averages as a column."""

    fast = 2
    slow = 4

    def signals(self) -> pl.Expr:
        return ex.switch(ex.crossing(ex.sma(self.fast), ex.sma(self.slow)), on=10)


@cache
def bars(count: int = 24) -> pl.DataFrame:
    """Return daily bars of a random walk."""
    random = np.random.default_rng(1)
    close = np.round(100 * np.exp(np.cumsum(random.normal(0, 0.05, count))), 2)
    opened = np.concatenate(([100.0], close[:-1]))
    first = datetime(2020, 1, 1, tzinfo=UTC)
    return pl.DataFrame(
        {
            "timestamp": [first + timedelta(days=day) for day in range(count)],
            "open": opened,
            "high": np.maximum(opened, close),
            "low": np.minimum(opened, close),
            "close": close,
            "volume": np.full(count, 1000.0),
        }
    )


@given(
    st.decimals(-1000, 1000, places=3),
    st.integers(0, 60),
    st.decimals("0.001", 50, places=3),
    st.decimals(0, "0.999", places=3),
)
def test_a_range_counts_in_exact_steps(
    first: Decimal, count: int, step: Decimal, part: Decimal
) -> None:
    """From its first value on, a step at a time, up to its last value and never beyond."""
    last = first + step * count + step * part
    values = [Decimal(each) for each in values_in(f"{first}:{last}:{step}")]

    assert values == [first + step * number for number in range(count + 1)]
    assert values[-1] <= last < values[-1] + step


@given(WORDS)
def test_any_text_is_values_or_an_error(text: str) -> None:
    """Whatever is typed gives values that are the same when typed again, or one clear error."""
    try:
        values = values_in(text)
    except ValueError:
        return
    assert values
    assert values_in(",".join(values)) == values


@given(
    st.lists(st.integers(-50, 50), min_size=1, max_size=5),
    st.lists(st.integers(-50, 50), min_size=1, max_size=5),
    st.integers(-3, 3),
)
def test_a_grid_is_what_its_condition_leaves(fast: list[int], slow: list[int], factor: int) -> None:
    """Every distinct pair for which the condition holds, once, the first parameter slowest."""
    expected = [
        {"fast": one, "slow": other}
        for one in dict.fromkeys(fast)
        for other in dict.fromkeys(slow)
        if factor * one < other
    ]
    try:
        found = Grid(Signals, {"fast": fast, "slow": slow}, f"{factor} * fast < slow").combinations
    except SweepError:
        found = []

    assert found == expected


NUMBERS = st.one_of(
    st.integers(-9, 9),
    st.decimals(-9, 9, places=2),
    st.floats(-9, 9, allow_nan=False).map(lambda number: round(number, 2)),
)


@given(NUMBERS, NUMBERS, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]))
def test_numbers_compare_as_they_are_written(one: Any, other: Any, sign: str) -> None:
    """Floats, decimals and whole numbers stand for the digits that they are printed with."""
    left, right = Fraction(str(one)), Fraction(str(other))
    expected = {
        "<": left < right,
        "<=": left <= right,
        ">": left > right,
        ">=": left >= right,
        "==": left == right,
        "!=": left != right,
    }
    known = {"one": one, "other": other}

    assert Constraint(f"one {sign} other", known).holds(known) is expected[sign]


@given(st.integers(2, 60), st.integers(1, 30), st.integers(0, 20), st.integers(1, 300))
def test_windows_never_overlap_nor_look_ahead(train: int, test: int, gap: int, count: int) -> None:
    """A test part begins where its train part ends, is within the data, and meets no other."""
    forward = WalkForward(train, test, test + gap)
    try:
        windows = forward.windows(count)
    except SweepError:
        assert count <= train
        return
    tested = [instant for each in windows for instant in range(each.split, each.end)]

    assert len(tested) == len(set(tested))
    assert tested == sorted(tested)
    assert all(each.split - each.start == train for each in windows)
    assert all(0 <= each.start < each.split < each.end <= count for each in windows)
    assert all(each.end - each.split == test for each in windows[:-1])
    assert windows[-1].end == count or count - windows[-1].end <= gap + test


@cache
def lines() -> bytes:
    """Return the lines that a sweep has kept."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "state")
        grid = {"fast": "1:2", "slow": "2:4"}
        Sweep(Signals, bars(), grid, processes=1, state=path).run()
        return path.read_bytes().partition(b"\n")[2]


@given(st.data())
def test_a_torn_and_damaged_state_has_right_results_or_none(data: st.DataObject) -> None:
    """Cut off anywhere, and with any byte changed, all whole lines are read and nothing else is."""
    whole = parsed(lines()).entries
    cut = data.draw(st.integers(0, len(lines())))
    content = bytearray(lines()[:cut])
    changed = None
    if cut and data.draw(st.booleans()):
        changed = data.draw(st.integers(0, cut - 1))
        content[changed] ^= data.draw(st.integers(1, 255))
    found = parsed(bytes(content))
    ends = [number for number, byte in enumerate(lines()) if byte == ord("\n")]
    starts = [-1, *ends]  # a line needs the ends of its neighbour before and of its own
    untouched = [
        entry
        for entry, start, end in zip(whole, starts, ends, strict=False)
        if end < cut and (changed is None or not start <= changed <= end)
    ]

    assert all(entry in whole for entry in found.entries)
    assert all(entry in found.entries for entry in untouched)


@given(
    st.lists(st.floats(0.5, 1.5), min_size=1, max_size=30),
    st.sampled_from([1.0, 52.0, 252.0]),
)
def test_ratios_are_those_of_the_accounting(factors: list[float], periods: float) -> None:
    """What a sweep works out together is what the accounting works out one by one."""
    equity = np.cumprod([1000.0, *factors])
    returns = performance.returns_of(equity)
    gained = float(equity[-1] / equity[0] - 1)
    found = ratios(equity, gained, periods)
    drawdown = performance.equity_drawdown(equity)
    expected = {
        "total_return": performance.total_return(returns),
        "annual_return": performance.annual_return(returns, periods=periods),
        "volatility": performance.volatility(returns, periods=periods),
        "sharpe_ratio": performance.sharpe_ratio(returns, periods=periods),
        "sortino_ratio": performance.sortino_ratio(returns, periods=periods),
        "max_drawdown": 0.0 if drawdown is None else drawdown.depth,
    }

    noise = expected["volatility"] is not None and expected["volatility"] < 1e-9
    for name, value in expected.items():
        if name == "sharpe_ratio" and noise:
            continue  # what equal returns are divided by is but the rounding of floats
        if value is None:
            assert found[name] is None, name
        else:
            assert found[name] == pytest.approx(value, rel=1e-6, abs=1e-9), name

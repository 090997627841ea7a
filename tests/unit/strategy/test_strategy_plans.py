"""Plans of expressions, where they end and what is left to Polars."""

import math

import numpy as np
import polars as pl
import pytest

from rustybt.strategy import expressions as ex
from rustybt.strategy.plans import LONGEST, Close, Mean, Switch, Turns, plan_of


def test_what_has_a_plan() -> None:
    """Averages of the close, their crossings, and switches on these have one."""
    crossed = ex.crossing(ex.CLOSE, ex.sma(5))
    plan = plan_of(ex.switch(crossed, on=3, off=-1))

    assert plan == Switch(Turns(Close(), Mean(4), 1e-9), 3.0, -1.0)
    assert plan_of(crossed) == Turns(Close(), Mean(4), 1e-9)


@pytest.mark.parametrize(
    "expression",
    [
        ex.CLOSE,
        ex.sma(5, pl.col("open")),
        ex.sma(LONGEST + 1),
        ex.sma(5) + 1,
        ex.crossing(ex.sma(5), ex.ema(9)),
        ex.crossing(ex.ema(5), ex.sma(9)),
        ex.switch(ex.crossing(ex.sma(5), ex.sma(9)), on=math.inf),
        ex.switch(ex.crossing(ex.sma(5), ex.sma(9)), on=1, off=math.nan),
        ex.switch(pl.col("close"), on=1),
        ex.switch(ex.crossing(ex.sma(5), ex.sma(9)), on=1) * 2,
        "close",
    ],
)
def test_what_has_none(expression: object) -> None:
    """Whatever else an expression says is left to Polars."""
    assert not isinstance(plan_of(expression), Switch | Turns | Mean)


def test_a_planned_expression_is_an_expression() -> None:
    """Polars evaluates it like any other, also within a larger one."""
    frame = pl.DataFrame({"close": [1.0, 3.0, 5.0]})

    assert frame.select(ex.sma(2) + 1)["close"].to_list() == [None, 3.0, 5.0]


@pytest.mark.parametrize("size", [1.0, 1e9])
def test_long_columns_go_block_by_block(size: float) -> None:
    """Over many blocks, and where closes grow a billionfold, turns are where Polars sees them."""
    random = np.random.default_rng(5)
    closes = random.integers(1, 50, 40_000).astype(float)
    closes[20_000:20_500] *= size
    frame = pl.DataFrame({"close": closes})
    crossed = ex.crossing(ex.sma(3), ex.sma(11))
    plan = plan_of(crossed)
    assert isinstance(plan, Turns)
    positions, upwards = plan.find(closes, np.array([0, 40_000]))
    said = frame.select(crossed).to_series().to_numpy()
    far = np.abs(positions - 20_250) > 300  # within, Polars itself loses digits

    expected = np.flatnonzero(said)
    expected = expected[np.abs(expected - 20_250) > 300]
    assert positions[far].tolist() == expected.tolist()
    assert upwards[far].tolist() == (said[expected] == 1).tolist()
    assert positions.size > 5000


def test_too_short_for_any_turn() -> None:
    """Fewer closes than the slow average needs have no turn."""
    plan = plan_of(ex.switch(ex.crossing(ex.sma(3), ex.sma(11)), on=1))
    assert isinstance(plan, Switch)
    positions, levels = plan.changes(np.arange(11.0), np.array([0, 11]))

    assert (positions.size, levels.size) == (0, 0)

"""Bars that are taken in at once, numbers in integers, fills on demand: where they end."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from rustybt.engine import Backtest
from rustybt.engine.intake import take_in
from rustybt.engine.scaled import Scaled, ScaledLog, book_at_once, scaled_decimals, scaled_floats
from rustybt.engine.stack import stack_at_once
from rustybt.engine.tape import Tape
from rustybt.execution import BasisPointCommission
from rustybt.strategy import Strategy
from rustybt.strategy import expressions as ex

START = datetime(2024, 1, 1, tzinfo=UTC)
NAN, INFINITE = float("nan"), float("inf")


def bars(count: int = 5, first: int = 0) -> pl.DataFrame:
    """Return daily bars that are as they should be."""
    prices = [10.0 + number for number in range(count)]
    return pl.DataFrame(
        {
            "timestamp": [START + timedelta(days=first + number) for number in range(count)],
            "open": prices,
            "high": [price + 1 for price in prices],
            "low": [price - 1 for price in prices],
            "close": prices,
            "volume": [0.0, *prices[1:]],
        }
    )


def changed(column: str, value: float) -> pl.DataFrame:
    """Return bars in the third of which a number is another one."""
    at = pl.int_range(pl.len()) == 2
    return bars().with_columns(pl.when(at).then(value).otherwise(column).alias(column))


def test_good_bars_are_taken_in_at_once() -> None:
    """The columns are those that the careful way finds, for one symbol and for several."""
    for data in ({"A": bars()}, {"B": bars(), "A": bars(3, 1)}, {"B": bars(), "A": bars()}):
        quick = stack_at_once(data, name="X")
        assert quick is not None
        one, other = Tape(quick), Tape(take_in(data, signed=frozenset()))
        assert one.symbols == other.symbols == tuple(sorted(data))
        assert one.starts.tolist() == other.starts.tolist()
        assert one.symbol_of.tolist() == other.symbol_of.tolist()
        assert one.columns["close"].tolist() == other.columns["close"].tolist()
        assert one.interval == other.interval
        assert one.next_row.tolist() == other.next_row.tolist()


def test_a_table_with_symbols_is_taken_apart() -> None:
    """Bars of several symbols in one frame, in whatever order, and without a symbol."""
    long = pl.concat([bars().with_columns(symbol=pl.lit(name)) for name in "BA"])
    whole = stack_at_once(long.sort("timestamp"), name="X")
    alone = stack_at_once(bars(), name="X")

    assert whole is not None
    assert (whole.symbols, whole.edges.tolist(), whole.is_even) == (("A", "B"), [0, 5, 10], True)
    assert alone is not None
    assert alone.symbols == ("X",)


@pytest.mark.parametrize("column", ["open", "high", "low", "close", "volume"])
@pytest.mark.parametrize("value", [NAN, INFINITE, -1.0, 1e-19, 1e18])
def test_numbers_that_need_a_closer_look(column: str, value: float) -> None:
    """A number that cannot be, in any column, sends the bars the careful way."""
    assert stack_at_once({"A": changed(column, value)}, name="X") is None


@pytest.mark.parametrize(("column", "value"), [("high", 11.9), ("low", 12.1), ("open", 14.0)])
def test_bars_that_contradict_themselves(column: str, value: float) -> None:
    """So do a high below, a low above and a price outside."""
    assert stack_at_once({"A": changed(column, value)}, name="X") is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda frame: frame.sort("timestamp", descending=True),
        lambda frame: pl.concat([frame, frame[-1:]]),
        lambda frame: frame.drop("volume"),
        lambda frame: frame.with_columns(pl.col("close").cast(pl.String)),
        lambda frame: frame.with_columns(pl.col("timestamp").dt.date()),
        lambda frame: frame.with_columns(pl.col("timestamp").dt.convert_time_zone("Asia/Tokyo")),
        lambda frame: frame.with_columns(pl.col("timestamp").dt.cast_time_unit("ms")),
        lambda frame: frame.with_columns(pl.lit(None, pl.Float64).alias("volume")),
        lambda frame: frame[:0],
        lambda frame: frame.lazy(),
    ],
)
def test_frames_that_need_a_closer_look(spoil: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Bars out of order, repeated, in other types, with gaps, or none: alone and among others."""
    assert stack_at_once({"A": spoil(bars())}, name="X") is None
    assert stack_at_once({"A": bars(), "B": spoil(bars())}, name="X") is None


def test_names_and_containers_that_need_a_closer_look() -> None:
    """Names with blanks, no names, symbols of another type, missing symbols."""
    numbered = bars().with_columns(symbol=pl.lit(1))
    for data in ({"": bars()}, {" A": bars()}, {}, numbered):
        assert stack_at_once(data, name="X") is None
    assert stack_at_once(bars().with_columns(symbol=pl.lit(None, pl.String)), name="X") is None


def test_uneven_symbols_out_of_order() -> None:
    """The order of time is looked at within each symbol, not from one to the next."""
    whole = stack_at_once({"A": bars(5, 3), "B": bars(3, 0)}, name="X")
    late = {"A": bars(5, 3), "B": bars(3, 0).sort("timestamp", descending=True)}

    assert whole is not None
    assert not whole.is_even
    assert stack_at_once(late, name="X") is None


def test_floats_with_too_many_digits() -> None:
    """What has more digits than a float has for sure is no integer of ours."""
    assert scaled_floats(np.array([0.1 + 0.2])) is None
    assert scaled_floats(np.array([1.0] * 100 + [1 / 3])) is None
    assert scaled_floats(np.array([1e15])) is None
    assert scaled_floats(np.array([1e15 - 1, 0.0, -3.0])) is not None
    assert scaled_decimals([Decimal(2**62)]) is None
    empty = scaled_floats(np.zeros(0))
    assert empty is not None
    assert (empty.bound, empty.scale, empty.floats().size) == (0, 0, 0)


def test_large_numbers_become_the_nearest_floats() -> None:
    """Above 2**53 a quotient of floats would be rounded twice; it is not."""
    units = [2**60 + 2**7 + 1, 3, -(2**61) + 129]
    found = Scaled(np.array(units, dtype=np.int64), 7).floats()

    assert found.tolist() == [float(Decimal(each).scaleb(-7)) for each in units]


@pytest.mark.parametrize(
    ("cash", "quantity", "price", "rate"),
    [
        ("1", 10**9, 10**10, "0"),
        (str(2**62), 1, 1, "0"),
        ("1", 1, 1, "1e-19"),
        (f"1e-{19}", 1, 1, "0.1"),
        ("1", 1, 1, str(2**62)),
    ],
)
def test_sums_that_might_not_fit(cash: str, quantity: int, price: int, rate: str) -> None:
    """Whatever could leave 64 bits is not begun."""
    units = Scaled(np.array([quantity]), 0)

    assert book_at_once(Decimal(cash), units, Scaled(np.array([price]), 0), Decimal(rate)) is None


class Wave(Strategy):
    """In and out."""

    def signals(self) -> pl.Expr:
        return pl.when(pl.int_range(pl.len()) % 4 < 2).then(3).otherwise(0)


@pytest.mark.parametrize("tail", [0.0, 1e-15])
def test_integers_and_decimals_book_the_same(tail: float) -> None:
    """Prices of too many digits for integers are booked in decimals, and as exactly."""
    prices = [10.0 + number / 4 + tail * number for number in range(9)]
    frame = bars(9).with_columns(
        pl.Series("open", prices), high=pl.lit(99.0), low=pl.lit(1.0), volume=pl.lit(1.0)
    )
    cost = BasisPointCommission(Decimal(3))
    quick = Backtest(Wave, frame, commission=cost)
    slow = Backtest(Wave, frame, commission=cost, path="callback")
    one, other = quick.run(), slow.run()

    assert one.fills == tuple(other.fills)
    assert (one.final_equity, one.cash, one.fees) == (other.final_equity, other.cash, other.fees)
    assert one.curve.equity.tolist() == other.curve.equity.tolist()
    assert one.curve.gross.tolist() == other.curve.gross.tolist()
    assert one.fills_frame.drop("price").equals(other.fills_frame.drop("price"))
    assert isinstance(one._desk.account.log, ScaledLog) is (tail == 0)


def test_fills_are_a_sequence() -> None:
    """Counted without being made, made one at a time, sliced, compared and shown as a tuple."""
    fills = Backtest(Wave, bars(9)).run().fills
    everything = tuple(fills)

    assert len(fills) == 4
    assert fills[-1] == everything[3]
    assert fills[1:3] == everything[1:3]
    assert fills == everything
    assert fills == Backtest(Wave, bars(9)).run().fills
    assert fills != list(everything)
    assert hash(fills) == hash(everything)
    assert repr(fills) == repr(everything)
    with pytest.raises(IndexError):
        fills[4]


def test_a_log_has_nothing_else() -> None:
    """A name that a log does not have is an error, not an empty list."""
    log = Backtest(Wave, bars(9)).run()._desk.account.log

    assert isinstance(log, ScaledLog)
    with pytest.raises(AttributeError, match="colour"):
        _ = log.colour


class Never(Strategy):
    """Stays out."""

    def signals(self) -> pl.Expr:
        return ex.switch(ex.crossing(ex.sma(2), ex.sma(4)), on=1)


def test_no_change_at_all() -> None:
    """A strategy that never trades keeps its cash."""
    result = Backtest(Never, {"A": bars(), "B": bars(3)}).run()

    assert not result.fills
    assert result.cash == result.final_equity == Decimal(100_000)
    assert result.curve.gross.tolist() == [0.0] * 5

"""Odd data: one clear error, or the right handling with a note."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest

from rustybt.engine import Backtest, BacktestError, BarDataError, Result
from rustybt.model import Instrument, InstrumentKind
from rustybt.strategy import Strategy, StrategyBar, StrategyError

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


class BuyOnce(Strategy):
    """One unit of everything, at the first bar of each symbol."""

    def on_bar(self, bar: StrategyBar) -> None:
        if not self.position(bar.symbol) and not self.open_orders(bar.symbol):
            self.buy(bar.symbol, 1)


def frame(
    closes: Sequence[float | None],
    *,
    start: datetime = START,
    opens: Sequence[float | None] = (),
) -> pl.DataFrame:
    """Return bars that open at the close before, or at given *opens*."""
    first = opens or [closes[0], *closes[:-1]] if closes else []
    pairs = list(zip(first, closes, strict=True))
    whole = [[each for each in pair if each is not None] for pair in pairs]
    return pl.DataFrame(
        {
            "timestamp": [start + DAY * number for number in range(len(closes))],
            "open": [pair[0] for pair in pairs],
            "high": [max(each, default=None) for each in whole],
            "low": [min(each, default=None) for each in whole],
            "close": closes,
            "volume": [1000.0] * len(closes),
        },
        schema={
            "timestamp": pl.Datetime("us", "UTC"),
            **dict.fromkeys(("open", "high", "low", "close", "volume"), pl.Float64),
        },
    )


def run(data: object, **options: object) -> Result:
    return Backtest(BuyOnce, data, **options).run()  # type: ignore[arg-type]  # options of any kind


def test_no_data_is_an_error() -> None:
    """An empty frame is refused."""
    with pytest.raises(BarDataError, match="there are no bars"):
        run(frame([]))


def test_nothing_but_gaps_is_an_error() -> None:
    """A frame without a single price is refused, and the message says what was left out."""
    with pytest.raises(BarDataError, match="2 of 2 rows lack a price"):
        run(frame([None, None]))


def test_one_bar_leaves_the_order_open() -> None:
    """With one bar there is no next open: nothing is traded and the order stays open."""
    result = run(frame([10.0]))

    assert result.final_equity == 100000
    assert result.fills == ()
    assert result.open_orders == ("O1",)
    assert result.performance is not None
    assert result.summary()["open_orders"] == 1


def test_rows_without_a_price_are_no_bars() -> None:
    """A NaN row trades nothing: the order fills at the first real open after it."""
    bars = frame([10.0, float("nan"), 12.0], opens=[10.0, 11.0, 11.5])
    result = run(bars)

    assert result.fills[0].time == START + 2 * DAY
    assert result.fills[0].price == Decimal("11.5")
    assert result.notes == ("ASSET: 1 of 3 rows lack a price and were left out",)


def test_unordered_and_repeated_rows_are_put_right() -> None:
    """Rows out of order and exact repetitions change nothing but the notes."""
    bars = frame([10.0, 11.0, 12.0, 13.0])
    mixed = pl.concat([bars.reverse(), bars[1:2]])
    result, plain = run(mixed), run(bars)

    assert result.fills == plain.fills
    assert result.final_equity == plain.final_equity
    assert len(result.notes) == 2


def test_contradictory_rows_are_an_error() -> None:
    """Two different bars of one time are refused, by row and time."""
    bars = frame([10.0, 11.0])
    with pytest.raises(BarDataError, match=r"rows 2 \(2024-01-02 00:00\), 3 .* same times"):
        run(pl.concat([bars, frame([99.0], start=START + DAY)]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"high": 1.0}, "low above the high"),
        ({"low": 11.5, "high": 12.0}, "open or close outside"),
        ({"volume": -1.0}, "negative volume"),
        ({"close": 1e18, "high": 1e18}, "1e\\+18 or more"),
        ({"close": float("inf")}, "infinite"),
        ({"low": 1e-19}, "below 1e-18"),
        ({"low": 0.0}, "not above 0"),
        ({"low": -1.0}, "not above 0"),
    ],
)
def test_impossible_numbers_are_an_error(change: dict[str, float], message: str) -> None:
    """A bar that cannot be is refused with its row."""
    bars = frame([10.0, 11.0]).with_columns(**{name: pl.lit(v) for name, v in change.items()})
    with pytest.raises(BarDataError, match=f"ASSET: .*{message}"):
        run(bars)


def test_all_problems_of_a_symbol_come_at_once() -> None:
    """One message names every kind of problem, and counts what it does not show."""
    bars = frame([10.0] * 6).with_columns(low=pl.lit(20.0), volume=pl.lit(-1.0))
    with pytest.raises(BarDataError, match=r"and 3 more have a low above.*negative volume"):
        run(bars)


def test_columns_and_types_are_checked() -> None:
    """Missing columns, a time that is text, and things that are no frames are refused."""
    bars = frame([10.0])
    with pytest.raises(BarDataError, match="lack close"):
        run(bars.drop("close"))
    with pytest.raises(BarDataError, match="timestamp is of type String"):
        run(bars.with_columns(timestamp=pl.lit("2024-01-01")))
    with pytest.raises(BarDataError, match="not numbers"):
        run(bars.with_columns(close=pl.lit("ten")))
    with pytest.raises(BarDataError, match="came as a list"):
        run([1])
    with pytest.raises(BarDataError, match="have no symbol"):
        run(bars.with_columns(symbol=pl.lit(None, pl.String)))
    with pytest.raises(BarDataError, match="not a symbol"):
        run({" ": bars})


def test_times_are_taken_as_utc() -> None:
    """Dates, naive times and other zones name the same instants."""
    bars = frame([10.0, 11.0, 12.0])
    zoned = bars.with_columns(pl.col("timestamp").dt.convert_time_zone("America/New_York"))
    naive = bars.with_columns(pl.col("timestamp").dt.replace_time_zone(None))
    dates = bars.with_columns(pl.col("timestamp").cast(pl.Date))

    assert run(zoned).fills == run(naive).fills == run(dates).fills == run(bars.lazy()).fills


def test_a_symbol_may_start_late_and_end_early() -> None:
    """Each symbol trades from its own first bar; one that has ended keeps its last close."""
    data = {
        "FULL": frame([10.0, 11.0, 12.0, 13.0]),
        "LATE": frame([5.0, 6.0], start=START + 2 * DAY),
        "GONE": frame([7.0, 8.0]),
        "NONE": frame([]),
    }
    result = run(data)

    assert [(fill.symbol, fill.price) for fill in result.fills] == [
        ("FULL", Decimal("10.0")),
        ("GONE", Decimal("7.0")),
        ("LATE", Decimal("5.0")),
    ]
    assert result.final_equity == 100000 + (13 - 10) + (8 - 7) + (6 - 5)
    assert result.curve.equity.tolist() == [100000.0, 100002.0, 100003.0, 100005.0]


def test_an_order_for_a_symbol_that_has_ended_stays_open() -> None:
    """Nothing is made up for a symbol without another bar."""

    class Late(Strategy):
        def on_bars(self, bars: Mapping[str, StrategyBar]) -> None:
            if "LONG" in bars and self.price("LONG") == Decimal("12.0"):
                self.order_target("GONE", 3)
                self.order_target("GONE", 3)

    data = {"LONG": frame([10.0, 11.0, 12.0, 13.0]), "GONE": frame([7.0])}
    result = Backtest(Late, data).run()

    assert result.fills == ()
    assert result.open_orders == ("O1",)


def test_futures_may_trade_below_zero() -> None:
    """An instrument with margin takes prices at and below zero, exactly."""
    future = Instrument(
        symbol="CL",
        base="CL",
        quote="USD",
        tick=Decimal("0.01"),
        lot=Decimal(1),
        kind=InstrumentKind.FUTURE,
        multiplier=Decimal(1000),
    )
    bars = frame([18.27, -37.63, 10.01], opens=[17.73, 0.0, -14.0])
    result = run({"CL": bars}, instruments={"CL": future})

    assert result.fills[0].price == 0
    assert result.final_equity == 100000 + Decimal("10.01") * 1000
    assert result.cash == 100000


@pytest.mark.parametrize("size", ["999999999999999.1", "0.000000000001"])
def test_huge_and_tiny_prices_are_exact(size: str) -> None:
    """Prices of 1e15 and 1e-12 lose no digit."""
    price = Decimal(size)
    bars = frame([float(price)] * 3)
    result = run(bars, cash="1")

    assert result.fills[0].price == price
    assert result.cash == 1 - price
    assert result.final_equity == 1


def test_text_and_decimal_prices_keep_their_digits() -> None:
    """Digits beyond a float's come through from text and from decimals."""
    text = "100.12345678901234567"
    words = frame([100.1] * 3).with_columns(
        pl.lit(text).alias(name) for name in ("open", "high", "low", "close")
    )
    exact = words.with_columns(pl.col("open", "high", "low", "close").cast(pl.Decimal(38, 17)))
    for bars in (words, exact, pl.concat([words.with_columns(symbol=pl.lit(s)) for s in "AB"])):
        result = run(bars)
        assert {fill.price for fill in result.fills} == {Decimal(text)}
        assert result.final_equity == 100000


def test_bars_without_volume_are_noted() -> None:
    """Missing volume counts as 0 and is said."""
    assert "no volume" in run(frame([1.0, 2.0]).drop("volume")).notes[0]
    gaps = frame([1.0, 2.0]).with_columns(volume=pl.lit(None, pl.Float64))
    assert len(run(gaps).fills) == 1


def test_a_ruined_account_is_said_to_be_ruined() -> None:
    """Ratios of an account that fell below zero are not made up."""
    result = run(frame([10.0, 10.0, 1.0]), cash="5")

    assert result.ruined == START + 2 * DAY
    assert result.performance is None
    assert result.drawdown is None
    assert result.summary()["ruined"] == "2024-01-03T00:00:00+00:00"


class Nothing(Strategy):
    """It decides nothing."""


def test_what_cannot_be_run_is_refused() -> None:
    """Wrong cash, paths, policies, rules and idle strategies are each one clear error."""
    bars = frame([10.0])
    with pytest.raises(BacktestError, match="initial cash of 0"):
        run(bars, cash=0)
    with pytest.raises(BacktestError, match="no path 'fast'"):
        run(bars, path="fast")
    with pytest.raises(BacktestError, match="no fill policy 'never'"):
        run(bars, fill="never")
    with pytest.raises(BacktestError, match="has no signals"):
        run(bars, path="signals")
    with pytest.raises(BacktestError, match="Nothing decides nothing"):
        Backtest(Nothing, bars)
    other = Instrument(symbol="X", base="X", quote="EUR", tick=Decimal(1), lot=Decimal(1))
    with pytest.raises(BacktestError, match="quoted in EUR"):
        run({"X": bars}, instruments={"X": other})


def test_an_unknown_symbol_is_named() -> None:
    """Ordering what is not in the data says what is, where in the strategy, and at which bar."""

    class Wrong(Strategy):
        def on_bar(self, bar: StrategyBar) -> None:
            self.buy(f"{bar.symbol}?", 1)

    with pytest.raises(StrategyError, match=r"Wrong failed in on_bar \(.*test_backtest_edges.py:"):
        Backtest(Wrong, frame([10.0])).run()

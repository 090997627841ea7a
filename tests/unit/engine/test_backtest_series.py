"""Series as they come: clock changes, short days, halts, symbols that go, very large numbers."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from rustybt.calendars import get_calendar
from rustybt.engine import Backtest, HoldingCosts, Result
from rustybt.model import Instrument, InstrumentKind, TimeInForce
from rustybt.model.event import Charged
from rustybt.model.money import multiply, subtract
from rustybt.strategy import Strategy, StrategyBar

D = Decimal
NEW_YORK = ZoneInfo("America/New_York")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def bars(times: Sequence[datetime], prices: Sequence[str | float]) -> pl.DataFrame:
    """Return bars at these times, each at one price."""
    numbers = {name: list(prices) for name in ("open", "high", "low", "close")}
    return pl.DataFrame({"timestamp": times, **numbers, "volume": [1000.0] * len(times)})


class Alternate(Strategy):
    """Buy and sell one in turn, after every bar; said as a column as well."""

    def on_bar(self, bar: StrategyBar) -> None:
        self.order_target(bar.symbol, 1 - bar.row % 2)

    def signals(self) -> pl.Expr:
        return 1 - pl.int_range(pl.len()) % 2


@pytest.mark.parametrize(
    ("first", "jump"),
    [(datetime(2024, 3, 10, 4, tzinfo=UTC), 2), (datetime(2024, 11, 3, 3, tzinfo=UTC), 0)],
    ids=["spring", "autumn"],
)
@pytest.mark.parametrize("path", ["callback", "signals"])
def test_clocks_change_and_bars_do_not(first: datetime, jump: int, path: str) -> None:
    """The hour that is skipped leaves no gap, the one that comes twice is two bars.

    Bars in local time are the same instants as bars in UTC: same fills, same statistics.
    """
    times = [first + HOUR * number for number in range(7)]
    prices = [str(10 + number) for number in range(7)]
    plain = bars(times, prices)
    local = plain.with_columns(pl.col("timestamp").dt.convert_time_zone("America/New_York"))
    clock = local["timestamp"].dt.replace_time_zone(None)
    steps = {(later - earlier) // HOUR for earlier, later in pairwise(clock)}
    assert steps == {1, jump}

    results = [Backtest(Alternate, {"X": each}, path=path).run() for each in (plain, local)]  # type: ignore[arg-type]  # one of the paths

    assert [fill.time for fill in results[0].fills] == times[1:]
    assert results[0].fills == results[1].fills
    assert results[0].final_equity == results[1].final_equity
    assert results[0].end == times[-1] + HOUR
    assert results[1].notes == ()


def test_a_night_is_a_night_whatever_the_clock_does() -> None:
    """Holding over a clock change costs one day, not 23 or 25 hours."""
    first = datetime(2024, 3, 9, 5, tzinfo=UTC)  # midnight in New York, daily bars in local time
    local = [first.astimezone(NEW_YORK).replace(tzinfo=None) + DAY * day for day in range(4)]
    times = [each.replace(tzinfo=NEW_YORK).astimezone(UTC) for each in local]
    assert [(b - a) // HOUR for a, b in pairwise(times)] == [24, 23, 24]

    class Short(Strategy):
        """Ten short."""

        def on_bar(self, bar: StrategyBar) -> None:
            if bar.row == 0:
                self.sell("X", 10)

    costs = HoldingCosts(borrow=D("0.365"))
    result = Backtest(Short, {"X": bars(times, ["100"] * 4)}, costs=costs).run()
    charged = [entry.amount for entry in result.entries if isinstance(entry, Charged)]

    assert charged == [D("1.00")] * 2


def test_day_orders_end_with_a_short_day() -> None:
    """The day after Thanksgiving closes at 13:00: an order for the day does not see 14:00."""
    nyse = get_calendar("NYSE", start=date(2024, 11, 1), end=date(2024, 12, 31))
    days = (datetime(2024, 11, 27, tzinfo=NEW_YORK), datetime(2024, 11, 29, tzinfo=NEW_YORK))
    found = []
    for day in days:
        opening = day.replace(hour=9, minute=30).astimezone(UTC)
        times = [opening + HOUR * number for number in range(7)]
        prices = ["100"] * 4 + ["90"] * 3  # from 13:30 on it is cheap

        class Cheap(Strategy):
            """A limit for the day."""

            def on_bar(self, bar: StrategyBar) -> None:
                if bar.row == 0:
                    self.buy("X", 1, limit="95", time_in_force=TimeInForce.DAY)

        result = Backtest(
            Cheap,
            {"X": bars(times, prices)},
            session_end=lambda _symbol, now: nyse.next_close(now),
        ).run()
        found.append((len(result.fills), result.open_orders))

    assert found == [(1, ()), (0, ())]


def test_a_halt_is_waited_out() -> None:
    """Without bars nothing trades, and what is held counts at the last close; then it goes on."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    times = [start + DAY * day for day in range(6)]
    halted = bars(times, [10.0, 10.0, float("nan"), float("nan"), 7.0, 7.0])
    other = bars(times, [50.0] * 6)

    class Out(Strategy):
        """In, and out again while nothing trades."""

        def on_bars(self, bars: Mapping[str, StrategyBar]) -> None:
            if bars["OTHER"].row == 0 or (times[0] == bars["OTHER"].time):
                self.buy("HALT", 10)
            if bars["OTHER"].time == times[2]:
                self.sell("HALT", 10)

    result = Backtest(Out, {"HALT": halted, "OTHER": other}).run()

    assert [(fill.time, fill.price) for fill in result.fills] == [
        (times[1], D("10.0")),
        (times[4], D("7.0")),
    ]
    equity = [result.equity_at(point) for point in range(6)]
    assert equity == [D(100_000)] * 4 + [D(99_970)] * 2
    assert result.notes == ("HALT: 2 of 6 rows lack a price and were left out",)


class Hold(Strategy):
    """One of everything."""

    def on_bar(self, bar: StrategyBar) -> None:
        if not self.position(bar.symbol) and not self.open_orders(bar.symbol):
            self.buy(bar.symbol, 1)

    def signals(self) -> pl.Expr:
        return pl.lit(1)


@pytest.mark.parametrize("path", ["callback", "signals"])
def test_what_is_held_of_a_symbol_that_has_gone_is_noted(path: str) -> None:
    """It counts at its last close, and the result says so; what was sold in time is no matter."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    times = [start + DAY * day for day in range(5)]
    data = {
        "GONE": bars(times[:3], ["10", "10", "4"]),
        "STAYS": bars(times, ["20"] * 5),
    }
    result = Backtest(Hold, data, path=path).run()  # type: ignore[arg-type]  # one of the paths

    assert result.final_equity == 100_000 - 6
    assert result.positions == {"GONE": D(1), "STAYS": D(1)}
    assert result.notes == (
        f"GONE is still held at its last close, of the bar that began at {times[2]}",
    )
    assert result.summary()["notes"] == list(result.notes)


def test_a_delisted_symbol_can_be_paid_out() -> None:
    """A last bar at what holders get, and an order before it: that is what a payout is."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    times = [start + DAY * day for day in range(5)]

    class Leave(Strategy):
        """In, and out at the last bar."""

        def on_bar(self, bar: StrategyBar) -> None:
            if bar.symbol == "GONE" and bar.time in (times[0], times[1]):
                self.order_target("GONE", 1 if bar.time == times[0] else 0)

    data = {"GONE": bars(times[:3], ["10", "10", "4"]), "STAYS": bars(times, ["20"] * 5)}
    result = Backtest(Leave, data).run()

    assert result.notes == ()
    assert result.cash == 100_000 - 6


@pytest.mark.parametrize("path", ["callback", "signals"])
@pytest.mark.parametrize(
    ("price", "quantity"),
    [
        ("1000000000000000", "0.00000001"),
        ("0.000000000001", "1000000000000000"),
        ("123456789012345.678", "99999999.99999999"),
    ],
)
def test_large_and_small_come_together_exactly(price: str, quantity: str, path: str) -> None:
    """1e15 units at 1e-12, and the reverse: cash and equity to the last digit, on both paths."""
    times = [datetime(2024, 1, 1, tzinfo=UTC) + DAY * day for day in range(3)]

    class Large(Strategy):
        """So many."""

        def on_bar(self, bar: StrategyBar) -> None:
            if bar.row == 0:
                self.order_target("X", quantity)

        def signals(self) -> pl.Expr:
            return pl.lit(float(quantity))

    share = Instrument(
        symbol="X",
        base="X",
        quote="USD",
        tick=D("1e-18"),
        lot=D("0.00000001"),
        kind=InstrumentKind.EQUITY,
    )
    result: Result = Backtest(
        Large,
        {"X": bars(times, [price] * 3)},
        instruments={"X": share},
        path=path,  # type: ignore[arg-type]  # one of the paths
    ).run()

    assert result.positions == {"X": D(quantity)}
    assert result.cash == subtract(D(100_000), multiply(D(price), D(quantity)))
    assert result.final_equity == 100_000


def test_a_future_at_zero_is_worth_nothing_and_traded() -> None:
    """A price of 0 is a price: orders fill at it, and sizes by value are declined."""
    future = Instrument(
        symbol="X", base="X", quote="USD", tick=D("0.01"), lot=D(1), kind=InstrumentKind.FUTURE
    )
    times = [datetime(2020, 4, 20, tzinfo=UTC) + DAY * day for day in range(4)]

    class Value(Strategy):
        """By units, and by value."""

        def on_bar(self, bar: StrategyBar) -> None:
            if bar.row == 0:
                self.buy("X", 1)
            if bar.row == 1:
                self.order_value("X", 1000)

    data = {"X": bars(times, [5.0, 0.0, -3.0, 2.0])}
    result = Backtest(Value, data, instruments={"X": future}).run()

    assert [fill.price for fill in result.fills] == [D("0.0")]
    assert [result.equity_at(point) for point in range(4)] == [100_000, 100_000, 99_997, 100_002]
    assert [each.reason for each in result.refusals] == [
        "1000 of it cannot be sized at a price of 0.0"
    ]


def test_what_is_ordered_at_the_start_gets_the_first_open() -> None:
    """With one symbol and with several, and whatever looks after what is held."""

    class AtOnce(Strategy):
        """One, before there is any bar."""

        def on_start(self) -> None:
            self.buy("X", 1)

        def on_bar(self, bar: StrategyBar) -> None:
            """Wait."""

    times = [datetime(2024, 1, 1, tzinfo=UTC) + DAY * day for day in range(3)]
    one = {"X": bars(times, ["10", "11", "12"])}
    two = {**one, "Y": bars(times, ["1", "1", "1"])}
    for data in (one, two):
        for costs in (None, HoldingCosts()):
            result = Backtest(AtOnce, data, costs=costs).run()
            assert [(fill.time, fill.price) for fill in result.fills] == [(times[0], D(10))]
            assert result.final_equity == 100_002

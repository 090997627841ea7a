"""Orders of every kind through a backtest: when they fill, at which price, and what is refused."""

import operator
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import polars as pl
import pytest

from rustybt.engine import Backtest, BacktestError, Result
from rustybt.engine.frames import digits
from rustybt.execution import (
    BasisPointSlippage,
    MatchingRules,
    PerTradeCommission,
    Tier,
    TieredCommission,
)
from rustybt.model import Fill, Instrument, InstrumentKind, InvalidValueError, TimeInForce
from rustybt.risk import RiskLimits
from rustybt.strategy import (
    Signals,
    Strategy,
    StrategyBar,
    StrategyError,
    StrategyFailedError,
    TargetKind,
)

PATHS: tuple[Literal["signals"], Literal["callback"]] = ("signals", "callback")
START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
Row = tuple[float, float, float, float]
ROWS: list[Row] = [
    (10.0, 11.0, 9.0, 10.5),
    (10.6, 12.0, 10.0, 11.5),
    (11.4, 11.8, 8.0, 8.5),
    (8.4, 9.0, 8.2, 8.8),
    (9.0, 13.0, 9.0, 12.5),
    (12.6, 14.0, 12.0, 13.5),
]


def bars(rows: list[Row] = ROWS, volume: float = 1000.0) -> pl.DataFrame:
    columns = dict(zip(("open", "high", "low", "close"), zip(*rows, strict=True), strict=True))
    times = [START + DAY * number for number in range(len(rows))]
    return pl.DataFrame({"timestamp": times, **columns, "volume": [volume] * len(rows)})


class Scripted(Strategy):
    """Does what it is told after each bar, and keeps what happened."""

    def __init__(self, script: dict[int, Callable[[Strategy], object]]) -> None:
        super().__init__()
        self.script = script
        self.seen: list[Fill] = []
        self.returned: list[Any] = []

    def on_bar(self, bar: StrategyBar) -> None:
        if bar.row in self.script:
            self.returned.append(self.script[bar.row](self))

    def on_fill(self, fill: Fill) -> None:
        assert self.position(fill.symbol) is not None
        self.seen.append(fill)


def play(
    script: dict[int, Callable[[Strategy], object]], data: object = None, **options: Any
) -> tuple[Result, Scripted]:
    strategy = Scripted(script)
    given = {"X": bars()} if data is None else data
    result = Backtest(strategy, given, **options).run()  # type: ignore[arg-type]  # any options
    assert tuple(strategy.seen) == result.fills
    return result, strategy


def trades(result: Result) -> list[tuple[int, str]]:
    """Return days since the start and signed quantity at price of each fill."""
    return [
        ((fill.time - START).days, f"{digits(fill.signed_quantity)}@{digits(fill.price)}")
        for fill in result.fills
    ]


def test_a_market_order_gets_the_next_open() -> None:
    """Never the bar it was decided on; both ways of carrying it out agree."""
    script = {0: lambda s: s.buy("X", 3), 2: lambda s: s.sell("X", "1.5")}
    for shortcut in (True, False):
        result, _ = play(script, shortcut=shortcut)
        assert trades(result) == [(1, "3@10.6"), (3, "-1.5@8.4")]
        assert result.cash == 100000 - 3 * Decimal("10.6") + Decimal("1.5") * Decimal("8.4")


def test_same_close_trades_at_once() -> None:
    """The optimistic policy fills at the close that was decided on and reports it at once."""
    result, strategy = play({0: lambda s: s.buy("X", 3)}, fill="same_close")

    assert trades(result) == [(1, "3@10.5")]  # the close of the first bar is at the second midnight
    assert len(strategy.seen) == 1
    assert result.curve.equity[0] == 100000.0


def test_limits_wait_for_their_price() -> None:
    """A limit below the market fills when the market comes to it, at its price or a better open."""
    result, _ = play(
        {0: lambda s: s.buy("X", 1, limit="9"), 2: lambda s: s.sell("X", 1, limit="8")}
    )

    assert trades(result) == [(3, "1@9"), (3, "-1@8.4")]


def test_stops_and_brackets() -> None:
    """A stop sells on the way down; a bracket's exits end each other."""
    result, _ = play({0: lambda s: s.buy("X", 2), 1: lambda s: s.sell("X", 2, stop="9")})
    assert trades(result) == [(1, "2@10.6"), (3, "-2@9")]

    def enter(strategy: Strategy) -> object:
        return strategy.bracket("X", 2, take_profit="12", stop_loss="8.1")

    result, strategy = play({2: enter})
    assert trades(result) == [(3, "2@8.4"), (5, "-2@12")]
    assert strategy.returned == [("O1", "O2", "O3")]
    assert result.open_orders == ()


def test_trailing_stops_and_take_profits() -> None:
    """A trailing stop follows the market up; a take-profit goes off at its trigger."""
    result, _ = play(
        {0: lambda s: s.buy("X", 1), 1: lambda s: s.sell("X", 1, trail="2", reduce_only=True)}
    )
    assert [quantity.split("@")[0] for _, quantity in trades(result)] == ["1", "-1"]
    result, _ = play({3: lambda s: s.buy("X", 1), 4: lambda s: s.sell("X", 1, take_profit="13.9")})
    assert trades(result) == [(4, "1@9"), (6, "-1@13.9")]
    result, _ = play({0: lambda s: s.order("X", 1, trail_percent="0.2")})
    assert result.open_orders == ("O1",) or len(result.fills) == 1


def test_orders_end_by_time_and_by_hand() -> None:
    """A day order expires, a cancelled one is gone, whichever way it was carried out."""
    result, _ = play({0: lambda s: s.buy("X", 1, limit="5", time_in_force=TimeInForce.DAY)})
    assert result.open_orders == ()
    assert result.refusals == ()
    for terms in ({}, {"limit": "5"}):

        def order_and_cancel(strategy: Strategy, terms: dict[str, str] = terms) -> None:
            kept, gone = strategy.buy("X", 1, **terms), strategy.buy("X", 2, **terms)
            assert strategy.open_orders("X") == (kept, gone)
            strategy.cancel(gone)
            strategy.cancel(gone)
            strategy.cancel("O99")
            assert strategy.open_orders() == (kept,)

        result, _ = play({0: order_and_cancel})
        assert [fill.quantity for fill in result.fills] == [1] * (not terms)


def test_orders_by_value_percent_and_target() -> None:
    """Sizes come from the last close and what is on its way, in whole lots."""

    def targets(strategy: Strategy) -> object:
        done = [
            strategy.order_value("X", "105"),
            strategy.order_target("X", 30),
            strategy.order_target("X", "30"),
            strategy.order_target_value("X", "210"),
            strategy.order_target_percent("X", 0.001),
            strategy.order_percent("X", Decimal("-0.001")),
            strategy.order("X", 0),
        ]
        assert strategy.trader.pending("X") == Decimal(9 - 9)
        return done

    result, strategy = play({0: targets}, lot=1)
    assert strategy.returned == [["O1", "O2", None, "O3", "O4", "O5", None]]
    assert [fill.signed_quantity for fill in result.fills] == [10, 20, -10, -11, -9]
    assert result.positions == {}


def test_pending_orders_count_with_resting_ones_beside() -> None:
    """A target counts market orders under way also when the venue has other orders."""

    def targets(strategy: Strategy) -> None:
        strategy.buy("X", 5, limit="1")
        strategy.order_target("X", 3)
        strategy.order_target("X", 3)
        strategy.order_target("X", -2)

    result, _ = play({0: targets})
    assert [fill.signed_quantity for fill in result.fills] == [3, -5]


def test_what_cannot_be_sized_is_on_record() -> None:
    """Less than a lot, and a symbol without a price, come to no order and are not forgotten."""

    class Early(Strategy):
        def on_bars(self, bars: Mapping[str, StrategyBar]) -> None:
            if "LATE" not in bars:
                assert self.price("LATE") is None
                self.order_value("LATE", 100)
                self.order_target_value("LATE", 100)
                self.order_target_percent("LATE", 0.5)
                self.order_value("X", "0.5")

    late = bars().with_columns(pl.col("timestamp") + DAY)
    result = Backtest(Early, {"X": bars(), "LATE": late}, lot=1).run()

    assert result.fills == ()
    assert [refusal.symbol for refusal in result.refusals] == ["LATE", "LATE", "LATE", "X"]
    assert "cannot be sized at a price of None" in result.refusals[0].reason
    assert "less than a lot of 1" in result.refusals[3].reason


def test_filters_of_the_venue_refuse() -> None:
    """Off the lot or below the least notional: refused with the reason, by both ways."""
    instrument = Instrument(
        symbol="X",
        base="X",
        quote="USD",
        tick=Decimal("0.01"),
        lot=Decimal(1),
        kind=InstrumentKind.EQUITY,
        min_notional=Decimal(50),
    )
    script: dict[int, Callable[[Strategy], object]] = {
        0: lambda s: (s.buy("X", 1), s.buy("X", "5.5"), s.buy("X", 5))
    }
    for shortcut in (True, False):
        result, _ = play(script, instruments={"X": instrument}, shortcut=shortcut)
        assert trades(result) == [(1, "5@10.6")]
        assert [refusal.client_id for refusal in result.refusals] == ["O1", "O2"]
        assert "notional" in result.refusals[0].reason
    result, _ = play({0: lambda s: s.buy("X", "0.5")}, lot=1)
    assert "off the lot" in result.refusals[0].reason


def test_amounts_are_never_floats() -> None:
    """A float quantity is refused where it is written; so is selling a negative quantity."""
    with pytest.raises(StrategyFailedError, match=r"1\.5 is a float"):
        play({0: lambda s: s.buy("X", 1.5)})  # type: ignore[arg-type]  # a float, on purpose
    with pytest.raises(StrategyFailedError, match="-1 is not above 0"):
        play({0: lambda s: s.sell("X", -1)})
    with pytest.raises(StrategyFailedError, match="one of stop, take_profit, trail"):
        play({0: lambda s: s.sell("X", 1, stop=1, trail=1)})
    with pytest.raises(StrategyFailedError, match="a bracket of 0 units"):
        play({0: lambda s: s.bracket("X", 0, take_profit=1, stop_loss=1)})


def test_slippage_and_volume_share() -> None:
    """Slippage stays within the bar; a share of the volume spreads an order over bars."""
    slippage = BasisPointSlippage(Decimal(100))
    for shortcut in (True, False):
        result, _ = play({0: lambda s: s.buy("X", 1)}, slippage=slippage, shortcut=shortcut)
        assert trades(result) == [(1, "1@10.706")]
    rules = MatchingRules(volume_share=Decimal("0.001"), commission=PerTradeCommission(Decimal(2)))
    result, _ = play({0: lambda s: s.buy("X", "2.5")}, rules=rules)
    assert [fill.quantity for fill in result.fills] == [1, 1, Decimal("0.5")]
    assert result.fees == 2


def test_tiers_count_the_whole_account() -> None:
    """A tiered commission falls with what the account has traded, whatever the kinds of orders."""
    tiers = TieredCommission((Tier(Decimal(0), Decimal(100)), Tier(Decimal(20), Decimal(10))))
    result, _ = play({0: lambda s: (s.buy("X", 2), s.buy("X", 1))}, commission=tiers)
    assert result.fees == Decimal("0.2") + Decimal("0.0012") + Decimal("0.0106")


def test_risk_limits_deny_by_name() -> None:
    """Orders beyond a limit never reach the venue; the denial names the limit."""
    limits = RiskLimits(max_leverage=Decimal(1), max_daily_loss=Decimal("0.5"))
    script = {
        0: lambda s: (s.buy("X", 5000), s.buy("X", 9000)),
        2: lambda s: s.buy("X", 1000),
        3: lambda s: s.sell("X", 5000),
    }
    result, _ = play(script, limits=limits)

    assert [fill.signed_quantity for fill in result.fills] == [5000, 1000, -5000]
    assert [refusal.client_id for refusal in result.refusals] == ["O2"]
    assert "max_leverage" in result.refusals[0].reason


def test_the_daily_loss_is_measured_from_midnight() -> None:
    """Hourly bars: what was lost since midnight counts, fills of the day included."""
    rows = [(100.0, 100.0, 100.0, 100.0)] * 10 + [(100.0, 100.0, 50.0, 50.0)]
    rows += [(50.0, 50.0, 50.0, 50.0)] * 50
    times = [START + timedelta(hours=number) for number in range(len(rows))]
    data = bars(rows).with_columns(timestamp=pl.Series(times))
    script: dict[int, Callable[[Strategy], object]] = {
        1: lambda s: s.buy("X", 900),
        12: lambda s: s.buy("X", 2),
        13: lambda s: s.sell("X", 3),
        30: lambda s: s.buy("X", 4),
        31: lambda s: s.buy("X", 5),
    }
    result, _ = play(script, {"X": data}, limits=RiskLimits(max_daily_loss=Decimal("0.1")))

    assert [fill.signed_quantity for fill in result.fills] == [900, -3, 4, 5]
    assert [refusal.client_id for refusal in result.refusals] == ["O2"]
    assert "max_daily_loss" in result.refusals[0].reason


def test_fills_are_told_before_the_next_bar_and_may_order() -> None:
    """Orders from on_fill see nothing of the bar in which the fill was."""

    class Chain(Strategy):
        def on_bar(self, bar: StrategyBar) -> None:
            if bar.row == 0:
                self.buy("X", 1)

        def on_fill(self, fill: Fill) -> None:
            if fill.quantity < 4:
                assert (
                    self.price("X")
                    == [Decimal("10.5"), Decimal("11.5"), Decimal("8.5")][int(fill.quantity) - 1]
                )
                self.buy("X", int(fill.quantity) + 1)

    assert trades(Backtest(Chain, {"X": bars()}).run()) == [
        (1, "1@10.6"),
        (2, "2@11.4"),
        (3, "3@8.4"),
        (4, "4@9"),
    ]


def test_orders_across_symbols_wait_for_the_next_bar() -> None:
    """An order for B from the bar of A does not see the bar of B that closed with it."""

    class Cross(Strategy):
        def on_bar(self, bar: StrategyBar) -> None:
            if bar.row == 0:
                self.buy("B", 1)
                self.buy("B", 1, limit="11")

        def on_bars(self, bars: Mapping[str, StrategyBar]) -> None:
            assert sorted(bars) == ["A", "B"]
            if bars["B"].row == 3:
                self.buy("A", 1)

    result = Backtest(Cross, {"A": bars(), "B": bars()}).run()
    found = [
        (fill.symbol, day, text)
        for fill, (day, text) in zip(result.fills, trades(result), strict=True)
    ]
    assert found == [("B", 1, "1@10.6"), ("B", 1, "1@10.6"), ("A", 2, "1@11.4")]


@pytest.mark.parametrize("kind", list(TargetKind))
def test_signals_of_all_kinds_agree_with_bars(kind: TargetKind) -> None:
    """Units, values and fractions: only the rows that matter are visited, with equal results."""

    class Column(Strategy):
        def signals(self) -> Signals:
            up = pl.col("close") > pl.col("close").shift(1)
            scale = {"units": 5.0, "value": 500.0, "percent": 0.25}[kind]
            return Signals(pl.when(up).then(scale).when(up.not_()).then(-scale / 2), kind)

    data = {"A": bars(), "B": bars(ROWS[::-1]), "C": bars(ROWS[2:])}
    runs = [Backtest(Column, data, path=path).run() for path in PATHS]

    assert runs[0].fills == runs[1].fills
    assert len(runs[0].fills) == 6
    assert runs[0].final_equity == runs[1].final_equity
    assert runs[0].open_orders == runs[1].open_orders
    assert runs[0].curve.equity.tolist() == runs[1].curve.equity.tolist()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (5, "returned a int"),
        (pl.col("nothing"), "cannot be evaluated for X"),
        (pl.lit(float("inf")), "wants an infinite position in X"),
        (pl.lit("a lot"), "cannot be evaluated"),
        (pl.lit(pl.Series([1.0, 2.0])), "cannot be evaluated"),
    ],
)
def test_signals_that_are_none(value: object, message: str) -> None:
    """What is no column of targets is refused."""

    class Column(Strategy):
        def signals(self) -> Any:
            return value

    with pytest.raises(StrategyError, match=message):
        Backtest(Column, {"X": bars()}).run()


def test_off_the_lot_targets_are_refused_both_ways() -> None:
    """Targets that are no whole lots lead to the same refusals on both paths."""

    class Column(Strategy):
        def signals(self) -> pl.Expr:
            return pl.when(pl.col("close") > 10).then(2.5).otherwise(1.0)

    runs = [Backtest(Column, {"X": bars()}, path=path, lot=1).run() for path in PATHS]
    assert runs[0].fills == runs[1].fills
    assert runs[0].refusals == runs[1].refusals
    assert len(runs[0].refusals) > 0


def test_state_goes_in_and_comes_out() -> None:
    """What a strategy kept is there at the next start; the caller's own is not changed."""

    class Counting(Strategy):
        def on_start(self) -> None:
            self.state.setdefault("runs", []).append(len(self.symbols))

        def on_bar(self, bar: StrategyBar) -> None:
            self.last = bar.time

        def on_stop(self) -> None:
            self.state["last"] = self.last.isoformat()
            assert self.equity == self.cash

    before: dict[str, Any] = {"runs": [7]}
    result = Backtest(Counting, {"X": bars()}, state=before).run()

    assert result.state == {"runs": [7, 1], "last": "2024-01-06T00:00:00+00:00"}
    assert before == {"runs": [7]}


def test_progress_and_options() -> None:
    """Progress counts rows; rules and commission together are refused."""
    seen: list[tuple[int, int]] = []
    play({}, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(6, 6)]
    with pytest.raises(BacktestError, match="rules as well as commission"):
        play({}, rules=MatchingRules(), commission=PerTradeCommission(Decimal(1)))
    with pytest.raises(InvalidValueError, match="lot"):
        play({}, lot=0.1)


def test_errors_outside_the_strategy_are_not_blamed_on_it() -> None:
    """A progress callback that raises is no failure of the strategy."""
    with pytest.raises(TypeError, match="not subscriptable"):
        play({}, progress=operator.getitem)


def test_a_bar_shows_itself() -> None:
    """The flyweight prints what it holds."""
    bar = StrategyBar("X")
    bar.open = bar.high = bar.low = bar.close = bar.volume = 1.0
    assert repr(bar) == "<X 1970-01-01 00:00 1.0 1.0 1.0 1.0 x 1.0>"

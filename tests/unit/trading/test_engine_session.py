"""People, breakers, bars and strategies in the trading engine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from rustybt.model.bar import Bar
from rustybt.model.errors import InvalidValueError
from rustybt.model.event import BarClosed, CashMoved, DividendPaid, SharesSplit, TimerFired
from rustybt.model.instrument import Instrument
from rustybt.model.order import OrderType
from rustybt.risk.limits import RiskLimits
from rustybt.strategy import Strategy, StrategyError, Terms
from rustybt.trading.commands import Cancel, End, KeepState, Modify, Query, SetTimer
from rustybt.trading.engine import Engine
from rustybt.trading.guard import left_out
from rustybt.trading.reports import Heartbeat, InstrumentsChanged
from rustybt.trading.settings import EngineSettings, GuardSettings, OnStop

Sessions = Any
MINUTE = timedelta(minutes=1)


def working(session: Sessions, **settings: Any) -> Any:
    """Return a session with an order to buy one coin at 90 at work."""
    run = session(**settings).start()
    (order,) = run.wish(lambda strategy: strategy.buy("BTC/USDT", 1, limit=90))
    return run.update(order.client_id, "accepted")


def holding(session: Sessions, **settings: Any) -> Any:
    """Return a session that has bought a coin for 100."""
    run = session(**settings).start()
    (order,) = run.wish(lambda strategy: strategy.buy("BTC/USDT", 1))
    return run.update(order.client_id, "accepted").fill(order.client_id, "1")


def closed(_symbol: str, _time: datetime) -> bool:
    """Say that nothing can be traded."""
    return False


# People


def test_a_halt_cancels_and_refuses_until_a_person_resumes(session: Sessions) -> None:
    """It trips the breaker by hand: a named person says when trading goes on."""
    run = working(session).operator("halt")
    assert run.engine.breaker.cause == "halted by ann: because"
    assert [each.client_id for each in run.commands(Cancel)] == ["RBT-1-1"]
    assert run.alerts("breaker")[0].severity == "critical"
    assert not run.wish(lambda strategy: strategy.buy("BTC/USDT", 1))
    assert "breaker" in run.notes("denied")[-1].message
    run.operator("resume")
    assert run.wish(lambda strategy: strategy.buy("BTC/USDT", 1))


def test_a_tripped_breaker_lets_positions_be_reduced(session: Sessions) -> None:
    """Getting out stays possible, where it is configured."""
    run = holding(session).operator("halt")
    assert run.wish(lambda strategy: strategy.close_position("BTC/USDT"))
    run = holding(session, allow_reducing=False).operator("halt")
    assert not run.wish(lambda strategy: strategy.close_position("BTC/USDT"))


def test_a_trip_leaves_orders_that_can_only_reduce(session: Sessions) -> None:
    """Flagged or not: a stop below a position is what one wants to keep then."""
    run = holding(session)
    first, second, third = (
        run.wish(lambda strategy, each=each: strategy.sell("BTC/USDT", *each[:1], limit=each[1]))[0]
        for each in (("0.6", 120), ("0.5", 130), ("0.4", 140))
    )
    for order in (first, second, third):
        run.update(order.client_id, "accepted")
    (more,) = run.wish(lambda strategy: strategy.buy("BTC/USDT", 1, limit=90))
    run.update(more.client_id, "accepted").operator("halt")
    cancelled = {each.client_id for each in run.commands(Cancel)}
    # 0.6 and 0.5 are more than the coin that is held; the third sell is behind them.
    assert cancelled == {second.client_id, third.client_id, more.client_id}


def test_a_trip_cancels_all_where_reducing_is_not_allowed(session: Sessions) -> None:
    """The setting says so."""
    run = holding(session, allow_reducing=False)
    (order,) = run.wish(lambda strategy: strategy.sell("BTC/USDT", "0.6", limit=120))
    run.update(order.client_id, "accepted").operator("halt")
    assert [each.client_id for each in run.commands(Cancel)] == [order.client_id]


def test_a_trip_may_leave_orders_alone(session: Sessions) -> None:
    """Where it is configured so."""
    run = working(session, cancel_on_trip=False).operator("halt")
    assert not run.commands(Cancel)


def test_disable_stops_new_orders_only(session: Sessions) -> None:
    """Orders at work go on."""
    run = working(session).operator("disable")
    assert not run.wish(lambda strategy: strategy.buy("BTC/USDT", 1))
    assert run.order("RBT-1-1").state == "accepted"


def test_flatten_cancels_then_sells_even_when_tripped(session: Sessions) -> None:
    """Positions are closed by reduce-only market orders, once nothing else works."""
    limits = RiskLimits(max_order_notional=Decimal(200))
    run = holding(session, limits=limits, allow_reducing=False)
    (order,) = run.wish(lambda strategy: strategy.buy("BTC/USDT", 1, limit=90))
    run.update(order.client_id, "accepted").operator("halt").operator("flatten")
    assert not run.sent()
    run.update(order.client_id, "cancelled")
    (order,) = run.sent()
    assert (order.side, order.quantity, order.type) == ("sell", 1, OrderType.MARKET)
    assert order.reduce_only
    run.fill(order.client_id, "1", trade="T2")
    assert run.alerts("flattened")[0].message.endswith("nothing")
    assert not run.engine.is_enabled
    assert not run.engine.state.flattening


def test_flatten_of_dust_says_what_is_left(session: Sessions) -> None:
    """Less than a lot cannot be sold."""
    run = session().start()
    (order,) = run.wish(lambda strategy: strategy.buy("BTC/USDT", "0.001"))
    run.fill(order.client_id, "0.001", fee="0.0001", fee_currency="BTC").operator("flatten")
    assert "0.0009 BTC/USDT" in run.alerts("flattened")[0].message


def test_stop_cancels_waits_and_ends(session: Sessions) -> None:
    """Failure 15: no order after the stop, none left open, the strategy's state kept."""
    run = working(session).operator("stop")
    assert run.strategy.seen[-1] == "stop"
    assert run.commands(KeepState)[0].state == '{"stopped":true}'
    assert run.commands(Cancel)
    assert not run.commands(End)
    assert not run.wish(lambda strategy: strategy.buy("BTC/USDT", 1))
    run.update("RBT-1-1", "cancelled")
    assert [each.code for each in run.commands(End)] == [0]
    run.bar("100")
    assert not run.commands(End)


def test_stop_may_keep_orders(session: Sessions) -> None:
    """It still waits for answers that are owed."""
    run = working(session, on_stop=OnStop.KEEP).operator("stop")
    assert not run.commands(Cancel)
    assert run.commands(End)


def test_stop_gives_up_in_time(session: Sessions) -> None:
    """A venue that does not answer cannot keep the process; the next start recovers."""
    run = working(session).operator("stop").fire("stop")
    assert [each.code for each in run.commands(End)] == [1]
    assert run.alerts("stop_incomplete")


def test_odd_commands_are_noted(session: Sessions) -> None:
    """A typing error changes nothing."""
    run = session().start().operator("haltt").operator("cancel", client_id="X")
    assert len(run.notes("unknown_command")) == 2


# What trips by itself


def test_a_daily_loss_trips(session: Sessions) -> None:
    """The cause names limit, value and threshold."""
    run = holding(session, guard=GuardSettings(daily_loss=Decimal("0.05")))
    run.bar("51")
    assert not run.engine.breaker.is_tripped
    run.bar("50")
    assert run.engine.breaker.cause == (
        "daily loss: 0.0500 reached the limit of 0.05 (equity went from 1000 to 950)"
    )


def test_a_drawdown_trips_over_days(session: Sessions) -> None:
    """It is measured from the highest equity; a resume measures anew."""
    run = holding(session, guard=GuardSettings(drawdown=Decimal("0.1")))
    run.bar("300").at(86400)
    run.bar("200")
    assert not run.engine.breaker.is_tripped
    run.bar("170")
    assert "drawdown" in run.engine.breaker.cause
    run.operator("resume").bar("171")
    assert not run.engine.breaker.is_tripped


def test_money_that_comes_or_goes_is_no_profit(session: Sessions) -> None:
    """A withdrawal must not look like a loss."""
    run = holding(session, guard=GuardSettings(daily_loss=Decimal("0.05")))
    run.tell(CashMoved(time=run.now, entry_id="W1", currency="USDT", amount=Decimal(-500))).bar(
        "100"
    )
    assert not run.engine.breaker.is_tripped
    assert run.engine.equity == 500


def test_rejections_in_a_row_trip(session: Sessions) -> None:
    """One that is accepted in between begins the count anew."""
    run = session(guard=GuardSettings(max_rejections=2)).start()
    for outcome in ("refused", "accepted", "refused", "refused"):
        (order,) = run.wish(lambda strategy: strategy.buy("BTC/USDT", 1, limit=90))
        assert not run.engine.breaker.is_tripped
        if outcome == "accepted":
            run.update(order.client_id, "accepted")
        else:
            run.failed("submit", outcome, order.client_id)
    assert run.engine.breaker.cause == "rejections in a row: 2 reached the limit of 2"


def test_too_many_orders_trip(session: Sessions) -> None:
    """A strategy that runs wild is stopped."""
    run = session(guard=GuardSettings(max_orders=3)).start()

    def many(strategy: Strategy) -> None:
        for _ in range(3):
            strategy.buy("BTC/USDT", 1, limit=90)

    run.wish(many)
    assert run.engine.breaker.cause == "orders: 3 within 60 s reached the limit of 3"
    assert len(run.commands(Cancel)) == 3


def test_too_many_failures_trip(session: Sessions) -> None:
    """Those of the last minute count."""
    run = working(session, guard=GuardSettings(max_errors=2))
    run.failed("cancel", "unknown", "RBT-1-1").at(61)
    run.failed("cancel", "unknown", "RBT-1-1")
    assert not run.engine.breaker.is_tripped
    run.failed("cancel", "unknown", "RBT-1-1")
    assert "failed requests: 2" in run.engine.breaker.cause


def test_silence_trips(session: Sessions) -> None:
    """Failure 28: connected, and no bar; closed hours do not count."""
    guard = GuardSettings(stale_after=timedelta(minutes=2))
    run = session(guard=guard).start()
    run.bar("100").fire("stale")
    assert not run.engine.breaker.is_tripped
    for _ in range(3):
        run.fire("stale")
    assert run.engine.breaker.cause.startswith("stale data: no bar of BTC/USDT")
    run = session(guard=guard, hours=closed).start()
    for _ in range(8):
        run.fire("stale")
    assert not run.engine.breaker.is_tripped


def test_a_skewed_clock_trips(session: Sessions) -> None:
    """Failure 27: as the heartbeat tells."""
    run = session(guard=GuardSettings(max_skew=1000)).start()
    run.tell(Heartbeat(time=run.now, states={"skew_ms": "-900"}))
    assert not run.engine.breaker.is_tripped
    run.tell(Heartbeat(time=run.now, states={"skew_ms": "1001"}))
    assert run.engine.breaker.cause == "clock skew: 1001 ms is above the limit of 1000 ms"


def test_risk_limits_and_hours_stand_before_every_order(session: Sessions) -> None:
    """A denial names the limit and is noted; nothing is sent."""
    run = session(limits=RiskLimits(max_order_notional=Decimal(50))).start()
    assert not run.wish(lambda strategy: strategy.buy("BTC/USDT", 1))
    assert "max_order_notional" in run.notes("denied")[0].message
    run = session(hours=closed).start()
    assert not run.wish(lambda strategy: strategy.buy("BTC/USDT", 1))
    assert "trading_hours" in run.notes("denied")[0].message


# Bars


def test_the_bars_of_an_instant_are_shown_together_in_order(session: Sessions) -> None:
    """As a backtest does: all are known before the first is looked at, then on_bars once."""
    run = session(symbols=("ETH/USDT", "BTC/USDT")).start()
    run.bar("10", "ETH/USDT")
    assert run.strategy.seen == ["start"]
    run.now -= MINUTE
    run.bar("100", "BTC/USDT")
    assert run.strategy.seen[1:] == [
        ("BTC/USDT", 100.0),
        ("ETH/USDT", 10.0),
        ("BTC/USDT", "ETH/USDT"),
    ]


def test_a_missing_bar_is_not_waited_for_long(session: Sessions) -> None:
    """Failure 36: after a moment, or with the next instant, the others go on without it."""
    run = session(symbols=("ETH/USDT", "BTC/USDT")).start()
    run.bar("10", "ETH/USDT").fire("bars")
    assert run.strategy.seen[-1] == ("ETH/USDT",)
    run.bar("11", "ETH/USDT").bar("12", "ETH/USDT")
    assert run.strategy.seen[-1] == ("ETH/USDT",)
    assert ("ETH/USDT", 11.0) in run.strategy.seen
    run.now -= 2 * MINUTE
    run.bar("100", "BTC/USDT")
    assert run.strategy.seen[-1] == ("BTC/USDT",)


def test_bars_that_did_not_come_are_told(session: Sessions) -> None:
    """Failure 36: people hear of a hole that nobody fills; one after another leaves none."""
    run = session().start().bar("100").bar("101")
    assert not run.alerts("missing_bar")
    run.now += 2 * MINUTE
    run.bar("102")
    assert [each.message.partition(",")[0] for each in run.alerts("missing_bar")] == [
        "2 bars of BTC/USDT did not come"
    ]


@pytest.mark.parametrize(
    ("opens", "told"), [(1, "3 bars of A did not come"), (2, "3 bars of A did not come"), (9, None)]
)
def test_bars_of_a_closed_market_are_not_missed(opens: int, told: str | None) -> None:
    """What is left out counts if the market was open at the start of any bar of it."""
    first = datetime(2026, 1, 5, 9, tzinfo=UTC)
    gap = ("A", first, first + 3 * MINUTE)
    said = left_out(gap, MINUTE, lambda _, at: at >= first + opens * MINUTE)
    assert (said and said.partition(",")[0]) == told
    assert left_out(gap, MINUTE, None) == f"3 bars of A did not come, from {first.isoformat()} on"


def test_a_repeated_or_foreign_bar_is_left_out(session: Sessions) -> None:
    """Failures 34, 35: each bar counts once, in order."""
    run = session().start().bar("100")
    run.now -= MINUTE
    run.bar("101").bar("5", "XRP/USDT")
    assert run.strategy.seen.count(("BTC/USDT", 100.0)) == 1
    assert run.notes("repeated_bar")
    assert len(run.strategy.seen) == 3


def test_a_clock_that_steps_back_is_noted_and_ignored(session: Sessions) -> None:
    """Failure 40: time goes on from the latest."""
    run = working(session)
    later = run.engine.state.time
    run.at(-600)
    run.update("RBT-1-1", "cancelled")
    assert run.notes("clock_back")
    assert run.engine.state.time == later
    assert run.order("RBT-1-1").state == "cancelled"


def test_an_old_bar_is_shown_but_not_traded_on(session: Sessions) -> None:
    """What was caught up after an outage is for indicators."""
    run = session(max_bar_age=timedelta(seconds=30)).start()
    run.strategy.wishes.append(lambda strategy: strategy.buy("BTC/USDT", 1))
    run.bar("100", late=31)
    assert not run.sent()
    assert "too late" in run.notes("denied")[0].message
    assert run.wish(lambda strategy: strategy.buy("BTC/USDT", 1))


def test_a_timer_that_was_forgotten_means_nothing(session: Sessions) -> None:
    """It may be under way while it is cleared."""
    run = session().start()
    run.tell(TimerFired(time=run.now, name="inquiries"))
    assert run.notes("stale_timer")


# Strategies


def test_a_strategy_that_raises_stops_trading_not_the_engine(session: Sessions) -> None:
    """The audit log has the whole traceback; it is called again once a person resumes."""
    run = session().start()

    def fail(strategy: Strategy) -> None:
        strategy.buy("BTC/USDT", 1)
        raise ValueError("a bug")

    run.wish(fail)
    assert "Told.on_bar raised ValueError: a bug" in run.engine.breaker.cause
    assert "Traceback" in run.notes("strategy_error")[0].details["traceback"]
    assert [each.client_id for each in run.commands(Cancel)] == ["RBT-1-1"]
    seen = len(run.strategy.seen)
    run.bar("100")
    assert len(run.strategy.seen) == seen
    run.operator("resume").bar("100")
    assert len(run.strategy.seen) == seen + 2


def test_state_that_cannot_be_kept_is_an_error(session: Sessions) -> None:
    """It would be lost at the next restart."""
    run = session().start()
    run.wish(lambda strategy: strategy.state.update(bad={1, 2}))
    assert "state['bad'] cannot be kept" in run.engine.breaker.cause


def test_a_strategy_finds_its_state_again(session: Sessions) -> None:
    """Over a restart, as it was when it was last kept."""
    run = session().start()
    run.wish(lambda strategy: strategy.state.update(n=7))
    again = session(run.engine.state).begin()
    assert again.strategy.state == {"n": 7}


def test_the_position_is_current_in_the_fill_callback(session: Sessions) -> None:
    """Failure 33."""
    run = holding(session)
    assert run.strategy.seen[-1] == ("T1", Decimal(1))


def test_warming_up_shows_bars_and_does_nothing_else(session: Sessions) -> None:
    """Orders come to nothing, the state is put back, the prices are those shown."""
    run = session(symbols=("BTC/USDT", "ETH/USDT")).begin()
    seen: list[Any] = []

    def wish(strategy: Strategy) -> None:
        strategy.state["warm"] = True
        seen.append(strategy.price("BTC/USDT"))
        seen.append(strategy.buy("BTC/USDT", 1))
        seen.append(strategy.bracket("BTC/USDT", 1, take_profit=200, stop_loss=50))
        strategy.cancel("RBT-1-1")
        strategy.trader.decline("BTC/USDT", "no")

    run.strategy.wishes.append(wish)
    begin = datetime(2026, 3, 2, 11, tzinfo=UTC)
    bars = [
        Bar(symbol, begin + number * MINUTE, begin + (number + 1) * MINUTE, *[Decimal(50)] * 5)
        for number in range(3)
        for symbol in ("ETH/USDT", "BTC/USDT", "XRP/USDT")
    ]
    before = run.engine.state
    run.engine.warm_up(bars)
    assert run.engine.state == before
    assert run.strategy.state == {}
    assert seen == [Decimal(50), "warm-up", ("warm-up",) * 3]
    assert run.strategy.seen.count(("BTC/USDT", "ETH/USDT")) == 3
    run.engine.warm_up([])


def test_what_a_strategy_sees_of_the_account(session: Sessions) -> None:
    """Cash, equity, pending market orders and open ones; a symbol of others is refused."""
    run = holding(session)
    seen: dict[str, Any] = {}

    def look(strategy: Strategy) -> None:
        trader = strategy.trader
        strategy.sell("BTC/USDT", "0.25")
        seen.update(
            cash=trader.cash,
            equity=trader.equity,
            same=trader.equity_in("BTC/USDT"),
            pending=trader.pending("BTC/USDT"),
            orders=trader.open_orders(),
            price=trader.price("BTC/USDT"),
        )
        trader.decline("BTC/USDT", "not today")
        trader.price("XRP/USDT")

    run.wish(look, "110")
    assert seen == {
        "cash": 900,
        "equity": 1010,
        "same": 1010,
        "pending": Decimal("-0.25"),
        "orders": ("RBT-1-2",),
        "price": 110,
    }
    assert run.notes("declined")
    assert "'XRP/USDT' is not traded here" in run.engine.breaker.cause


def test_a_currency_is_worth_what_a_symbol_says(session: Sessions) -> None:
    """Equity in another quote currency needs its rate."""
    pair = Instrument(
        symbol="ETH/BTC", base="ETH", quote="BTC", tick=Decimal("0.01"), lot=Decimal("0.01")
    )
    coin = Instrument(
        symbol="BTC/USDT", base="BTC", quote="USDT", tick=Decimal("0.01"), lot=Decimal("0.001")
    )
    run = session(symbols=("BTC/USDT", "ETH/BTC"), instruments=(coin, pair)).start()
    seen: list[Any] = []
    run.strategy.wishes.append(lambda strategy: seen.append(strategy.trader.equity_in("ETH/BTC")))
    run.bar("100", "BTC/USDT").fire("bars")
    assert seen == [Decimal(10)]
    run = session(symbols=("ETH/BTC",), instruments=(pair,)).start()
    run.wish(lambda strategy: strategy.trader.equity_in("ETH/BTC"))
    run.bar("1", "ETH/BTC")
    assert "nobody knows what BTC is worth" in run.engine.breaker.cause


def test_what_cannot_trade_is_refused_at_once(shares: Instrument) -> None:
    """No instrument, or a strategy that decides on nothing."""
    settings = EngineSettings(symbols=("ACME",), interval=MINUTE, currency="USDT")
    with pytest.raises(InvalidValueError, match="ACME is not among them"):
        Engine(Strategy(), {}, settings)
    with pytest.raises(StrategyError, match="neither on_bar nor on_bars"):
        Engine(Strategy(), {"ACME": shares}, settings)


# Groups


def bracket(strategy: Strategy) -> None:
    """Order a bracket of one coin."""
    strategy.bracket("BTC/USDT", 1, take_profit=120, stop_loss=80)


def test_a_bracket_goes_to_a_venue_that_knows_them(session: Sessions) -> None:
    """All three orders leave together."""
    run = session().start()
    assert len(run.wish(bracket)) == 3
    for order in run.engine.orders.orders():
        run.update(order.client_id, "accepted")
    run.fill("RBT-1-1", "1").fill("RBT-1-2", "1", "120", "T2").update("RBT-1-3", "cancelled")
    assert not run.engine.state.groups


def test_a_bracket_is_followed_here_for_other_venues(session: Sessions) -> None:
    """Exits are sent for what the entry filled, resized, and end each other."""
    run = session(groups_at_venue=False).start()
    (entry,) = run.wish(bracket)
    run.update(entry.client_id, "accepted").fill(entry.client_id, "0.4")
    assert [(order.type, order.quantity) for order in run.sent()] == [
        (OrderType.LIMIT, Decimal("0.4")),
        (OrderType.STOP, Decimal("0.4")),
    ]
    run.update("RBT-1-2", "accepted").update("RBT-1-3", "accepted")
    run.fill(entry.client_id, "0.6", trade="T2")
    assert [each.approved.order.quantity for each in run.commands(Modify)] == [1, 1]
    run.failed("modify", "unknown", "RBT-1-2").fire("inquiries")
    assert {each.client_id for each in run.commands(Query)} >= {"RBT-1-2"}
    run.found("RBT-1-2", quantity=Decimal(1))
    run.found("RBT-1-3", quantity=Decimal(1))
    assert run.order("RBT-1-2").quantity == 1
    run.fill("RBT-1-2", "1", "120", "T3")
    run.failed("modify", "unknown", "RBT-1-3").found("RBT-1-3", quantity=Decimal(1))
    assert [each.client_id for each in run.commands(Cancel)] == ["RBT-1-3"]
    run.update("RBT-1-3", "cancelled")
    assert not run.engine.state.groups
    assert run.engine.ledger.quantity("BTC/USDT") == 0


def test_exits_of_a_refused_entry_are_dropped(session: Sessions) -> None:
    """They were never sent, and need no answer."""
    run = session(groups_at_venue=False).start()
    (entry,) = run.wish(bracket)
    run.failed("submit", "refused", entry.client_id)
    assert not run.engine.orders.open()
    assert not run.commands(Cancel)


def test_a_bracket_that_rounds_to_nothing_is_denied(session: Sessions) -> None:
    """As a whole."""
    run = session().start()
    terms = Terms(type=OrderType.LIMIT, price=Decimal(120), reduce_only=True)
    run.wish(
        lambda strategy: strategy.trader.bracket(
            "BTC/USDT", Decimal("0.0001"), Terms(), terms, terms
        )
    )
    assert run.notes("denied")


# Instruments and entries


def test_new_filters_hold_for_later_orders(session: Sessions, shares: Instrument) -> None:
    """Failure 39: what is not traded here is left out."""
    run = session().start()
    coarse = Instrument(
        symbol="BTC/USDT", base="BTC", quote="USDT", tick=Decimal("0.5"), lot=Decimal("0.1")
    )
    run.tell(InstrumentsChanged(time=run.now, instruments=(coarse, shares)))
    (order,) = run.wish(lambda strategy: strategy.buy("BTC/USDT", "1.25", limit="99.9"))
    assert (order.quantity, order.price) == (Decimal("1.2"), Decimal("99.5"))


def test_another_contract_under_a_known_symbol_halts(session: Sessions) -> None:
    """The books cannot go on with another currency."""
    run = session().start()
    other = Instrument(
        symbol="BTC/USDT", base="BTC", quote="EUR", tick=Decimal("0.5"), lot=Decimal("0.1")
    )
    run.tell(InstrumentsChanged(time=run.now, instruments=(other,)))
    assert "quote of BTC/USDT cannot change" in run.engine.breaker.cause


def test_delisted_while_held_wakes_somebody(session: Sessions) -> None:
    """Failure 37: its orders are asked for, new ones denied, equity stays a number."""
    run = holding(session)
    (order,) = run.wish(lambda strategy: strategy.sell("BTC/USDT", 1, limit=150))
    run.update(order.client_id, "accepted")
    run.tell(InstrumentsChanged(time=run.now, instruments=(), gone=("BTC/USDT", "XRP/USDT")))
    assert [alert.severity for alert in run.alerts("delisted")] == ["critical"]
    assert [each.client_id for each in run.commands(Query)] == [order.client_id]
    assert not run.wish(lambda strategy: strategy.buy("BTC/USDT", 1))
    assert run.engine.equity == 1000


def test_a_split_is_booked_and_ends_orders_at_old_prices(session: Sessions) -> None:
    """Failure 38: quantity and price change together, equity does not."""
    run = holding(session)
    (order,) = run.wish(lambda strategy: strategy.sell("BTC/USDT", 1, limit=150))
    run.update(order.client_id, "accepted")
    split = SharesSplit(time=run.now, entry_id="S1", symbol="BTC/USDT", new=4, old=1)
    run.tell(split)
    assert run.engine.ledger.quantity("BTC/USDT") == 4
    assert run.engine.equity == 1000
    assert [each.client_id for each in run.commands(Cancel)] == [order.client_id]
    run.tell(split)
    assert run.engine.ledger.quantity("BTC/USDT") == 4


def test_a_dividend_is_booked_and_a_conflict_halts(session: Sessions) -> None:
    """One entry per id."""
    run = holding(session)
    paid = DividendPaid(time=run.now, entry_id="D1", symbol="BTC/USDT", per_unit=Decimal(2))
    run.tell(paid)
    assert run.engine.ledger.cash("USDT") == 902
    run.tell(CashMoved(time=run.now, entry_id="D1", currency="USDT", amount=Decimal(1)))
    assert "entry 'D1' was booked as" in run.engine.breaker.cause


def test_nothing_is_done_before_a_session_begins(session: Sessions) -> None:
    """Facts are taken note of, no more."""
    run = session()
    bar = Bar("BTC/USDT", run.now - MINUTE, run.now, *[Decimal(1)] * 5)
    run.tell(BarClosed(time=run.now, bar=bar)).operator("flatten")
    assert run.out == ()
    assert run.strategy.seen == []


def test_the_start_asks_for_timers(session: Sessions) -> None:
    """Reconciliation in time, silence once trading is enabled."""
    run = session(guard=GuardSettings(stale_after=MINUTE)).begin()
    assert [each.name for each in run.commands(SetTimer)] == ["reconcile"]
    run.snapshot(("USDT", "1")).operator("enable")
    assert [each.name for each in run.commands(SetTimer)] == ["stale"]

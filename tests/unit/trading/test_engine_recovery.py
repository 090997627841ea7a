"""Start-up, and agreeing with the venue again."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from rustybt.model.event import ConnectionLost, ConnectionRestored, OrderFilled
from rustybt.model.fill import Fill
from rustybt.model.instrument import Side
from rustybt.trading.commands import Cancel, Query, SetTimer, TakeSnapshot
from rustybt.trading.settings import Kind, Policy

Sessions = Any


def holding(session: Sessions, **settings: Any) -> Any:
    """Return a session that has bought a coin for 100 and agrees with the venue."""
    run = session(**settings).start()
    (order,) = run.wish(lambda strategy: strategy.buy("BTC/USDT", 1))
    run.update(order.client_id, "accepted").fill(order.client_id, "1")
    run.at(1)
    return run


def test_trading_begins_only_after_recovery(session: Sessions) -> None:
    """Whoever enables it earlier is put off until the books were compared."""
    run = session().begin()
    assert run.commands(TakeSnapshot)
    run.operator("enable")
    assert not run.engine.is_enabled
    assert run.notes("enable_deferred")
    run.snapshot(("USDT", "1000"))
    assert run.engine.phase == "ready"
    assert run.engine.is_enabled


def test_wishes_before_it_is_enabled_are_denied_not_kept(session: Sessions) -> None:
    """They are noted; enabling trading later sends none of them."""
    run = session().begin()
    run.wish(lambda strategy: strategy.buy("BTC/USDT", 1))
    run.snapshot(("USDT", "1000"))
    run.wish(lambda strategy: strategy.buy("BTC/USDT", 1))
    assert [note.message for note in run.notes("denied")] == [
        "recovery is not complete",
        "trading is not enabled",
    ]
    run.operator("enable")
    assert not run.sent()


def test_the_first_snapshot_opens_the_books(session: Sessions) -> None:
    """Cash is ours to trade with; coins that were there stay out of position and equity."""
    run = session().start(("USDT", "1000"), ("BTC", "2"))
    run.bar("100")
    assert run.engine.equity == 1000
    assert run.engine.ledger.quantity("BTC/USDT") == 0
    run.at(1)
    run.snapshot(("USDT", "1000"), ("BTC", "2"))
    assert not run.engine.state.suspects


def test_after_a_kill_every_order_is_asked_for_before_anything_else(session: Sessions) -> None:
    """Failures 2, 5: the restart finds what works, sends nothing again, holds what it held."""
    run = session().start()
    (first,) = run.wish(lambda strategy: strategy.buy("BTC/USDT", 1, limit=90))
    run.update(first.client_id, "accepted")
    run.wish(lambda strategy: strategy.buy("BTC/USDT", 2))
    again = session(run.engine.state)
    again.begin()
    assert {each.client_id for each in again.commands(Query)} == {"RBT-1-1", "RBT-1-2"}
    assert not again.commands(TakeSnapshot)
    again.found("RBT-1-1")
    trade = again.trade("RBT-1-2", "2")
    again.found("RBT-1-2", "filled", trade, filled=Decimal(2))
    assert again.commands(TakeSnapshot)
    again.snapshot(("USDT", "800"), ("BTC", "2"), orders=[again.there("RBT-1-1")])
    assert again.engine.phase == "ready"
    assert again.order("RBT-1-1").state == "accepted"
    assert again.engine.ledger.quantity("BTC/USDT") == 2
    assert not again.engine.breaker.is_tripped


def test_a_held_position_is_kept_over_a_restart(session: Sessions) -> None:
    """Failures 4, 7: nothing is closed, whatever the venue's list of trades still holds."""
    run = holding(session)
    again = session(run.engine.state)
    again.begin().at(1)
    again.snapshot(("USDT", "900"), ("BTC", "1"), complete=False)
    assert again.engine.phase == "ready"
    assert again.engine.ledger.quantity("BTC/USDT") == 1
    assert not again.sent()


def test_the_breaker_stays_tripped_over_a_restart(session: Sessions) -> None:
    """Only a person resets it."""
    run = session().start().operator("halt")
    again = session(run.engine.state).begin().snapshot(("USDT", "1000")).operator("enable")
    assert again.engine.breaker.is_tripped
    assert not again.wish(lambda strategy: strategy.buy("BTC/USDT", 1))
    again.operator("resume")
    assert again.wish(lambda strategy: strategy.buy("BTC/USDT", 1))


def test_the_time_of_the_last_snapshot_is_where_the_next_one_begins(session: Sessions) -> None:
    """Trades are asked for from before the last complete one on, and one reconciles in time."""
    run = session().start()
    asked = run.now
    run.fire("reconcile")
    (command,) = run.commands(TakeSnapshot)
    assert command.since == asked - timedelta(minutes=1)
    assert [each.name for each in run.commands(SetTimer)] == ["reconcile"]


def test_reconnecting_finds_missed_fills(session: Sessions) -> None:
    """Failures 29, 30: what was traded while the stream was dead is booked and told."""
    run = session().start()
    (order,) = run.wish(lambda strategy: strategy.buy("BTC/USDT", 1))
    run.update(order.client_id, "accepted")
    run.tell(ConnectionLost(time=run.now, component="stream", reason="reset"))
    assert not run.wish(lambda strategy: strategy.buy("BTC/USDT", 1))
    run.tell(ConnectionRestored(time=run.at(1), component="stream"))
    (command,) = run.commands(TakeSnapshot)
    assert command.reason == "reconnected"
    run.at(1)
    run.snapshot(("USDT", "900"), ("BTC", "1"), fills=[run.trade(order.client_id, "1")])
    assert run.order(order.client_id).state == "filled"
    assert [alert.kind for alert in run.alerts()] == [
        "connection_lost",
        "connection_restored",
        "discrepancy",
    ]


def test_a_feed_that_is_gone_needs_no_snapshot(session: Sessions) -> None:
    """It blocks orders while it is gone; the account is not in question."""
    run = session().start()
    run.tell(ConnectionLost(time=run.now, component="feed", reason="reset"))
    assert not run.wish(lambda strategy: strategy.buy("BTC/USDT", 1))
    run.tell(ConnectionRestored(time=run.now, component="feed"))
    assert not run.commands(TakeSnapshot)
    assert run.wish(lambda strategy: strategy.buy("BTC/USDT", 1))


def test_a_snapshot_that_raced_with_us_raises_no_alarm(session: Sessions) -> None:
    """One asked for before a trade was booked says nothing about the amounts after it."""
    run = holding(session)
    run.snapshot(("USDT", "1000"), asked=5)
    assert not run.engine.state.suspects
    (order,) = run.wish(lambda strategy: strategy.buy("BTC/USDT", 1, limit=90))
    run.update(order.client_id, "accepted")
    run.snapshot(("USDT", "900"), ("BTC", "1"), asked=5)
    assert not run.engine.state.suspects


@pytest.mark.parametrize(
    ("kind", "balances"),
    [
        (Kind.CASH_DRIFT, (("USDT", "899"), ("BTC", "1"))),
        (Kind.QUANTITY_DRIFT, (("USDT", "900"), ("BTC", "0.9"))),
    ],
)
def test_a_drift_counts_when_it_is_seen_twice(
    session: Sessions, kind: Kind, balances: tuple[tuple[str, str], ...]
) -> None:
    """Once may be a race; the second look, soon after, halts by default."""
    run = holding(session)
    run.snapshot(*balances)
    assert [each.split(":")[0] for each in run.engine.state.suspects] == [str(kind)]
    assert not run.engine.breaker.is_tripped
    run.fire("reconcile")
    run.snapshot(*balances)
    assert run.engine.breaker.is_tripped
    assert str(kind) in run.engine.breaker.cause
    run.fire("reconcile").snapshot(*balances)
    assert len(run.alerts("discrepancy")) == 1


def test_a_drift_that_goes_away_is_forgotten(session: Sessions) -> None:
    """Seen once, then right: nothing happens."""
    run = holding(session)
    run.snapshot(("USDT", "899"), ("BTC", "1")).at(2)
    run.snapshot(("USDT", "900"), ("BTC", "1")).at(2)
    assert not run.engine.state.suspects
    assert not run.alerts()


@pytest.mark.parametrize(
    "balances", [(("USDT", "899"), ("BTC", "1")), (("USDT", "900"), ("BTC", "1.5"))]
)
def test_a_drift_may_be_booked(session: Sessions, balances: tuple[tuple[str, str], ...]) -> None:
    """With the policy to believe the venue, the books equal it to the last digit."""
    policies = {Kind.CASH_DRIFT: Policy.BOOK, Kind.QUANTITY_DRIFT: Policy.BOOK}
    run = holding(session, policies=policies)
    for _ in range(3):
        run.snapshot(*balances).at(2)
    assert run.engine.ledger.holdings() == {name: Decimal(value) for name, value in balances}
    assert not run.engine.breaker.is_tripped
    assert not run.engine.state.suspects


def test_an_order_whose_record_was_lost_is_adopted_and_cancelled(session: Sessions) -> None:
    """An id of ours at the venue and not in the journal: its tail was cut off."""
    run = session().begin()
    there = run.there("RBT-1-7", price=Decimal(90))
    run.snapshot(("USDT", "1000"), orders=[there])
    assert [each.client_id for each in run.commands(Cancel)] == ["RBT-1-7"]
    assert run.alerts("discrepancy")
    run.update("RBT-1-7", "cancelled").fire("reconcile").snapshot(("USDT", "1000"))
    assert run.engine.phase == "ready"
    run.operator("enable")
    (order,) = run.wish(lambda strategy: strategy.buy("BTC/USDT", 1))
    assert order.client_id == "RBT-1-8"


def test_an_adopted_order_may_stay_and_its_trades_come(session: Sessions) -> None:
    """With the policy to believe the venue it works on, with what it filled."""
    run = session(policies={Kind.UNKNOWN_ORDER: Policy.BOOK}).begin()
    there = run.there("RBT-1-7", price=Decimal(90), filled=Decimal("0.5"))
    run.snapshot(("USDT", "955"), orders=[there])
    trade = run.trade("RBT-1-7", "0.5", "90")
    run.found("RBT-1-7", "partially_filled", trade, filled=Decimal("0.5"), price=Decimal(90))
    assert run.order("RBT-1-7").state == "partially_filled"
    assert run.engine.ledger.quantity("BTC/USDT") == Decimal("0.5")


@pytest.mark.parametrize(("policy", "halts"), [(Policy.ALERT, False), (Policy.HALT, True)])
def test_somebody_elses_order_is_told_or_halts(
    session: Sessions, policy: Policy, *, halts: bool
) -> None:
    """Failure 32: a second hand on the account is noticed."""
    run = session(policies={Kind.FOREIGN_ORDER: policy}).start()
    for _ in range(2):
        run.at(1)
        run.snapshot(("USDT", "1000"), orders=[run.there("web-1"), run.there(None)])
    assert len(run.alerts("discrepancy")) == 2
    assert run.engine.breaker.is_tripped is halts
    assert not run.commands(Cancel)


def test_an_order_that_is_gone_at_the_venue_is_asked_for(session: Sessions) -> None:
    """Working here, not open there: what the answer says counts."""
    run = session().start()
    (order,) = run.wish(lambda strategy: strategy.buy("BTC/USDT", 1, limit=90))
    run.update(order.client_id, "accepted").at(1)
    run.snapshot(("USDT", "1000"))
    assert [each.client_id for each in run.commands(Query)] == [order.client_id]
    run.found(order.client_id, "expired")
    assert run.order(order.client_id).state == "expired"
    assert not run.engine.state.inquiries


@pytest.mark.parametrize(("policy", "halts"), [(Policy.BOOK, False), (Policy.HALT, True)])
def test_an_order_that_the_venue_forgot_is_given_up(
    session: Sessions, policy: Policy, *, halts: bool
) -> None:
    """After five times "unknown" it counts as cancelled."""
    run = session(policies={Kind.LOST_ORDER: policy}).start()
    (order,) = run.wish(lambda strategy: strategy.buy("BTC/USDT", 1, limit=90))
    run.update(order.client_id, "accepted").at(1)
    run.snapshot(("USDT", "1000"))
    for _ in range(5):
        run.missing(order.client_id).fire("inquiries")
    assert run.order(order.client_id).state == "cancelled"
    assert run.alerts("lost_order")
    assert run.engine.breaker.is_tripped is halts


def test_an_order_with_more_filled_there_is_asked_for(session: Sessions) -> None:
    """Failure 19: the trades come with the answer."""
    run = session().start()
    (order,) = run.wish(lambda strategy: strategy.buy("BTC/USDT", 1, limit=90))
    run.update(order.client_id, "accepted").at(1)
    run.snapshot(("USDT", "964"), orders=[run.there(order.client_id, filled=Decimal("0.4"))])
    assert run.commands(Query)
    trade = run.trade(order.client_id, "0.4", "90")
    run.found(order.client_id, "partially_filled", trade, filled=Decimal("0.4"))
    assert run.order(order.client_id).filled == Decimal("0.4")


def test_what_asking_does_not_clear_up_is_told(session: Sessions) -> None:
    """An order that has ended here and is open there, twice: people look, or trading stops."""
    run = session(policies={Kind.STATE_DRIFT: Policy.HALT}).start()
    (order,) = run.wish(lambda strategy: strategy.buy("BTC/USDT", 1, limit=90))
    run.update(order.client_id, "accepted").update(order.client_id, "cancelled").at(1)
    for _ in range(2):
        run.snapshot(("USDT", "1000"), orders=[run.there(order.client_id)]).at(2)
    assert run.alerts("discrepancy")
    assert run.engine.breaker.is_tripped


def test_snapshots_that_fail_are_asked_for_again(session: Sessions) -> None:
    """Failures 12, 31: an outage is waited for; a long one halts."""
    run = session(symbols=("BTC/USDT",)).start()
    run.fire("reconcile").failed("snapshot", "unknown", after=30)
    (timer,) = run.commands(SetTimer)
    assert timer.name == "reconcile"
    assert (timer.due - run.now).total_seconds() == 30
    for _ in range(9):
        run.fire("reconcile").failed("snapshot", "unknown")
    assert "snapshots" in run.engine.breaker.cause


def test_a_report_of_an_order_of_ours_that_is_unknown_leads_to_a_snapshot(
    session: Sessions,
) -> None:
    """A trade of it is booked: the ledger has to equal the venue."""
    run = session().start()
    fill = Fill("T9", "RBT-1-5", "BTC/USDT", Side.BUY, Decimal(1), Decimal(100), run.now)
    run.tell(OrderFilled(time=run.at(1), fill=fill))
    assert run.commands(TakeSnapshot)
    assert run.engine.ledger.quantity("BTC/USDT") == 1
    run.snapshot(("USDT", "900"), ("BTC", "1"))
    assert not run.engine.state.suspects


def test_a_foreign_trade_in_another_symbol_is_noted_only(session: Sessions) -> None:
    """It is none of our business."""
    run = session().start()
    fill = Fill("T9", "web", "XRP/USDT", Side.BUY, Decimal(1), Decimal(1), run.now)
    run.tell(OrderFilled(time=run.now, fill=fill))
    assert run.notes("foreign_trade")
    assert not run.alerts()

"""The lives of orders in the trading engine, as venues, streams and lost answers make them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rustybt.trading.commands import Cancel, Query, SetTimer

if TYPE_CHECKING:
    from rustybt.model.order import Order

Sessions = Any


def bought(session: Sessions, **settings: Any) -> tuple[Any, Order]:
    """Return a session in which the strategy has just ordered one coin."""
    run = session(**settings).start()
    (order,) = run.wish(lambda strategy: strategy.buy("BTC/USDT", 1))
    return run, order


def test_an_order_goes_out_with_an_id_from_the_state_and_is_in_flight(session: Sessions) -> None:
    """The id is prefix, session and number; the order waits for an answer."""
    run, order = bought(session)
    assert order.client_id == "RBT-1-1"
    assert run.order("RBT-1-1").state == "submitted"
    assert any(each.name == "inquiries" for each in run.commands(SetTimer))


def test_ids_never_repeat_over_sessions(session: Sessions) -> None:
    """A second session on the same state uses ids of its own."""
    run, _ = bought(session)
    again = session(run.engine.state)
    again.begin().missing("RBT-1-1")
    again.found("RBT-1-1", "cancelled").snapshot(("USDT", "1000")).operator("enable")
    (order,) = again.wish(lambda strategy: strategy.buy("BTC/USDT", 1))
    assert order.client_id == "RBT-2-1"


def test_a_refused_order_is_rejected_and_told(session: Sessions) -> None:
    """The venue says no: the order has ended, people know."""
    run, order = bought(session)
    run.failed("submit", "refused", order.client_id)
    assert run.order(order.client_id).state == "rejected"
    assert run.alerts("rejection")


def test_an_order_that_was_not_sent_is_rejected(session: Sessions) -> None:
    """What never left this machine is nowhere."""
    run, order = bought(session)
    run.failed("submit", "not_sent", order.client_id)
    assert run.order(order.client_id).state == "rejected"


def test_a_timed_out_submit_stays_in_flight_and_is_asked_for(session: Sessions) -> None:
    """Failure 1: ambiguous is not rejected; one order is found, none is sent again."""
    run, order = bought(session)
    run.failed("submit", "unknown", order.client_id)
    assert run.order(order.client_id).state == "submitted"
    run.fire("inquiries")
    (query,) = run.commands(Query)
    assert query.client_id == order.client_id
    run.found(order.client_id)
    assert run.order(order.client_id).state == "accepted"
    assert not run.sent()


def test_missing_counts_only_after_five_answers(session: Sessions) -> None:
    """Failure 16: "not found" right after the create means nothing; five times over 5 s does."""
    run, order = bought(session)
    run.failed("submit", "unknown", order.client_id)
    for _ in range(5):
        run.fire("inquiries")
        assert run.commands(Query)
        run.missing(order.client_id)
        assert run.order(order.client_id).state == "submitted"
    run.fire("inquiries")
    assert run.order(order.client_id).state == "rejected"
    assert run.alerts("rejection")


def test_an_order_that_turns_up_late_still_counts(session: Sessions) -> None:
    """A fill of an order that was given up is booked to the last digit."""
    run, order = bought(session)
    for _ in range(5):
        run.fire("inquiries").missing(order.client_id)
    run.fire("inquiries")
    run.fill(order.client_id, "0.4")
    assert run.order(order.client_id).state == "partially_filled"
    assert run.engine.ledger.quantity("BTC/USDT") == Decimal("0.4")


def test_a_network_error_is_not_a_missing_order(session: Sessions) -> None:
    """Failure 12: questions without an answer do not count as "not found"."""
    run, order = bought(session)
    for _ in range(12):
        run.fire("inquiries").failed("query", "unknown", order.client_id)
    assert run.order(order.client_id).state == "submitted"
    assert run.alerts("order_stuck")


def test_the_venue_is_left_alone_while_it_wants_to_be(session: Sessions) -> None:
    """Failure 26: a back-off asked for by the venue is kept."""
    run, order = bought(session)
    run.fire("inquiries").failed("query", "refused", order.client_id, after=60)
    (timer,) = run.commands(SetTimer)
    assert (timer.due - run.now).total_seconds() == 60


def test_a_fill_before_the_acknowledgement_counts(session: Sessions) -> None:
    """Failure 10: the acknowledgement that comes later brings only the venue's id."""
    run, order = bought(session)
    run.fill(order.client_id, "1")
    run.update(order.client_id, "accepted")
    assert run.order(order.client_id).state == "filled"
    assert run.order(order.client_id).venue_id == "VRBT-1-1"


def test_one_trade_from_two_sources_counts_once(session: Sessions) -> None:
    """Failures 3, 11, 14: stream, query and snapshot tell of one trade; it is booked once."""
    run, order = bought(session)
    run.update(order.client_id, "accepted").fill(order.client_id, "0.5")
    trade = run.trade(order.client_id, "0.5")
    run.found(order.client_id, "partially_filled", trade, filled=Decimal("0.5"))
    run.at(1)
    run.snapshot(
        ("USDT", "950"), ("BTC", "0.5"), orders=[run.there(order.client_id)], fills=[trade]
    )
    assert run.engine.ledger.quantity("BTC/USDT") == Decimal("0.5")
    assert run.strategy.seen.count(("T1", Decimal("0.5"))) == 1
    assert not run.alerts()


def test_a_fill_after_the_cancel_counts(session: Sessions) -> None:
    """Failures 13, 17: cancelled, yet filled."""
    run, order = bought(session)
    run.update(order.client_id, "accepted").operator("cancel", client_id=order.client_id)
    assert [each.client_id for each in run.commands(Cancel)] == [order.client_id]
    run.update(order.client_id, "cancelled").fill(order.client_id, "1")
    assert run.order(order.client_id).state == "filled"
    assert run.engine.ledger.quantity("BTC/USDT") == 1


def test_a_cancel_that_got_lost_is_sent_again(session: Sessions) -> None:
    """Failure 13: after an outage the order still works; it is asked for, then cancelled again."""
    run, order = bought(session)
    run.update(order.client_id, "accepted").operator("cancel", client_id=order.client_id)
    run.failed("cancel", "unknown", order.client_id)
    assert run.order(order.client_id).state == "pending_cancel"
    run.fire("inquiries").found(order.client_id)
    assert [each.client_id for each in run.commands(Cancel)] == [order.client_id]
    assert run.order(order.client_id).state == "pending_cancel"


def test_a_cancel_that_never_works_is_told(session: Sessions) -> None:
    """After five tries people have to look."""
    run, order = bought(session)
    run.update(order.client_id, "accepted").operator("cancel", client_id=order.client_id)
    for _ in range(5):
        run.failed("cancel", "refused", order.client_id)
        run.fire("inquiries").found(order.client_id)
    assert run.order(order.client_id).state == "accepted"
    assert len(run.alerts("order_stuck")) == 1


def test_filled_without_trades_is_asked_for(session: Sessions) -> None:
    """Failure 20: only trades say how much; a state without them leads to a question."""
    run, order = bought(session)
    run.update(order.client_id, "filled")
    assert run.engine.ledger.quantity("BTC/USDT") == 0
    run.fire("inquiries")
    trade = run.trade(order.client_id, "1")
    run.found(order.client_id, "filled", trade, filled=Decimal(1))
    assert run.order(order.client_id).state == "filled"
    assert run.engine.ledger.quantity("BTC/USDT") == 1
    assert not run.engine.state.inquiries


def test_an_answer_with_trades_still_missing_is_asked_again(session: Sessions) -> None:
    """The venue says it is filled before its list of trades does: the doubt stays."""
    run, order = bought(session)
    run.failed("submit", "unknown", order.client_id).fire("inquiries")
    run.found(order.client_id, "cancelled", filled=Decimal("0.3"))
    assert run.order(order.client_id).is_open
    run.fire("inquiries")
    trade = run.trade(order.client_id, "0.3")
    run.found(order.client_id, "cancelled", trade, filled=Decimal("0.3"))
    assert run.order(order.client_id).state == "cancelled"
    assert run.order(order.client_id).filled == Decimal("0.3")


def test_reports_out_of_order_end_right(session: Sessions) -> None:
    """An end that contradicts what is known is asked for, and trading goes on."""
    run, order = bought(session)
    run.fill(order.client_id, "1").update(order.client_id, "cancelled")
    assert run.order(order.client_id).state == "filled"
    assert run.notes("contradiction")
    run.fire("inquiries").found(order.client_id, "filled", filled=Decimal(1))
    assert not run.engine.state.inquiries
    assert not run.engine.breaker.is_tripped


def test_an_overfill_is_booked_told_and_halts(session: Sessions) -> None:
    """Failure 8: more than was ordered: the ledger believes the venue, trading stops."""
    run, order = bought(session)
    run.fill(order.client_id, "1").fill(order.client_id, "0.5", trade="T2")
    assert run.engine.breaker.is_tripped
    assert "overfill" in run.engine.breaker.cause
    assert run.engine.ledger.quantity("BTC/USDT") == Decimal("1.5")
    assert run.alerts("overfill")
    assert run.alerts("breaker")


def test_a_trade_id_that_stands_for_two_trades_halts(session: Sessions) -> None:
    """The first one stays booked."""
    run, order = bought(session)
    run.fill(order.client_id, "0.5").fill(order.client_id, "0.4")
    assert run.engine.breaker.is_tripped
    assert run.engine.ledger.quantity("BTC/USDT") == Decimal("0.5")


def test_what_is_held_is_what_can_be_sold(session: Sessions) -> None:
    """Failure 21: a fee in coins leaves less than was bought; closing sells whole lots of it."""
    run, order = bought(session)
    run.fill(order.client_id, "1", fee="0.0005", fee_currency="BTC")
    (order,) = run.wish(lambda strategy: strategy.close_position("BTC/USDT"))
    assert order.quantity == Decimal("0.999")


def test_prices_and_quantities_go_to_the_grid(session: Sessions) -> None:
    """Failures 22, 24, 25: never more, never at a worse price than wished."""
    run = session().start()
    (order,) = run.wish(lambda strategy: strategy.buy("BTC/USDT", "2.2504", limit="99.999"))
    assert (order.quantity, order.price) == (Decimal("2.250"), Decimal("99.99"))
    (order,) = run.wish(lambda strategy: strategy.sell("BTC/USDT", "1", stop="90.126"))
    assert order.trigger == Decimal("90.13")


def test_less_than_a_lot_is_denied(session: Sessions) -> None:
    """A wish that rounds to nothing is noted with an id of its own."""
    run = session().start()
    assert not run.wish(lambda strategy: strategy.buy("BTC/USDT", "0.0004"))
    (note,) = run.notes("denied")
    assert note.details["client_id"] == "RBT-1-1"
    (order,) = run.wish(lambda strategy: strategy.buy("BTC/USDT", "1"))
    assert order.client_id == "RBT-1-2"

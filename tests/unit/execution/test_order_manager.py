"""The orders of an account: reports move them along the table, each once."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from rustybt.execution import DuplicateOrderError, OrderManager, UnknownOrderError
from rustybt.model import (
    ConflictingFillError,
    Fill,
    InvalidTransitionError,
    Order,
    OrderFilled,
    OrderReplaced,
    OrderState,
    OrderType,
    OrderUpdated,
    OverfillError,
    Side,
)

D = Decimal
NOW = datetime(2024, 3, 1, tzinfo=UTC)
S = OrderState


def order(client_id: str = "a", kind: OrderType = OrderType.LIMIT, **changes: Any) -> Order:
    """Return a new order to buy 10."""
    price = D(100) if kind in {OrderType.LIMIT, OrderType.STOP_LIMIT} else None
    trigger = D(105) if kind in {OrderType.STOP, OrderType.STOP_LIMIT} else None
    return Order(
        client_id=client_id,
        symbol=changes.pop("symbol", "X"),
        side=Side.BUY,
        type=kind,
        quantity=D(10),
        created=NOW,
        price=price,
        trigger=trigger,
        **changes,
    )


def update(state: OrderState, **changes: Any) -> OrderUpdated:
    """Return a report of the state of order a."""
    return OrderUpdated(time=NOW, **{"client_id": "a", "state": state, **changes})


def filled(quantity: int = 10, trade_id: str = "t", **changes: Any) -> OrderFilled:
    """Return a report of a trade of order a."""
    fields = {"client_id": "a", "symbol": "X", **changes}
    price = fields.pop("price", D(100))
    fill = Fill(trade_id, fields["client_id"], fields["symbol"], Side.BUY, D(quantity), price, NOW)
    return OrderFilled(time=NOW, fill=fill)


def sent(*orders: Order) -> OrderManager:
    """Return a manager with submitted *orders*, one of them a."""
    manager = OrderManager(orders or (order(),))
    for each in manager.orders():
        manager.move(each.client_id, S.SUBMITTED)
    return manager


def accepted(kind: OrderType = OrderType.LIMIT) -> OrderManager:
    """Return a manager with order a at work."""
    manager = sent(order(kind=kind))
    manager.apply(update(S.ACCEPTED, venue_id="v"))
    return manager


def test_errors_say_what_to_do() -> None:
    """What was wrong, what was expected, and the next step."""
    manager = sent(order(), order("b"))
    manager.apply(filled(4))
    with pytest.raises(DuplicateOrderError) as duplicate:
        manager.add(order())
    assert str(duplicate.value) == (
        "client id 'a' stands for another order; expected a client id of its own for each order"
    )
    with pytest.raises(UnknownOrderError) as unknown:
        manager["z"]
    assert str(unknown.value) == (
        "no order has the client id 'z'; expected an order that was sent from here;"
        " to fix it: reconcile with the venue"
    )
    with pytest.raises(ConflictingFillError) as conflict:
        manager.apply(filled(4, client_id="b"))
    assert str(conflict.value) == (
        "trade 't' of X was reported for order 'a' and for 'b'; expected one order per trade;"
        " to fix it: stop trading and reconcile with the venue"
    )


def test_an_order_goes_from_new_to_filled() -> None:
    """Each step returns the order as it is, and keeps it."""
    manager = OrderManager()
    manager.add(order())
    assert manager["a"].state is S.NEW
    assert manager.move("a", S.SUBMITTED).state is S.SUBMITTED
    at_work = manager.apply(update(S.ACCEPTED, venue_id="v"))
    assert (at_work.state, at_work.venue_id) == (S.ACCEPTED, "v")
    assert manager.apply(filled(4)).state is S.PARTIALLY_FILLED
    done = manager.apply(filled(6, "u"))
    assert done.state is S.FILLED
    assert manager["a"] is done
    assert manager.orders() == (done,)
    assert manager.open() == ()


def test_a_reason_is_kept() -> None:
    """Of what was done here and of what was reported."""
    manager = OrderManager([order(), order("b")])
    assert manager.move("b", S.DENIED, "max_leverage").reason == "max_leverage"
    manager.move("a", S.SUBMITTED)
    rejected = manager.apply(update(S.REJECTED, reason="no funds", venue_id="v"))
    assert (rejected.reason, rejected.venue_id) == ("no funds", "v")


def test_a_client_id_is_taken_once() -> None:
    """Also when its order has ended: ids are never used again here."""
    manager = OrderManager([order()])
    manager.move("a", S.DENIED)
    with pytest.raises(DuplicateOrderError, match="client id 'a' stands for another order"):
        manager.add(order())


def test_open_orders_by_symbol() -> None:
    """Oldest first; those that have ended are not among them."""
    manager = OrderManager([order("a"), order("b", symbol="Y"), order("c"), order("d")])
    manager.move("d", S.DENIED)
    assert [each.client_id for each in manager.open()] == ["a", "b", "c"]
    assert [each.client_id for each in manager.open("X")] == ["a", "c"]
    assert [each.client_id for each in manager.open("Y")] == ["b"]
    assert manager.open("Z") == ()
    assert "d" in manager
    assert "e" not in manager


def test_orders_in_flight_are_those_that_wait_for_an_answer() -> None:
    """Sent, or with a cancel or modification under way."""
    manager = sent(*[order(name) for name in "abcde"])
    for name in "bcd":
        manager.apply(update(S.ACCEPTED, client_id=name, venue_id=f"v{name}"))
    manager.move("c", S.PENDING_CANCEL)
    manager.move("d", S.PENDING_REPLACE)
    manager.apply(update(S.REJECTED, client_id="e"))
    assert [each.client_id for each in manager.in_flight()] == ["a", "c", "d"]


@pytest.mark.parametrize(
    "event",
    [update(S.ACCEPTED), filled(), OrderReplaced(time=NOW, client_id="a", quantity=D(5))],
)
def test_a_report_of_a_strange_order_is_an_error(event: Any) -> None:
    """It has to be reconciled, not guessed."""
    with pytest.raises(UnknownOrderError, match="no order has the client id 'a'"):
        OrderManager().apply(event)


def test_a_transition_outside_the_table_raises() -> None:
    """And changes nothing."""
    manager = OrderManager([order()])
    with pytest.raises(InvalidTransitionError):
        manager.move("a", S.ACCEPTED)
    with pytest.raises(InvalidTransitionError):
        manager.apply(update(S.REJECTED))
    assert manager["a"] == order()


def test_a_trade_reported_twice_is_booked_once() -> None:
    """By stream and by REST."""
    manager = accepted()
    first = manager.apply(filled(4))
    assert manager.apply(filled(4)) == first
    assert manager["a"].filled == 4


def test_one_trade_id_is_one_trade() -> None:
    """Another price under it, or another order, would lose a trade."""
    manager = sent(order(), order("b"), order("c", symbol="Y"))
    manager.apply(filled(4))
    with pytest.raises(ConflictingFillError, match="'t'"):
        manager.apply(filled(4, price=D(101)))
    with pytest.raises(ConflictingFillError, match="reported for order 'a' and for 'b'"):
        manager.apply(filled(4, client_id="b"))
    assert manager["b"].filled == 0
    other_symbol = manager.apply(filled(4, client_id="c", symbol="Y"))
    assert other_symbol.filled == 4


def test_trades_of_orders_that_come_with_some_are_known() -> None:
    """After a restart duplicates are still duplicates."""
    manager = accepted()
    restored = OrderManager([manager.apply(filled(4)), order("b")])
    restored.move("b", S.SUBMITTED)
    assert restored.apply(filled(4)).filled == 4
    with pytest.raises(ConflictingFillError):
        restored.apply(filled(4, client_id="b"))


def test_an_overfill_raises() -> None:
    """Books and venue disagree; the trade is not taken for known."""
    manager = accepted()
    with pytest.raises(OverfillError):
        manager.apply(filled(11))
    assert manager.apply(filled(10)).state is S.FILLED


def test_a_fill_before_the_acknowledgement() -> None:
    """The acknowledgement then only brings the id."""
    manager = sent()
    assert manager.apply(filled(4)).state is S.PARTIALLY_FILLED
    late = manager.apply(update(S.ACCEPTED, venue_id="v"))
    assert (late.state, late.venue_id, late.filled) == (S.PARTIALLY_FILLED, "v", D(4))


def test_a_fill_after_a_cancel() -> None:
    """They race; the trade counts."""
    manager = accepted()
    manager.move("a", S.PENDING_CANCEL)
    manager.apply(update(S.CANCELLED))
    assert manager.apply(filled(4)).filled == 4
    assert manager["a"].state is S.CANCELLED
    assert manager.open() == ()
    assert manager.apply(filled(6, "u")).state is S.FILLED


def test_a_state_says_nothing_about_trades() -> None:
    """Filled and partially filled come from the trades themselves."""
    manager = accepted()
    before = manager["a"]
    assert manager.apply(update(S.FILLED)) is before
    assert manager.apply(update(S.PARTIALLY_FILLED)) is before


@pytest.mark.parametrize("state", [S.CANCELLED, S.EXPIRED, S.REJECTED])
def test_an_end_reported_twice_is_one_end(state: OrderState) -> None:
    """The first report's reason stays."""
    manager = accepted()
    first = manager.apply(update(state, reason="once"))
    assert manager.apply(update(state, reason="twice")) == first
    assert first.reason == "once"


def test_an_acknowledgement_during_a_request_leaves_it_pending() -> None:
    """It is the late answer to the submission, not the one to the cancel."""
    manager = sent()
    manager.move("a", S.PENDING_CANCEL)
    late = manager.apply(update(S.ACCEPTED, venue_id="v"))
    assert (late.state, late.venue_id) == (S.PENDING_CANCEL, "v")


@pytest.mark.parametrize("pending", [S.PENDING_CANCEL, S.PENDING_REPLACE])
def test_a_refused_request_lets_the_order_go_on(pending: OrderState) -> None:
    """A working state with a reason is the answer no; trades meanwhile count."""
    manager = accepted()
    manager.move("a", pending)
    resumed = manager.apply(update(S.ACCEPTED, reason="too late"))
    assert (resumed.state, resumed.reason) == (S.ACCEPTED, "too late")
    manager.move("a", pending)
    manager.apply(filled(4))
    assert manager.apply(update(S.ACCEPTED, reason="no")).state is S.PARTIALLY_FILLED


def test_a_working_state_without_an_id_changes_nothing() -> None:
    """There is nothing new in it."""
    manager = accepted()
    before = manager["a"]
    assert manager.apply(update(S.ACCEPTED)) is before


def test_a_reason_without_a_request_is_no_refusal() -> None:
    """An order that is at work stays so."""
    manager = accepted()
    before = manager["a"]
    assert manager.apply(update(S.ACCEPTED, reason="hello")) is before


@pytest.mark.parametrize("before", [S.SUBMITTED, S.ACCEPTED, S.REJECTED])
def test_a_trigger(before: OrderState) -> None:
    """From the states that the table allows it from."""
    manager = sent(order(kind=OrderType.STOP))
    if before is not S.SUBMITTED:
        manager.apply(update(before, venue_id="v"))
    triggered = manager.apply(update(S.TRIGGERED, venue_id="w"))
    assert (triggered.state, triggered.triggered, triggered.venue_id) == (S.TRIGGERED, True, "w")
    assert manager.apply(update(S.TRIGGERED)) == triggered


@pytest.mark.parametrize("event", [filled(4), filled(10), update(S.CANCELLED), update(S.EXPIRED)])
def test_a_late_trigger_is_remembered_and_changes_no_state(event: Any) -> None:
    """The stream may report it after what it led to."""
    manager = accepted(OrderType.STOP)
    state = manager.apply(event).state
    late = manager.apply(update(S.TRIGGERED))
    assert (late.state, late.triggered) == (state, True)


@pytest.mark.parametrize("pending", [S.PENDING_CANCEL, S.PENDING_REPLACE])
def test_a_trigger_during_a_request_leaves_it_pending(pending: OrderState) -> None:
    """If the request is refused the order works as triggered."""
    manager = accepted(OrderType.STOP)
    manager.move("a", pending)
    assert manager.apply(update(S.TRIGGERED)).state is pending
    assert manager.apply(update(S.TRIGGERED, reason="too late")).state is S.TRIGGERED


def test_a_trigger_of_an_order_that_was_never_sent_raises() -> None:
    """Somebody is wrong about it."""
    manager = OrderManager([order(kind=OrderType.STOP)])
    with pytest.raises(InvalidTransitionError):
        manager.apply(update(S.TRIGGERED))


def test_a_modification_brings_the_terms_in_force() -> None:
    """With the new venue id if there is one; what is not given stays."""
    manager = accepted(OrderType.STOP_LIMIT)
    manager.move("a", S.PENDING_REPLACE)
    event = OrderReplaced(
        time=NOW, client_id="a", quantity=D(7), price=D(99), trigger=D(104), venue_id="w"
    )
    changed = manager.apply(event)
    assert (changed.quantity, changed.price, changed.trigger) == (D(7), D(99), D(104))
    assert (changed.venue_id, changed.state) == ("w", S.ACCEPTED)
    again = manager.apply(OrderReplaced(time=NOW, client_id="a", quantity=D(6)))
    assert (again.quantity, again.price, again.venue_id) == (D(6), D(99), "w")


def test_a_modification_by_the_venue_needs_no_request() -> None:
    """It sizes the exits of a bracket itself."""
    manager = accepted()
    assert manager.apply(OrderReplaced(time=NOW, client_id="a", quantity=D(4))).quantity == 4
    assert manager["a"].state is S.ACCEPTED


def test_a_modification_leaves_a_cancel_under_way() -> None:
    """The venue did it before the cancel came; what it leaves nothing of has ended."""
    manager = accepted()
    manager.apply(filled(4))
    manager.move("a", S.PENDING_CANCEL, "changed my mind")
    changed = manager.apply(OrderReplaced(time=NOW, client_id="a", quantity=D(7)))
    assert (changed.state, changed.quantity) == (S.PENDING_CANCEL, D(7))
    assert changed.reason == "changed my mind"
    done = manager.apply(OrderReplaced(time=NOW, client_id="a", quantity=D(4)))
    assert done.state is S.FILLED


def test_a_modification_of_what_has_ended_raises() -> None:
    """The table has no such row."""
    manager = accepted()
    manager.apply(filled(10))
    with pytest.raises(InvalidTransitionError):
        manager.apply(OrderReplaced(time=NOW, client_id="a", quantity=D(20)))

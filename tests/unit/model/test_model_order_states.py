"""The order state machine is one table; what is not in it raises."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import product

import pytest

from rustybt.model import (
    CLOSED,
    TRANSITIONS,
    Fill,
    InvalidTransitionError,
    InvalidValueError,
    Order,
    OrderState,
    OrderType,
    Side,
)

D = Decimal
NOW = datetime(2024, 3, 1, tzinfo=UTC)
S = OrderState

LEGAL = {
    "new": "denied submitted cancelled expired",
    "denied": "",
    "submitted": "accepted triggered pending_cancel partially_filled filled cancelled expired"
    " rejected",
    "accepted": "triggered pending_cancel pending_replace partially_filled filled cancelled expired"
    " rejected",
    "triggered": "pending_cancel pending_replace partially_filled filled cancelled expired"
    " rejected",
    "pending_cancel": "pending_cancel accepted triggered partially_filled filled cancelled expired"
    " rejected",
    "pending_replace": "pending_replace pending_cancel accepted triggered partially_filled filled"
    " cancelled expired rejected",
    "partially_filled": "partially_filled pending_cancel pending_replace filled cancelled expired",
    "filled": "filled",
    "cancelled": "cancelled filled",
    "expired": "expired filled",
    "rejected": "rejected accepted triggered partially_filled filled cancelled expired",
}
"""The table again, written down independently: a change of it has to be meant."""

NEVER_SENT = {S.NEW, S.DENIED}
UNFILLED = {S.NEW, S.DENIED, S.SUBMITTED, S.ACCEPTED, S.TRIGGERED}


def fill(trade_id: str, quantity: int) -> Fill:
    """Return a fill of the order below."""
    return Fill(trade_id, "o1", "X", Side.BUY, D(quantity), D(1), NOW)


def order(state: OrderState, filled: int = 0) -> Order:
    """Return an order for 10 in *state* with *filled* units filled."""
    return Order(
        client_id="o1",
        symbol="X",
        side=Side.BUY,
        type=OrderType.MARKET,
        quantity=D(10),
        created=NOW,
        state=state,
        fills=(fill("t0", filled),) if filled else (),
        filled=D(filled),
    )


def filled_for(*states: OrderState) -> int | None:
    """Return a filled quantity that all *states* are consistent with, if there is one."""
    if S.FILLED in states:
        return 10 if set(states) == {S.FILLED} else None
    if S.PARTIALLY_FILLED in states:
        return None if UNFILLED & set(states) else 4
    return 0


def test_the_table_is_what_was_agreed() -> None:
    """Every state has its row, and every row is the one written down here."""
    assert {str(state): set(row) for state, row in TRANSITIONS.items()} == {
        state: set(row.split()) for state, row in LEGAL.items()
    }
    assert set(TRANSITIONS) == set(OrderState)


def test_the_table_cannot_be_changed() -> None:
    """Nobody adds a transition at run time."""
    with pytest.raises(TypeError):
        TRANSITIONS[S.NEW] = frozenset()  # type: ignore[index]  # refusing it is the point


@pytest.mark.parametrize(("before", "after"), list(product(OrderState, repeat=2)))
def test_each_pair_of_states(before: OrderState, after: OrderState) -> None:
    """Legal changes are made as far as the quantities allow; all others raise and name both."""
    legal = str(after) in LEGAL[before].split()
    if not legal:
        start = order(before, filled_for(before) or 0)
        with pytest.raises(InvalidTransitionError, match=f"cannot go from {before} to {after};"):
            start.to(after)
        return
    quantity = filled_for(before, after)
    if quantity is None:  # only a fill can lead there
        with pytest.raises(InvalidValueError):
            order(before, filled_for(before) or 0).to(after)
        return
    assert order(before, quantity).to(after).state is after


def test_the_error_names_what_would_have_been_possible() -> None:
    """The message lists the row and says what to do."""
    with pytest.raises(InvalidTransitionError) as caught:
        order(S.CANCELLED).to(S.ACCEPTED)
    assert str(caught.value) == (
        "order 'o1' cannot go from cancelled to accepted; expected cancelled, filled;"
        " to fix it: ask the venue for the order's state before going on"
    )
    with pytest.raises(InvalidTransitionError, match="expected no further change"):
        order(S.DENIED).to(S.NEW)


@pytest.mark.parametrize("state", [state for state in S if state not in NEVER_SENT | {S.FILLED}])
def test_a_full_fill_is_never_dropped(state: OrderState) -> None:
    """Whatever a race made of the order, a fill of all that is left makes it filled."""
    start = order(state, filled_for(state) or 0)
    done = start.fill(fill("t1", int(start.leaves)))
    assert (done.state, done.leaves) == (S.FILLED, D(0))


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (S.SUBMITTED, S.PARTIALLY_FILLED),
        (S.ACCEPTED, S.PARTIALLY_FILLED),
        (S.TRIGGERED, S.PARTIALLY_FILLED),
        (S.PARTIALLY_FILLED, S.PARTIALLY_FILLED),
        (S.REJECTED, S.PARTIALLY_FILLED),
        (S.PENDING_CANCEL, S.PENDING_CANCEL),
        (S.PENDING_REPLACE, S.PENDING_REPLACE),
        (S.CANCELLED, S.CANCELLED),
        (S.EXPIRED, S.EXPIRED),
    ],
)
def test_a_partial_fill_is_never_dropped(state: OrderState, expected: OrderState) -> None:
    """It is booked; what was asked for or has ended stays asked for or ended."""
    start = order(state, filled_for(state) or 0)
    part = start.fill(fill("t1", 1))
    assert (part.state, part.filled) == (expected, start.filled + 1)


@pytest.mark.parametrize("state", sorted(NEVER_SENT))
def test_an_order_that_was_never_sent_cannot_be_filled(state: OrderState) -> None:
    """Such a fill is not ours to explain: stop and reconcile."""
    with pytest.raises(InvalidTransitionError) as caught:
        order(state).fill(fill("t1", 1))
    assert str(caught.value) == (
        f"order 'o1' was filled while {state}; expected an order that was sent to the venue;"
        " to fix it: stop trading and reconcile with the venue"
    )


@pytest.mark.parametrize("state", [state for state in S if state not in NEVER_SENT])
def test_an_acknowledgement_never_turns_the_clock_back(state: OrderState) -> None:
    """It lifts a submitted or wrongly rejected order; elsewhere it only brings the id."""
    start = order(state, filled_for(state) or 0)
    after = start.accepted("v7")
    lifted = state in {S.SUBMITTED, S.REJECTED}
    assert after.venue_id == "v7"
    assert after.state is (S.ACCEPTED if lifted else state)


@pytest.mark.parametrize("state", sorted(NEVER_SENT))
def test_what_was_never_sent_cannot_be_acknowledged(state: OrderState) -> None:
    """The venue cannot know it."""
    with pytest.raises(InvalidTransitionError, match=f"from {state} to accepted"):
        order(state).accepted("v7")


def test_a_rejected_order_that_turns_up_with_fills() -> None:
    """The venue was wrong not to find it: the acknowledgement finds it partially filled."""
    assert order(S.REJECTED, 4).accepted("v7").state is S.PARTIALLY_FILLED


def test_a_trigger_is_remembered() -> None:
    """Through a pending cancel, and when the acknowledgement of a rejected order comes late."""
    triggered = order(S.ACCEPTED).to(S.TRIGGERED)
    assert triggered.triggered
    pending = triggered.to(S.PENDING_REPLACE)
    assert pending.triggered
    assert pending.replaced(quantity=D(9)).state is S.TRIGGERED
    assert triggered.to(S.REJECTED).accepted("v").state is S.TRIGGERED
    assert not order(S.ACCEPTED).to(S.PENDING_CANCEL).triggered


def test_open_and_closed_states() -> None:
    """Five states end an order; in all others it may still trade."""
    assert {S.DENIED, S.FILLED, S.CANCELLED, S.EXPIRED, S.REJECTED} == CLOSED
    for state in S:
        assert order(state, filled_for(state) or 0).is_open is (state not in CLOSED)

"""What is counted from records, with known answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from rustybt.api.tally import BUCKETS, Tally
from rustybt.model.event import OrderUpdated
from rustybt.model.instrument import Side
from rustybt.model.order import Order, OrderState, OrderType
from rustybt.trading.commands import Cancel, OrdersSubmitted, Query, TakeSnapshot
from rustybt.trading.reports import Outcome, Request, RequestFailed, SessionStarted

START = datetime(2026, 3, 2, tzinfo=UTC)


def order(client_id: str) -> Order:
    """Return a market order."""
    return Order(
        client_id=client_id,
        symbol="ELM/USDT",
        side=Side.BUY,
        type=OrderType.MARKET,
        quantity=Decimal(1),
        created=START,
    )


def after(seconds: float) -> datetime:
    """Return the time so many seconds after the start."""
    return START + timedelta(seconds=seconds)


def sent(*client_ids: str) -> Tally:
    """Return a tally that knows of orders sent at the start."""
    tally = Tally()
    tally.count(OrdersSubmitted(orders=tuple(map(order, client_ids))), START)
    return tally


def answered(client_id: str, seconds: float, state: OrderState = OrderState.ACCEPTED) -> Any:
    """Return the venue's word about an order."""
    return OrderUpdated(time=after(seconds), client_id=client_id, state=state)


@pytest.mark.parametrize(
    ("seconds", "place"),
    [(0.0, 0), (0.005, 0), (0.0051, 1), (0.2, 5), (1.0, 7), (30.0, 11), (31.0, 12), (-1.0, 0)],
)
def test_an_order_is_counted_in_the_bucket_of_its_delay(seconds: float, place: int) -> None:
    """A bound belongs to its bucket; what goes back in time took no time."""
    tally = sent("a")
    tally.count(answered("a", seconds), START)
    expected = [0] * (len(BUCKETS) + 1)
    expected[place] = 1
    assert tally.latencies == expected
    assert tally.waited == pytest.approx(max(seconds, 0.0))


def test_only_the_first_word_about_an_order_counts() -> None:
    """Later ones, those about orders of others and one's own sending change nothing."""
    tally = sent("a")
    tally.count(answered("a", 1, OrderState.SUBMITTED), START)
    tally.count(answered("other", 1), START)
    assert sum(tally.latencies) == 0
    tally.count(answered("a", 2), START)
    tally.count(answered("a", 9, OrderState.CANCELLED), START)
    assert (sum(tally.latencies), tally.waited) == (1, 2.0)


def test_requests_and_failures_are_counted_once_each() -> None:
    """By what was asked for, and by how it went wrong."""
    tally = sent("a", "b")
    for command in (
        Cancel(client_id="a", symbol="ELM/USDT"),
        Query(client_id="a", symbol="ELM/USDT"),
        TakeSnapshot(reason="due"),
    ):
        tally.count(command, START)
    failed = RequestFailed(
        time=START, request=Request.SUBMIT, outcome=Outcome.UNKNOWN, reason="x", client_id="a"
    )
    tally.count(failed, START)
    tally.count(answered("a", 5), START)  # it had no answer of its own: no latency
    tally.count(answered("b", 1, OrderState.REJECTED), START)
    assert tally.requests == {"submit": 2, "cancel": 1, "query": 1, "snapshot": 1}
    assert tally.failures == {("submit", "unknown"): 1, ("submit", "rejected"): 1}
    assert sum(tally.latencies) == 1


def test_a_new_session_waits_for_no_old_order() -> None:
    """What a killed engine sent is asked for, not answered."""
    tally = sent("a")
    tally.count(
        SessionStarted(
            time=after(60),
            session="s",
            mode="live",
            clock="wall",
            venue="v",
            account="a",
            strategy="s",
            digest="d",
            version="1",
        ),
        START,
    )
    tally.count(answered("a", 61), START)
    assert sum(tally.latencies) == 0
    assert (tally.clock, tally.mode, tally.started) == ("wall", "live", after(60))


def test_a_copy_does_not_grow() -> None:
    """What was given away stays as it was."""
    tally = sent("a")
    kept = tally.copy()
    tally.count(answered("a", 1), START)
    assert sum(kept.latencies) == 0

"""What the deterministic simulation found: answers that never come must not be waited for."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from rustybt.model.order_state import OrderState
from rustybt.trading.commands import Cancel, Query

Sessions = Any


def test_a_cancel_whose_answer_never_comes_is_not_waited_for(session: Sessions) -> None:
    """The venue keeps saying that the order works: after a while the order works here as well."""
    run = session().start()
    (order,) = run.wish(lambda strategy: strategy.buy("BTC/USDT", "1", limit="90"))
    run.update(order.client_id, "accepted")
    run.operator("cancel", client_id=order.client_id)
    assert run.order(order.client_id).state is OrderState.PENDING_CANCEL
    for _ in range(20):
        run.at(2)
        if run.order(order.client_id).state is OrderState.PENDING_CANCEL:
            run.fire("inquiries")
        if any(isinstance(command, Query) for command in run.out):
            run.found(order.client_id)
    cancels = [each for each in run.all if isinstance(each, Cancel)]
    assert len(cancels) > 1  # it was believed to work, so it is cancelled again


def test_trades_at_a_new_size_may_come_before_the_answer_that_grants_it(session: Sessions) -> None:
    """Failure 9: no overfill is raised when the modification is what explains the trade."""
    run = session(groups_at_venue=False).start()
    run.wish(lambda each: each.bracket("BTC/USDT", 1, take_profit=120, stop_loss=80))
    run.fill("RBT-1-1", "0.5")
    run.update("RBT-1-2", "accepted").update("RBT-1-3", "accepted")
    run.fill("RBT-1-1", "0.5", trade="T2")
    assert run.order("RBT-1-2").state is OrderState.PENDING_REPLACE
    run.fill("RBT-1-2", "0.8", trade="T3")
    assert not run.engine.breaker.is_tripped
    assert run.order("RBT-1-2").filled == Decimal("0.8")
    assert run.order("RBT-1-2").quantity == Decimal(1)


def test_trades_of_the_old_size_do_not_end_an_order_that_may_be_larger(session: Sessions) -> None:
    """Failure 9: whether the modification came first is asked, not guessed, and then believed."""
    run = session(groups_at_venue=False).start()
    run.wish(lambda each: each.bracket("BTC/USDT", 1, take_profit=120, stop_loss=80))
    run.fill("RBT-1-1", "0.5")
    run.update("RBT-1-2", "accepted").update("RBT-1-3", "accepted")
    run.fill("RBT-1-1", "0.5", trade="T2").fill("RBT-1-2", "0.5", trade="T3")
    assert run.order("RBT-1-2").is_open
    run.fire("inquiries").found("RBT-1-2", "filled", quantity=Decimal("0.5"))
    assert run.order("RBT-1-2").state is OrderState.FILLED
    assert not run.engine.breaker.is_tripped


@pytest.mark.parametrize("end", ["cancelled", "expired"])
def test_trades_at_a_new_size_may_come_after_the_end_of_the_order(
    session: Sessions, end: str
) -> None:
    """Its end may be told before the answer to the modification and before the trades at it."""
    run = session(groups_at_venue=False).start()
    run.wish(lambda each: each.bracket("BTC/USDT", 1, take_profit=120, stop_loss=80))
    run.fill("RBT-1-1", "0.5")
    run.update("RBT-1-2", "accepted").update("RBT-1-3", "accepted")
    run.fill("RBT-1-1", "0.5", trade="T2")
    assert run.order("RBT-1-2").state is OrderState.PENDING_REPLACE
    run.update("RBT-1-2", end).fill("RBT-1-2", "0.8", trade="T3")
    assert not run.engine.breaker.is_tripped
    assert run.order("RBT-1-2").filled == Decimal("0.8")
    assert str(run.order("RBT-1-2").state) == end
    run.fill("RBT-1-2", "0.3", trade="T4")  # that is more than was ever asked for
    assert run.engine.breaker.is_tripped


def test_an_order_that_turns_up_was_not_missing(session: Sessions) -> None:
    """Failure 16: once the venue tells of an order, "not found" of before does not end it."""
    run = session().start()
    (order,) = run.wish(lambda strategy: strategy.buy("BTC/USDT", "1", limit="90"))
    run.operator("cancel", client_id=order.client_id)
    run.failed("submit", "unknown", order.client_id)
    for _ in range(5):
        run.fire("inquiries").missing(order.client_id)
    run.update(order.client_id, "accepted").fire("inquiries")
    assert not run.notes("never_arrived")
    assert run.order(order.client_id).state is OrderState.PENDING_CANCEL


def test_what_ended_here_and_works_there_is_cancelled(session: Sessions) -> None:
    """Failure 13: nobody wants such an order any more; it must not trade later."""
    run = session().start()
    (order,) = run.wish(lambda strategy: strategy.buy("BTC/USDT", "1", limit="90"))
    run.update(order.client_id, "accepted").update(order.client_id, "cancelled")
    for _ in range(2):
        run.at(10)
        run.snapshot(("USDT", "1000"), orders=[run.there(order.client_id)])
    assert [each.client_id for each in run.out if isinstance(each, Cancel)] == [order.client_id]

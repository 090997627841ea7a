"""Reports to the trading engine that should not be, and moments that it is killed at."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from rustybt.model.bar import Bar
from rustybt.model.event import OrderFilled, OrderUpdated
from rustybt.model.fill import Fill
from rustybt.model.instrument import Side
from rustybt.model.order_state import OrderState
from rustybt.strategy import StrategyError
from rustybt.trading.commands import Query
from rustybt.trading.fold import fold
from rustybt.trading.settings import GuardSettings, Kind, Policy

Sessions = Any
MINUTE = timedelta(minutes=1)


def bought(session: Sessions, **settings: Any) -> tuple[Any, str]:
    """Return a session in which the strategy has just ordered one coin, and the order's id."""
    run = session(**settings).start()
    (order,) = run.wish(lambda strategy: strategy.buy("BTC/USDT", 1, limit=100))
    return run, order.client_id


def fail(_strategy: Any) -> None:
    """Raise."""
    raise ZeroDivisionError


def bracket(strategy: Any) -> None:
    """Order a bracket of one coin."""
    strategy.bracket("BTC/USDT", 1, take_profit=120, stop_loss=80)


def test_a_trade_of_the_other_side_halts(session: Sessions) -> None:
    """It cannot be of this order; the ledger still books what the venue says."""
    run, client_id = bought(session)
    fill = replace(run.trade(client_id, "0.5"), side=Side.SELL)
    run.tell(OrderFilled(time=run.now, fill=fill))
    assert run.alerts("impossible_fill")
    assert run.engine.breaker.is_tripped
    assert run.engine.ledger.quantity("BTC/USDT") == Decimal("-0.5")


def test_two_foreign_trades_of_one_id_halt(session: Sessions) -> None:
    """The second one is not booked."""
    run = session().start()
    for quantity in ("1", "2"):
        size, price = Decimal(quantity), Decimal(100)
        fill = Fill("T1", "web-1", "BTC/USDT", Side.BUY, size, price, run.now)
        run.tell(OrderFilled(time=run.now, fill=fill))
    assert run.alerts("conflicting_fill")
    assert run.engine.ledger.quantity("BTC/USDT") == 1


def test_a_foreign_order_may_halt(session: Sessions) -> None:
    """Already by a report of the stream, where the policy says so."""
    run = session(policies={Kind.FOREIGN_ORDER: Policy.HALT}).start()
    state = OrderState.ACCEPTED
    run.tell(OrderUpdated(time=run.now, client_id="web-1", state=state, venue_id="V1"))
    assert "somebody else's" in run.engine.breaker.cause


def test_a_missed_fill_may_halt(session: Sessions) -> None:
    """It is booked all the same."""
    run, client_id = bought(session, policies={Kind.MISSED_FILL: Policy.HALT})
    run.update(client_id, "accepted").at(1)
    run.snapshot(("USDT", "900"), ("BTC", "1"), fills=[run.trade(client_id, "1")])
    assert "missed fill" in run.engine.breaker.cause
    assert run.order(client_id).state == "filled"


def test_states_of_our_own_are_not_believed_from_a_venue(session: Sessions) -> None:
    """Only what a venue can know moves an order."""
    run, client_id = bought(session)
    run.update(client_id, "new").update(client_id, "pending_cancel")
    assert run.order(client_id).state == "submitted"


def test_an_answer_that_nobody_asked_for_is_noted(session: Sessions) -> None:
    """It changes nothing."""
    run = session().start().missing("RBT-1-9").failed("submit", "refused", "RBT-1-9")
    assert run.notes("unasked")
    assert run.notes("request_failed")
    assert not run.engine.state.inquiries


def test_a_refusal_of_an_order_at_work_is_looked_into(session: Sessions) -> None:
    """The venue has it, whatever the late reply to the create says."""
    run, client_id = bought(session)
    run.update(client_id, "accepted").failed("submit", "refused", client_id)
    assert run.order(client_id).state == "accepted"
    run.fire("inquiries")
    assert [each.client_id for each in run.commands(Query)] == [client_id]


def test_an_order_that_was_made_smaller_there_and_filled_is_filled(session: Sessions) -> None:
    """Its trades say so."""
    run, client_id = bought(session)
    run.update(client_id, "filled").fire("inquiries")
    trade = run.trade(client_id, "0.6")
    run.found(client_id, "filled", trade, filled=Decimal("0.6"), quantity=Decimal("0.6"))
    assert run.order(client_id).state == "filled"
    assert run.order(client_id).quantity == Decimal("0.6")


def test_terms_that_changed_there_are_taken_over(session: Sessions) -> None:
    """A change by another hand is found, asked about and believed."""
    run, client_id = bought(session)
    run.update(client_id, "accepted").at(1)
    there = run.there(client_id, quantity=Decimal(2))
    run.snapshot(("USDT", "1000"), orders=[there])
    assert [each.client_id for each in run.commands(Query)] == [client_id]
    run.found(client_id, quantity=Decimal(2))
    assert run.order(client_id).quantity == 2


def test_a_kill_between_exits_and_entry_leaves_nothing_behind(session: Sessions) -> None:
    """The entry was never sent: its exits are dropped at the next start."""
    run = session(groups_at_venue=False).start()
    run.wish(bracket)
    kinds = [line.payload for line in run.journal]
    cut = next(at for at, text in enumerate(kinds) if b'"kind":"waiting"' in text)
    state = fold(run.journal[: cut + 1])
    assert len(state.orders) == 2
    again = session(state, groups_at_venue=False).begin().snapshot(("USDT", "1000"))
    assert again.engine.phase == "ready"
    assert not again.engine.orders.open()
    assert not again.engine.state.groups


def test_exits_wait_for_trading_to_be_enabled_again(session: Sessions) -> None:
    """Nothing is sent before a person says so; then what is missing is sent."""
    run = session(groups_at_venue=False).start()
    (entry,) = run.wish(bracket)
    run.update(entry.client_id, "accepted").operator("disable").fill(entry.client_id, "1")
    assert not run.sent()
    run.operator("enable")
    assert len(run.sent()) == 2


def test_a_strategy_that_fails_in_the_warm_up_stops_the_start(session: Sessions) -> None:
    """There is nothing to trade with; the engine's state stays the journal's."""
    run = session().begin()
    before = run.engine.state
    run.strategy.wishes.append(fail)
    bar = Bar("BTC/USDT", run.now - MINUTE, run.now, *[Decimal(1)] * 5)
    with pytest.raises(StrategyError, match="ZeroDivisionError"):
        run.engine.warm_up([bar])
    assert run.engine.state == before


def test_a_symbol_outside_its_hours_is_not_silent(session: Sessions) -> None:
    """Of several, only the one that should bring bars counts."""
    guard = GuardSettings(stale_after=timedelta(minutes=2))

    def hours(symbol: str, _time: datetime) -> bool:
        return symbol == "ETH/USDT"

    run = session(symbols=("BTC/USDT", "ETH/USDT"), guard=guard, hours=hours).start()
    run.fire("stale").fire("stale")
    assert "ETH/USDT" in run.engine.breaker.cause
    assert "BTC/USDT" not in run.engine.breaker.cause

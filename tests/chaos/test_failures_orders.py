"""Failures that really happened to other systems: orders, restarts, streams. Each is provoked."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from rustybt.model.event import OrderFilled
from rustybt.model.order_state import OrderState
from rustybt.trading.reports import Heartbeat, InstrumentsChanged

BTC = "BTC/USDT"
Tales = Any
ONE_TRADE = 2.0
"""So thin a market trades four tenths of what is left of an order each time it moves."""


def buy(quantity: str, **terms: Any) -> Any:
    """Return the wish to buy."""
    return lambda strategy: strategy.buy(BTC, quantity, **terms)


def close(strategy: Any) -> None:
    """Sell all that is held."""
    strategy.close_position(BTC)


def test_failure_01_a_time_out_after_acceptance_gives_one_order(tale: Tales) -> None:
    """The venue took it, nobody was told: the engine asks, and never sends it again."""
    tale.faults(break_after=1.0, lose_report=1.0).wish(buy("1"))
    tale.faults().wait(30)
    assert [order.filled for order in tale.orders] == [Decimal(1)]
    assert tale.engine.ledger.quantity(BTC) == Decimal(1)
    tale.ends_well()


@pytest.mark.parametrize("arrives", [True, False])
def test_failure_02_a_restart_creates_no_duplicate(tale: Tales, arrives: bool) -> None:
    """Killed between writing and the answer, whether the request got out or not."""
    tale.faults(lose_request=0.0 if arrives else 1.0, lose_reply=1.0, lose_report=1.0)
    tale.wish(buy("1"), wait=0.5)
    tale.faults().kill()
    assert len(tale.orders) == int(arrives)
    assert tale.engine.ledger.quantity(BTC) == Decimal(int(arrives))
    tale.ends_well()


def test_failure_03_trades_replayed_after_a_restart_are_booked_once(tale: Tales) -> None:
    """The venue tells all its trades again to the new process."""
    tale.wish(buy("1")).kill()
    for fill in tale.world.venue.trades:
        tale.world.network.report(lambda time, fill=fill: OrderFilled(time=time, fill=fill))
    tale.wait(2)
    assert tale.engine.ledger.quantity(BTC) == Decimal(1)
    tale.ends_well()


def test_failure_04_a_warm_restart_keeps_the_position(tale: Tales) -> None:
    """Nothing is sold because the engine starts."""
    tale.wish(buy("1")).kill()
    assert len(tale.orders) == 1
    assert tale.engine.ledger.quantity(BTC) == Decimal(1)
    tale.ends_well()


def test_failure_05_working_orders_are_found_again_after_a_kill(tale: Tales) -> None:
    """They work on, and what they trade is booked."""
    tale.wish(buy("1", limit="95"), buy("2", limit="94")).kill()
    assert [order.quantity for order in tale.engine.orders.open()] == [Decimal(1), Decimal(2)]
    tale.market("94.5")
    assert tale.engine.ledger.quantity(BTC) == Decimal(1)
    tale.ends_well()


def test_failure_06_ids_are_the_same_for_the_same_journal(tale: Tales) -> None:
    """They count orders within sessions; a restart goes on with another session."""
    tale.wish(buy("1"), buy("1")).kill().wish(buy("1"))
    assert [order.client_id for order in tale.orders] == ["RBT-1-1", "RBT-1-2", "RBT-2-1"]
    tale.ends_well()


def test_failure_08_a_trade_known_from_an_answer_is_not_booked_again(tale: Tales) -> None:
    """The stream brings it seconds after the answer to a question did."""
    tale.faults(delay_report=1.0, break_after=1.0).wish(buy("1"))
    tale.faults().wait(20)
    assert tale.engine.ledger.quantity(BTC) == Decimal(1)
    assert not tale.engine.breaker.is_tripped
    tale.ends_well()


def test_failure_09_a_modification_races_a_partial_trade(tale: Tales) -> None:
    """The exits of a bracket grow with its entry while they trade themselves."""
    tale.world.venue.thin = ONE_TRADE
    tale.wish(lambda each: each.bracket(BTC, "1", take_profit="101", stop_loss="90"))
    for price in ("100", "101.5", "100", "102", "99", "103"):
        tale.market(price)
    tale.world.venue.thin = 0.0
    tale.wait(1).market("104").wait(5).market("104")
    assert tale.engine.ledger.quantity(BTC) == Decimal(0)
    assert not tale.engine.breaker.is_tripped
    tale.ends_well()


def test_failure_10_a_trade_before_its_acknowledgement_is_booked(tale: Tales) -> None:
    """The reply takes seconds, and the stream tells the trade first."""
    tale.faults(slow_reply=1.0, lose_report=1.0).wish(buy("1"), wait=0.3)
    assert tale.engine.orders["RBT-1-1"].state is OrderState.SUBMITTED
    (fill,) = tale.world.venue.trades
    tale.faults().world.network.report(lambda time: OrderFilled(time=time, fill=fill))
    tale.wait(0.3)
    assert tale.engine.ledger.quantity(BTC) == Decimal(1)
    tale.ends_well()


def test_failure_12_a_network_error_is_not_an_answer(tale: Tales) -> None:
    """No question gets through for a minute; the order is not believed lost."""
    tale.wish(buy("1", limit="95"))
    tale.faults(break_before=1.0).operator("cancel", client_id="RBT-1-1").wait(60)
    assert tale.engine.orders["RBT-1-1"].is_open
    tale.faults().wait(90)
    assert not tale.engine.orders["RBT-1-1"].is_open
    tale.ends_well()


def test_failure_13_a_cancel_that_fails_is_no_end(tale: Tales) -> None:
    """The order trades later, and that is booked."""
    tale.wish(buy("1", limit="95"))
    tale.faults(break_before=1.0).operator("cancel", client_id="RBT-1-1").wait(6)
    assert tale.engine.orders["RBT-1-1"].is_open
    tale.market("94").faults().wait(30)
    assert tale.engine.orders["RBT-1-1"].state is OrderState.FILLED
    assert tale.engine.ledger.quantity(BTC) == Decimal(1)
    tale.ends_well()


def test_failure_14_stream_and_snapshot_tell_the_same_trade(tale: Tales) -> None:
    """Snapshots go a minute back and bring it again and again."""
    tale.faults(repeat_report=1.0).wish(buy("1")).wait(60)
    assert tale.engine.ledger.quantity(BTC) == Decimal(1)
    tale.ends_well()


@pytest.mark.parametrize("command", ["stop", "disable", "halt"])
def test_failure_15_nothing_is_ordered_after_a_stop(tale: Tales, command: str) -> None:
    """Whatever the strategy wishes then."""
    tale.wish(buy("1", limit="95")).faults(lose_reply=1.0)
    tale.operator(command).wish(buy("1"))
    assert len(tale.orders) == 1
    tale.ends_well()


def test_failure_16_not_found_right_after_the_create(tale: Tales) -> None:
    """The venue's lists are four seconds behind: the order is waited for, and sent once."""
    tale.faults(lag=4.0, break_after=1.0, lose_report=1.0).wish(buy("1", limit="95"), wait=0.4)
    tale.faults(lag=4.0, lose_report=1.0).wait(10)
    assert [order.state for order in tale.orders] == [OrderState.ACCEPTED]
    assert tale.engine.orders["RBT-1-1"].state is OrderState.ACCEPTED
    tale.ends_well()


def test_failure_17_an_order_that_was_cancelled_may_have_traded(tale: Tales) -> None:
    """The trade is told after the cancel; it is booked all the same."""
    tale.wish(buy("1", limit="95"))
    tale.world.venue.thin = ONE_TRADE
    tale.faults(delay_report=1.0).market("94")
    tale.faults().operator("cancel", client_id="RBT-1-1")
    assert tale.engine.orders["RBT-1-1"].state is OrderState.CANCELLED
    tale.wait(30)
    assert Decimal(0) < tale.engine.ledger.quantity(BTC) < Decimal(1)
    tale.ends_well()


def test_failure_18_an_exit_that_traded_in_part_is_not_repeated_whole(tale: Tales) -> None:
    """After its cancel only what is left is sold."""
    tale.wish(buy("1"))
    tale.world.venue.thin = ONE_TRADE
    tale.wish(lambda each: each.sell(BTC, "1", limit="105")).market("106")
    tale.world.venue.thin = 0.0
    tale.operator("cancel", client_id="RBT-1-2").wish(close)
    assert tale.orders[1].filled > 0
    assert tale.orders[2].quantity == Decimal(1) - tale.orders[1].filled
    assert tale.engine.ledger.quantity(BTC) == Decimal(0)
    tale.ends_well()


def test_failure_20_trades_add_up_to_what_is_filled(tale: Tales) -> None:
    """Each report brings one trade, never the sum so far."""
    tale.world.venue.thin = ONE_TRADE
    tale.wish(buy("1"))
    for _ in range(4):
        tale.market("100")
    order = tale.engine.orders["RBT-1-1"]
    assert len(order.fills) > 1
    assert order.filled == sum(fill.quantity for fill in tale.orders[0].fills)
    tale.ends_well()


def test_failure_21_a_fee_in_coins_can_be_sold_around(tale: Tales) -> None:
    """What is held is less than what was bought; whole lots of it are sold."""
    tale.world.venue.in_base = True
    tale.wish(buy("1"), close)
    assert [order.quantity for order in tale.orders] == [Decimal(1), Decimal("0.999")]
    assert tale.engine.ledger.quantity(BTC) == Decimal(0)
    tale.ends_well()


@pytest.mark.parametrize(
    ("lot", "wished", "sent"),
    [("0.0001", "2.2504", "2.2504"), ("0.001", "2.2504", "2.250"), ("0.00000001", "1E-8", "1E-8")],
)
def test_failures_24_and_25_quantities_keep_their_digits(
    tale: Tales, lot: str, wished: str, sent: str
) -> None:
    """No float on the way, and the venue's lot whatever its exponent; 39: it changes meanwhile."""
    changed = replace(tale.world.venue.instruments[BTC], lot=Decimal(lot))
    tale.world.venue.instruments[BTC] = changed
    machine = tale.world.machine
    machine.hear(
        lambda time: InstrumentsChanged(time=time, instruments=(changed,)), machine.generation
    )
    tale.wish(buy(wished))
    assert [order.filled for order in tale.orders] == [Decimal(sent)]
    tale.ends_well()


def test_failure_26_a_venue_that_wants_to_be_left_alone_sees_no_storm(tale: Tales) -> None:
    """In a minute of refusals the engine asks some twenty times, not thousands."""
    tale.faults(refuse=1.0).wish(buy("1"))
    before = tale.world.machine.events
    tale.wait(60)
    assert tale.world.machine.events - before < 60
    tale.ends_well()


def test_failure_29_the_user_stream_dies_while_orders_are_accepted(tale: Tales) -> None:
    """Nothing is told of the trades; the snapshots tell them."""
    tale.faults(lose_report=1.0).wish(buy("1", limit="95"))
    tale.market("94").wait(60)
    assert tale.engine.ledger.quantity(BTC) == Decimal(1)
    tale.ends_well()


def test_failure_30_trades_during_a_disconnect_are_found_at_once(tale: Tales) -> None:
    """As soon as the stream is back."""
    tale.wish(buy("1", limit="95"))
    tale.world.network.disconnect()
    tale.market("94")
    tale.world.network.reconnect()
    tale.wait(2)
    assert tale.engine.ledger.quantity(BTC) == Decimal(1)
    tale.ends_well()


def test_failure_31_a_venue_that_is_reset_at_night_is_traded_with_after_it(tale: Tales) -> None:
    """Nothing answers for ten minutes; then the books agree again, with a person's resume."""
    tale.wish(buy("1", limit="95")).faults(break_before=1.0, lose_report=1.0)
    tale.market("94").wait(600).faults().operator("resume").wait(120)
    assert tale.engine.ledger.quantity(BTC) == Decimal(1)
    tale.ends_well()


def test_failure_33_the_position_is_current_when_the_strategy_hears_of_a_trade(
    tale: Tales,
) -> None:
    """The hook for trades sees the position after the trade."""
    tale.wish(buy("1"), buy("0.5"))
    assert tale.held == [Decimal(1), Decimal("1.5")]
    tale.ends_well()


def test_failure_40_a_clock_that_steps_back_stops_nothing(tale: Tales) -> None:
    """Time stands still for the engine until the clock has caught up."""
    tale.faults(clock_back=1.0).world.run(2)
    before = tale.engine.state.time
    tale.world.network.report(lambda time: Heartbeat(time=time - timedelta(hours=1)))
    tale.faults().wait(0.2)
    assert before is not None
    assert (tale.engine.state.time or before) >= before
    tale.wish(buy("1")).wait(30)
    assert tale.engine.ledger.quantity(BTC) == Decimal(1)
    tale.ends_well()

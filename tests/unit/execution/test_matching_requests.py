"""Requests to the venue: what it takes, refuses, cancels and modifies."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from rustybt.execution import (
    DuplicateOrderError,
    ExecutionError,
    FillPolicy,
    Matcher,
    MatchingRules,
    UnknownOrderError,
)
from rustybt.model import (
    Fill,
    Instrument,
    InvalidValueError,
    Liquidity,
    OrderState,
    OrderUpdated,
    Side,
)

D = Decimal
COIN = Instrument(
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick=D("0.1"),
    lot=D("0.001"),
    min_quantity=D("0.01"),
    max_quantity=D(5),
    min_notional=D(10),
)

THREE_REASONS = (
    "quantity 0.0055 is off the lot 0.001",
    "quantity 0.0055 is below the minimum 0.01",
    "notional 2.7500 is below the minimum 10",
)


def test_an_accepted_order_has_a_venue_id(venue: Any) -> None:
    """That is what the first event says."""
    venue.submit("buy 1 market")
    assert venue.events == [
        OrderUpdated(
            time=venue.now, client_id="a", state=OrderState.ACCEPTED, venue_id="V1", reason=""
        )
    ]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("buy 0.0105 limit price=1000", "quantity 0.0105 is off the lot 0.001"),
        ("buy 0.01 limit price=2000.05", "price 2000.05 is off the tick 0.1"),
        ("buy 0.01 stop trigger=2000.05", "price 2000.05 is off the tick 0.1"),
        ("buy 0.01 stop_limit trigger=2000 price=2000.01", "price 2000.01 is off the tick 0.1"),
        ("buy 0.01 limit price=500", "notional 5.00 is below the minimum 10"),
        ("buy 6 limit price=500", "quantity 6 is above the maximum 5"),
        ("buy 0.0055 limit price=500", "; ".join(THREE_REASONS)),
        # Both prices have the same problem with the quantity: it is named once.
        ("buy 6 stop_limit trigger=500 price=501", "quantity 6 is above the maximum 5"),
    ],
)
def test_the_venues_filters(make_venue: Any, words: str, reason: str) -> None:
    """An order off its grid or outside its bounds is rejected with all reasons."""
    venue = make_venue(COIN)
    assert venue.submit(words) == [f"a rejected: {reason}"]
    assert venue.bar("100 100000 1 100") == []


def test_a_market_order_is_judged_by_the_market(make_venue: Any) -> None:
    """By the price that was seen; without one only the quantity can be checked."""
    venue = make_venue(COIN)
    assert venue.submit("a: buy 0.01 market", "b: buy 0.0105 market") == [
        "a accepted",
        "b rejected: quantity 0.0105 is off the lot 0.001",
    ]
    venue.bar("500.01 500.01 500.01 500.01")
    assert venue.submit("c: buy 0.01 market") == [
        "c rejected: notional 5.0001 is below the minimum 10"
    ]
    assert venue.submit("d: buy 0.02 market") == ["d accepted"]


@pytest.mark.parametrize(
    ("quantity", "price", "reason"),
    [
        ("0.009", None, "quantity 0.009 is below the minimum 0.01"),
        ("0.01", None, ""),
        ("5", None, ""),
        ("5.001", None, "quantity 5.001 is above the maximum 5"),
        ("0.0001", None, "off the lot 0.001; quantity 0.0001 is below the minimum 0.01"),
        ("0.01", "1000", ""),
        ("0.01", "-1000", ""),
        ("4", "250", ""),
        ("4.001", "250", "notional 1000.250 is above the maximum 1000"),
        ("0.01", "999.99", "notional 9.9999 is below the minimum 10"),
    ],
)
def test_the_bounds_of_a_market_order(
    make_venue: Any, quantity: str, price: str | None, reason: str
) -> None:
    """The ends are allowed."""
    venue = make_venue(replace(COIN, max_notional=D(1000)))
    if price is not None:
        venue.bar(" ".join([price] * 4))
    told = venue.submit(f"buy {quantity} market")
    assert told[0].startswith("a rejected" if reason else "a accepted")
    assert told[0].endswith(reason)


def test_a_market_order_is_judged_by_its_side_of_the_quote(make_venue: Any) -> None:
    """A buy by the ask, a sale by the bid."""
    venue = make_venue(COIN)
    venue.quote("999 1000")
    assert venue.submit("a: buy 0.01 market", "b: sell 0.01 market") == [
        "a accepted",
        "b rejected: notional 9.99 is below the minimum 10",
    ]


def test_a_price_of_another_symbol_is_no_price(make_venue: Any) -> None:
    """What was seen of something else says nothing."""
    venue = make_venue(COIN)
    venue.bar("1 1 1 1", symbol="Y")
    assert venue.submit("buy 0.01 market") == ["a accepted"]


def test_a_client_id_stands_for_one_order(venue: Any) -> None:
    """While it is open; a second create is an error, not another order."""
    venue.submit("a: buy 1 limit price=9")
    again = venue.order("buy 1 market")
    with pytest.raises(DuplicateOrderError, match="client id 'a' stands for an open order"):
        venue.matcher.submit([again], venue.now)
    other = venue.order("buy 1 market", client_id="b")
    with pytest.raises(DuplicateOrderError, match="client id 'b'"):
        venue.matcher.submit([other, other], venue.now)
    assert list(venue.matcher.book("X").orders) == ["a"]
    venue.cancel("a")
    assert len(venue.matcher.submit([again], venue.now)) == 1


def test_errors_say_what_to_do(venue: Any) -> None:
    """What was wrong, what was expected, and the next step."""
    venue.bar("1 1 1 1")
    order = venue.order("buy 1 limit price=0.5")
    early = venue.now - timedelta(seconds=1)
    with pytest.raises(ExecutionError) as future:
        venue.matcher.submit([order], early, seen=venue.seen)
    assert str(future.value) == (
        "market data of 2024-03-02 00:00:00+00:00 was seen at 2024-03-01 23:59:59+00:00;"
        " expected data that is over by then;"
        " to fix it: pass the last bar that has closed, or the last quote"
    )
    with pytest.raises(UnknownOrderError) as unknown:
        venue.matcher.cancel("a", venue.now)
    assert str(unknown.value) == (
        "no open order has the client id 'a'; expected an order that was sent and has not ended;"
        " to fix it: look at the last event of that order"
    )
    venue.matcher.submit([order], venue.now, seen=venue.seen)
    with pytest.raises(DuplicateOrderError) as duplicate:
        venue.matcher.submit([order], venue.now)
    assert str(duplicate.value) == (
        "client id 'a' stands for an open order; expected a client id of its own for each order;"
        " to fix it: ask the venue about that order before sending another"
    )


def test_a_rejected_client_id_is_free_again(venue: Any) -> None:
    """Nothing stands for it."""
    venue.submit("buy 1.5 market")
    assert len(venue.matcher.submit([venue.order("buy 1 market")], venue.now)) == 1


def test_a_filled_client_id_is_free_again(venue: Any) -> None:
    """Ids are unique among open orders, as venues have it."""
    venue.submit("buy 1 market")
    venue.bar("1 1 1 1")
    assert len(venue.matcher.submit([venue.order("buy 1 market")], venue.now)) == 1


def test_an_unknown_symbol_is_an_error(venue: Any) -> None:
    """Nothing is done, not even for the orders before it."""
    orders = [
        venue.order("buy 1 market", client_id="a"),
        venue.order("buy 1 market", client_id="b", symbol="Z"),
    ]
    with pytest.raises(ExecutionError, match="'Z' cannot be traded here; expected X, Y"):
        venue.matcher.submit(orders, venue.now)
    assert venue.matcher.book("X").orders == {}
    with pytest.raises(ExecutionError, match="expected an instrument"):
        Matcher({}).book("X")


def test_filters_may_change(venue: Any) -> None:
    """What works goes on; what comes is held to the new ones. New symbols may come, too."""
    venue.submit("a: buy 3 limit price=99.99")
    share = venue.matcher.book("X").instrument
    venue.matcher.set_instrument(replace(share, tick=D("0.05")))
    assert venue.submit("b: buy 3 limit price=99.99")[0].startswith("b rejected: price 99.99 is")
    assert venue.bar("100 100 99 100") == ["a buy 3 at 99.99 maker"]
    venue.matcher.set_instrument(replace(share, symbol="Z"))
    assert venue.submit(venue.order("buy 1 market", symbol="Z", client_id="z")) == ["z accepted"]


def test_what_is_not_over_was_not_seen(venue: Any) -> None:
    """A bar or quote from the future is refused."""
    venue.bar("1 1 1 1")
    early = venue.now - timedelta(microseconds=1)
    order = venue.order("buy 1 market")
    with pytest.raises(ExecutionError, match=r"market data of .* was seen at"):
        venue.matcher.submit([order], early, seen=venue.seen)
    venue.quote("1 1")
    early = venue.now - timedelta(microseconds=1)
    with pytest.raises(ExecutionError, match=r"market data of .* was seen at"):
        venue.matcher.submit([order], early, seen=venue.seen)
    venue.submit("buy 1 limit price=0.5")
    with pytest.raises(ExecutionError, match=r"market data of .* was seen at"):
        venue.matcher.modify(order, early, seen=venue.seen)


def test_data_of_a_symbol_without_orders_is_passed_over(venue: Any) -> None:
    """There is no book."""
    assert venue.bar("1 1 1 1") == []


def test_a_cancelled_order_trades_no_more(venue: Any) -> None:
    """The next bar would have filled it."""
    venue.submit("buy 1 limit price=95")
    assert venue.cancel() == ["a cancelled: cancelled on request"]
    assert venue.bar("95 95 95 95") == []


def test_a_cancel_of_what_is_not_open_is_an_error(venue: Any) -> None:
    """It was never sent, or has ended."""
    with pytest.raises(UnknownOrderError, match="no open order has the client id 'a'"):
        venue.matcher.cancel("a", venue.now)
    with pytest.raises(UnknownOrderError, match="no open order has the client id 'a'"):
        venue.matcher.modify(venue.order("buy 1 market"), venue.now)
    venue.submit("buy 1 market")
    venue.bar("1 1 1 1")
    with pytest.raises(UnknownOrderError, match="no open order has the client id 'a'"):
        venue.matcher.cancel("a", venue.now)


def test_a_modification_changes_price_trigger_and_quantity(venue: Any) -> None:
    """What is not said stays."""
    venue.submit("a: buy 10 stop_limit trigger=105 price=106")
    assert venue.modify(price="107") == ["a replaced 10 price=107 trigger=105"]
    assert venue.modify(trigger="104") == ["a replaced 10 price=107 trigger=104"]
    assert venue.modify(quantity="12") == ["a replaced 12 price=107 trigger=104"]
    order = venue.orders["a"]
    assert (order.price, order.trigger, order.quantity) == (107, 104, 12)
    assert venue.bar("100 104 100 104") == ["a triggered", "a buy 12 at 104 taker"]


def test_a_smaller_order_keeps_its_place(venue: Any) -> None:
    """And that it rested."""
    venue.submit("a: buy 3 limit price=99", "b: buy 3 limit price=99")
    venue.bar("100 100 100 100")
    venue.modify("a", quantity="2")
    assert list(venue.matcher.book("X").orders) == ["a", "b"]
    assert venue.bar("98 99 98 99")[0] == "a buy 2 at 98 open maker"


@pytest.mark.parametrize("terms", [{"quantity": "4"}, {"price": "99.50"}, {"price": "98"}])
def test_any_other_change_goes_to_the_end_of_the_queue(venue: Any, terms: dict[str, str]) -> None:
    """As at any venue; the order arrives anew."""
    venue.submit("a: buy 3 limit price=99", "b: buy 3 limit price=99")
    venue.bar("100 100 100 100")
    venue.modify("a", **terms)
    assert list(venue.matcher.book("X").orders) == ["b", "a"]
    assert venue.bar("98 99 98 99")[1].endswith("at 98 open taker")


def test_a_modified_order_has_no_part_in_a_running_bar(venue: Any) -> None:
    """It would trade at prices from before the change."""
    venue.submit("buy 3 limit price=90")
    venue.now += timedelta(hours=1)
    venue.modify(price="101")
    venue.now -= timedelta(hours=1)
    assert venue.bar("100 100 100 100") == []
    assert venue.bar("100 100 100 100") == ["a buy 3 at 100 open taker"]


def test_a_modification_to_what_is_filled_ends_the_order(make_venue: Any) -> None:
    """Nothing is left to trade."""
    venue = make_venue(volume_share=D("0.1"))
    venue.submit("buy 10 market")
    venue.bar("100 101 99 100", volume="40")
    assert venue.modify(quantity="4") == ["a replaced 4 price=None trigger=None"]
    assert venue.orders["a"].state == "filled"
    assert venue.bar("100 101 99 100") == []
    with pytest.raises(UnknownOrderError):
        venue.matcher.cancel("a", venue.now)


def test_a_modification_to_less_than_is_filled_is_refused(make_venue: Any) -> None:
    """The order goes on as it was."""
    venue = make_venue(volume_share=D("0.1"))
    venue.submit("buy 10 market")
    venue.bar("100 101 99 100", volume="40")
    assert venue.modify(quantity="3") == ["a partially_filled: 4 are filled already, more than 3"]
    assert venue.orders["a"].state == "partially_filled"
    assert venue.bar("100 101 99 100", volume="400") == ["a buy 6 at 100 open taker"]


def test_a_modification_off_the_grid_is_refused(venue: Any) -> None:
    """By the same filters, and the state that is reported is the order's own."""
    venue.submit("a: buy 10 limit price=99", "b: sell 10 stop_limit trigger=101 price=103")
    assert venue.modify(price="99.001") == ["a accepted: price 99.001 is off the tick 0.01"]
    assert venue.bar("100 100.50 99.50 100") == ["b triggered"]
    assert venue.modify("b", price="103.001") == ["b triggered: price 103.001 is off the tick 0.01"]
    assert venue.orders["b"].state == "triggered"
    assert venue.orders["b"].price == 103


def test_a_modified_order_may_trade_at_the_same_close(make_venue: Any) -> None:
    """Like a new one."""
    venue = make_venue(policy=FillPolicy.SAME_CLOSE)
    venue.bar("100 101 99 100")
    venue.submit("buy 1 limit price=99")
    assert venue.modify(price="100.50") == [
        "a replaced 1 price=100.50 trigger=None",
        "a buy 1 at 100 taker",
    ]


def test_a_post_only_order_modified_into_the_market_ends(make_venue: Any) -> None:
    """Rejected, or cancelled if it has traded before: its fills stand."""
    venue = make_venue(volume_share=D("0.1"))
    venue.submit("a: buy 9 limit price=99 post_only", "b: buy 9 limit price=98 post_only")
    assert venue.bar("100 100 99 100", volume="40") == ["a buy 4 at 99 maker"]
    venue.modify("a", price="101")
    venue.modify("b", price="101")
    assert venue.bar("100 100 100 100") == [
        "a cancelled: post-only, and it would have traded at once",
        "b rejected: post-only, and it would have traded at once",
    ]


def test_a_modified_trail_keeps_its_trigger(venue: Any) -> None:
    """Unless another one is asked for."""
    venue.submit("sell 5 trailing_stop trail=5")
    venue.bar("100 100 96 99")
    assert venue.modify(quantity="6") == ["a replaced 6 price=None trigger=95.00"]
    assert venue.modify(trigger="97") == ["a replaced 6 price=None trigger=97"]
    assert venue.bar("99 99 97 98")[0] == "a triggered"


def test_an_order_that_comes_with_fills_goes_on_from_there(venue: Any) -> None:
    """After a restart: the leaves quantity, the state and the fees take up where they were."""
    order = venue.order("buy 10 limit price=99")
    fill = Fill("t", "a", "X", Side.BUY, D(4), D(99), venue.now, liquidity=Liquidity.MAKER)
    order = order.to(OrderState.SUBMITTED).accepted("v").fill(fill)
    rules = MatchingRules()
    matcher = Matcher({"X": venue.matcher.book("X").instrument}, rules)
    matcher.submit([order], venue.now)
    working = matcher.book("X").orders["a"]
    assert working.leaves == 6
    assert working.state is OrderState.PARTIALLY_FILLED
    assert working.traded.notional == working.traded.maker_notional == 396
    taken = replace(order, fills=(replace(fill, liquidity=Liquidity.TAKER),), client_id="b")
    matcher.submit([taken], venue.now)
    assert matcher.book("X").orders["b"].traded.maker_notional == 0


def test_a_triggered_order_comes_back_triggered(venue: Any) -> None:
    """Its trigger is not waited for again."""
    order = venue.order("sell 10 stop trigger=95")
    order = order.to(OrderState.SUBMITTED).accepted("v").to(OrderState.TRIGGERED)
    told = venue.matcher.submit([order], venue.now)
    assert len(told) == 1
    assert venue.matcher.book("X").orders["a"].awake


def test_events_are_told_once(venue: Any) -> None:
    """Each call returns its own."""
    first = venue.matcher.submit([venue.order("buy 1 market")], venue.now)
    second = venue.matcher.submit([venue.order("buy 1 market", client_id="b")], venue.now)
    assert [event.client_id for event in first] == ["a"]
    assert [event.client_id for event in second] == ["b"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"policy": "next_open"}, "policy must be one of FillPolicy.NEXT_OPEN"),
        ({"volume_share": D("1.01")}, "volume_share 1.01 is more than all of the volume"),
        ({"volume_share": D(-1)}, "volume_share must be a Decimal of at least 0"),
        ({"volume_share": 0.5}, "volume_share must be a Decimal of at least 0"),
        ({"touch_share": D(2)}, "touch_share 2 is more than all of the volume"),
        ({"latency": timedelta(-1)}, "latency -1 day, 0:00:00 is negative"),
        ({"latency_bars": -1}, "latency_bars must be a whole number from 0 on: -1"),
        ({"latency_bars": True}, "latency_bars must be a whole number from 0 on: True"),
    ],
)
def test_rules_that_cannot_be(changes: dict[str, Any], problem: str) -> None:
    """Each problem is named with the value seen."""
    with pytest.raises(InvalidValueError) as caught:
        MatchingRules(**changes)
    assert [found[: len(problem)] for found in caught.value.problems] == [problem]


def test_all_problems_of_rules_are_named_at_once() -> None:
    """So that they are mended at once."""
    with pytest.raises(InvalidValueError) as caught:
        MatchingRules(volume_share=D(2), touch_share=D(3), latency_bars=-1)
    assert caught.value.what == "matching 'rules'"
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("share", [D(0), D("0.5"), D(1)])
def test_shares_from_nothing_to_all(share: Decimal) -> None:
    """The ends count."""
    assert MatchingRules(volume_share=share, touch_share=share).volume_share == share

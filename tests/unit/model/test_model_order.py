"""Orders: what makes one valid, and what happens to its quantity."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from rustybt.model import (
    ConflictingFillError,
    Fill,
    InvalidTransitionError,
    InvalidValueError,
    Order,
    OrderState,
    OrderType,
    OverfillError,
    Side,
    TimeInForce,
    TrailUnit,
)

D = Decimal
NOW = datetime(2024, 3, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)

PRICES: dict[OrderType, dict[str, Decimal]] = {
    OrderType.MARKET: {},
    OrderType.LIMIT: {"price": D(100)},
    OrderType.STOP: {"trigger": D(105)},
    OrderType.STOP_LIMIT: {"trigger": D(105), "price": D(106)},
    OrderType.TRAILING_STOP: {"trail": D(5)},
    OrderType.TAKE_PROFIT: {"trigger": D(95)},
}
"""What each type of order needs."""


def order(kind: OrderType = OrderType.LIMIT, **changes: Any) -> Order:
    """Return an order for 10 of the given type with *changes*."""
    fields = {
        "client_id": "o1",
        "symbol": "BTCUSDT",
        "side": Side.BUY,
        "type": kind,
        "quantity": D(10),
        "created": NOW,
    }
    return Order(**{**fields, **PRICES[kind], **changes})


def fill(trade_id: str = "t1", quantity: str = "4", price: str = "100", **changes: Any) -> Fill:
    """Return a fill of the order above."""
    made = Fill(trade_id, "o1", "BTCUSDT", Side.BUY, D(quantity), D(price), NOW)
    return replace(made, **changes)


def working(**changes: Any) -> Order:
    """Return an order that the venue accepted."""
    return order(**changes).to(OrderState.SUBMITTED).accepted("v1")


def problems_of(**changes: Any) -> tuple[str, ...]:
    """Return what is wrong with an order with *changes*."""
    with pytest.raises(InvalidValueError) as caught:
        order(**changes)
    assert caught.value.what == f"order {changes.get('client_id', 'o1')!r}"
    return caught.value.problems


@pytest.mark.parametrize("kind", OrderType)
def test_each_type_is_valid_with_what_it_needs(kind: OrderType) -> None:
    """Every type of order can be made, is new, works until cancelled and has nothing filled."""
    made = order(kind)
    assert made.state is OrderState.NEW
    assert made.time_in_force is TimeInForce.GTC
    assert (made.filled, made.leaves, made.average_price) == (D(0), D(10), None)
    assert (made.post_only, made.reduce_only, made.triggered, made.is_open) == (
        False,
        False,
        False,
        True,
    )
    assert (made.fills, made.venue_id, made.reason, made.group) == ((), None, "", None)
    assert made.trail_unit is TrailUnit.PRICE


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind, prices in PRICES.items() for name in prices],
)
def test_each_type_needs_its_prices(kind: OrderType, name: str) -> None:
    """A missing price is named together with the type that needs it."""
    assert problems_of(kind=kind, **{name: None}) == (f"a {kind} order needs a {name}",)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (OrderType.MARKET, "price"),
        (OrderType.MARKET, "trigger"),
        (OrderType.MARKET, "trail"),
        (OrderType.LIMIT, "trigger"),
        (OrderType.LIMIT, "trail"),
        (OrderType.STOP, "price"),
        (OrderType.STOP, "trail"),
        (OrderType.STOP_LIMIT, "trail"),
        (OrderType.TRAILING_STOP, "price"),
        (OrderType.TAKE_PROFIT, "trail"),
    ],
)
def test_a_price_that_would_be_ignored_is_refused(kind: OrderType, name: str) -> None:
    """A market order with a limit is a misunderstanding, not a market order."""
    assert problems_of(kind=kind, **{name: D(5)}) == (f"a {kind} order cannot have a {name}",)


def test_optional_prices() -> None:
    """A take-profit may have a limit, a trailing stop a trigger to start from."""
    assert order(OrderType.TAKE_PROFIT, price=D(94)).price == 94
    assert order(OrderType.TRAILING_STOP, trigger=D(105)).trigger == 105


@pytest.mark.parametrize("name", ["price", "trigger"])
def test_prices_are_decimals_of_any_sign(name: str) -> None:
    """A negative limit is legal for a contract; a float never is."""
    assert getattr(order(OrderType.STOP_LIMIT, **{name: D(-5)}), name) == -5
    found = problems_of(kind=OrderType.STOP_LIMIT, **{name: 5.5})
    assert found == (f"{name} must be a finite Decimal of at most 36 digits, not 5.5",)


@pytest.mark.parametrize("name", ["price", "trigger"])
def test_a_bad_price_on_the_wrong_type_is_one_problem(name: str) -> None:
    """A float where no price belongs is reported once."""
    assert len(problems_of(kind=OrderType.MARKET, **{name: 5.5})) == 1


def test_a_trail_is_above_zero_and_a_fraction_below_one() -> None:
    """A trail of zero would trigger at once, a fraction of one never."""
    expected = "trail must be a Decimal above 0 of at most 36 digits, not Decimal('0')"
    assert problems_of(kind=OrderType.TRAILING_STOP, trail=D(0)) == (expected,)
    for unit, trail in ((TrailUnit.FRACTION, D("0.99")), (TrailUnit.PRICE, D(1))):
        assert order(OrderType.TRAILING_STOP, trail=trail, trail_unit=unit).trail == trail
    for trail in (D(1), D(2)):
        found = problems_of(
            kind=OrderType.TRAILING_STOP, trail=trail, trail_unit=TrailUnit.FRACTION
        )
        assert found == (f"trail {trail} is not a fraction below 1",)


@pytest.mark.parametrize("value", [D(0), D(-1), D("NaN"), 1.5, 1, None])
def test_quantity_is_above_zero(value: object) -> None:
    """An order is for something."""
    expected = f"quantity must be a Decimal above 0 of at most 36 digits, not {value!r}"
    assert problems_of(quantity=value) == (expected,)


def test_ids_and_members_are_what_they_should_be() -> None:
    """Everything that is wrong is in one error."""
    found = problems_of(
        client_id="",
        symbol=" ",
        side="buy",
        type="limit",
        quantity=1,
        created=None,
        price=1.5,
        trail_unit="price",
        time_in_force="gtc",
        state="new",
    )
    assert [problem.split()[0] for problem in found] == [
        "client_id",
        "symbol",
        "side",
        "type",
        "state",
        "price",
        "trail_unit",
        "time_in_force",
        "created",
        "quantity",
    ]


@pytest.mark.parametrize("time_in_force", [TimeInForce.GTC, TimeInForce.DAY])
@pytest.mark.parametrize("kind", [OrderType.LIMIT, OrderType.STOP_LIMIT])
def test_post_only_needs_an_order_that_rests(kind: OrderType, time_in_force: TimeInForce) -> None:
    """Only what has a limit and time can add to the book."""
    assert order(kind, post_only=True, time_in_force=time_in_force).post_only


@pytest.mark.parametrize(
    ("kind", "time_in_force"),
    [
        (OrderType.MARKET, TimeInForce.GTC),
        (OrderType.STOP, TimeInForce.GTC),
        (OrderType.LIMIT, TimeInForce.IOC),
        (OrderType.LIMIT, TimeInForce.FOK),
    ],
)
def test_post_only_is_refused_for_what_takes(kind: OrderType, time_in_force: TimeInForce) -> None:
    """A market order, or one that must fill at once, cannot be post-only."""
    found = problems_of(kind=kind, post_only=True, time_in_force=time_in_force)
    assert found == ("post_only needs a price and a time in force that lets the order rest",)


def test_only_gtd_has_a_time_of_expiry_and_needs_one() -> None:
    """A time that would be ignored is refused, a missing or past one too."""
    later = NOW + SECOND
    assert order(time_in_force=TimeInForce.GTD, expires=later).expires == later
    assert problems_of(expires=later) == ("only a gtd order has a time of expiry",)
    gtd = TimeInForce.GTD
    assert problems_of(time_in_force=gtd) == ("a gtd order needs a time of expiry",)
    for past in (NOW, NOW - SECOND):
        found = problems_of(time_in_force=gtd, expires=past)
        assert found == (f"expires {past} is not after created {NOW}",)


def test_bad_times_are_reported_not_compared() -> None:
    """A naive time is a problem of its own; it is never compared with an aware one."""
    naive = datetime(2024, 3, 2)  # noqa: DTZ001 - being naive is the point
    gtd = TimeInForce.GTD
    assert problems_of(time_in_force=gtd, expires=naive) == (
        f"expires must be an aware UTC datetime, not {naive!r}",
    )
    assert problems_of(time_in_force=gtd, expires=NOW + SECOND, created=naive) == (
        f"created must be an aware UTC datetime, not {naive!r}",
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"filled": D(4)}, "filled is 4, the fills add up to 0"),
        (
            {"state": OrderState.CANCELLED, "fills": (fill(),), "filled": D(3)},
            "filled is 3, the fills add up to 4",
        ),
        (
            {"state": OrderState.FILLED, "fills": (fill(),), "filled": D(4)},
            "it is filled with 4 of 10 filled",
        ),
        ({"state": OrderState.FILLED}, "it is filled with 0 of 10 filled"),
        (
            {"state": OrderState.CANCELLED, "fills": (fill(quantity="10"),), "filled": D(10)},
            "it is cancelled with 10 of 10 filled",
        ),
        (
            {"state": OrderState.ACCEPTED, "fills": (fill(),), "filled": D(4)},
            "it is accepted although 4 are filled",
        ),
        (
            {"state": OrderState.PARTIALLY_FILLED},
            "it is partially_filled although nothing is filled",
        ),
        (
            {
                "state": OrderState.PARTIALLY_FILLED,
                "fills": (fill(quantity="11"),),
                "filled": D(11),
            },
            "filled 11 exceeds quantity 10",
        ),
        ({"filled": 0.0}, "filled must be a finite Decimal of at most 36 digits, not 0.0"),
    ],
)
def test_fills_quantity_and_state_tell_one_story(changes: dict[str, Any], expected: str) -> None:
    """An order read from a journal cannot contradict itself."""
    assert problems_of(**changes) == (expected,)


def test_partial_fills_add_up_to_a_filled_order() -> None:
    """Leaves, average price and state follow the fills exactly."""
    part = working().fill(fill("t1", "4", "100"))
    assert (part.state, part.filled, part.leaves) == (OrderState.PARTIALLY_FILLED, D(4), D(6))
    assert part.is_open
    done = part.fill(fill("t2", "6", "101.5"))
    assert (done.state, done.filled, done.leaves) == (OrderState.FILLED, D(10), D(0))
    assert done.filled_value == 1009
    assert done.average_price == D("100.9")
    assert [each.trade_id for each in done.fills] == ["t1", "t2"]
    assert not done.is_open


def test_a_repeated_fill_changes_nothing() -> None:
    """Stream and REST report the same trade; it is booked once, even when the order is done."""
    done = working().fill(fill("t1", "10"))
    later = fill("t1", "10", time=NOW + SECOND, fee=D(1))
    assert done.fill(later) is done


def test_one_trade_id_cannot_stand_for_two_trades() -> None:
    """A repeated id with another price is an error with both, and nothing is booked."""
    part = working().fill(fill("t0", "1")).fill(fill("t1", "4", "100"))
    with pytest.raises(ConflictingFillError) as caught:
        part.fill(fill("t1", "4", "100.5"))

    assert str(caught.value) == (
        "trade 't1' of order 'o1' was reported as 4 at 100 and as 4 at 100.5;"
        " expected one trade per trade id;"
        " to fix it: stop trading and reconcile with the venue"
    )


def test_an_overfill_raises() -> None:
    """One lot too much means that books and venue disagree."""
    part = working().fill(fill("t1", "9"))
    with pytest.raises(OverfillError) as caught:
        part.fill(fill("t2", "1.00000001"))

    assert str(caught.value) == (
        "order 'o1' of 10 would be filled 10.00000001 by trade 't2';"
        " expected at most the 1 that are left;"
        " to fix it: stop trading and reconcile with the venue"
    )


def test_a_fill_of_another_order_is_refused() -> None:
    """Id, symbol and side must be the order's; all differences are named."""
    with pytest.raises(InvalidValueError) as caught:
        working().fill(fill(client_id="o2", symbol="ETHUSDT", side=Side.SELL))

    assert caught.value.what == "fill 't1'"
    assert caught.value.problems == (
        "it is of order 'o2', not 'o1'",
        "it trades 'ETHUSDT', the order 'BTCUSDT'",
        "it is a sell, the order a buy",
    )


@pytest.mark.parametrize("name", ["client_id", "symbol", "side"])
def test_each_difference_alone_is_refused(name: str) -> None:
    """One of the three is enough."""
    other = {"client_id": "o2", "symbol": "ETHUSDT", "side": Side.SELL}[name]
    with pytest.raises(InvalidValueError):
        working().fill(fill(**{name: other}))


def test_a_fill_brings_the_venues_id_or_keeps_it() -> None:
    """A fill that outruns the acknowledgement tells the id; one without an id erases nothing."""
    sent = order().to(OrderState.SUBMITTED)
    assert sent.fill(fill(venue_id="v9")).venue_id == "v9"
    assert working().fill(fill()).venue_id == "v1"


def test_a_fill_before_the_acknowledgement_is_kept() -> None:
    """The acknowledgement that comes later brings the id and leaves the state."""
    part = order().to(OrderState.SUBMITTED).fill(fill())
    acknowledged = part.accepted("v1")
    assert acknowledged == replace(part, venue_id="v1")
    assert acknowledged.state is OrderState.PARTIALLY_FILLED


def test_reason_and_id_stay_unless_given() -> None:
    """A transition keeps what is known."""
    rejected = working().to(OrderState.REJECTED, reason="no funds")
    assert (rejected.reason, rejected.venue_id) == ("no funds", "v1")
    again = rejected.to(OrderState.REJECTED)
    assert (again.reason, again.venue_id) == ("no funds", "v1")
    assert again.to(OrderState.ACCEPTED, venue_id="v2", reason="").venue_id == "v2"
    assert again.to(OrderState.ACCEPTED, venue_id="v2", reason="").reason == ""


def test_a_refused_cancel_puts_the_order_back_to_work() -> None:
    """Where it was: accepted, triggered or partially filled; with the venue's reason."""
    cancelling = working().to(OrderState.PENDING_CANCEL)
    assert cancelling.resumed("unknown order").state is OrderState.ACCEPTED
    assert cancelling.resumed("unknown order").reason == "unknown order"
    triggered = working(kind=OrderType.STOP).to(OrderState.TRIGGERED)
    assert triggered.to(OrderState.PENDING_REPLACE).resumed("").state is OrderState.TRIGGERED
    part = cancelling.fill(fill())
    assert part.state is OrderState.PENDING_CANCEL
    assert part.resumed("").state is OrderState.PARTIALLY_FILLED


def test_only_what_is_pending_can_resume() -> None:
    """An order that nobody asked to cancel cannot be refused one."""
    with pytest.raises(InvalidTransitionError) as caught:
        working().resumed("x")

    assert str(caught.value) == (
        "order 'o1' is accepted; expected an order with a cancel or modification under way"
    )


def test_a_modification_changes_what_was_given() -> None:
    """Price, trigger, quantity and id change; the rest stays."""
    changing = working(kind=OrderType.STOP_LIMIT).to(OrderState.PENDING_REPLACE)
    changed = changing.replaced(quantity=D(8), price=D(99), trigger=D(98), venue_id="v2")
    assert (changed.quantity, changed.price, changed.trigger) == (D(8), D(99), D(98))
    assert changed.venue_id == "v2"
    assert changed.state is OrderState.ACCEPTED
    assert changing.replaced() == working(kind=OrderType.STOP_LIMIT)


def test_a_modification_that_races_with_a_fill() -> None:
    """The fill counts: the state is partial, filled when nothing is left, an error beyond."""
    changing = working().to(OrderState.PENDING_REPLACE).fill(fill())
    assert changing.state is OrderState.PENDING_REPLACE
    assert changing.replaced(quantity=D(5)).state is OrderState.PARTIALLY_FILLED
    assert changing.replaced(quantity=D(5)).leaves == 1
    assert changing.replaced(quantity=D(4)).state is OrderState.FILLED
    with pytest.raises(OverfillError) as caught:
        changing.replaced(quantity=D("3.9"))
    assert str(caught.value) == (
        "order 'o1' was modified to 3.9 with 4 filled; expected a quantity of at least 4;"
        " to fix it: stop trading and reconcile with the venue"
    )


def test_only_a_pending_modification_can_be_confirmed() -> None:
    """A modification that nobody asked for is not believed."""
    with pytest.raises(InvalidTransitionError) as caught:
        working().replaced(price=D(99))

    assert str(caught.value) == (
        "order 'o1' is accepted and was modified; expected pending_replace"
    )


def test_only_an_order_that_was_never_sent_can_be_sized() -> None:
    """What the venue has is changed by asking the venue."""
    assert order().sized(D(3)) == order(quantity=D(3))
    with pytest.raises(InvalidTransitionError) as caught:
        working().sized(D(3))
    assert str(caught.value) == (
        "order 'o1' is accepted and cannot be given a size; expected new;"
        " to fix it: ask the venue to modify it"
    )


def trailing(side: Side, **changes: Any) -> Order:
    """Return a trailing stop."""
    return order(OrderType.TRAILING_STOP, side=side, **changes)


def test_the_trigger_of_a_sale_only_rises() -> None:
    """It follows the market up at its distance and stays when the market falls."""
    start = trailing(Side.SELL, trail=D("5"))
    first = start.trailed(D("100.5"), D(1))
    assert first.trigger == 95
    assert first.trailed(D("103"), D(1)).trigger == 98
    assert first.trailed(D("100"), D(1)) is first
    assert first.trailed(D("90"), D(1)) is first


def test_the_trigger_of_a_purchase_only_falls() -> None:
    """The mirror image, rounded away from the market too."""
    start = trailing(Side.BUY, trail=D("5"))
    first = start.trailed(D("100.5"), D(1))
    assert first.trigger == 106
    assert first.trailed(D("98"), D(1)).trigger == 103
    assert first.trailed(D("101"), D(1)) is first
    assert first.trailed(D("120"), D(1)) is first


@pytest.mark.parametrize(("side", "expected"), [(Side.SELL, "180.99"), (Side.BUY, "221.23")])
def test_a_fraction_trails_in_proportion(side: Side, expected: str) -> None:
    """Ten per cent of 201.11, on a grid of cents, away from the market."""
    start = trailing(side, trail=D("0.1"), trail_unit=TrailUnit.FRACTION)
    # 201.11 less 20.111 is 180.999, plus 20.111 is 221.221
    assert str(start.trailed(D("201.11"), D("0.01")).trigger) == expected


def test_a_fraction_of_a_negative_price_is_a_distance() -> None:
    """Below zero the stop is still on the losing side of the market."""
    start = trailing(Side.SELL, trail=D("0.1"), trail_unit=TrailUnit.FRACTION)
    assert start.trailed(D("-10"), D("0.5")).trigger == D("-11.0")


def test_only_a_trailing_stop_trails() -> None:
    """Asking another order to follow the market is a mistake."""
    with pytest.raises(InvalidValueError) as caught:
        order().trailed(D(100), D(1))

    assert str(caught.value) == "order 'o1' is not valid: it has no trail"


@pytest.mark.parametrize(
    ("side", "position", "expected"),
    [
        (Side.SELL, "4", "4"),
        (Side.SELL, "40", "10"),
        (Side.SELL, "-4", "0"),
        (Side.SELL, "0", "0"),
        (Side.BUY, "-4", "4"),
        (Side.BUY, "-40", "10"),
        (Side.BUY, "4", "0"),
        (Side.BUY, "0", "0"),
    ],
)
def test_reducible_never_flips_a_position(side: Side, position: str, expected: str) -> None:
    """At most the position, at most what is left, and nothing in its own direction."""
    assert order(side=side).reducible(D(position)) == D(expected)


def test_reducible_counts_only_what_is_left() -> None:
    """What is filled already cannot be traded again."""
    assert working().fill(fill(quantity="7")).reducible(D(-100)) == 3

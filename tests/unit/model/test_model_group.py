"""Orders that depend on each other."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from rustybt.model import (
    Fill,
    GroupAction,
    GroupKind,
    InvalidValueError,
    Order,
    OrderGroup,
    OrderState,
    OrderType,
    Reaction,
    Side,
    bracket,
    oco,
    reactions,
)

D = Decimal
NOW = datetime(2024, 3, 1, tzinfo=UTC)


def order(client_id: str, kind: OrderType = OrderType.LIMIT, **changes: Any) -> Order:
    """Return an order to sell 10 with *changes*."""
    prices: dict[OrderType, dict[str, Decimal]] = {
        OrderType.MARKET: {},
        OrderType.LIMIT: {"price": D(110)},
        OrderType.TAKE_PROFIT: {"trigger": D(110)},
        OrderType.STOP: {"trigger": D(90)},
        OrderType.STOP_LIMIT: {"trigger": D(90), "price": D(89)},
        OrderType.TRAILING_STOP: {"trail": D(10)},
    }
    fields = {
        "client_id": client_id,
        "symbol": "X",
        "side": Side.SELL,
        "type": kind,
        "quantity": D(10),
        "created": NOW,
        "reduce_only": True,
    }
    return Order(**{**fields, **prices[kind], **changes})


def entry(**changes: Any) -> Order:
    """Return an order to buy 10."""
    fields = {"side": Side.BUY, "reduce_only": False}
    return order("entry", OrderType.MARKET, **{**fields, **changes})


def profit(**changes: Any) -> Order:
    """Return the exit with a profit."""
    return order("profit", **changes)


def loss(**changes: Any) -> Order:
    """Return the exit with a loss."""
    return order("loss", OrderType.STOP, **changes)


def working(made: Order) -> Order:
    """Return *made* as accepted by the venue."""
    return made.to(OrderState.SUBMITTED).accepted("v-" + made.client_id)


def filled(made: Order, quantity: int) -> Order:
    """Return *made* with *quantity* more filled."""
    trade_id = f"t{len(made.fills)}"
    return made.fill(
        Fill(trade_id, made.client_id, made.symbol, made.side, D(quantity), D(100), NOW)
    )


def react(group: OrderGroup, *orders: Order) -> tuple[GroupAction, ...]:
    """Return the reactions of *group* to *orders*."""
    return reactions(group, {each.client_id: each for each in orders})


def cancel(client_id: str) -> GroupAction:
    """Return a cancel."""
    return GroupAction(Reaction.CANCEL, client_id)


def submit(client_id: str, quantity: int) -> GroupAction:
    """Return a submission."""
    return GroupAction(Reaction.SUBMIT, client_id, D(quantity))


def resize(client_id: str, quantity: int) -> GroupAction:
    """Return a modification."""
    return GroupAction(Reaction.RESIZE, client_id, D(quantity))


@pytest.fixture
def pair() -> tuple[OrderGroup, Order, Order]:
    """A one-cancels-other group whose two orders work at the venue."""
    group, (first, second) = oco("g", order("a"), order("b", OrderType.STOP))
    return group, working(first), working(second)


@pytest.fixture
def brackets() -> OrderGroup:
    """A bracket of an entry and its exits."""
    return bracket("g", entry(), take_profit=profit(), stop_loss=loss())[0]


def test_the_makers_name_the_group_in_each_order() -> None:
    """Group and orders know each other, in the order given."""
    group, orders = oco("g", order("a"), order("b"), order("c"))
    assert group == OrderGroup("g", GroupKind.OCO, ("a", "b", "c"))
    assert [each.group for each in orders] == ["g", "g", "g"]
    group, orders = bracket("h", entry(), take_profit=profit(), stop_loss=loss())
    assert group == OrderGroup("h", GroupKind.BRACKET, ("entry", "profit", "loss"))
    assert [each.group for each in orders] == ["h", "h", "h"]


@pytest.mark.parametrize(
    ("group_id", "members", "expected"),
    [
        ("g", ("a",), "a group has at least 2 members, not 1"),
        ("g", (), "a group has at least 2 members, not 0"),
        ("g", ("a", "b", "a"), "members a, b, a are not all different"),
        ("", ("a", "b"), "group_id must be text without blanks around it, not ''"),
        ("g", ("a", ""), "member must be text without blanks around it, not ''"),
    ],
)
def test_a_group_has_different_members(
    group_id: str, members: tuple[str, ...], expected: str
) -> None:
    """Two at least, none twice, all named."""
    with pytest.raises(InvalidValueError) as caught:
        OrderGroup(group_id, GroupKind.OCO, members)
    assert caught.value.what == f"group {group_id!r}"
    assert caught.value.problems == (expected,)


def test_a_groups_kind_is_a_member() -> None:
    """Text is converted at the edges."""
    with pytest.raises(
        InvalidValueError,
        match=r"kind must be one of GroupKind\.OCO, GroupKind\.BRACKET, not 'oco'",
    ):
        OrderGroup("g", "oco", ("a", "b"))  # type: ignore[arg-type]  # the wrong type is the point


@pytest.mark.parametrize("changes", [{"symbol": "Y"}, {"side": Side.BUY}])
def test_alternatives_trade_the_same_thing(changes: dict[str, Any]) -> None:
    """Orders in different symbols or directions are no alternatives."""
    with pytest.raises(InvalidValueError) as caught:
        oco("g", order("a"), order("b", **changes))
    assert str(caught.value) == "group 'g' is not valid: its orders differ in symbol or side"


@pytest.mark.parametrize("kind", [OrderType.LIMIT, OrderType.TAKE_PROFIT])
@pytest.mark.parametrize("stop", [OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP])
def test_types_of_exits(kind: OrderType, stop: OrderType) -> None:
    """Each sensible pair of exits makes a bracket."""
    group, _ = bracket("g", entry(), take_profit=order("p", kind), stop_loss=order("l", stop))
    assert group.members == ("entry", "p", "l")


def test_exits_must_undo_the_entry() -> None:
    """All that is wrong with both exits is named at once."""
    wrong = order(
        "p", OrderType.MARKET, symbol="Y", side=Side.BUY, quantity=D(9), reduce_only=False
    )
    with pytest.raises(InvalidValueError) as caught:
        bracket("g", entry(), take_profit=wrong, stop_loss=order("l"))
    assert caught.value.what == "group 'g'"
    assert caught.value.problems == (
        "take_profit is a market order",
        "take_profit trades 'Y', the entry 'X'",
        "take_profit is a buy like the entry",
        "take_profit is of 9, the entry of 10",
        "take_profit is not reduce_only",
        "stop_loss is a limit order",
    )


def test_nothing_happens_while_no_alternative_trades(pair: tuple[OrderGroup, Order, Order]) -> None:
    """Waiting, or one ending without a trade, leaves the other alone."""
    group, first, second = pair
    assert react(group, first, second) == ()
    assert react(group, first.to(OrderState.CANCELLED), second) == ()


def test_a_trade_of_one_cancels_the_other(pair: tuple[OrderGroup, Order, Order]) -> None:
    """Even a partial one, whichever it is."""
    group, first, second = pair
    assert react(group, filled(first, 1), second) == (cancel("b"),)
    assert react(group, first, filled(second, 10)) == (cancel("a"),)


def test_a_trigger_of_one_cancels_the_other(pair: tuple[OrderGroup, Order, Order]) -> None:
    """The market order it became must not race with the limit."""
    group, first, second = pair
    assert react(group, first, second.to(OrderState.TRIGGERED)) == (cancel("a"),)


def test_a_cancel_is_asked_for_once(pair: tuple[OrderGroup, Order, Order]) -> None:
    """Not while it is under way and not when the order has ended."""
    group, first, second = pair
    done = filled(first, 10)
    assert react(group, done, second.to(OrderState.PENDING_CANCEL)) == ()
    assert react(group, done, second.to(OrderState.CANCELLED)) == ()
    assert react(group, done, second.to(OrderState.PENDING_REPLACE)) == (cancel("b"),)


def test_exits_wait_for_the_entry(brackets: OrderGroup) -> None:
    """Nothing is sent before the entry fills."""
    for waiting in (entry(), working(entry())):
        assert react(brackets, waiting, profit(), loss()) == ()


def test_exits_are_sent_for_what_is_filled(brackets: OrderGroup) -> None:
    """A partial fill of the entry is protected at once, with its own size."""
    part = filled(working(entry()), 4)
    assert react(brackets, part, profit(), loss()) == (submit("profit", 4), submit("loss", 4))


def test_exits_grow_with_the_entry(brackets: OrderGroup) -> None:
    """More of the entry resizes the exits that work; those in flight are left until they answer."""
    full = filled(filled(working(entry()), 4), 6)
    small = [working(profit().sized(D(4))), working(loss().sized(D(4)))]
    assert react(brackets, full, *small) == (resize("profit", 10), resize("loss", 10))
    for state in (OrderState.PENDING_REPLACE, OrderState.PENDING_CANCEL):
        assert react(brackets, full, small[0].to(state), small[1]) == (resize("loss", 10),)
    flying = profit().sized(D(4)).to(OrderState.SUBMITTED)
    assert react(brackets, full, flying, small[1]) == (resize("loss", 10),)


def test_exits_of_the_right_size_are_left_alone(brackets: OrderGroup) -> None:
    """Asking again changes nothing."""
    full = filled(working(entry()), 10)
    assert react(brackets, full, working(profit()), working(loss())) == ()


def test_one_exit_shrinks_as_the_other_trades(brackets: OrderGroup) -> None:
    """The stop protects what the profit has not closed yet; its own fills count."""
    full = filled(working(entry()), 10)
    part = filled(working(profit()), 3)
    assert react(brackets, full, part, working(loss())) == (resize("loss", 7),)
    both = filled(working(loss()), 2)
    assert react(brackets, full, part, both) == (resize("profit", 8), resize("loss", 7))


def test_the_last_exit_cancels_the_other(brackets: OrderGroup) -> None:
    """With everything closed, nothing may stay that could open a new position."""
    full = filled(working(entry()), 10)
    assert react(brackets, full, filled(working(profit()), 10), working(loss())) == (
        cancel("loss"),
    )


def test_an_entry_that_ends_unfilled_takes_the_exits_along(brackets: OrderGroup) -> None:
    """Exits that were never sent are dropped, all of them."""
    ended = working(entry()).to(OrderState.CANCELLED)
    assert react(brackets, ended, profit(), loss()) == (cancel("profit"), cancel("loss"))


def test_a_partly_filled_entry_that_ends_keeps_its_exits(brackets: OrderGroup) -> None:
    """What was bought is still protected."""
    ended = filled(working(entry()), 4).to(OrderState.CANCELLED)
    exits = working(profit().sized(D(4))), working(loss().sized(D(4)))
    assert react(brackets, ended, *exits) == ()


def test_the_rest_of_an_entry_is_not_wanted_after_an_exit(brackets: OrderGroup) -> None:
    """It is cancelled; the other exit stays until that is certain."""
    part = filled(working(entry()), 4)
    taken = filled(working(profit().sized(D(4))), 4)
    stop = working(loss().sized(D(4)))
    assert react(brackets, part, taken, stop) == (cancel("entry"),)
    cancelling = part.to(OrderState.PENDING_CANCEL)
    assert react(brackets, cancelling, taken, stop) == ()
    raced = filled(cancelling, 1)
    assert react(brackets, raced, taken, stop) == (resize("loss", 1),)
    assert react(brackets, part.to(OrderState.CANCELLED), taken, stop) == (cancel("loss"),)


def test_a_partial_exit_cancels_the_entry_and_sizes_the_other(brackets: OrderGroup) -> None:
    """Both reactions come in one answer."""
    part = filled(working(entry()), 4)
    taken = filled(working(profit().sized(D(4))), 1)
    stop = working(loss().sized(D(4)))
    assert react(brackets, part, taken, stop) == (cancel("entry"), resize("loss", 3))


def test_exits_that_ended_are_not_resized(brackets: OrderGroup) -> None:
    """A rejected exit cannot be modified."""
    full = filled(working(entry()), 10)
    rejected = working(profit().sized(D(4))).to(OrderState.REJECTED)
    assert react(brackets, full, rejected, working(loss())) == ()

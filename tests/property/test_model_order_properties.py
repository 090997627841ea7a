"""Properties of orders under any sequence of fills and reports."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rustybt.model import (
    CLOSED,
    TRANSITIONS,
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
from rustybt.model.codec import from_json, from_msgpack, to_json, to_msgpack

NOW = datetime(2024, 3, 1, tzinfo=UTC)

amounts = st.integers(1, 10**12).map(lambda value: Decimal(value).scaleb(-(value % 10)))
quantities = st.integers(1, 8).map(Decimal)
steps = st.one_of(
    quantities,
    st.sampled_from(OrderState),
    st.sampled_from(["accepted", "resumed", "replaced", "repeat"]),
)


def market(quantity: Decimal) -> Order:
    """Return an order that was sent."""
    order = Order(
        client_id="o",
        symbol="X",
        side=Side.BUY,
        type=OrderType.MARKET,
        quantity=quantity,
        created=NOW,
    )
    return order.to(OrderState.SUBMITTED)


def take(order: Order, step: Any, number: int) -> Order:
    """Return *order* after one step: a fill, a state or a report."""
    if isinstance(step, Decimal):
        return order.fill(Fill(f"t{number}", "o", "X", Side.BUY, step, Decimal(number), NOW))
    if isinstance(step, OrderState):
        return order.to(step)
    if step == "accepted":
        return order.accepted(f"v{number}")
    if step == "resumed":
        return order.resumed("refused")
    if step == "replaced":
        return order.replaced(quantity=Decimal(12))
    return order.fill(order.fills[-1]) if order.fills else order


@given(quantities, st.lists(steps, max_size=12))
def test_no_sequence_of_reports_breaks_an_order(quantity: Decimal, sequence: list[Any]) -> None:
    """Each step follows the table or raises one of ours; fills never vanish, sums always agree."""
    order = market(quantity)
    for number, step in enumerate(sequence, start=1):
        before = order
        try:
            order = take(order, step, number)
        except (InvalidTransitionError, InvalidValueError, OverfillError):
            continue
        assert order.state is before.state or order.state in TRANSITIONS[before.state]
        assert order.fills[: len(before.fills)] == before.fills
        assert order.filled == sum(fill.quantity for fill in order.fills)
        assert order.filled + order.leaves == order.quantity
        assert (order.leaves == 0) == (order.state is OrderState.FILLED)
        assert order.is_open == (order.state not in CLOSED)
        assert order.triggered >= before.triggered


@given(st.lists(amounts, min_size=1, max_size=6), st.integers(0, 10**6))
def test_the_order_of_fills_does_not_matter(parts: list[Decimal], seed: int) -> None:
    """Reordered and repeated fills give the same filled quantity, value and state."""
    quantity = sum(parts, Decimal(0))
    fills = [
        Fill(f"t{number}", "o", "X", Side.BUY, part, Decimal(number + 1), NOW)
        for number, part in enumerate(parts)
    ]
    straight, shuffled = market(quantity), market(quantity)
    for fill in fills:
        straight = straight.fill(fill)
    mixed = fills * 2
    Random(seed).shuffle(mixed)  # noqa: S311 - a reproducible order, no secret
    for fill in mixed:
        shuffled = shuffled.fill(fill)
    assert straight.state is shuffled.state is OrderState.FILLED
    assert straight.filled_value == shuffled.filled_value
    assert straight.average_price == shuffled.average_price


PRICES: dict[OrderType, tuple[str, ...]] = {
    OrderType.MARKET: (),
    OrderType.LIMIT: ("price",),
    OrderType.STOP: ("trigger",),
    OrderType.STOP_LIMIT: ("price", "trigger"),
    OrderType.TRAILING_STOP: ("trail",),
    OrderType.TAKE_PROFIT: ("trigger",),
}


@given(
    st.sampled_from(OrderType),
    st.sampled_from(Side),
    amounts,
    amounts,
    st.text(st.characters(codec="utf-8", categories=["L"]), min_size=1, max_size=8),
    st.booleans(),
)
def test_any_order_survives_both_formats(
    kind: OrderType, side: Side, quantity: Decimal, price: Decimal, client_id: str, done: bool
) -> None:
    """JSON and msgpack give back the same order, and the same bytes again."""
    prices: dict[str, Any] = dict.fromkeys(PRICES[kind], price)
    order = Order(
        client_id=client_id,
        symbol="X",
        side=side,
        type=kind,
        quantity=quantity,
        created=NOW,
        time_in_force=TimeInForce.GTD,
        expires=datetime(2025, 1, 1, tzinfo=UTC),
        **prices,
    )
    if done:
        part = Fill("t", client_id, "X", side, quantity, price, NOW)
        order = order.to(OrderState.SUBMITTED).fill(part)
    assert from_json(to_json(order), Order) == order
    assert from_msgpack(to_msgpack(order), Order) == order
    assert to_json(from_msgpack(to_msgpack(order), Order)) == to_json(order)


@given(
    st.sampled_from(Side),
    st.sampled_from(TrailUnit),
    st.lists(st.integers(1, 10**6), min_size=1, max_size=12),
)
def test_a_trailing_stop_never_moves_back(side: Side, unit: TrailUnit, cents: list[int]) -> None:
    """The trigger of a sale never falls, that of a buy never rises, and it keeps its distance."""
    trail = Decimal("0.05") if unit is TrailUnit.FRACTION else Decimal("7.5")
    order = Order(
        client_id="o",
        symbol="X",
        side=side,
        type=OrderType.TRAILING_STOP,
        quantity=Decimal(1),
        created=NOW,
        trail=trail,
        trail_unit=unit,
    )
    for market_price in (Decimal(each).scaleb(-2) for each in cents):
        before, order = order.trigger, order.trailed(market_price, Decimal("0.25"))
        assert order.trigger is not None
        distance = market_price * trail if unit is TrailUnit.FRACTION else trail
        assert order.trigger % Decimal("0.25") == 0
        if side is Side.SELL:
            assert before is None or order.trigger >= before
            assert order.trigger > market_price - distance - Decimal("0.25")
        else:
            assert before is None or order.trigger <= before
            assert order.trigger < market_price + distance + Decimal("0.25")

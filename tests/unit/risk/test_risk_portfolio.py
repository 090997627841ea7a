"""The snapshot: how far positions could go, and what they would be worth."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from rustybt.model import Fill, OrderState, Side
from rustybt.risk.portfolio import Reach

D = Decimal


def test_reach_is_position_with_all_of_one_side(desk: Any) -> None:
    """What reduces or belongs to something else is left out."""
    snapshot = desk.snapshot(
        desk.order("buy 3 X", client_id="b1"),
        desk.order("buy 4 X limit price=9", client_id="b2"),
        desk.order("sell 5 X", client_id="s1"),
        desk.order("sell 100 X market reduce_only", client_id="s2"),
        desk.order("buy 100 Y", client_id="y"),
        positions={"X": "2"},
    )
    assert snapshot.reach("X") == Reach(D(-3), D(9))
    assert snapshot.reach("X").largest == 9
    assert snapshot.reach("X", desk.order("sell 10 X")) == Reach(D(-13), D(9))
    assert snapshot.reach("X", desk.order("sell 10 X")).largest == 13
    assert snapshot.reach("X", desk.order("sell 6 X", client_id="s1")) == Reach(D(-4), D(9))
    assert snapshot.reach("Z") == Reach(D(0), D(0))
    assert snapshot.reach("X") == Reach(D(-3), D(9))


def test_of_alternatives_only_the_largest_counts(desk: Any) -> None:
    """One cancels the other; of different groups and sides each counts."""
    snapshot = desk.snapshot(
        desk.order("buy 3 X", client_id="a", group="g"),
        desk.order("buy 4 X", client_id="b", group="g"),
        desk.order("buy 3 X", client_id="b2", group="g"),
        desk.order("buy 2 X", client_id="c", group="h"),
        desk.order("buy 1 X", client_id="d"),
        desk.order("sell 7 X", client_id="e", group="g"),
    )
    assert snapshot.reach("X") == Reach(D(-7), D(7))


def test_what_is_filled_is_no_longer_pending(desk: Any) -> None:
    """It is in the position; of an order that has ended nothing is left."""
    order = desk.order("buy 10 X").to(OrderState.SUBMITTED).accepted("v")
    part = order.fill(Fill("t", "a", "X", Side.BUY, D(4), D(100), desk.now))
    snapshot = desk.snapshot(part, positions={"X": "4"})
    assert snapshot.reach("X") == Reach(D(4), D(10))
    snapshot.include(part.to(OrderState.CANCELLED))
    assert snapshot.reach("X") == Reach(D(4), D(4))
    snapshot.include(part.to(OrderState.CANCELLED))
    assert snapshot.reach("X") == Reach(D(4), D(4))


def test_gross_exposure_counts_each_position_at_its_worst(desk: Any) -> None:
    """Long and short ones add up, in the account's currency."""
    snapshot = desk.snapshot(
        desk.order("sell 5 X", client_id="s"), positions={"X": "2", "Y": "-7", "E": "4", "F": "1"}
    )
    # X may be 3 short: 300. Y 70, E 4 * 20 * 1.25 = 100, F 4 * 50 = 200.
    assert snapshot.gross_exposure("Z2", Reach(D(0), D(0))) is None
    assert snapshot.gross_exposure("X", Reach(D(-3), D(2))) == 670
    assert snapshot.gross_exposure("X", Reach(D(-1), D(20))) == 2370
    assert snapshot.gross_exposure("X", Reach(D(0), D(0))) == 370


def test_gross_exposure_follows_what_is_included(desk: Any) -> None:
    """Also when it was worked out before."""
    snapshot = desk.snapshot(positions={"X": "2"})
    nothing = Reach(D(0), D(0))
    assert snapshot.gross_exposure("Y", nothing) == 200
    order = desk.order("buy 3 X")
    snapshot.include(order)
    assert snapshot.gross_exposure("Y", nothing) == 500
    snapshot.include(desk.order("buy 3 F", client_id="f"))
    assert snapshot.gross_exposure("Y", nothing) == 1100
    assert set(snapshot.occupied()) == {"X", "F"}
    snapshot.include(order.to(OrderState.CANCELLED))
    assert snapshot.gross_exposure("Y", nothing) == 800


def test_a_position_without_a_value_is_unknown(desk: Any) -> None:
    """Unless it is the one that is asked about and can be valued."""
    snapshot = desk.snapshot(positions={"Z": "1", "X": "1"})
    assert snapshot.gross_exposure("X", Reach(D(1), D(1))) is None
    assert snapshot.gross_exposure("Z", Reach(D(1), D(1))) is None
    assert set(snapshot.occupied()) == {"Z", "X"}
    flat = desk.snapshot(positions={"Z": "0", "X": "1"})
    assert flat.gross_exposure("X", Reach(D(1), D(1))) == 100
    assert set(flat.occupied()) == {"X"}


def test_an_order_that_opens_what_has_no_value(desk: Any) -> None:
    """It makes the sum unknown for all others, until it is gone."""
    snapshot = desk.snapshot()
    assert snapshot.gross_exposure("X", Reach(D(1), D(1))) == 100
    order = desk.order("buy 1 Z")
    snapshot.include(order)
    assert snapshot.gross_exposure("X", Reach(D(1), D(1))) is None
    snapshot.include(order.to(OrderState.CANCELLED))
    assert snapshot.gross_exposure("X", Reach(D(1), D(1))) == 100


@pytest.mark.parametrize(
    ("symbol", "price", "expected"),
    [
        ("X", "100", "100"),
        ("X", "-100", "100"),
        ("E", "20", "25.00"),
        ("F", "4", "200"),
        ("Z", "1", None),
    ],
)
def test_the_value_of_a_unit(desk: Any, symbol: str, price: str, expected: str | None) -> None:
    """Price times multiplier times exchange rate, without a sign."""
    value = desk.snapshot().unit_value(symbol, D(price))
    assert value == (None if expected is None else D(expected))


def test_the_value_of_a_unit_needs_a_price_and_a_rate(desk: Any) -> None:
    """The account's own currency needs no rate."""
    assert desk.snapshot().unit_value("X", None) is None
    assert desk.snapshot(rates=None).unit_value("E", D(1)) is None
    assert desk.snapshot(rates=None).unit_value("X", D(1)) == 1
    assert desk.snapshot().price("X") == 100
    assert desk.snapshot().price("Z") is None
    assert desk.snapshot(positions={"X": "-3"}).position("X") == -3
    assert desk.snapshot().position("X") == 0

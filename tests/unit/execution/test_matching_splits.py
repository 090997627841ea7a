"""Splits: orders at work are brought to the new units and prices."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from rustybt.execution import UnknownOrderError
from rustybt.execution.splits import Split, split_order
from rustybt.model import OrderState, TrailUnit, bracket

D = Decimal


def split(venue: Any, new: int, old: int) -> list[str]:
    """Split the symbol at the venue and with the owner of the orders."""
    held = venue.matcher.position("X")
    told: list[str] = venue._told(venue.matcher.split("X", new, old, venue.now))
    book = venue.matcher.book("X")
    for client_id in book.orders:
        order = split_order(venue.orders[client_id], Split(new, old), book.instrument)
        assert order is not None
        venue.orders.revise(order)
    venue.matcher.set_position("X", Split(new, old).units(held, D(1)))
    return told


def terms(venue: Any, client_id: str = "a") -> list[Decimal | None]:
    """Return quantity, price, trigger and trail as the owner knows them."""
    order = venue.orders[client_id]
    return [order.quantity, order.price, order.trigger, order.trail]


def at_work(venue: Any, client_id: str = "a") -> list[Decimal | None]:
    """Return quantity left, price, trigger and trail as the venue knows them."""
    working = venue.matcher.book("X").orders[client_id]
    order = working.order
    return [working.leaves, order.price, order.trigger, order.trail]


@pytest.mark.parametrize(
    ("order", "after"),
    [
        ("buy 10 limit price=99", [D(20), D("49.5"), None, None]),
        ("sell 10 stop trigger=90", [D(20), None, D(45), None]),
        ("sell 10 stop_limit trigger=90 price=88", [D(20), D(44), D(45), None]),
        ("sell 10 trailing_stop trail=4", [D(20), None, None, D(2)]),
        ("buy 10 market", [D(20), None, None, None]),
    ],
)
def test_terms_are_rescaled(venue: Any, order: str, after: list[Decimal | None]) -> None:
    """Twice the units at half the prices."""
    venue.submit(order)

    assert split(venue, 2, 1) == []
    assert terms(venue) == after
    assert at_work(venue) == after


def test_a_distance_that_is_a_fraction_stays_one(venue: Any) -> None:
    """A tenth of the price is a tenth of any price."""
    order = venue.order("sell 10 trailing_stop trail=0.1", trail_unit=TrailUnit.FRACTION)
    venue.submit(order)
    split(venue, 2, 1)

    assert at_work(venue) == [D(20), None, None, D("0.1")]


def test_limits_are_never_rounded_to_the_worse_side(venue: Any) -> None:
    """Three for one of 100 is 33.333...: a buy pays at most 33.33, a sale brings 33.34."""
    venue.submit("buy 10 limit price=100", "b: sell 10 limit price=100")

    split(venue, 3, 1)
    assert terms(venue)[1] == D("33.33")
    assert terms(venue, "b")[1] == D("33.34")
    assert venue.bar("33.33 33.33 33 33") == ["a buy 30 at 33.33 open taker"]


def test_the_bounds_follow(venue: Any) -> None:
    """A bar that would have been idle before the split is looked at after it, and the reverse."""
    venue.submit("buy 10 limit price=90")
    venue.bar("100 101 99 100")
    split(venue, 1, 2)

    assert venue.matcher.book("X").bounds.lower == 180
    assert venue.bar("200 201 170 190") == ["a buy 5 at 180.00 maker"]


def test_trailing_stops_go_on_from_the_best_price(venue: Any) -> None:
    """The best price so far is halved with everything else."""
    venue.submit("sell 10 trailing_stop trail=4")
    venue.bar("108 110 107 110")
    split(venue, 2, 1)

    assert at_work(venue) == [D(20), None, D(53), D(2)]
    # The best so far is 55: a market of 54 moves nothing, one of 56 does.
    venue.bar("54 54 54 54")
    assert at_work(venue)[2] == 53
    venue.bar("54 56 54 55")
    assert at_work(venue)[2] == 54


def test_a_partly_filled_order_keeps_the_rest(make_venue: Any) -> None:
    """Of 10, 4 were filled: 8 of 20 are, and 12 are left."""
    venue = make_venue(volume_share=D("0.1"))
    venue.submit("buy 10 limit price=100")
    assert venue.bar("100 100 100 100", volume="40") == ["a buy 4 at 100 open taker"]
    split(venue, 2, 1)

    order = venue.orders["a"]
    assert (order.quantity, order.filled, order.leaves) == (20, 8, 12)
    assert order.fills[0].price == 50
    assert at_work(venue)[0] == 12
    assert venue.bar("50 50 50 50", volume="1000") == ["a buy 12 at 50 open maker"]
    assert venue.orders["a"].state is OrderState.FILLED


def test_what_a_split_leaves_nothing_of_ends(make_venue: Any) -> None:
    """One for ten of 9 units is less than a unit: the order is cancelled; 19 become 1."""
    venue = make_venue()
    venue.submit("buy 9 limit price=10", "b: buy 19 limit price=10")

    assert split(venue, 1, 10) == ["a cancelled: nothing of it is left after a split"]
    assert at_work(venue, "b")[:2] == [D(1), D(100)]
    assert venue.orders["a"].state is OrderState.CANCELLED


def test_less_than_a_lot_filled_counts_as_nothing(make_venue: Any) -> None:
    """Of 30, 3 were filled: after one for ten nothing is, and 2 are left."""
    venue = make_venue(volume_share=D("0.1"))
    venue.submit("buy 30 limit price=10")
    venue.bar("10 10 10 10", volume="30")
    split(venue, 1, 10)

    order = venue.orders["a"]
    assert (order.state, order.filled, order.quantity) == (OrderState.ACCEPTED, D(0), D(2))


def bracketed(venue: Any, quantity: int = 10) -> None:
    """Send an entry ``e`` with its exits ``p`` and ``s``."""
    group, members = bracket(
        "g",
        venue.order(f"buy {quantity} limit price=100", client_id="e"),
        take_profit=venue.order(f"sell {quantity} limit price=120 reduce_only", client_id="p"),
        stop_loss=venue.order(f"sell {quantity} stop trigger=80 reduce_only", client_id="s"),
    )
    venue.submit(*members, group=group)


def test_a_bracket_splits_as_a_whole(venue: Any) -> None:
    """Exits keep closing what the entry filled, one part before the split and one after it."""
    bracketed(venue)
    venue.bar("100 100 100 100")
    split(venue, 2, 1)

    assert at_work(venue, "p") == [D(20), D(60), None, None]
    assert at_work(venue, "s") == [D(20), None, D(40), None]
    told = venue.bar("50 61 50 60")
    assert told == ["p sell 20 at 60.00 maker", "s cancelled: another order of group 'g' ended it"]
    assert venue.position == 0


def test_a_bracket_before_its_entry_waits_on(venue: Any) -> None:
    """The exits wait for the entry in new units."""
    bracketed(venue)
    split(venue, 3, 2)

    assert at_work(venue, "e")[:2] == [D(15), D("66.66")]
    venue.bar("60 66 60 60")
    assert at_work(venue, "s")[0] == 15


def test_a_partly_filled_bracket_stays_in_step(make_venue: Any) -> None:
    """4 of 10 are in when 2 for 1 comes: exits of 8, then of 20."""
    venue = make_venue(volume_share=D("0.1"))
    bracketed(venue)
    venue.bar("100 100 100 100", volume="40")
    assert at_work(venue, "p")[0] == 4
    split(venue, 2, 1)

    assert at_work(venue, "e")[0] == 12
    assert at_work(venue, "p")[0] == 8
    venue.bar("50 50 50 50", volume="1000")
    assert [at_work(venue, name)[0] for name in "ps"] == [20, 20]


def test_a_bracket_without_units_ends(venue: Any) -> None:
    """One for a hundred of 10 units: nothing is held and nothing is left to exit."""
    bracketed(venue)
    venue.bar("100 100 100 100")
    gone = "cancelled: nothing of it is left after a split"

    assert split(venue, 1, 100) == [f"p {gone}", f"s {gone}"]
    assert venue.matcher.book("X").orders == {}
    assert not venue.matcher.book("X").has_group("g")


def test_ended_members_of_a_group_are_no_obstacle(make_venue: Any) -> None:
    """A take-profit that has ended leaves the stop to be split alone."""
    venue = make_venue()
    bracketed(venue)
    venue.bar("100 100 100 100")
    venue.cancel("p")
    split(venue, 1, 6)

    assert at_work(venue, "s")[0] == 1
    assert venue.bar("480 481 479 480") == ["s triggered", "s sell 1 at 480 open taker"]


def test_an_order_that_ended_unfilled_stays_so(venue: Any) -> None:
    """Nothing is left of 3 after one for ten, and yet they count as not filled."""
    venue.submit("buy 3 limit price=1")
    venue.cancel()
    order = split_order(venue.orders["a"], Split(1, 10), venue.matcher.book("X").instrument)

    assert order is not None
    assert (order.state, order.quantity, order.filled) == (OrderState.CANCELLED, D(1), D(0))


def test_nothing_to_split_is_no_error(venue: Any) -> None:
    """A symbol without orders has nothing to rescale; an order nobody knows is refused."""
    assert venue.matcher.split("Y", 2, 1, venue.now) == []
    with pytest.raises(UnknownOrderError):
        venue.orders.revise(venue.order("buy 1 market"))

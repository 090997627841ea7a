"""The path a bar is taken to follow: it decides which of two orders the market met first."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from rustybt.execution import FillPolicy
from rustybt.execution.market import path
from rustybt.model import Bar, Side

D = Decimal
BOTH = {Side.BUY, Side.SELL}
LOW_FIRST, HIGH_FIRST = (D(90), D(120), D(105)), (D(120), D(90), D(105))


@pytest.fixture
def bar(make_venue: Any) -> Bar:
    """A bar whose low is nearer to its open than its high."""
    venue = make_venue()
    venue.bar("100 120 90 105")
    seen: Bar = venue.seen
    return seen


@pytest.mark.parametrize("policy", [FillPolicy.NEXT_OPEN, FillPolicy.SAME_CLOSE])
@pytest.mark.parametrize(
    ("position", "sides", "expected"),
    [
        (5, BOTH, LOW_FIRST),
        (5, {Side.BUY}, LOW_FIRST),
        (-5, BOTH, HIGH_FIRST),
        (-5, {Side.SELL}, HIGH_FIRST),
        (0, {Side.BUY}, HIGH_FIRST),
        (0, {Side.SELL}, LOW_FIRST),
    ],
)
def test_the_worse_path(
    bar: Bar, policy: FillPolicy, position: int, sides: set[Side], expected: tuple[Decimal, ...]
) -> None:
    """What is held meets its adverse extreme first; what is to be opened meets it last."""
    assert path(bar, policy, D(position), sides) == expected


@pytest.mark.parametrize("sides", [set(), BOTH])
def test_without_a_side_the_likely_path(bar: Bar, sides: set[Side]) -> None:
    """Neither is worse, so the nearer extreme comes first."""
    assert path(bar, FillPolicy.NEXT_OPEN, D(0), sides) == LOW_FIRST


@pytest.mark.parametrize(
    ("prices", "high_first"),
    [
        ("100 110 80 100", True),
        ("100 120 90 100", False),
        ("100 110 90 99", True),
        ("100 110 90 101", False),
        ("100 110 90 100", False),
    ],
)
@pytest.mark.parametrize("position", [5, 0, -5])
def test_the_likely_path(venue: Any, prices: str, high_first: bool, position: int) -> None:
    """The nearer extreme first; if both are as near, the one that the close is not on."""
    venue.bar(prices)
    seen = venue.seen
    first, second = (seen.high, seen.low) if high_first else (seen.low, seen.high)
    for sides in (BOTH, {Side.BUY}, {Side.SELL}):
        expected = first, second, seen.close
        assert path(seen, FillPolicy.INTRABAR, D(position), sides) == expected


def test_a_long_position_is_stopped_before_it_profits(venue: Any) -> None:
    """Both are in the bar; nobody knows which came first."""
    venue.matcher.set_position("X", D(10))
    venue.submit("p: sell 10 limit price=105 reduce_only", "s: sell 10 stop trigger=95 reduce_only")
    assert venue.bar("100 106 94 100") == [
        "s triggered",
        "s sell 10 at 95 taker",
        "p cancelled: there is no position left to reduce",
    ]


def test_a_short_position_is_stopped_before_it_profits(venue: Any) -> None:
    """The mirror image."""
    venue.matcher.set_position("X", D(-10))
    venue.submit("p: buy 10 limit price=95 reduce_only", "s: buy 10 stop trigger=105 reduce_only")
    assert venue.bar("100 106 94 100")[:2] == ["s triggered", "s buy 10 at 105 taker"]


def test_along_the_likely_path_the_profit_may_come_first(make_venue: Any) -> None:
    """When the high is nearer."""
    venue = make_venue(policy=FillPolicy.INTRABAR)
    venue.matcher.set_position("X", D(10))
    venue.submit("p: sell 10 limit price=105 reduce_only", "s: sell 10 stop trigger=95 reduce_only")
    assert venue.bar("100 106 90 100")[:1] == ["p sell 10 at 105 maker"]


def test_an_entry_at_the_open_makes_the_position_that_counts(venue: Any) -> None:
    """Flat before the bar, long after its open: the low comes first."""
    venue.submit("e: buy 10 market")
    venue.submit("p: sell 10 limit price=105 reduce_only", "s: sell 10 stop trigger=95 reduce_only")
    assert venue.bar("100 106 94 100")[:3] == [
        "e buy 10 at 100 open taker",
        "s triggered",
        "s sell 10 at 95 taker",
    ]


def test_a_reduce_only_order_opens_nothing(venue: Any) -> None:
    """While flat only the entry decides on the path: the high before the low."""
    venue.submit("s: sell 10 stop trigger=80 reduce_only", "b: buy 1 stop trigger=106")
    venue.submit("c: buy 1 limit price=95")
    assert venue.bar("100 107 94 100") == [
        "b triggered",
        "b buy 1 at 106 taker",
        "c buy 1 at 95 maker",
    ]


def test_the_path_ends_at_the_close(venue: Any) -> None:
    """Down to the low for a long position, up to the high, back to the close and no further."""
    venue.matcher.set_position("X", D(10))
    venue.submit(
        "a: buy 1 stop_limit trigger=108 price=104", "b: buy 1 stop_limit trigger=108 price=103.99"
    )
    assert venue.bar("100 110 95 104") == [
        "a triggered",
        "b triggered",
        "a buy 1 at 104 maker",
    ]

"""Stops, stop-limits, take-profits and trailing stops: triggers, gaps, and what follows."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from rustybt.execution import FillPolicy, FixedSlippage
from rustybt.model import TrailUnit

D = Decimal


@pytest.mark.parametrize(
    ("words", "bar", "fill"),
    [
        ("sell 10 stop trigger=95", "100 101 95 99", "sell 10 at 95 taker"),
        ("sell 10 stop trigger=95", "100 101 90 99", "sell 10 at 95 taker"),
        ("sell 10 stop trigger=95", "92 101 90 99", "sell 10 at 92 open taker"),
        ("sell 10 stop trigger=95", "95 101 90 99", "sell 10 at 95 open taker"),
        ("buy 10 stop trigger=105", "100 105 95 99", "buy 10 at 105 taker"),
        ("buy 10 stop trigger=105", "100 110 95 99", "buy 10 at 105 taker"),
        ("buy 10 stop trigger=105", "108 110 95 99", "buy 10 at 108 open taker"),
        ("buy 10 stop trigger=105", "105 110 95 99", "buy 10 at 105 open taker"),
        ("sell 10 take_profit trigger=105", "100 105 95 99", "sell 10 at 105 taker"),
        ("sell 10 take_profit trigger=105", "108 110 95 99", "sell 10 at 108 open taker"),
        ("buy 10 take_profit trigger=95", "100 101 95 99", "buy 10 at 95 taker"),
        ("buy 10 take_profit trigger=95", "92 101 90 99", "buy 10 at 92 open taker"),
    ],
)
def test_a_trigger_makes_a_market_order(venue: Any, words: str, bar: str, fill: str) -> None:
    """At the trigger when the bar comes to it, at the open when it gaps through it."""
    venue.submit(words)
    assert venue.bar(bar) == ["a triggered", f"a {fill}"]


@pytest.mark.parametrize(
    ("words", "bar"),
    [
        ("sell 10 stop trigger=95", "100 101 95.01 99"),
        ("buy 10 stop trigger=105", "100 104.99 90 99"),
        ("sell 10 take_profit trigger=105", "100 104.99 90 99"),
        ("buy 10 take_profit trigger=95", "100 105 95.01 99"),
        ("sell 10 stop_limit trigger=95 price=94", "100 101 95.01 99"),
    ],
)
def test_nothing_happens_short_of_the_trigger(venue: Any, words: str, bar: str) -> None:
    """Not by a tick."""
    venue.submit(words)
    assert venue.bar(bar) == []
    assert venue.orders["a"].state == "accepted"


def test_stops_trigger_in_the_order_the_price_meets_them(venue: Any) -> None:
    """On the way up the lower buy is first, on the way down the higher sale."""
    venue.submit("a: buy 1 stop trigger=105", "b: buy 1 stop trigger=103")
    assert venue.bar("100 106 99 100") == [
        "b triggered",
        "b buy 1 at 103 taker",
        "a triggered",
        "a buy 1 at 105 taker",
    ]
    venue.submit("c: sell 1 stop trigger=95", "d: sell 1 stop trigger=97")
    assert [word.split()[0] for word in venue.bar("100 101 94 100")] == ["d", "d", "c", "c"]


def test_a_triggered_stop_slips(make_venue: Any) -> None:
    """It takes what there is, within the bar."""
    venue = make_venue(slippage=FixedSlippage(D(2)))
    venue.submit("a: sell 1 stop trigger=95", "b: buy 1 stop trigger=105")
    venue.bar("100 106 92 99")
    assert [fill.price for fill in venue.fills] == [D(106), D(93)]


def test_a_stop_without_volume_trades_at_the_next_open(make_venue: Any) -> None:
    """It stays triggered, wherever the market goes."""
    venue = make_venue(volume_share=D("0.1"))
    venue.submit("sell 10 stop trigger=95")
    assert venue.bar("100 101 90 99", volume="40") == ["a triggered", "a sell 4 at 95 taker"]
    assert venue.bar("120 121 119 120", volume="40") == ["a sell 4 at 120 open taker"]
    assert venue.bar("80 81 79 80", volume="0") == []
    assert venue.orders["a"].triggered
    assert venue.bar("81 81 79 80", volume="90") == ["a sell 2 at 81 open taker"]


@pytest.mark.parametrize(
    ("words", "bar", "expected"),
    [
        # Triggered on the way, with the limit beyond the trigger: it trades at the trigger.
        ("sell 10 stop_limit trigger=95 price=94", "100 101 95 99", "sell 10 at 95 taker"),
        ("buy 10 stop_limit trigger=105 price=106", "100 105 95 99", "buy 10 at 105 taker"),
        # A gap within the limit trades at the open.
        ("sell 10 stop_limit trigger=95 price=92", "93 96 92 95", "sell 10 at 93 open taker"),
        ("buy 10 stop_limit trigger=105 price=108", "107 110 95 99", "buy 10 at 107 open taker"),
        # A gap beyond the limit rests there until the bar comes back.
        ("sell 10 stop_limit trigger=95 price=94", "90 94 89 93", "sell 10 at 94 maker"),
        ("buy 10 stop_limit trigger=105 price=106", "110 111 106 109", "buy 10 at 106 maker"),
        ("sell 10 stop_limit trigger=95 price=94", "90 93.99 89 93", ""),
        ("buy 10 stop_limit trigger=105 price=106", "110 111 106.01 109", ""),
        # A take-profit with a limit is the same on the other side.
        ("sell 10 take_profit trigger=105 price=104", "100 105 99 104", "sell 10 at 105 taker"),
        ("buy 10 take_profit trigger=95 price=96", "100 105 95 97", "buy 10 at 95 taker"),
    ],
)
def test_a_trigger_makes_a_limit_order(venue: Any, words: str, bar: str, expected: str) -> None:
    """Which fills at its limit or better, or rests."""
    venue.submit(words)
    told = venue.bar(bar)
    assert told == ["a triggered", *([f"a {expected}"] if expected else [])]


def test_a_stop_limit_with_a_better_limit_waits_for_the_way_back(venue: Any) -> None:
    """Triggered at 105 it wants 104; the bar ends at 103, so it must have come by."""
    venue.submit("a: buy 10 stop_limit trigger=105 price=104")
    assert venue.bar("100 106 99 103") == ["a triggered", "a buy 10 at 104 maker"]


def test_a_low_before_the_trigger_fills_nothing(venue: Any) -> None:
    """The low at 95 is no proof that the market came back after 105: it may have come first."""
    venue.submit("a: buy 10 stop_limit trigger=105 price=96")
    venue.matcher.set_position("X", D(1))  # long: the low is met first
    assert venue.bar("100 105 95 104") == ["a triggered"]
    assert venue.bar("104 104 97 104") == []
    assert venue.bar("104 104 96 104") == ["a buy 10 at 96 maker"]


def test_a_resting_stop_limit_is_gapped_like_a_limit(venue: Any) -> None:
    """Once triggered it is one."""
    venue.submit("sell 10 stop_limit trigger=95 price=94")
    assert venue.bar("90 91 89 90") == ["a triggered"]
    assert venue.matcher.book("X").bounds == (D("-Infinity"), D(94))
    assert venue.bar("97 98 96 97") == ["a sell 10 at 97 open maker"]


def test_post_only_after_the_trigger(venue: Any) -> None:
    """A triggered limit that would take is rejected; one that rests makes."""
    venue.submit("a: sell 10 stop_limit trigger=95 price=94 post_only")
    venue.submit("b: sell 10 stop_limit trigger=95 price=96 post_only")
    assert venue.bar("100 101 95 96") == [
        "a triggered",
        "a rejected: post-only, and it would have traded at once",
        "b triggered",
        "b sell 10 at 96 maker",
    ]


def test_a_stop_at_the_same_close(make_venue: Any) -> None:
    """One that the close has passed already trades there."""
    venue = make_venue(policy=FillPolicy.SAME_CLOSE)
    venue.bar("100 105 95 101")
    assert venue.submit("a: sell 1 stop trigger=102") == [
        "a accepted",
        "a triggered",
        "a sell 1 at 101 taker",
    ]
    assert venue.submit("b: sell 1 stop trigger=100") == ["b accepted"]
    assert venue.bar("101 101 100 101") == ["b triggered", "b sell 1 at 100 taker"]


def trailing(venue: Any, words: str, **changes: Any) -> None:
    """Send a trailing stop."""
    venue.submit(venue.order(words, **changes))


def test_a_trailing_stop_follows_the_high(venue: Any) -> None:
    """5 below the best price, never back; bars without a new high need no look."""
    trailing(venue, "sell 10 trailing_stop trail=5")
    book = venue.matcher.book("X")
    assert venue.bar("100 104 99 103") == []
    assert book.bounds == (D(99), D(104))
    assert venue.bar("103 103 100 102") == []
    assert book.bounds == (D(99), D(104))
    assert venue.bar("104 110 104 109") == []
    assert book.bounds == (D(105), D(110))
    assert venue.bar("106 107 105 106") == ["a triggered", "a sell 10 at 105 taker"]


def test_a_trailing_stop_to_buy_follows_the_low(venue: Any) -> None:
    """The mirror image."""
    trailing(venue, "buy 10 trailing_stop trail=5")
    book = venue.matcher.book("X")
    assert venue.bar("100 101 96 97") == []
    assert book.bounds == (D(96), D(101))
    assert venue.bar("96 96 90 91") == []
    assert book.bounds == (D(90), D(95))
    assert venue.bar("94 95 93 94") == ["a triggered", "a buy 10 at 95 taker"]


def test_a_trailing_stop_gapped_through_gets_the_open(venue: Any) -> None:
    """Like any stop."""
    trailing(venue, "sell 10 trailing_stop trail=5")
    venue.bar("100 104 100 103")
    assert venue.bar("97 98 96 97") == ["a triggered", "a sell 10 at 97 open taker"]


def test_a_trail_begins_at_the_first_price_seen(venue: Any) -> None:
    """The first open, and the same bar may reach it."""
    trailing(venue, "sell 10 trailing_stop trail=5")
    assert venue.bar("100 100 95 96") == ["a triggered", "a sell 10 at 95 taker"]


def test_a_trail_may_begin_with_a_trigger(venue: Any) -> None:
    """Which the market then only tightens."""
    trailing(venue, "sell 10 trailing_stop trail=5 trigger=97")
    assert venue.bar("100 101 97.01 98") == []
    assert venue.matcher.book("X").bounds == (D(97), D(101))
    assert venue.bar("98 98 97 98") == ["a triggered", "a sell 10 at 97 taker"]


def test_the_high_of_a_bar_does_not_stop_at_its_low(venue: Any) -> None:
    """Low before high is the order of things for a long position: the old trigger counts.

    The new one only counts on the way from the high to the close.
    """
    venue.matcher.set_position("X", D(10))
    trailing(venue, "sell 10 trailing_stop trail=5")
    venue.bar("100 100 100 100")
    assert venue.bar("100 110 97 106") == []  # 105 is above the low, but came after it
    assert venue.bar("107 112 106 106.99") == ["a triggered", "a sell 10 at 107.00 taker"]


def test_along_the_likely_path_the_high_counts_first(make_venue: Any) -> None:
    """The high is nearer to the open than the low, so the trail is 105 on the way down."""
    venue = make_venue(policy=FillPolicy.INTRABAR)
    trailing(venue, "sell 10 trailing_stop trail=5")
    assert venue.bar("108 110 97 106") == ["a triggered", "a sell 10 at 105.00 taker"]


def test_a_trail_may_be_a_fraction(venue: Any) -> None:
    """Of the price, rounded away from the market to the tick."""
    trailing(venue, "sell 1 trailing_stop trail=0.1", trail_unit=TrailUnit.FRACTION)
    venue.bar("100.05 100.05 100.05 100.05")
    assert venue.matcher.book("X").bounds == (D("90.04"), D("100.05"))


def test_a_partly_filled_trailing_stop_trails_no_more(make_venue: Any) -> None:
    """It is a market order by then."""
    venue = make_venue(volume_share=D("0.1"))
    trailing(venue, "sell 10 trailing_stop trail=5")
    assert venue.bar("100 100 95 96", volume="40") == ["a triggered", "a sell 4 at 95 taker"]
    assert venue.bar("110 111 110 111") == ["a sell 6 at 110 open taker"]

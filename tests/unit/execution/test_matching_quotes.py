"""Matching against quotes: buys see the ask, sales the bid."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from rustybt.execution import FillPolicy, FixedSlippage, VolumeShareSlippage
from rustybt.model import TimeInForce

D = Decimal


def test_a_market_order_crosses_the_spread(venue: Any) -> None:
    """At the quote after the one it was decided on."""
    venue.quote("99 101")
    venue.submit("a: buy 1 market", "b: sell 1 market")
    assert venue.quote("98 102") == ["a buy 1 at 102 taker", "b sell 1 at 98 taker"]
    assert {fill.time for fill in venue.fills} == {venue.now}


def test_the_same_close_is_the_standing_quote(make_venue: Any) -> None:
    """It was seen, and it still stands."""
    venue = make_venue(policy=FillPolicy.SAME_CLOSE)
    venue.quote("99 101")
    assert venue.submit("buy 1 market") == ["a accepted", "a buy 1 at 101 taker"]


def test_what_is_on_offer_is_gone_when_it_is_taken(make_venue: Any) -> None:
    """Until the next quote; each side has its own."""
    venue = make_venue(policy=FillPolicy.SAME_CLOSE, volume_share=D(1))
    venue.quote("99 101", sizes="5 4")
    assert venue.submit("a: buy 3 market")[1:] == ["a buy 3 at 101 taker"]
    assert venue.submit("b: buy 3 market")[1:] == ["b buy 1 at 101 taker"]
    assert venue.submit("c: sell 6 market")[1:] == ["c sell 5 at 99 taker"]
    assert venue.quote("98 102", sizes="9 9") == ["b buy 2 at 102 taker", "c sell 1 at 98 taker"]


def test_without_a_share_size_is_no_matter(venue: Any) -> None:
    """As with bars."""
    venue.submit("buy 100 market")
    assert venue.quote("99 101", sizes="1 1") == ["a buy 100 at 101 taker"]


def test_a_share_of_the_size(make_venue: Any) -> None:
    """In whole lots."""
    venue = make_venue(volume_share=D("0.5"))
    venue.submit("buy 100 market")
    assert venue.quote("99 101", sizes="0 7") == ["a buy 3 at 101 taker"]


@pytest.mark.parametrize(
    ("words", "first", "second", "fill"),
    [
        ("buy 1 limit price=100", "99 100", "99 100", "buy 1 at 100 taker"),
        ("buy 1 limit price=100", "98 99", "98 99", "buy 1 at 99 taker"),
        ("buy 1 limit price=100", "99 101", "99 100", "buy 1 at 100 maker"),
        ("buy 1 limit price=100", "99 101", "97 98", "buy 1 at 100 maker"),
        ("sell 1 limit price=100", "100 101", "100 101", "sell 1 at 100 taker"),
        ("sell 1 limit price=100", "99 101", "102 103", "sell 1 at 100 maker"),
    ],
)
def test_limits(venue: Any, words: str, first: str, second: str, fill: str) -> None:
    """What takes gets the quote; what rests gets its own price, which was there first."""
    venue.submit(words)
    assert (venue.quote(first) or venue.quote(second)) == [f"a {fill}"]


@pytest.mark.parametrize(
    ("words", "quiet", "reached", "fill"),
    [
        ("buy 1 stop trigger=105", "103 104.99", "103 105", "buy 1 at 105 taker"),
        ("sell 1 stop trigger=95", "95.01 97", "95 97", "sell 1 at 95 taker"),
        ("sell 1 stop trigger=95", "96 97", "90 97", "sell 1 at 90 taker"),
        ("sell 1 take_profit trigger=105", "104.99 106", "105 106", "sell 1 at 105 taker"),
        ("sell 1 trailing_stop trail=5", "100 101", "95 96", "sell 1 at 95 taker"),
        ("buy 1 trailing_stop trail=5", "99 100", "104 105", "buy 1 at 105 taker"),
    ],
)
def test_triggers(venue: Any, words: str, quiet: str, reached: str, fill: str) -> None:
    """A sale is triggered by the bid, a buy by the ask."""
    venue.submit(words)
    assert venue.quote(quiet) == []
    assert venue.quote(reached) == ["a triggered", f"a {fill}"]


def test_slippage_knows_what_is_on_offer(make_venue: Any) -> None:
    """Quantity, price and size of the side that is traded with."""
    venue = make_venue(slippage=VolumeShareSlippage(D("0.1")))
    venue.submit("a: buy 10 market", "b: sell 10 market")
    assert venue.quote("99 100", sizes="10 100") == [
        "a buy 10 at 100.10 taker",
        "b sell 10 at 89.10 taker",
    ]


def test_slippage_comes_on_top(make_venue: Any) -> None:
    """A quote has no range to stay in."""
    venue = make_venue(slippage=FixedSlippage(D("0.005")))
    venue.submit("a: buy 1 market", "b: sell 1 market")
    assert venue.quote("99 101") == ["a buy 1 at 101.01 taker", "b sell 1 at 98.99 taker"]


def test_post_only_against_a_quote(venue: Any) -> None:
    """A bid at the ask would take."""
    venue.submit("a: buy 1 limit price=101 post_only", "b: buy 1 limit price=100 post_only")
    assert venue.quote("99 101") == ["a rejected: post-only, and it would have traded at once"]
    assert venue.quote("99 100") == ["b buy 1 at 100 maker"]


def test_the_same_quote_again_offers_nothing_new(make_venue: Any) -> None:
    """A feed that repeats itself does not fill the book."""
    venue = make_venue(volume_share=D(1))
    venue.submit("buy 5 market")
    assert venue.quote("99 101", sizes="3 3") == ["a buy 3 at 101 taker"]
    assert venue.matcher.on_quote(venue.seen) == []
    assert venue.quote("99 101", sizes="3 3") == ["a buy 2 at 101 taker"]


def test_an_order_expires_between_quotes(venue: Any) -> None:
    """The clock is looked at first."""
    expires = venue.now + timedelta(seconds=1)
    venue.submit(
        venue.order("buy 1 market", time_in_force=TimeInForce.GTD, expires=expires),
        "b: buy 1 market",
    )
    assert venue.quote("99 101") == ["a expired: its time was over", "b buy 1 at 101 taker"]


def test_a_symbol_without_orders_costs_nothing(venue: Any) -> None:
    """There is no book to look at."""
    assert venue.quote("99 101") == []


def test_latency_counts_quotes_like_bars(make_venue: Any) -> None:
    """The order arrives after that many."""
    venue = make_venue(latency_bars=1)
    venue.submit("buy 1 market")
    assert venue.quote("99 101") == []
    assert venue.quote("99 102") == ["a accepted", "a buy 1 at 102 taker"]

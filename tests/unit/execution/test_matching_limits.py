"""Limit orders: at the limit or better, in the queue, and the flags that go with them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from rustybt.execution import (
    BasisPointCommission,
    FillPolicy,
    FixedSlippage,
    MakerTakerCommission,
)

D = Decimal


@pytest.mark.parametrize(
    ("words", "bar", "expected"),
    [
        ("buy 10 limit price=99", "100 101 99 100", ["a buy 10 at 99 maker"]),
        ("buy 10 limit price=99", "100 101 98 100", ["a buy 10 at 99 maker"]),
        ("buy 10 limit price=99", "100 101 99.01 100", []),
        ("buy 10 limit price=99", "98 101 97 100", ["a buy 10 at 98 open taker"]),
        ("buy 10 limit price=99", "99 101 99 100", ["a buy 10 at 99 open taker"]),
        ("sell 10 limit price=101", "100 101 99 100", ["a sell 10 at 101 maker"]),
        ("sell 10 limit price=101", "100 102 99 100", ["a sell 10 at 101 maker"]),
        ("sell 10 limit price=101", "100 100.99 99 100", []),
        ("sell 10 limit price=101", "103 104 99 100", ["a sell 10 at 103 open taker"]),
        ("sell 10 limit price=101", "101 101 99 100", ["a sell 10 at 101 open taker"]),
    ],
)
def test_a_limit_fills_at_its_price_or_better(
    venue: Any, words: str, bar: str, expected: list[str]
) -> None:
    """At the limit when the bar comes to it, at the open when the bar begins beyond it."""
    venue.submit(words)
    assert venue.bar(bar) == expected


@pytest.mark.parametrize(
    ("words", "gap", "price"),
    [
        ("buy 10 limit price=99", "90 91 89 90", 90),
        ("sell 10 limit price=101", "110 111 109 110", 110),
    ],
)
def test_a_resting_limit_that_is_gapped_gets_the_open(
    venue: Any, words: str, gap: str, price: int
) -> None:
    """All trade at the price of the opening auction; the order rested, so it makes the market."""
    venue.submit(words)
    venue.bar("100 100.50 99.50 100")
    side = words.split(maxsplit=1)[0]
    assert venue.bar(gap) == [f"a {side} 10 at {price} open maker"]


def test_a_limit_does_not_slip(make_venue: Any) -> None:
    """It would not be one."""
    venue = make_venue(slippage=FixedSlippage(D(3)))
    venue.submit("a: buy 1 limit price=99", "b: buy 1 limit price=120")
    assert venue.bar("100 101 95 100") == ["b buy 1 at 100 open taker", "a buy 1 at 99 maker"]


def test_a_resting_order_needs_no_look_until_its_price_comes(venue: Any) -> None:
    """Two comparisons say so: below the bound for a buy, above it for a sale."""
    book = venue.matcher.book("X")
    venue.submit("a: buy 1 limit price=90", "b: sell 1 limit price=110")
    assert book.bounds.lower > D(10) ** 30  # a new order has to be looked at in any case
    venue.bar("100 100 100 100")
    assert book.bounds == (D(90), D(110))
    venue.cancel("a")
    assert book.bounds == (D("-Infinity"), D(110))
    venue.cancel("b")
    assert book.bounds == (D("-Infinity"), D("Infinity"))


def test_the_best_bounds_count(venue: Any) -> None:
    """The highest buy and the lowest sale are met first."""
    venue.submit(
        "a: buy 1 limit price=80",
        "b: buy 1 limit price=90",
        "c: sell 1 limit price=120",
        "d: sell 1 limit price=110",
    )
    venue.bar("100 100 100 100")
    assert venue.matcher.book("X").bounds == (D(90), D(110))


def test_limits_fill_in_the_order_the_price_meets_them(venue: Any) -> None:
    """Price before time: on the way down the higher buy is first."""
    venue.submit("a: buy 1 limit price=95", "b: buy 1 limit price=98", "c: buy 1 limit price=98")
    assert venue.bar("100 101 94 100") == [
        "b buy 1 at 98 maker",
        "c buy 1 at 98 maker",
        "a buy 1 at 95 maker",
    ]


def test_limits_share_the_volume_in_that_order(make_venue: Any) -> None:
    """Whoever comes first in price and time takes first."""
    venue = make_venue(volume_share=D("0.1"))
    venue.submit("a: buy 5 limit price=95", "b: buy 5 limit price=98", "c: buy 5 limit price=98")
    assert venue.bar("100 101 94 100", volume="80") == [
        "b buy 5 at 98 maker",
        "c buy 3 at 98 maker",
    ]
    assert venue.bar("100 101 97 100", volume="100") == ["c buy 2 at 98 maker"]


def test_a_touched_limit_stands_in_the_queue(make_venue: Any) -> None:
    """Of a bar that only reaches the limit it gets the smaller share, of one that passes all."""
    venue = make_venue(volume_share=D("0.5"), touch_share=D("0.1"))
    venue.submit("buy 10 limit price=99")
    assert venue.bar("100 101 99 100", volume="30") == ["a buy 3 at 99 maker"]
    assert venue.bar("100 101 98.99 100", volume="30") == ["a buy 7 at 99 maker"]


def test_the_smaller_share_is_part_of_the_larger(make_venue: Any) -> None:
    """What was traded before the touch counts, and no touch gives more than the whole share."""
    venue = make_venue(volume_share=D("0.2"), touch_share=D("0.5"))
    venue.submit("a: sell 3 market", "b: sell 20 limit price=101")
    assert venue.bar("100 101 99 100", volume="50") == [
        "a sell 3 at 100 open taker",
        "b sell 7 at 101 maker",
    ]


def test_without_touches_the_market_has_to_trade_through(make_venue: Any) -> None:
    """A share of zero."""
    venue = make_venue(touch_share=D(0))
    venue.submit("sell 10 limit price=101")
    assert venue.bar("100 101 99 100") == []
    assert venue.bar("100 101.01 99 100") == ["a sell 10 at 101 maker"]


def test_the_queue_is_no_matter_for_an_order_that_takes(make_venue: Any) -> None:
    """It arrives and trades with what is there."""
    venue = make_venue(touch_share=D(0))
    venue.submit("buy 10 limit price=99")
    assert venue.bar("99 101 99 100") == ["a buy 10 at 99 open taker"]


def test_the_rest_of_a_taking_limit_makes(make_venue: Any) -> None:
    """What is left of it rests."""
    venue = make_venue(volume_share=D("0.1"), commission=MakerTakerCommission(D(-1), D(5)))
    venue.submit("buy 10 limit price=100")
    assert venue.bar("100 101 99 100", volume="60") == ["a buy 6 at 100 open taker"]
    assert venue.bar("101 101 99 100", volume="60") == ["a buy 4 at 100 maker"]
    assert [fill.fee for fill in venue.fills] == [D("0.3"), D("-0.04")]


def test_fees_are_what_the_commission_adds(make_venue: Any) -> None:
    """In the quote currency, exact."""
    venue = make_venue(commission=BasisPointCommission(D(20)))
    venue.submit("buy 10 market")
    venue.bar("179.13 180 179 180")
    assert venue.fills[0].fee == D("3.5826")
    assert venue.fills[0].fee_currency is None


@pytest.mark.parametrize(
    ("words", "bar"),
    [
        ("buy 10 limit price=100 post_only", "100 101 99 100"),
        ("buy 10 limit price=100 post_only", "99 101 99 100"),
        ("sell 10 limit price=100 post_only", "100 101 99 100"),
        ("sell 10 limit price=100 post_only", "101 101 99 100"),
    ],
)
def test_a_post_only_order_that_would_take_is_rejected(venue: Any, words: str, bar: str) -> None:
    """It is worth more not to trade than to take."""
    venue.submit(words)
    assert venue.bar(bar) == ["a rejected: post-only, and it would have traded at once"]


def test_a_post_only_order_makes(venue: Any) -> None:
    """Once it rests it fills like any other, a gap included."""
    venue.submit("a: buy 10 limit price=99 post_only", "b: buy 10 limit price=95 post_only")
    assert venue.bar("100 101 99 100") == ["a buy 10 at 99 maker"]
    assert venue.bar("94 95 93 94") == ["b buy 10 at 94 open maker"]


def test_a_limit_at_the_same_close(make_venue: Any) -> None:
    """Marketable at the close it trades there, else it waits for the next bar."""
    venue = make_venue(policy=FillPolicy.SAME_CLOSE)
    venue.bar("100 105 95 101")
    assert venue.submit("a: buy 1 limit price=102") == ["a accepted", "a buy 1 at 101 taker"]
    assert venue.submit("b: buy 1 limit price=100.99") == ["b accepted"]
    assert venue.bar("101 101 100.99 101") == ["b buy 1 at 100.99 maker"]


def test_a_limit_never_fills_outside_the_bar(venue: Any) -> None:
    """A limit far above the market gets the market."""
    venue.submit("buy 1 limit price=200")
    assert venue.bar("100 101 99 100") == ["a buy 1 at 100 open taker"]


def test_reduce_only_never_turns_a_position(venue: Any) -> None:
    """It trades what there is, and the rest is cancelled when it finds nothing any more."""
    venue.matcher.set_position("X", D(4))
    venue.submit("sell 10 market reduce_only")
    assert venue.bar("100 101 99 100") == ["a sell 4 at 100 open taker"]
    assert venue.bar("100 101 99 100") == ["a cancelled: there is no position left to reduce"]
    assert venue.position == 0


@pytest.mark.parametrize(
    ("position", "words"),
    [
        (0, "sell 1 market reduce_only"),
        (-5, "sell 1 market reduce_only"),
        (5, "buy 1 market reduce_only"),
    ],
)
def test_reduce_only_with_nothing_to_reduce_is_cancelled(
    venue: Any, position: int, words: str
) -> None:
    """Flat, or on the same side."""
    venue.matcher.set_position("X", D(position))
    venue.submit(words)
    assert venue.bar("100 101 99 100") == ["a cancelled: there is no position left to reduce"]


@pytest.mark.parametrize(
    ("position", "words", "expected"),
    [
        (5, "sell 5 market reduce_only", "a sell 5 at 100 open taker"),
        (-5, "buy 5 market reduce_only", "a buy 5 at 100 open taker"),
        (-5, "buy 6 market reduce_only", "a buy 5 at 100 open taker"),
        (-5, "buy 4 market reduce_only", "a buy 4 at 100 open taker"),
    ],
)
def test_reduce_only_reduces(venue: Any, position: int, words: str, expected: str) -> None:
    """All of the position or less."""
    venue.matcher.set_position("X", D(position))
    venue.submit(words)
    assert venue.bar("100 101 99 100") == [expected]


def test_reduce_only_trades_whole_lots(venue: Any) -> None:
    """A fee taken in coins leaves a fraction that cannot be sold."""
    venue.matcher.set_position("X", D("3.7"))
    venue.submit("sell 4 market reduce_only")
    assert venue.bar("100 101 99 100") == ["a sell 3 at 100 open taker"]
    assert venue.bar("100 101 99 100") == ["a cancelled: there is no position left to reduce"]

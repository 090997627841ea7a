"""Market orders: when they trade, at which price, and how much."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from rustybt.execution import (
    FillPolicy,
    FixedSlippage,
    Tier,
    TieredCommission,
    VolumeShareSlippage,
)
from rustybt.model import Bar, Fill, Instrument, Liquidity, OrderFilled, Side

D = Decimal


@pytest.mark.parametrize("policy", [FillPolicy.NEXT_OPEN, FillPolicy.INTRABAR])
def test_a_market_order_gets_the_next_open(make_venue: Any, policy: FillPolicy) -> None:
    """Not the close that it was decided on, which nobody can trade at any more."""
    venue = make_venue(policy=policy)
    venue.bar("100 101 99 100.50")
    assert venue.submit("buy 10 market") == ["a accepted"]
    assert venue.bar("102 103 101 102") == ["a buy 10 at 102 open taker"]
    assert venue.position == 10
    assert venue.bar("104 104 104 104") == []


def test_a_fill_says_everything(venue: Any) -> None:
    """Ids count up, the time is the open's, the side and both ids are the order's."""
    venue.submit("buy 10 market")
    opened = venue.now
    venue.bar("102 103 101 102")
    fill = Fill("T1", "a", "X", Side.BUY, D(10), D(102), opened, D(0), None, Liquidity.TAKER, "V1")
    assert venue.events[1] == OrderFilled(time=opened, fill=fill)


def test_ids_come_from_outside(make_venue: Any) -> None:
    """The generators that are given are the ones that are used."""
    venue = make_venue(venue_ids=iter(["v7", "v8"]), trade_ids=iter(["t3", "t4"]))
    venue.submit("a: buy 1 market", "b: buy 1 market")
    venue.bar("1 1 1 1")
    assert [(fill.venue_id, fill.trade_id) for fill in venue.fills] == [("v7", "t3"), ("v8", "t4")]


def test_same_close_trades_at_the_close_it_was_decided_on(make_venue: Any) -> None:
    """That is what the policy is for; the time is that of the decision."""
    venue = make_venue(policy=FillPolicy.SAME_CLOSE)
    venue.bar("100 101 99 100.50")
    assert venue.submit("sell 10 market") == ["a accepted", "a sell 10 at 100.50 taker"]
    assert venue.fills[0].time == venue.now
    assert venue.position == -10


def test_same_close_without_a_close_waits_for_the_open(make_venue: Any) -> None:
    """Before the first bar there is nothing to trade at."""
    venue = make_venue(policy=FillPolicy.SAME_CLOSE)
    assert venue.submit("buy 10 market") == ["a accepted"]
    assert venue.bar("102 103 101 102") == ["a buy 10 at 102 open taker"]


def test_same_close_is_that_of_the_orders_symbol(make_venue: Any) -> None:
    """A close of something else is no price for it."""
    venue = make_venue(policy=FillPolicy.SAME_CLOSE)
    venue.bar("50 50 50 50", symbol="Y")
    assert venue.submit("buy 10 market") == ["a accepted"]


def test_an_order_has_no_part_in_a_bar_that_began_before_it(venue: Any) -> None:
    """An hourly bar that closes after the order came must not give it the open of that hour."""
    start = venue.now
    venue.now += timedelta(minutes=31)
    venue.submit("buy 10 market")
    hour = timedelta(hours=1)
    long = Bar("X", start, start + hour, D(100), D(100), D(100), D(100), D(1000))
    assert venue.matcher.on_bar(long) == []
    after = Bar("X", long.end, long.end + hour, D(105), D(105), D(105), D(105), D(1000))
    assert [event.fill.price for event in venue.matcher.on_bar(after)] == [105]


def test_an_order_takes_part_in_a_bar_that_begins_with_it(venue: Any) -> None:
    """The bar after the one that was just closed begins at the same instant."""
    venue.submit("buy 10 market")
    assert venue.bar("100 100 100 100") == ["a buy 10 at 100 open taker"]


def test_orders_trade_in_the_order_they_came(venue: Any) -> None:
    """Also the ones for both sides."""
    venue.submit("b: buy 1 market")
    venue.submit("a: sell 2 market")
    assert venue.bar("7 7 7 7") == ["b buy 1 at 7 open taker", "a sell 2 at 7 open taker"]
    assert venue.position == -1


def test_slippage_is_against_us_and_on_the_tick(make_venue: Any) -> None:
    """A buy is rounded up, a sale down."""
    venue = make_venue(slippage=FixedSlippage(D("0.123")))
    venue.submit("a: buy 1 market", "b: sell 1 market")
    assert venue.bar("100 101 99 100") == [
        "a buy 1 at 100.13 open taker",
        "b sell 1 at 99.87 open taker",
    ]


def test_slippage_stays_within_the_bar(make_venue: Any) -> None:
    """Nobody trades where the market was not."""
    venue = make_venue(slippage=FixedSlippage(D(5)))
    venue.submit("a: buy 1 market", "b: sell 1 market")
    assert venue.bar("100 101 98.50 100") == [
        "a buy 1 at 101 open taker",
        "b sell 1 at 98.50 open taker",
    ]


def test_slippage_may_leave_the_bar_when_told_so(make_venue: Any) -> None:
    """For bars so short that open, high, low and close are one price."""
    venue = make_venue(slippage=FixedSlippage(D(5)), slip_outside=True)
    venue.submit("a: buy 1 market", "b: sell 1 market")
    assert venue.bar("100 100 100 100") == [
        "a buy 1 at 105.00 open taker",
        "b sell 1 at 95.00 open taker",
    ]


def test_without_slippage_the_price_is_the_datas(venue: Any) -> None:
    """Adjusted prices are off the tick; rounding them would be a cost that nobody set."""
    venue.submit("buy 1 market")
    assert venue.bar("100.005 101 99 100") == ["a buy 1 at 100.005 open taker"]


def test_slippage_knows_quantity_and_volume(make_venue: Any) -> None:
    """A tenth of the volume moves the price by a tenth of a hundredth."""
    venue = make_venue(slippage=VolumeShareSlippage(D("0.1")))
    venue.submit("buy 100 market")
    assert venue.bar("100 101 99 100", volume="1000") == ["a buy 100 at 100.10 open taker"]


def test_a_volume_share_spreads_an_order_over_bars(make_venue: Any) -> None:
    """Each bar gives its share in whole lots, and the rest waits for the next open."""
    venue = make_venue(volume_share=D("0.25"))
    venue.submit("buy 10 market")
    assert venue.bar("100 101 99 100", volume="15") == ["a buy 3 at 100 open taker"]
    assert venue.bar("101 102 100 101", volume="0") == []
    assert venue.bar("102 103 101 102", volume="3") == []
    assert venue.bar("103 104 102 103", volume="100") == ["a buy 7 at 103 open taker"]
    assert venue.orders["a"].state == "filled"


def test_our_orders_share_the_volume(make_venue: Any) -> None:
    """What the first took the second does not get, whatever its side."""
    venue = make_venue(volume_share=D("0.5"))
    venue.submit("a: buy 6 market", "b: sell 6 market")
    assert venue.bar("100 101 99 100", volume="20") == [
        "a buy 6 at 100 open taker",
        "b sell 4 at 100 open taker",
    ]


def test_a_close_is_shared_with_what_was_traded_in_its_bar(make_venue: Any) -> None:
    """Trading at the close again does not bring the volume back."""
    venue = make_venue(policy=FillPolicy.SAME_CLOSE, volume_share=D("0.5"))
    venue.submit("a: buy 6 market")
    venue.bar("100 101 99 100", volume="20")
    assert venue.submit("b: sell 3 market") == ["b accepted", "b sell 3 at 100 taker"]
    assert venue.submit("c: sell 3 market") == ["c accepted", "c sell 1 at 100 taker"]
    assert venue.submit("d: sell 3 market") == ["d accepted"]
    assert venue.bar("50 50 50 50", volume="2") == ["c sell 1 at 50 open taker"]


def test_tiers_count_what_the_account_traded(make_venue: Any) -> None:
    """All orders of one quote currency; a coin against another currency counts apart."""
    tiers = TieredCommission((Tier(D(0), D(10)), Tier(D(1000), D(5))))
    venue = make_venue(commission=tiers)
    venue.matcher.set_instrument(
        Instrument(symbol="Z", base="Z", quote="EUR", tick=D("0.01"), lot=D(1))
    )
    other = venue.order("buy 4 market", symbol="Z", client_id="z")
    venue.submit("a: buy 4 market", "b: sell 8 market", other)
    venue.bar("100 100 100 100")
    venue.now -= timedelta(days=1)
    venue.bar("100 100 100 100", symbol="Z")
    fees = {fill.client_id: fill.fee for fill in venue.fills}
    assert fees == {"a": D("0.4"), "b": D("0.7"), "z": D("0.4")}


def test_the_volume_of_a_new_bar_is_new(make_venue: Any) -> None:
    """Also when nothing was matched in between."""
    venue = make_venue(policy=FillPolicy.SAME_CLOSE, volume_share=D("0.5"))
    venue.bar("100 101 99 100", volume="2")
    assert venue.submit("a: buy 1 market")[1:] == ["a buy 1 at 100 taker"]
    venue.bar("101 101 99 101", volume="2")
    assert venue.submit("b: buy 1 market")[1:] == ["b buy 1 at 101 taker"]


def test_prices_may_be_zero_or_negative(venue: Any) -> None:
    """They have been, for a barrel of oil."""
    venue.submit("a: buy 1 market", "b: sell 1 market")
    assert venue.bar("-37.63 0 -40 0") == [
        "a buy 1 at -37.63 open taker",
        "b sell 1 at -37.63 open taker",
    ]

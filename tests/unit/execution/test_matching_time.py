"""Time in force: at once, for the session, until a time; and latency."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from rustybt.execution import FillPolicy
from rustybt.execution.matching import end_of_day
from rustybt.model import Bar, TimeInForce

D = Decimal
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
LEFT = "a cancelled: the rest could not be traded at once"
NOTHING = "a cancelled: there was nothing to trade with at once"


def test_immediate_or_cancel_takes_what_there_is(make_venue: Any) -> None:
    """And ends."""
    venue = make_venue(volume_share=D("0.1"))
    venue.submit("buy 10 market ioc")
    assert venue.bar("100 101 99 100", volume="40") == ["a buy 4 at 100 open taker", LEFT]


@pytest.mark.parametrize("volume", ["0", "9"])
def test_immediate_or_cancel_may_get_nothing(make_venue: Any, volume: str) -> None:
    """Not even one lot."""
    venue = make_venue(volume_share=D("0.1"))
    venue.submit("buy 10 market ioc")
    assert venue.bar("100 101 99 100", volume=volume) == [LEFT]


def test_immediate_or_cancel_may_get_all(venue: Any) -> None:
    """Then it is filled, not cancelled."""
    venue.submit("buy 10 market ioc")
    assert venue.bar("100 101 99 100") == ["a buy 10 at 100 open taker"]


@pytest.mark.parametrize("force", ["ioc", "fok"])
def test_at_once_is_the_open_not_the_bar(venue: Any, force: str) -> None:
    """A limit that only the low reaches comes too late."""
    venue.submit(f"buy 10 limit price=99 {force}")
    assert venue.bar("100 101 95 96") == [NOTHING]
    assert venue.matcher.book("X").orders == {}


def test_fill_or_kill_fills_all(make_venue: Any) -> None:
    """Exactly what there is will do."""
    venue = make_venue(volume_share=D("0.1"))
    venue.submit("buy 10 limit price=100 fok")
    assert venue.bar("100 101 99 100", volume="100") == ["a buy 10 at 100 open taker"]


def test_fill_or_kill_fills_nothing(make_venue: Any) -> None:
    """If one lot is missing, and takes no volume from others."""
    venue = make_venue(volume_share=D("0.1"))
    venue.submit("a: buy 10 market fok", "b: buy 9 market")
    assert venue.bar("100 101 99 100", volume="99") == [
        "a cancelled: fill or kill, and only 9 could be traded",
        "b buy 9 at 100 open taker",
    ]


def test_fill_or_kill_and_reduce_only(venue: Any) -> None:
    """A position that is too small kills it."""
    venue.matcher.set_position("X", D(4))
    venue.submit("sell 5 market fok reduce_only")
    assert venue.bar("100 101 99 100") == ["a cancelled: fill or kill, and only 4 could be traded"]


def test_at_once_begins_at_the_trigger(make_venue: Any) -> None:
    """A stop waits for it, then takes what there is."""
    venue = make_venue(volume_share=D("0.1"))
    venue.submit("a: sell 10 stop trigger=95 ioc")
    assert venue.bar("100 101 96 100", volume="40") == []
    assert venue.bar("100 101 95 100", volume="40") == [
        "a triggered",
        "a sell 4 at 95 taker",
        LEFT,
    ]


def test_a_triggered_limit_that_cannot_trade_at_once_is_cancelled(venue: Any) -> None:
    """The bar gapped beyond the limit; that it came back is too late."""
    venue.submit("sell 10 stop_limit trigger=95 price=94 ioc")
    assert venue.bar("90 96 89 95") == ["a triggered", NOTHING]


def test_at_once_at_the_same_close(make_venue: Any) -> None:
    """The close is all it sees."""
    venue = make_venue(policy=FillPolicy.SAME_CLOSE)
    venue.bar("100 101 99 100")
    assert venue.submit("buy 1 limit price=99.50 ioc") == ["a accepted", NOTHING]


def test_a_day_order_ends_with_the_session(venue: Any) -> None:
    """By default that is the day, in UTC; the bar that ends with it still counts."""
    venue.submit("a: buy 1 limit price=90 day")
    assert venue.matcher.book("X").wake == venue.now + DAY
    assert venue.bar("100 101 99 100") == ["a expired: its time was over"]
    assert venue.events[-1].time == venue.now
    venue.submit("b: buy 1 limit price=99 day")
    assert venue.bar("100 101 99 100") == ["b buy 1 at 99 maker"]


def test_sessions_are_told_from_outside(make_venue: Any) -> None:
    """By symbol and time."""

    def two_days(symbol: str, now: datetime) -> datetime:
        assert symbol == "X"
        return now + 2 * DAY

    venue = make_venue(session_end=two_days)
    venue.submit("a: buy 1 limit price=90 day")
    assert venue.bar("100 101 99 100") == []
    assert venue.bar("100 101 99 100") == ["a expired: its time was over"]


@pytest.mark.parametrize(("hour", "minute"), [(0, 0), (12, 30), (23, 59)])
def test_the_end_of_the_day(venue: Any, hour: int, minute: int) -> None:
    """Midnight belongs to the day that it begins."""
    now = venue.now.replace(hour=hour, minute=minute)
    assert end_of_day("X", now) == venue.now + DAY


def until(venue: Any, words: str, expires: datetime) -> Any:
    """Return an order that works until *expires*."""
    return venue.order(words, time_in_force=TimeInForce.GTD, expires=expires)


def test_an_order_works_until_its_time(venue: Any) -> None:
    """And is gone before the bar that begins then."""
    venue.submit(until(venue, "buy 1 limit price=90", venue.now + 2 * DAY))
    assert venue.bar("100 101 99 100") == []
    assert venue.bar("100 101 99 100") == ["a expired: its time was over"]


def test_within_a_bar_only_the_open_is_certain_to_be_in_time(venue: Any) -> None:
    """Whether the low came before its end is not known, so it does not fill."""
    end = venue.now + 12 * HOUR
    venue.submit(until(venue, "buy 1 limit price=95", end))
    assert venue.bar("100 101 94 100") == ["a expired: its time was over"]
    assert venue.events[-1].time == end


def test_an_order_that_ends_within_a_bar_may_trade_at_its_open(venue: Any) -> None:
    """That was in time."""
    venue.submit(until(venue, "buy 1 market", venue.now + 12 * HOUR))
    assert venue.bar("100 101 94 100") == ["a buy 1 at 100 open taker"]


def test_what_ends_between_bars_sees_neither(venue: Any) -> None:
    """The venue looks at the clock before it matches."""
    venue.submit(until(venue, "buy 1 market", venue.now + HOUR))
    venue.now += 5 * HOUR
    assert venue.bar("100 101 94 100") == ["a expired: its time was over"]


def test_the_clock_alone_ends_orders(venue: Any) -> None:
    """No data is needed for that."""
    venue.submit("b: buy 1 market", until(venue, "buy 1 market", venue.now + HOUR))
    assert venue.expire() == []
    venue.now += HOUR
    assert venue.expire() == ["a expired: its time was over"]
    assert venue.matcher.book("X").wake is None


def test_the_first_end_wakes_the_book(venue: Any) -> None:
    """The earliest of all, whatever the order of submission."""
    for name, hours in (("a", 5), ("b", 3), ("c", 4)):
        order = venue.order(
            "buy 1 limit price=9",
            client_id=name,
            time_in_force=TimeInForce.GTD,
            expires=venue.now + hours * HOUR,
        )
        venue.submit(order)
    assert venue.matcher.book("X").wake == venue.now + 3 * HOUR


def test_an_order_whose_time_is_over_is_refused(venue: Any) -> None:
    """At the very instant."""
    order = until(venue, "buy 1 market", venue.now + HOUR)
    venue.now += HOUR
    assert venue.submit(order) == [f"a rejected: its time was over at {venue.now}"]


def hourly(venue: Any, hours: int, price: int = 100) -> Bar:
    """Return a bar of an hour that begins *hours* after the venue's time."""
    start = venue.now + hours * HOUR
    flat = D(price)
    return Bar("X", start, start + HOUR, flat, flat, flat, flat, D(1000))


def test_latency_in_bars(make_venue: Any) -> None:
    """The order arrives after that many bars, then everything is as usual."""
    venue = make_venue(latency_bars=2)
    assert venue.submit("buy 1 market") == []
    assert venue.bar("100 101 99 100") == []
    assert venue.bar("101 101 99 100") == []
    assert venue.bar("102 103 99 100") == ["a accepted", "a buy 1 at 102 open taker"]
    assert venue.events[0].time == venue.now - DAY


def test_latency_in_bars_counts_only_later_bars(make_venue: Any) -> None:
    """Not the one that the order was sent in."""
    venue = make_venue(latency_bars=1)
    running = hourly(venue, 0)
    venue.now += HOUR / 2
    venue.submit("buy 1 market")
    venue.now -= HOUR / 2
    assert venue.matcher.on_bar(running) == []
    assert venue.matcher.on_bar(hourly(venue, 1)) == []
    assert len(venue.matcher.on_bar(hourly(venue, 2))) == 2


def test_latency_in_time(make_venue: Any) -> None:
    """The first bar that begins after the order has arrived."""
    venue = make_venue(latency=timedelta(seconds=1))
    venue.submit("buy 1 market")
    assert venue.bar("100 101 99 100") == []
    assert venue.bar("101 101 99 100") == ["a accepted", "a buy 1 at 101 open taker"]


def test_an_order_arrives_with_the_bar_that_begins_at_that_instant(make_venue: Any) -> None:
    """Not later."""
    venue = make_venue(latency=DAY)
    venue.submit("buy 1 market")
    assert venue.bar("100 101 99 100") == []
    assert venue.bar("101 101 99 100") == ["a accepted", "a buy 1 at 101 open taker"]


def test_both_latencies_have_to_pass(make_venue: Any) -> None:
    """Bars and time."""
    venue = make_venue(latency=HOUR, latency_bars=1)
    venue.submit("buy 1 market")
    assert venue.matcher.on_bar(hourly(venue, 0)) == []
    assert len(venue.matcher.on_bar(hourly(venue, 1))) == 2
    venue.submit("b: buy 1 market")
    assert venue.matcher.on_bar(hourly(venue, 5)) == []
    assert len(venue.matcher.on_bar(hourly(venue, 6))) == 2


def test_an_order_may_arrive_and_end_within_a_bar(make_venue: Any) -> None:
    """It sees the open and no more."""
    venue = make_venue(latency=DAY)
    for name, hours in (("b", 60), ("a", 36)):
        venue.submit(
            venue.order(
                "buy 1 limit price=95",
                client_id=name,
                time_in_force=TimeInForce.GTD,
                expires=venue.now + hours * HOUR,
            )
        )
    venue.bar("100 101 94 100")
    assert venue.bar("100 101 94 100") == [
        "b accepted",
        "a accepted",
        "a expired: its time was over",
        "b buy 1 at 95 maker",
    ]


def test_a_cancel_takes_time_too(make_venue: Any) -> None:
    """The order may fill before the cancel arrives, and the cancel then comes to nothing."""
    venue = make_venue(latency_bars=1)
    venue.submit("buy 1 limit price=95")
    venue.bar("100 101 99 100")
    venue.bar("100 101 99 100")
    assert venue.cancel() == []
    assert venue.bar("100 101 95 100") == ["a buy 1 at 95 maker"]
    assert venue.bar("100 101 95 100") == []


def test_a_cancel_arrives_before_the_bar_is_matched(make_venue: Any) -> None:
    """In time to prevent a fill."""
    venue = make_venue(latency_bars=1)
    venue.submit("buy 1 limit price=95")
    venue.bar("100 101 99 100")
    venue.bar("100 101 99 100")
    venue.cancel()
    venue.bar("100 101 99 100")
    assert venue.bar("100 101 95 100") == ["a cancelled: cancelled on request"]


def test_requests_arrive_in_the_order_they_were_sent(make_venue: Any) -> None:
    """An order may be cancelled while it is on its way."""
    venue = make_venue(latency_bars=1)
    venue.submit("buy 1 market")
    venue.cancel()
    venue.bar("100 101 99 100")
    assert venue.bar("100 101 99 100") == ["a accepted", "a cancelled: cancelled on request"]


def test_a_modification_takes_time_too(make_venue: Any) -> None:
    """Until it arrives the old terms hold; one that comes too late is dropped."""
    venue = make_venue(latency_bars=1)
    venue.submit("buy 1 limit price=95")
    venue.bar("100 101 99 100")
    venue.bar("100 101 99 100")
    venue.modify(price="97")
    assert venue.bar("100 101 96 100") == []
    assert venue.bar("100 101 96 100") == [
        "a replaced 1 price=97 trigger=None",
        "a buy 1 at 97 maker",
    ]
    venue.submit("b: buy 1 limit price=95")
    venue.bar("100 101 99 100")
    venue.bar("100 101 99 100")
    venue.modify("b", price="97")
    assert venue.bar("100 101 95 100") == ["b buy 1 at 95 maker"]
    assert venue.bar("100 101 95 100") == []


def test_with_latency_the_same_close_is_out_of_reach(make_venue: Any) -> None:
    """The order is not there yet."""
    venue = make_venue(policy=FillPolicy.SAME_CLOSE, latency=HOUR)
    venue.bar("100 101 99 100")
    assert venue.submit("buy 1 market") == []


def test_a_refusal_takes_time_too(make_venue: Any) -> None:
    """The venue cannot refuse what it has not seen."""
    venue = make_venue(latency_bars=1)
    assert venue.submit("buy 1.5 market") == []
    venue.bar("100 101 99 100")
    assert venue.bar("100 101 99 100") == ["a rejected: quantity 1.5 is off the lot 1"]


def test_pending_requests_need_a_look_at_every_bar(make_venue: Any) -> None:
    """Else the bars could not be counted."""
    venue = make_venue(latency_bars=1)
    venue.submit("buy 1 limit price=9")
    assert not venue.matcher.book("X").idle(hourly(venue, 0))
    venue.bar("100 100 100 100")
    assert not venue.matcher.book("X").idle(hourly(venue, 0))
    venue.bar("100 100 100 100")
    assert venue.matcher.book("X").idle(hourly(venue, 0))

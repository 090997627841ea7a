"""After a restart the venue goes on with the orders that its owner kept."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from rustybt.execution import FillPolicy, MatchingRules, Tier, TieredCommission
from rustybt.execution.matching import Matcher, numbered
from rustybt.model import OrderGroup, OrderState, TimeInForce, bracket, oco

D = Decimal
ENDED = "cancelled: another order of group 'g' ended it"


def restart(venue: Any, *groups: OrderGroup) -> list[str]:
    """Replace the venue's matcher by one that only knows what the owner of the orders knows."""
    matcher = Matcher(
        {"X": venue.matcher.book("X").instrument},
        venue.matcher.rules,
        trade_ids=numbered(f"U{len(venue.fills)}-"),
        venue_ids=numbered("W"),
    )
    position = venue.position
    venue.matcher = matcher
    told: list[str] = venue._told(
        matcher.resume(venue.orders.orders(), {"X": position}, venue.now, groups=groups)
    )
    return told


def test_orders_at_work_work_again(make_venue: Any) -> None:
    """With what they have left, under their ids; the position is what it was."""
    venue = make_venue(volume_share=D("0.1"))
    venue.submit("a: buy 10 limit price=99", "b: sell 5 stop trigger=95", "c: buy 1 limit price=9")
    venue.bar("100 101 99 100", volume="40")
    venue.cancel("c")
    assert restart(venue) == []
    assert list(venue.matcher.book("X").orders) == ["a", "b"]
    assert venue.position == 4
    assert venue.bar("100 101 99 100", volume="400") == ["a buy 6 at 99 maker"]
    assert venue.fills[-1].venue_id == "V1"
    assert venue.bar("100 101 94 100") == ["b triggered", "b sell 5 at 95 taker"]
    assert venue.position == 5


def test_what_only_was_submitted_never_came(make_venue: Any) -> None:
    """Whoever asks about it learns that it is not here."""
    venue = make_venue(latency_bars=5)
    venue.submit("a: buy 10 limit price=99")
    assert restart(venue) == []
    assert venue.matcher.book("X").orders == {}
    assert len(venue.orders.in_flight()) == 1


def test_a_request_under_way_is_lost(make_venue: Any) -> None:
    """The order goes on as if nobody had asked."""
    venue = make_venue(latency_bars=1)
    venue.submit("a: buy 10 limit price=99")
    venue.bar("100 101 99.50 100")
    venue.bar("100 101 99.50 100")
    venue.cancel("a")
    assert restart(venue) == []
    assert venue.bar("100 101 99.50 100") == []
    assert venue.bar("100 101 99 100") == ["a buy 10 at 99 maker"]


def test_a_triggered_order_stays_triggered(make_venue: Any) -> None:
    """And a resumed one can be modified like any other."""
    venue = make_venue(volume_share=D("0.1"))
    venue.submit("a: sell 10 stop_limit trigger=95 price=96")
    assert venue.bar("95 96 94 95", volume="40") == ["a triggered", "a sell 4 at 96 maker"]
    restart(venue)
    assert venue.modify(quantity="3") == ["a partially_filled: 4 are filled already, more than 3"]
    assert venue.modify(quantity="12") == ["a replaced 12 price=96 trigger=95"]
    assert venue.bar("95 97 95 96", volume="400") == ["a sell 8 at 96 maker"]


def test_time_goes_on_from_when_an_order_was_made(venue: Any) -> None:
    """A day order still ends with the day that it was sent on."""
    venue.submit("a: buy 1 limit price=9 day")
    expires = venue.now + timedelta(hours=30)
    venue.submit(
        venue.order(
            "buy 1 limit price=9", client_id="b", time_in_force=TimeInForce.GTD, expires=expires
        )
    )
    made = venue.now
    venue.now += timedelta(hours=7)
    restart(venue)
    assert venue.matcher.book("X").wake == made + timedelta(days=1)
    assert [working.expires for working in venue.matcher.book("X").orders.values()] == [
        made + timedelta(days=1),
        expires,
    ]


def test_an_order_sees_no_bar_that_began_before_the_restart(venue: Any) -> None:
    """What happened while the venue was away is not known."""
    venue.submit("a: buy 1 limit price=99")
    venue.now += timedelta(hours=1)
    restart(venue)
    venue.now -= timedelta(hours=1)
    assert venue.bar("98 99 98 98") == []
    assert venue.bar("98 99 98 98") == ["a buy 1 at 98 open taker"]


def test_alternatives_stay_alternatives(venue: Any) -> None:
    """The end of one still ends the other."""
    group, orders = oco(
        "g",
        venue.order("sell 1 limit price=105", client_id="p"),
        venue.order("sell 1 stop trigger=95", client_id="s"),
    )
    venue.submit(*orders, group=group)
    assert restart(venue, group) == []
    assert venue.bar("100 106 94 96")[:2] == ["s triggered", f"p {ENDED}"]


def brackets(venue: Any, entry: str) -> OrderGroup:
    """Send a bracket of 10."""
    group, orders = bracket(
        "g",
        venue.order(entry, client_id="e"),
        take_profit=venue.order("sell 10 limit price=105 reduce_only", client_id="p"),
        stop_loss=venue.order("sell 10 stop trigger=95 reduce_only", client_id="s"),
    )
    venue.submit(*orders, group=group)
    return group


def test_exits_still_wait(venue: Any) -> None:
    """For an entry that has filled nothing."""
    group = brackets(venue, "buy 10 limit price=98")
    assert restart(venue, group) == []
    assert venue.bar("100 106 99 100") == []
    assert venue.bar("100 106 98 100") == ["e buy 10 at 98 maker"]
    assert venue.bar("100 106 98 100") == ["p sell 10 at 105 maker", f"s {ENDED}"]


def test_exits_still_work(make_venue: Any) -> None:
    """For one that has filled a part, and grow with it; also once it has filled all."""
    venue = make_venue(volume_share=D("0.1"))
    group = brackets(venue, "buy 10 market")
    venue.bar("100 101 99 100", volume="40")
    assert restart(venue, group) == []
    assert venue.bar("100 101 99 100", volume="400") == [
        "e buy 6 at 100 open taker",
        "p replaced 10 price=105 trigger=None",
        "s replaced 10 price=None trigger=95",
    ]
    assert restart(venue, group) == []
    assert venue.bar("96 97 95 96", volume="400") == [
        "s triggered",
        "s sell 10 at 95 taker",
        f"p {ENDED}",
    ]


def test_what_a_group_still_has_to_do_is_done(venue: Any) -> None:
    """The crash came between the end of the entry and that of its exits."""
    group = brackets(venue, "buy 10 limit price=98")
    venue.matcher.cancel("e", venue.now)
    venue.orders.move("e", OrderState.CANCELLED)
    assert restart(venue, group) == [f"p {ENDED}", f"s {ENDED}"]
    assert venue.matcher.book("X").orders == {}


def test_a_group_that_is_over_is_forgotten(venue: Any) -> None:
    """Its name is free again."""
    group = brackets(venue, "buy 10 limit price=98")
    venue.cancel("e")
    assert restart(venue, group) == []
    assert not venue.matcher.book("X").has_group("g")


def test_the_volume_of_the_account_counts_on(make_venue: Any) -> None:
    """Fees continue in the tier that was reached."""
    tiers = TieredCommission((Tier(D(0), D(10)), Tier(D(1000), D(0))))
    venue = make_venue(policy=FillPolicy.SAME_CLOSE, commission=tiers)
    venue.bar("100 100 100 100")
    venue.submit("a: buy 6 market", "b: buy 3 market")
    restart(venue)
    venue.submit("c: buy 5 market")
    assert [fill.fee for fill in venue.fills] == [D("0.6"), D("0.3"), D("0.1")]
    assert venue.matcher.rules == MatchingRules(policy=FillPolicy.SAME_CLOSE, commission=tiers)

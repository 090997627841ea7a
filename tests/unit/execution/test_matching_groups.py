"""Groups: alternatives of which only one trades, and entries with their exits."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from rustybt.execution import ExecutionError, FillPolicy
from rustybt.model import GroupKind, OrderGroup, bracket, oco

D = Decimal
ENDED = "cancelled: another order of group 'g' ended it"


def alternatives(venue: Any, first: str, second: str) -> list[str]:
    """Send two orders of which only one may trade: ``p`` and ``s``."""
    orders = venue.order(first, client_id="p"), venue.order(second, client_id="s")
    group, members = oco("g", *orders)
    told: list[str] = venue.submit(*members, group=group)
    return told


def bracketed(venue: Any, entry: str, profit: str = "105", stop: str = "95") -> list[str]:
    """Send an entry ``e`` to buy 10 with its exits ``p`` and ``s``."""
    group, members = bracket(
        "g",
        venue.order(entry, client_id="e"),
        take_profit=venue.order(f"sell 10 limit price={profit} reduce_only", client_id="p"),
        stop_loss=venue.order(f"sell 10 stop trigger={stop} reduce_only", client_id="s"),
    )
    told: list[str] = venue.submit(*members, group=group)
    return told


def test_one_cancels_the_other(venue: Any) -> None:
    """At the very price: the other does not trade in the same bar."""
    venue.matcher.set_position("X", D(10))
    told = alternatives(venue, "sell 10 limit price=105", "sell 10 stop trigger=95")
    assert told == ["p accepted", "s accepted"]
    assert venue.bar("100 106 94 100") == ["s triggered", f"p {ENDED}", "s sell 10 at 95 taker"]
    assert venue.matcher.book("X").orders == {}


def test_a_fill_cancels_the_other(venue: Any) -> None:
    """Also a partial one."""
    told = alternatives(venue, "sell 10 limit price=105", "sell 10 stop trigger=95")
    assert told == ["p accepted", "s accepted"]
    assert venue.bar("100 106 96 100") == ["p sell 10 at 105 maker", f"s {ENDED}"]


def test_a_partial_fill_cancels_the_other(make_venue: Any) -> None:
    """What has begun to trade goes on alone."""
    venue = make_venue(volume_share=D("0.1"))
    alternatives(venue, "sell 10 limit price=105", "sell 10 stop trigger=95")
    assert venue.bar("100 106 96 100", volume="40") == ["p sell 4 at 105 maker", f"s {ENDED}"]
    assert venue.bar("90 106 90 100", volume="400") == ["p sell 6 at 105 maker"]


def test_only_one_of_two_gapped_orders_trades(venue: Any) -> None:
    """The one that was sent first."""
    alternatives(venue, "buy 10 limit price=105", "buy 10 limit price=104")
    assert venue.bar("100 106 94 100") == ["p buy 10 at 100 open taker", f"s {ENDED}"]


def test_an_alternative_that_ends_leaves_the_other(venue: Any) -> None:
    """Only trading cancels."""
    alternatives(venue, "sell 10 limit price=105", "sell 10 stop trigger=95")
    assert venue.cancel("p") == ["p cancelled: cancelled on request"]
    assert venue.bar("100 106 95 100") == ["s triggered", "s sell 10 at 95 taker"]


def test_exits_wait_for_the_entry(venue: Any) -> None:
    """However far the market goes, and no bar need be looked at for them."""
    assert bracketed(venue, "buy 10 limit price=90") == ["e accepted", "p accepted", "s accepted"]
    assert venue.bar("100 110 91 100") == []
    assert venue.matcher.book("X").bounds == (D(90), D("Infinity"))


def test_an_entry_at_the_open_is_protected_in_its_bar(venue: Any) -> None:
    """The low of the bar comes after its open, without doubt."""
    bracketed(venue, "buy 10 market")
    assert venue.bar("100 104 94 100") == [
        "e buy 10 at 100 open taker",
        "s triggered",
        "s sell 10 at 95 taker",
        f"p {ENDED}",
    ]
    assert venue.position == 0


def test_an_entry_on_the_way_down_is_stopped_on_the_way(venue: Any) -> None:
    """The market that fell to 97 for the entry and to 94 has passed 95 in between."""
    bracketed(venue, "buy 10 limit price=97")
    assert venue.bar("100 104 94 96") == [
        "e buy 10 at 97 maker",
        "s triggered",
        "s sell 10 at 95 taker",
        f"p {ENDED}",
    ]


def test_a_high_before_the_entry_takes_no_profit(venue: Any) -> None:
    """The high of 106 may have come before the market fell to the entry."""
    bracketed(venue, "buy 10 limit price=97")
    assert venue.bar("100 106 96 100") == ["e buy 10 at 97 maker"]
    assert venue.bar("100 105 96 100") == ["p sell 10 at 105 maker", f"s {ENDED}"]


def test_a_close_beyond_the_profit_is_certain(venue: Any) -> None:
    """Whatever the path, it ends at the close."""
    bracketed(venue, "buy 10 limit price=97", profit="99")
    assert venue.bar("100 106 96 99") == [
        "e buy 10 at 97 maker",
        "p sell 10 at 99 maker",
        f"s {ENDED}",
    ]


def test_exits_are_as_large_as_what_was_entered(make_venue: Any) -> None:
    """They grow with the entry, and say so."""
    venue = make_venue(volume_share=D("0.1"))
    bracketed(venue, "buy 10 market")
    assert venue.bar("100 101 99 100", volume="40") == [
        "e buy 4 at 100 open taker",
        "p replaced 4 price=105 trigger=None",
        "s replaced 4 price=None trigger=95",
    ]
    assert venue.bar("100 101 99 100", volume="400") == [
        "e buy 6 at 100 open taker",
        "p replaced 10 price=105 trigger=None",
        "s replaced 10 price=None trigger=95",
    ]


def test_a_partial_exit_shrinks_the_other(make_venue: Any) -> None:
    """The stop protects what the profit has not closed yet."""
    venue = make_venue(volume_share=D("0.1"))
    bracketed(venue, "buy 10 market")
    venue.bar("100 101 99 100", volume="400")
    assert venue.bar("104 105 99 100", volume="30") == [
        "p sell 3 at 105 maker",
        "s replaced 7 price=None trigger=95",
    ]
    assert venue.bar("95 96 94 95", volume="400") == [
        "s triggered",
        "s sell 7 at 95 open taker",
        f"p {ENDED}",
    ]
    assert venue.position == 0


def test_an_exit_ends_the_rest_of_the_entry(make_venue: Any) -> None:
    """Nobody wants more of what is being closed."""
    venue = make_venue(volume_share=D("0.1"))
    bracketed(venue, "buy 10 limit price=100")
    venue.bar("100 101 99 100", volume="40")
    assert venue.bar("105 106 104 105", volume="400") == [
        "p sell 4 at 105 open maker",
        f"e {ENDED}",
        f"s {ENDED}",
    ]


def test_an_entry_that_ends_unfilled_takes_the_exits_along(venue: Any) -> None:
    """There is nothing to exit."""
    bracketed(venue, "buy 10 limit price=90")
    assert venue.cancel("e") == ["e cancelled: cancelled on request", f"p {ENDED}", f"s {ENDED}"]
    assert venue.matcher.book("X").orders == {}


def test_a_group_that_expires_does_so_once(venue: Any) -> None:
    """The entry's end ends the exits, whose time is over as well."""
    group, members = bracket(
        "g",
        venue.order("buy 10 limit price=90 day", client_id="e"),
        take_profit=venue.order("sell 10 limit price=105 day reduce_only", client_id="p"),
        stop_loss=venue.order("sell 10 stop trigger=80 day reduce_only", client_id="s"),
    )
    venue.submit(*members, group=group)
    assert venue.bar("100 101 99 100") == [
        "e expired: its time was over",
        f"p {ENDED}",
        f"s {ENDED}",
    ]


def test_a_partly_filled_entry_that_ends_keeps_its_exits(make_venue: Any) -> None:
    """With the size of what was bought."""
    venue = make_venue(volume_share=D("0.1"))
    bracketed(venue, "buy 10 market ioc")
    told = venue.bar("100 101 99 100", volume="40")
    assert told[-1] == "e cancelled: the rest could not be traded at once"
    assert venue.bar("105 106 104 105", volume="400") == [
        "p sell 4 at 105 open maker",
        f"s {ENDED}",
    ]
    assert venue.orders["p"].state == "filled"


def test_a_short_bracket(venue: Any) -> None:
    """The mirror image."""
    group, members = bracket(
        "g",
        venue.order("sell 10 market", client_id="e"),
        take_profit=venue.order("buy 10 take_profit trigger=95 reduce_only", client_id="p"),
        stop_loss=venue.order("buy 10 trailing_stop trail=5 reduce_only", client_id="s"),
    )
    venue.submit(*members, group=group)
    assert venue.bar("100 104 96 100") == ["e sell 10 at 100 open taker"]
    assert venue.bar("100 100 93 98.50") == [
        "p triggered",
        "p buy 10 at 95 taker",
        f"s {ENDED}",
    ]


def test_a_bracket_at_the_same_close(make_venue: Any) -> None:
    """The entry trades at the close; the exits wait for what comes after it."""
    venue = make_venue(policy=FillPolicy.SAME_CLOSE)
    venue.bar("90 110 90 100")
    assert bracketed(venue, "buy 10 market")[3:] == ["e buy 10 at 100 taker"]
    assert venue.bar("100 101 95 100")[:1] == ["s triggered"]


def test_a_refused_member_refuses_the_group(venue: Any) -> None:
    """An entry without its stop is not what was asked for."""
    told = bracketed(venue, "buy 10 market", stop="95.001")
    assert told == [
        "e rejected: another order of group 'g' was refused",
        "p rejected: another order of group 'g' was refused",
        "s rejected: price 95.001 is off the tick 0.01",
    ]
    assert venue.bar("100 106 94 100") == []


def test_exits_can_be_modified_while_they_wait(venue: Any) -> None:
    """The new price holds once they work."""
    bracketed(venue, "buy 10 market")
    assert venue.modify("p", price="107") == ["p replaced 10 price=107 trigger=None"]
    venue.bar("100 106 96 100")
    assert venue.bar("100 107 96 100")[:1] == ["p sell 10 at 107 maker"]


def test_the_size_of_an_exit_is_that_of_the_entry(venue: Any) -> None:
    """Whatever somebody asks for."""
    bracketed(venue, "buy 10 market")
    venue.bar("100 104 96 100")
    assert venue.modify("s", quantity="3") == [
        "s replaced 3 price=None trigger=95",
        "s replaced 10 price=None trigger=95",
    ]


def test_a_group_comes_whole(venue: Any) -> None:
    """A part of it, or an order that names a group that is not given, is an error."""
    orders = [venue.order("buy 1 market", client_id=name) for name in "ab"]
    group, members = oco("g", *orders)
    with pytest.raises(ExecutionError, match=r"'g' was given with 1 of its orders; expected a, b"):
        venue.matcher.submit(members[:1], venue.now, group=group)
    with pytest.raises(ExecutionError, match=r"the orders a, b are not of group None"):
        venue.matcher.submit(members, venue.now)
    with pytest.raises(ExecutionError, match=r"the orders b are not of group 'g'"):
        venue.matcher.submit([members[0], orders[1]], venue.now, group=group)
    with pytest.raises(ExecutionError) as strangers:
        venue.matcher.submit(members, venue.now)
    assert str(strangers.value) == (
        "the orders a, b are not of group None;"
        " expected orders without a group, or a group with exactly its orders;"
        " to fix it: make the orders with rustybt.model.oco or rustybt.model.bracket"
    )
    assert venue.matcher.submit(members, venue.now, group=group)


def test_a_group_trades_one_symbol(venue: Any) -> None:
    """Each symbol has a market of its own."""
    orders = [
        venue.order("buy 1 market", client_id="a", group="g"),
        venue.order("buy 1 market", client_id="b", group="g", symbol="Y"),
    ]
    group = OrderGroup("g", GroupKind.OCO, ("a", "b"))
    with pytest.raises(ExecutionError, match="group 'g' trades more than one symbol"):
        venue.matcher.submit(orders, venue.now, group=group)


def test_a_name_can_be_used_again(venue: Any) -> None:
    """Once all orders of the group have ended."""
    alternatives(venue, "buy 10 limit price=105", "buy 10 limit price=104")
    venue.bar("100 106 94 100")
    orders = [
        replace(venue.order("buy 1 market", client_id=name), group="g") for name in ("c", "d")
    ]
    group = OrderGroup("g", GroupKind.OCO, ("c", "d"))
    assert venue.submit(*orders, group=group) == ["c accepted", "d accepted"]


def test_a_name_in_use_is_refused(venue: Any) -> None:
    """Two groups of one name would be one."""
    alternatives(venue, "buy 10 limit price=95", "buy 10 limit price=94")
    group, members = oco(
        "g", *[venue.order("buy 1 limit price=90", client_id=name) for name in ("c", "d")]
    )
    assert venue.submit(*members, group=group) == [
        "c rejected: group 'g' has open orders",
        "d rejected: group 'g' has open orders",
    ]

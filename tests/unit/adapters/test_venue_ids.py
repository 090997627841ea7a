"""Under which ids a venue has our orders, and for how long that is remembered."""

from rustybt.adapters.venue.account import Ids


def test_both_ways_lead_to_the_newest_id() -> None:
    """A replaced order is found by either of its venue's ids, and sent under the newest."""
    ids = Ids()
    ids.place("A-1-1", "ELM/USDT")
    ids.know("A-1-1", "7")
    ids.know("A-1-1", "8")
    assert (ids.client("7"), ids.client("8"), ids.venue("A-1-1")) == ("A-1-1", "A-1-1", "8")
    assert ids.symbol("A-1-1") == "ELM/USDT"


def test_what_is_known_is_not_learned_anew() -> None:
    """A stream that names an order otherwise does not take it from its owner."""
    ids = Ids()
    ids.know("A-1-1", "7")
    ids.learn("web_1", "7")
    ids.learn("web_2", "9")
    assert (ids.client("7"), ids.client("9"), ids.venue("web_2")) == ("A-1-1", "web_2", None)


def test_an_order_without_a_name_gets_one() -> None:
    """It is named as it says itself, else by the venue's id."""
    assert (Ids().client("7"), Ids().client("7", "web_1")) == ("venue-7", "web_1")


def test_the_longest_unmentioned_is_forgotten() -> None:
    """Memory stays bounded; an order that snapshots mention again and again stays known."""
    ids = Ids(remembered=3)
    for number in range(10):
        ids.place(f"A-1-{number}", "ELM/USDT")
        ids.know(f"A-1-{number}", str(number))
        ids.know("A-1-0", "0")
        ids.place("A-1-0", "ELM/USDT")
    known = [number for number in range(10) if ids.knows(str(number))]
    assert known == [0, 8, 9]
    assert [ids.symbol(f"A-1-{number}") is None for number in (0, 1, 9)] == [False, True, False]

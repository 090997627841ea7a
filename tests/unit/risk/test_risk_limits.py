"""Limits one by one: where each begins to bite, and what the denial says."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from rustybt.model import Fill, InvalidValueError, OrderState, Side
from rustybt.risk import Denial, Limit, RiskLimits, RiskManager

D = Decimal


def test_without_limits_everything_is_approved(desk: Any) -> None:
    """Each limit has to be asked for."""
    assert desk.review("buy 1000000 X") == "approved"
    assert desk.review("sell 1000000 X limit price=0.01") == "approved"
    assert desk.review("buy 1 UNKNOWN") == "approved"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("buy 10 X", "approved"),
        ("buy 10.001 X", "max_position_size 0.10001 0.1"),
        ("sell 10 X", "approved"),
        ("sell 10.001 X", "max_position_size 0.10001 0.1"),
        # In another currency: 20 EUR are 25 USD.
        ("buy 40 E", "approved"),
        ("buy 40.001 E", "max_position_size 0.1000025 0.1"),
        # 50 units of the underlying a contract.
        ("buy 5 F", "approved"),
        ("buy 5.001 F", "max_position_size 0.10002 0.1"),
        # The market's price counts, not the order's.
        ("buy 10.001 X limit price=1", "max_position_size 0.10001 0.1"),
    ],
)
def test_position_size_is_a_part_of_equity(desk: Any, words: str, expected: str) -> None:
    """A tenth of 10 000, to the last lot."""
    assert desk.review(words, max_position_size=D("0.1")) == expected


@pytest.mark.parametrize(
    ("position", "words", "expected"),
    [
        ("6", "buy 4 X", "approved"),
        ("6", "buy 4.001 X", "max_position_size 0.10001 0.1"),
        ("-6", "sell 4.001 X", "max_position_size 0.10001 0.1"),
        ("-6", "buy 16 X", "approved"),
        ("-6", "buy 16.001 X", "max_position_size 0.10001 0.1"),
        ("6", "sell 16.001 X", "max_position_size 0.10001 0.1"),
    ],
)
def test_position_size_counts_what_is_held(
    desk: Any, position: str, words: str, expected: str
) -> None:
    """What is bought comes on top of it or turns it round."""
    snapshot = desk.snapshot(positions={"X": position})
    assert desk.review(words, snapshot, max_position_size=D("0.1")) == expected


def test_position_size_counts_orders_at_work(desk: Any) -> None:
    """They may fill before this one; those of the other side may not."""
    at_work = [
        desk.order("buy 3 X", client_id="b"),
        desk.order("buy 3 X limit price=90", client_id="c"),
        desk.order("sell 9 X", client_id="s"),
        desk.order("buy 9 Y", client_id="y"),
    ]
    snapshot = desk.snapshot(*at_work)
    assert desk.review("buy 4 X", snapshot, max_position_size=D("0.1")) == "approved"
    snapshot = desk.snapshot(*at_work)
    answer = desk.review("buy 4.001 X", snapshot, max_position_size=D("0.1"))
    assert answer == "max_position_size 0.10001 0.1"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("buy 50 X", "approved"),
        ("buy 50.001 X", "max_order_notional 5000.100 5000"),
        ("sell 50.001 X", "max_order_notional 5000.100 5000"),
        ("buy 62.5 X limit price=80", "approved"),
        ("buy 62.501 X limit price=80", "max_order_notional 5000.080 5000"),
        ("buy 40.001 X stop trigger=125", "max_order_notional 5000.125 5000"),
        # The limit counts before the trigger.
        ("buy 40.001 X stop_limit trigger=125 price=124", "approved"),
        ("sell 200 E", "approved"),
        ("sell 200.001 E", "max_order_notional 5000.02500 5000"),
        ("sell 25.001 F", "max_order_notional 5000.200 5000"),
        ("sell 5001 X limit price=-1", "max_order_notional 5001 5000"),
    ],
)
def test_order_notional(desk: Any, words: str, expected: str) -> None:
    """At the limit, else the trigger, else the market; in the account's currency."""
    assert desk.review(words, max_order_notional=D(5000)) == expected


def test_order_notional_is_of_what_is_left(desk: Any) -> None:
    """A modified order has filled some of itself."""
    order = desk.order("buy 60 X").to(OrderState.SUBMITTED).accepted("v")
    for filled, expected in ((10, "approved"), (9, "max_order_notional 5100 5000")):
        part = order.fill(Fill("t", "a", "X", Side.BUY, D(filled), D(100), desk.now))
        assert desk.review(part, max_order_notional=D(5000)) == expected


@pytest.mark.parametrize(
    ("equity", "start", "expected"),
    [
        ("9500.01", "10000", "approved"),
        ("9500", "10000", "max_daily_loss 0.05 0.05"),
        ("9000", "10000", "max_daily_loss 0.1 0.05"),
        ("11000", "10000", "approved"),
        ("-100", "10000", "max_daily_loss 1.01 0.05"),
        ("100", "0", "max_daily_loss"),
        ("-100", "-200", "max_daily_loss"),
    ],
)
def test_daily_loss(desk: Any, equity: str, start: str, expected: str) -> None:
    """Once five in a hundred are lost, nothing is opened; nor without anything to lose."""
    snapshot = desk.snapshot(equity=D(equity), day_start_equity=D(start))
    assert desk.review("buy 1 X", snapshot, max_daily_loss=D("0.05")) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("buy 150 X", "approved"),
        ("buy 150.001 X", "max_leverage 1.50001 1.5"),
        ("sell 150.001 X", "max_leverage 1.50001 1.5"),
        ("buy 600.001 E", "max_leverage 1.5000025 1.5"),
    ],
)
def test_leverage_of_one_position(desk: Any, words: str, expected: str) -> None:
    """One and a half times equity."""
    assert desk.review(words, max_leverage=D("1.5")) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("buy 50 X", "approved"),
        ("buy 50.001 X", "max_leverage 1.50001 1.5"),
        ("sell 130 X", "approved"),  # from 40 long to 90 short
        ("sell 130.001 X", "max_leverage 1.50001 1.5"),
        ("sell 500 Y", "approved"),  # to 1000 short
        ("sell 500.001 Y", "max_leverage 1.500001 1.5"),
        ("buy 25 F", "approved"),
        ("buy 25.001 F", "max_leverage 1.50002 1.5"),
    ],
)
def test_leverage_adds_up_all_positions(desk: Any, words: str, expected: str) -> None:
    """4000 long in one, 5000 short in another, and 1000 that an order may still buy."""
    snapshot = desk.snapshot(
        desk.order("buy 40 E", client_id="e"), positions={"X": "40", "Y": "-500"}
    )
    assert desk.review(words, snapshot, max_leverage=D("1.5")) == expected


@pytest.mark.parametrize("limit", ["max_leverage", "max_position_size"])
@pytest.mark.parametrize("equity", ["0", "-5"])
def test_without_equity_there_is_no_room(desk: Any, limit: str, equity: str) -> None:
    """A ratio would mean nothing."""
    snapshot = desk.snapshot(equity=D(equity))
    assert desk.review("buy 0.001 X", snapshot, **{limit: D(10)}) == limit


def test_a_value_that_breaks_a_limit_never_looks_as_if_it_kept_it(desk: Any) -> None:
    """Ratios are rounded up: a third of equity is more than 40 threes."""
    threshold = D("0." + "3" * 35)
    snapshot = desk.snapshot(equity=D(300), prices={"X": D(1)})
    answer = desk.review("buy 100 X", snapshot, max_position_size=threshold)
    assert answer == f"max_position_size 0.{'3' * 39}4 {threshold}"


@pytest.mark.parametrize(
    ("positions", "orders", "words", "expected"),
    [
        ({}, [], "buy 1 X", "approved"),
        ({"X": "1"}, [], "buy 1 Y", "approved"),
        ({"X": "1", "Y": "-1"}, [], "buy 1 E", "max_open_positions 3 2"),
        ({"X": "1", "Y": "-1"}, [], "buy 1 X", "approved"),
        ({"X": "1", "Y": "0"}, [], "buy 1 E", "approved"),
        ({"X": "1"}, ["buy 1 Y"], "buy 1 E", "max_open_positions 3 2"),
        ({"X": "1", "Y": "1", "E": "1"}, [], "buy 1 F", "max_open_positions 4 2"),
        ({"X": "1", "Y": "1", "E": "1"}, [], "buy 1 X", "approved"),
        ({"X": "1"}, ["sell 1 Y market reduce_only"], "buy 1 E", "approved"),
    ],
)
def test_open_positions(
    desk: Any, positions: dict[str, str], orders: list[str], words: str, expected: str
) -> None:
    """Two at most, with those that orders may still open."""
    at_work = [desk.order(each, client_id=f"o{index}") for index, each in enumerate(orders)]
    snapshot = desk.snapshot(*at_work, positions=positions)
    assert desk.review(words, snapshot, max_open_positions=2) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("buy 1 X limit price=105", "approved"),
        ("buy 1 X limit price=105.01", "price_collar 105.01 105.00"),
        ("buy 1 X limit price=1", "approved"),
        ("sell 1 X limit price=95", "approved"),
        ("sell 1 X limit price=94.99", "price_collar 94.99 95.00"),
        ("sell 1 X limit price=1000", "approved"),
        ("buy 1 X", "approved"),
        ("buy 1 X stop trigger=500", "approved"),
        # A stop-limit is measured from its own trigger: it does not trade before.
        ("buy 1 X stop_limit trigger=200 price=210", "approved"),
        ("buy 1 X stop_limit trigger=200 price=210.01", "price_collar 210.01 210.00"),
        ("sell 1 X stop_limit trigger=50 price=47.5", "approved"),
        ("sell 1 X stop_limit trigger=50 price=47.49", "price_collar 47.49 47.50"),
    ],
)
def test_price_collar(desk: Any, words: str, expected: str) -> None:
    """Five in a hundred on the worse side; on the better side any price may wait."""
    assert desk.review(words, price_collar=D("0.05")) == expected


def test_after_its_trigger_a_stop_limit_is_measured_from_the_market(desk: Any) -> None:
    """It trades at once."""
    order = desk.order("buy 1 X stop_limit trigger=200 price=201", triggered=True)
    assert desk.review(order, price_collar=D("0.05")) == "price_collar 201 105.00"


def test_the_collar_around_negative_prices(desk: Any) -> None:
    """Its width is that of the price without its sign."""
    snapshot = desk.snapshot(prices={"X": D(-40)})
    limits = {"price_collar": D("0.05")}
    assert desk.review("buy 1 X limit price=-38", snapshot, **limits) == "approved"
    answer = desk.review("buy 1 X limit price=-37.99", snapshot, **limits)
    assert answer == "price_collar -37.99 -38.00"


@pytest.mark.parametrize("words", ["buy 1 X", "sell 1 X", "sell 1 X market reduce_only"])
def test_restricted_symbols(desk: Any, words: str) -> None:
    """In either direction, whatever is held; other symbols are free."""
    snapshot = desk.snapshot(positions={"X": "5"})
    assert desk.review(words, snapshot, restricted=frozenset({"X", "Z"})) == "restricted"
    assert desk.review("buy 1 Y", snapshot, restricted=frozenset({"X", "Z"})) == "approved"


@pytest.mark.parametrize(
    ("limits", "what"),
    [
        ({"max_position_size": D("0.1")}, "max_position_size cannot be checked"),
        ({"max_order_notional": D(100)}, "max_order_notional cannot be checked"),
        ({"max_leverage": D(1)}, "max_leverage cannot be checked"),
        ({"price_collar": D(1)}, "price_collar cannot be checked"),
    ],
)
@pytest.mark.parametrize("gone", ["prices", "instruments", "rates"])
def test_what_cannot_be_checked_is_denied(
    desk: Any, limits: dict[str, Any], what: str, gone: str
) -> None:
    """Without price, instrument or exchange rate no limit is taken to be kept."""
    changes: dict[str, Any] = {gone: {}}
    order = desk.order("buy 1 E")
    if "price_collar" in limits:
        order = desk.order("buy 1 E limit price=1")
        changes = {"prices": {}}
    answer = RiskManager(RiskLimits(**limits)).review(order, desk.snapshot(**changes), desk.now)
    assert isinstance(answer, Denial)
    assert answer.limit is Limit.KNOWN_VALUE
    assert (answer.value, answer.threshold) == (None, None)
    assert answer.detail.startswith(what)


def test_leverage_needs_the_value_of_every_position(desk: Any) -> None:
    """A position without a price is not worth nothing."""
    snapshot = desk.snapshot(positions={"Z": "1"})
    assert desk.review("buy 1 X", snapshot, max_leverage=D(1)) == "known_value"


def test_a_price_of_its_own_values_an_order(desk: Any) -> None:
    """The notional of a limit needs no market."""
    snapshot = desk.snapshot(prices={})
    limits = {"max_order_notional": D(100)}
    assert desk.review("buy 1 X limit price=100", snapshot, **limits) == "approved"
    answer = desk.review("buy 1 X stop trigger=100.01", snapshot, **limits)
    assert answer == "max_order_notional 100.01 100"


ALL_LIMITS: dict[str, Any] = {
    "max_position_size": D("0.001"),
    "max_order_notional": D(1),
    "max_daily_loss": D("0.0001"),
    "max_leverage": D("0.001"),
    "max_open_positions": 1,
    "max_order_rate": 1,
}


@pytest.mark.parametrize(
    ("position", "words"),
    [
        ("50", "sell 50 X"),
        ("50", "sell 1 X"),
        ("-50", "buy 50 X"),
        ("-50", "buy 1 X"),
        ("50", "sell 80 X market reduce_only"),
        ("0", "sell 80 X market reduce_only"),
    ],
)
def test_getting_out_is_always_allowed(desk: Any, position: str, words: str) -> None:
    """However much of it there is, whatever was lost and however often orders were sent."""
    positions = {"X": position, "Y": "1", "E": "1"}
    snapshot = desk.snapshot(positions=positions, equity=D(1))
    manager = RiskManager(RiskLimits(**ALL_LIMITS), sent=[desk.now, desk.now])
    answer = manager.review(desk.order(words), snapshot, desk.now)
    assert not isinstance(answer, Denial)


@pytest.mark.parametrize(
    ("position", "at_work", "words", "gets_out"),
    [
        ("50", [], "sell 50.001 X", False),
        ("50", [], "buy 1 X", False),
        ("-50", [], "buy 50.001 X", False),
        ("-50", [], "sell 1 X", False),
        ("0", [], "sell 1 X", False),
        ("50", ["sell 30 X limit price=120"], "sell 20 X", True),
        ("50", ["sell 30 X limit price=120"], "sell 20.001 X", False),
        ("50", ["buy 30 X limit price=80"], "sell 50 X", True),
        ("50", ["sell 30 X limit price=120 reduce_only"], "sell 50 X", True),
        ("50", ["sell 30 Y limit price=120"], "sell 50 X", True),
    ],
)
def test_what_counts_as_getting_out(
    desk: Any, position: str, at_work: list[str], words: str, gets_out: bool
) -> None:
    """An order that with all others on its side never turns the position round."""
    orders = [desk.order(each, client_id=f"o{index}") for index, each in enumerate(at_work)]
    snapshot = desk.snapshot(*orders, positions={"X": position})
    answer = desk.review(words, snapshot, max_order_notional=D("0.01"))
    assert answer.startswith("approved" if gets_out else "max_order_notional")


def test_getting_out_of_what_has_no_price(desk: Any) -> None:
    """Closing must stay possible when the data stops; opening must not."""
    snapshot = desk.snapshot(positions={"X": "5"}, prices={})
    limits = {**ALL_LIMITS, "price_collar": D("0.05")}
    assert desk.review("sell 5 X limit price=1", snapshot, **limits) == "approved"
    assert desk.review("buy 5 X limit price=1", snapshot, **limits) == "known_value"


def test_getting_out_keeps_the_collar(desk: Any) -> None:
    """A slip of the finger costs as much on the way out."""
    snapshot = desk.snapshot(positions={"X": "5"})
    answer = desk.review("sell 5 X limit price=9", snapshot, price_collar=D("0.05"))
    assert answer == "price_collar 9 95.00"


def test_a_denial_says_all(desk: Any) -> None:
    """Whose order, when, which limit, how far beyond it, and a sentence."""
    manager = RiskManager(RiskLimits(max_position_size=D("0.1")))
    answer = manager.review(desk.order("buy 20 X"), desk.snapshot(), desk.now)
    assert answer == Denial(
        client_id="a",
        time=desk.now,
        limit=Limit.MAX_POSITION_SIZE,
        detail="20 X would be worth 2000 USD, equity is 10000",
        value=D("0.2"),
        threshold=D("0.1"),
    )
    assert str(answer) == (
        "max_position_size (0.2 against 0.1): 20 X would be worth 2000 USD, equity is 10000"
    )


def test_a_denial_without_figures(desk: Any) -> None:
    """Some limits are no numbers."""
    manager = RiskManager(RiskLimits(restricted=frozenset({"X"})))
    answer = manager.review(desk.order("buy 20 X"), desk.snapshot(), desk.now)
    assert str(answer) == "restricted: X is on the restricted list"


@pytest.mark.parametrize(
    ("limits", "words", "changes", "detail"),
    [
        ({"max_order_notional": D(1)}, "sell 2 E", {}, "2 E are worth 50.00 USD"),
        ({"max_leverage": D(1)}, "buy 200 X", {}, "all positions would be worth 20000 USD, equity"),
        (
            {"max_leverage": D(1)},
            "buy 200 X",
            {"equity": D(0)},
            "all positions would be worth 20000 USD, with an equity of 0",
        ),
        (
            {"max_daily_loss": D("0.01")},
            "buy 1 X",
            {"equity": D(9000)},
            "equity went from 10000 to 9000 since the day began",
        ),
        (
            {"max_daily_loss": D("0.01")},
            "buy 1 X",
            {"day_start_equity": D(0)},
            "the day started with an equity of 0",
        ),
        (
            {"max_open_positions": 1},
            "buy 1 X",
            {"positions": {"Y": "1"}},
            "X would be one position more than there may be",
        ),
        ({"price_collar": D("0.1")}, "buy 1 X limit price=200", {}, "a buy at 200 is too far from"),
        (
            {"max_position_size": D(1)},
            "buy 1 Z",
            {},
            "max_position_size cannot be checked without the value of one unit",
        ),
        (
            {"max_order_notional": D(1)},
            "buy 1 Z",
            {},
            "max_order_notional cannot be checked without the value of one unit",
        ),
        (
            {"max_leverage": D(1)},
            "buy 1 Z",
            {},
            "max_leverage cannot be checked without the value of every position",
        ),
        (
            {"price_collar": D(1)},
            "buy 1 Z limit price=1",
            {},
            "price_collar cannot be checked without the market price",
        ),
    ],
)
def test_the_sentence_of_a_denial(
    desk: Any, limits: dict[str, Any], words: str, changes: dict[str, Any], detail: str
) -> None:
    """It names what was seen."""
    manager = RiskManager(RiskLimits(**limits))
    answer = manager.review(desk.order(words), desk.snapshot(**changes), desk.now)
    assert isinstance(answer, Denial)
    assert answer.detail.startswith(detail)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"max_position_size": D(0)}, "max_position_size must be a Decimal above 0"),
        ({"max_order_notional": 5}, "max_order_notional must be a Decimal above 0"),
        ({"max_daily_loss": D(-1)}, "max_daily_loss must be a Decimal above 0"),
        ({"max_leverage": D("NaN")}, "max_leverage must be a Decimal above 0"),
        ({"price_collar": 0.1}, "price_collar must be a Decimal above 0"),
        ({"max_open_positions": 0}, "max_open_positions must be a whole number of at least 1"),
        ({"max_order_rate": True}, "max_order_rate must be a whole number of at least 1, not True"),
        ({"max_order_rate": 1.5}, "max_order_rate must be a whole number of at least 1, not 1.5"),
        ({"rate_window": timedelta(0)}, "rate_window must be longer than nothing, not 0:00:00"),
        ({"restricted": frozenset({" X"})}, "a restricted symbol must be text without blanks"),
        ({"restricted": frozenset({7})}, "a restricted symbol must be text without blanks"),
    ],
)
def test_limits_that_cannot_be(changes: dict[str, Any], problem: str) -> None:
    """A limit that would deny or allow everything is a mistake."""
    with pytest.raises(InvalidValueError) as caught:
        RiskLimits(**changes)
    assert caught.value.what == "risk 'limits'"
    assert [found[: len(problem)] for found in caught.value.problems] == [problem]


def test_all_problems_of_limits_are_named_at_once() -> None:
    """In the order of the fields."""
    with pytest.raises(InvalidValueError) as caught:
        RiskLimits(max_leverage=D(0), max_order_rate=0, rate_window=timedelta(-1))
    assert [found.split()[0] for found in caught.value.problems] == [
        "max_leverage",
        "max_order_rate",
        "rate_window",
    ]


def test_the_smallest_limits() -> None:
    """Anything above nothing, and counts from one."""
    limits = RiskLimits(max_leverage=D("1e-9"), max_order_rate=1, max_open_positions=1)
    assert limits.rate_window == timedelta(minutes=1)

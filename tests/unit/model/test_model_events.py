"""Events: immutable facts with the time at which they became known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from rustybt.model import (
    Bar,
    BarClosed,
    CashMoved,
    Charged,
    ChargeKind,
    ConnectionLost,
    ConnectionRestored,
    DividendPaid,
    Fill,
    InvalidValueError,
    OperatorCommand,
    OrderFilled,
    OrderReplaced,
    OrderState,
    OrderUpdated,
    Quote,
    QuoteChanged,
    SharesSplit,
    Side,
    TimerFired,
)

D = Decimal
NOW = datetime(2024, 3, 1, tzinfo=UTC)
BAR = Bar("X", NOW - timedelta(minutes=1), NOW, D(1), D(1), D(1), D(1), D(0))

VALID: dict[type, dict[str, Any]] = {
    BarClosed: {"bar": BAR},
    QuoteChanged: {"quote": Quote("X", NOW, D(1), D(2), D(1), D(1))},
    OrderUpdated: {"client_id": "o1", "state": OrderState.ACCEPTED},
    OrderFilled: {"fill": Fill("t", "o", "X", Side.BUY, D(1), D(1), NOW)},
    OrderReplaced: {"client_id": "o1", "quantity": D(5)},
    TimerFired: {"name": "rebalance"},
    OperatorCommand: {"command": "enable-trading", "operator": "ada", "reason": "open"},
    ConnectionLost: {"component": "feed", "reason": "timeout"},
    ConnectionRestored: {"component": "feed"},
    CashMoved: {"entry_id": "e", "currency": "USD", "amount": D(-5)},
    DividendPaid: {"entry_id": "e", "symbol": "X", "per_unit": D("0.5")},
    SharesSplit: {"entry_id": "e", "symbol": "X", "new": 2, "old": 1},
    Charged: {"entry_id": "e", "kind": ChargeKind.BORROW, "currency": "USD", "amount": D(-1)},
}


def problems_of(kind: type, /, **changes: Any) -> tuple[str, ...]:
    """Return what is wrong with an event of *kind* with *changes*."""
    with pytest.raises(InvalidValueError) as caught:
        kind(**{"time": NOW, **VALID[kind], **changes})
    assert caught.value.what == f"event {kind.__name__!r}"
    return caught.value.problems


@pytest.mark.parametrize("kind", VALID)
def test_each_event_knows_when_it_became_known(kind: type) -> None:
    """Every event is valid with a UTC time and refuses any other."""
    assert kind(time=NOW, **VALID[kind]).time == NOW
    naive = NOW.replace(tzinfo=None)
    assert problems_of(kind, time=naive) == (f"time must be an aware UTC datetime, not {naive!r}",)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (OrderUpdated, "client_id"),
        (OrderReplaced, "client_id"),
        (TimerFired, "name"),
        (OperatorCommand, "command"),
        (OperatorCommand, "operator"),
        (OperatorCommand, "reason"),
        (ConnectionLost, "component"),
        (ConnectionRestored, "component"),
        (CashMoved, "entry_id"),
        (CashMoved, "currency"),
        (DividendPaid, "entry_id"),
        (DividendPaid, "symbol"),
        (SharesSplit, "entry_id"),
        (SharesSplit, "symbol"),
        (Charged, "entry_id"),
        (Charged, "currency"),
        (Charged, "symbol"),
    ],
)
def test_names_are_never_empty(kind: type, name: str) -> None:
    """An order without an id, a command without an operator or a reason: refused."""
    expected = f"{name} must be text without blanks around it, not ''"
    assert problems_of(kind, **{name: ""}) == (expected,)


@pytest.mark.parametrize("kind", [CashMoved, Charged])
def test_amounts_are_decimals_of_any_sign(kind: type) -> None:
    """Withdrawals and received funding are negative; floats are refused."""
    expected = "amount must be a finite Decimal of at most 36 digits, not 0.1"
    assert problems_of(kind, amount=0.1) == (expected,)


def test_the_terms_of_a_modified_order_are_decimals() -> None:
    """The quantity is above zero, prices are of any sign or absent; floats are refused."""
    made = OrderReplaced(time=NOW, client_id="o", quantity=D(5), price=D(-1), trigger=D(-2))
    assert (made.price, made.trigger, made.venue_id) == (D(-1), D(-2), None)
    found = problems_of(OrderReplaced, quantity=D(0), price=1.5, trigger=1.5)
    assert [problem.split()[0] for problem in found] == ["quantity", "price", "trigger"]


def test_members_not_texts() -> None:
    """States and kinds are converted at the edges."""
    assert problems_of(OrderUpdated, state="accepted")[0].startswith(
        "state must be one of OrderState.NEW, "
    )
    assert problems_of(Charged, kind="borrow")[0].startswith(
        "kind must be one of ChargeKind.BORROW, "
    )


def test_a_bar_is_not_known_before_it_ends() -> None:
    """Whoever delivers a bar early shows the strategy the future."""
    early = NOW - timedelta(microseconds=1)
    assert problems_of(BarClosed, time=early) == (
        f"it is known at {early}, the bar only ends at {NOW}",
    )


def test_a_dividend_is_not_negative() -> None:
    """Who pays is decided by the position, not by the sign."""
    assert DividendPaid(time=NOW, entry_id="e", symbol="X", per_unit=D(0)).per_unit == 0
    assert problems_of(DividendPaid, per_unit=D(-1))[0].startswith("per_unit must be a Decimal of")


@pytest.mark.parametrize(("new", "old"), [(0, 1), (1, 0), (-2, 1), (1_000_001, 1), (1, 1_000_001)])
def test_a_split_has_a_ratio(new: int, old: int) -> None:
    """Both sides are at least one, and not absurd."""
    assert problems_of(SharesSplit, new=new, old=old) == (
        f"new and old must be from 1 to 1000000, not {new} and {old}",
    )


@pytest.mark.parametrize(("new", "old"), [(1, 1), (1_000_000, 1), (1, 1_000_000)])
def test_the_ends_of_the_range_are_ratios(new: int, old: int) -> None:
    """One and a million are allowed on both sides."""
    split = SharesSplit(time=NOW, entry_id="e", symbol="X", new=new, old=old)
    assert (split.new, split.old) == (new, old)


def test_a_split_pays_fractions_in_cents_by_default() -> None:
    """Without anything said there is no price, and cash is rounded to a hundredth."""
    split = SharesSplit(time=NOW, entry_id="e", symbol="X", new=2, old=1)
    assert (split.price, split.cent) == (None, D("0.01"))
    assert problems_of(SharesSplit, price=D(-1))[0].startswith(
        "price must be a Decimal of at least"
    )
    assert problems_of(SharesSplit, cent=D(0))[0].startswith("cent must be a Decimal above 0")
    assert SharesSplit(time=NOW, entry_id="e", symbol="X", new=2, old=1, price=D(0)).price == 0


def test_optional_fields_may_stay_away() -> None:
    """An update without id and reason, a command without arguments, a charge on the account."""
    update = OrderUpdated(time=NOW, client_id="o1", state=OrderState.REJECTED)
    assert (update.venue_id, update.reason) == (None, "")
    command = OperatorCommand(time=NOW, command="halt", operator="ada", reason="fire")
    assert command.arguments == {}
    charge = Charged(time=NOW, **VALID[Charged])
    assert charge.symbol is None


@pytest.mark.parametrize("value", [1.5, 2.0, True, "2", D(2)])
def test_a_ratio_is_of_whole_numbers(value: object) -> None:
    """A float, a bool or a decimal is no side of a ratio."""
    assert problems_of(SharesSplit, new=value) == (
        f"new and old must be from 1 to 1000000, not {value} and 1",
    )


@pytest.mark.parametrize("kind", [CashMoved, DividendPaid, SharesSplit, Charged])
def test_all_problems_are_reported_at_once(kind: type) -> None:
    """Time, id and the event's own fields are in one error."""
    found = problems_of(kind, time=None, entry_id="")
    assert [problem.split()[0] for problem in found] == ["time", "entry_id"]

"""The gate: who can approve, what it counts, the order rate, hours and the breaker."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from rustybt.model import InvalidValueError, Order, OrderState
from rustybt.model.approval import RiskApproved
from rustybt.risk import Breaker, Denial, Limit, RiskLimits, RiskManager

D = Decimal
NOW = datetime(2024, 3, 1, 15, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def allowed(answer: RiskApproved | Denial) -> bool:
    """Tell whether an order was approved."""
    return isinstance(answer, RiskApproved)


def test_an_approval_holds_the_order_and_the_time(desk: Any) -> None:
    """The very order that was reviewed."""
    order = desk.order("buy 1 X")
    answer = RiskManager(RiskLimits()).review(order, desk.snapshot(), NOW)
    assert isinstance(answer, RiskApproved)
    assert answer.order is order
    assert answer.approved == NOW
    assert repr(answer) == "RiskApproved('a', 2024-03-01T15:00:00+00:00)"


def test_nobody_else_can_approve(desk: Any) -> None:
    """The type cannot be made, and refuses to be what another module derives from it."""
    made: Order = desk.order("buy 1 X")
    with pytest.raises(TypeError, match="abstract"):
        RiskApproved()  # type: ignore[abstract]  # that it is an error is the point

    with pytest.raises(TypeError, match=r"Forged cannot approve orders: only rustybt\.risk"):

        class Forged(RiskApproved):
            @property
            def order(self) -> Order:
                return made

            @property
            def approved(self) -> datetime:
                return NOW


def test_an_approval_cannot_be_changed(desk: Any) -> None:
    """Not even its order."""
    answer = RiskManager(RiskLimits()).review(desk.order("buy 1 X"), desk.snapshot(), NOW)
    assert isinstance(answer, RiskApproved)
    for name in ("order", "approved", "other"):
        with pytest.raises(AttributeError):
            setattr(answer, name, None)


def test_an_approved_order_takes_up_room(desk: Any) -> None:
    """Two orders cannot both be given the room of one; a denied one takes none."""
    manager = RiskManager(RiskLimits(max_leverage=D(1)))
    snapshot = desk.snapshot()
    assert allowed(manager.review(desk.order("buy 60 X", client_id="a"), snapshot, NOW))
    assert not allowed(manager.review(desk.order("buy 60 X", client_id="b"), snapshot, NOW))
    assert allowed(manager.review(desk.order("buy 400 Y", client_id="c"), snapshot, NOW))
    assert not allowed(manager.review(desk.order("buy 0.001 X", client_id="d"), snapshot, NOW))


def test_a_modification_is_counted_in_place_of_its_order(desk: Any) -> None:
    """The order grows from 60 to 100, not by 100."""
    manager = RiskManager(RiskLimits(max_position_size=D(1), max_leverage=D(1)))
    snapshot = desk.snapshot(desk.order("buy 60 X"))
    assert allowed(manager.review(desk.order("buy 100 X"), snapshot, NOW))
    assert not allowed(manager.review(desk.order("buy 100.001 X"), snapshot, NOW))


def test_an_order_that_ended_gives_its_room_back(desk: Any) -> None:
    """And one that shrank the difference."""
    manager = RiskManager(RiskLimits(max_leverage=D(1)))
    snapshot = desk.snapshot()
    order = desk.order("buy 100 X")
    assert allowed(manager.review(order, snapshot, NOW))
    assert not allowed(manager.review(desk.order("buy 1 Y", client_id="b"), snapshot, NOW))
    snapshot.include(order.to(OrderState.CANCELLED))
    assert allowed(manager.review(desk.order("buy 1 Y", client_id="b"), snapshot, NOW))


def test_orders_that_belong_together_are_approved_together(desk: Any) -> None:
    """In their order, each counted."""
    manager = rated()
    orders = [
        desk.order("buy 60 X", client_id="e"),
        desk.order("sell 60 X stop trigger=9 reduce_only"),
    ]
    answer = manager.review_all(orders, desk.snapshot(), NOW)
    assert not isinstance(answer, Denial)
    assert [each.order for each in answer] == orders
    assert not allowed(manager.review(desk.order("buy 1 X", client_id="z"), desk.snapshot(), NOW))


def test_or_none_of_them_is(desk: Any) -> None:
    """The first denial stands for all, and takes up no room."""
    limits = RiskLimits(max_leverage=D(1), max_order_rate=2, restricted=frozenset({"F"}))
    manager, snapshot = RiskManager(limits), desk.snapshot()
    orders = [
        desk.order("buy 60 X", client_id="a"),
        desk.order("buy 1 Y", client_id="b"),
        desk.order("buy 1 F", client_id="c"),
        desk.order("buy 999 X", client_id="d"),
    ]
    answer = manager.review_all(orders, snapshot, NOW)
    assert isinstance(answer, Denial)
    assert (answer.client_id, answer.limit) == ("c", Limit.RESTRICTED)
    assert allowed(manager.review(desk.order("buy 60 X", client_id="e"), snapshot, NOW))
    assert allowed(manager.review(desk.order("buy 400 Y", client_id="f"), snapshot, NOW))
    assert not allowed(manager.review(desk.order("buy 0.001 X", client_id="g"), snapshot, NOW))


def test_a_withdrawn_order_without_a_rate(desk: Any) -> None:
    """There is nothing to count back."""
    manager = RiskManager(RiskLimits(restricted=frozenset({"F"})))
    orders = [desk.order("buy 60 X", client_id="a"), desk.order("buy 1 F", client_id="c")]
    assert isinstance(manager.review_all(orders, desk.snapshot(), NOW), Denial)


def rated(**changes: Any) -> RiskManager:
    """Return a manager that lets two orders through in ten seconds."""
    limits = RiskLimits(max_order_rate=2, rate_window=10 * SECOND)
    return RiskManager(limits, **changes)


def send(manager: RiskManager, desk: Any, *seconds: float) -> list[bool]:
    """Review an order at each of *seconds*; return which were approved."""
    answers = []
    for index, second in enumerate(seconds):
        order = desk.order("buy 1 X", client_id=f"o{index}")
        answers.append(allowed(manager.review(order, desk.snapshot(), NOW + second * SECOND)))
    return answers


def test_the_order_rate(desk: Any) -> None:
    """The window is open at its far end: after ten seconds an order no longer counts."""
    answers = send(rated(), desk, 0, 1, 2, 9.999999, 10, 10.5, 11, 20, 20)
    assert answers == [True, True, False, False, True, False, True, True, False]


def test_a_denied_order_does_not_count(desk: Any) -> None:
    """Only what was sent does."""
    assert send(rated(), desk, 0, 0, *[1] * 50, 10) == [True, True, *[False] * 50, True]


def test_the_denial_of_the_order_rate(desk: Any) -> None:
    """How many there would be, against how many there may be."""
    manager = rated(sent=[NOW, NOW])
    answer = manager.review(desk.order("buy 1 X"), desk.snapshot(), NOW)
    assert answer == Denial(
        client_id="a",
        time=NOW,
        limit=Limit.MAX_ORDER_RATE,
        detail="there were 2 orders within 0:00:10",
        value=D(3),
        threshold=D(2),
    )


def test_the_order_rate_goes_on_after_a_restart(desk: Any) -> None:
    """With the times that were kept."""
    manager = rated(sent=[NOW - 10 * SECOND, NOW - 9 * SECOND])
    assert send(manager, desk, 0, 0.5, 1) == [True, False, True]


def test_a_clock_that_steps_back_lets_nothing_through(desk: Any) -> None:
    """Times ahead of now count."""
    assert send(rated(), desk, 100, 100, 0, 50, 109, 110) == [True, True, False, False, False, True]


def test_getting_out_counts_and_is_let_through(desk: Any) -> None:
    """A flattened book leaves no room for opening."""
    manager = rated()
    snapshot = desk.snapshot(positions={"X": "9"})
    for index in range(4):
        order = desk.order("sell 1 X", client_id=f"o{index}")
        assert allowed(manager.review(order, snapshot, NOW))
    assert not allowed(manager.review(desk.order("buy 1 X"), snapshot, NOW))


def test_without_a_rate_nothing_is_counted(desk: Any) -> None:
    """Any number of orders at one instant."""
    assert all(send(RiskManager(RiskLimits()), desk, *[0] * 500))


def test_trading_hours(desk: Any) -> None:
    """They are asked about the symbol and the time, also for getting out."""
    asked: list[tuple[str, datetime]] = []

    def until_three(symbol: str, at: datetime) -> bool:
        asked.append((symbol, at))
        return at <= NOW

    manager = RiskManager(RiskLimits(), hours=until_three)
    assert allowed(manager.review(desk.order("buy 1 X"), desk.snapshot(), NOW))
    late = NOW + SECOND
    order = desk.order("sell 1 Y market reduce_only")
    answer = manager.review(order, desk.snapshot(), late)
    assert asked == [("X", NOW), ("Y", late)]
    assert isinstance(answer, Denial)
    assert answer.limit is Limit.TRADING_HOURS
    assert answer.detail == "Y does not trade at 2024-03-01T15:00:01+00:00"
    assert answer.time == late


def test_a_tripped_breaker_lets_only_getting_out_through(desk: Any) -> None:
    """Until a person resets it."""
    manager = RiskManager(RiskLimits())
    manager.trip("daily loss", NOW)
    snapshot = desk.snapshot(positions={"X": "5"})
    answer = manager.review(desk.order("buy 1 X"), snapshot, NOW + SECOND)
    assert isinstance(answer, Denial)
    assert answer.limit is Limit.BREAKER
    assert answer.detail == "tripped at 2024-03-01 15:00:00+00:00: daily loss"
    assert allowed(manager.review(desk.order("sell 5 X"), snapshot, NOW + SECOND))
    manager.reset("Ada", "looked into it")
    assert allowed(manager.review(desk.order("buy 1 X"), snapshot, NOW + SECOND))


def test_a_breaker_may_stop_everything(desk: Any) -> None:
    """When so configured."""
    manager = RiskManager(RiskLimits(), breaker=Breaker(allow_reducing=False))
    manager.trip("stale data", NOW)
    snapshot = desk.snapshot(positions={"X": "5"})
    assert not allowed(manager.review(desk.order("sell 5 X"), snapshot, NOW))
    assert manager.breaker.allow_reducing is False
    manager.reset("Ada", "data is back")
    assert manager.breaker.allow_reducing is False


def test_a_tripped_breaker_survives_a_restart(desk: Any) -> None:
    """Its value is all there is to it."""
    first = RiskManager(RiskLimits())
    first.trip("drawdown", NOW)
    second = RiskManager(RiskLimits(), breaker=first.breaker)
    assert not allowed(second.review(desk.order("buy 1 X"), desk.snapshot(), NOW))


def test_the_first_cause_stays() -> None:
    """What trips it again does not hide what tripped it."""
    tripped = Breaker().trip("daily loss", NOW)
    assert tripped.trip("drawdown", NOW + SECOND) is tripped
    assert (tripped.cause, tripped.tripped) == ("daily loss", NOW)
    assert tripped.is_tripped
    assert not Breaker().is_tripped


@pytest.mark.parametrize(("operator", "reason"), [("", "why"), ("Ada", ""), ("Ada", "  ")])
def test_a_reset_needs_a_person_and_a_reason(operator: str, reason: str) -> None:
    """Else it stays tripped."""
    tripped = Breaker().trip("daily loss", NOW)
    with pytest.raises(InvalidValueError) as caught:
        tripped.reset(operator, reason)
    assert caught.value.what == "reset of the 'breaker'"
    names = ["operator"] * (not operator) + ["reason"] * (not reason.strip())
    assert [problem.split()[0] for problem in caught.value.problems] == names


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"cause": "x"}, "it has the cause 'x' and is not tripped"),
        ({"tripped": NOW}, "cause must be text without blanks around it, not ''"),
        (
            {"tripped": datetime(2024, 3, 1), "cause": "x"},  # noqa: DTZ001 - the point
            "tripped must be an aware UTC datetime, not datetime.datetime(2024, 3, 1, 0, 0)",
        ),
    ],
)
def test_breakers_that_cannot_be(fields: dict[str, Any], problem: str) -> None:
    """Tripped means since when and why."""
    with pytest.raises(InvalidValueError) as caught:
        Breaker(**fields)
    assert caught.value.what == "circuit 'breaker'"
    assert caught.value.problems == (problem,)


def test_the_breaker_comes_before_all_other_limits(desk: Any) -> None:
    """Then hours, the restricted list and the collar; the rate is last."""
    limits = RiskLimits(
        restricted=frozenset({"X"}), price_collar=D("0.01"), max_order_notional=D(1)
    )
    order = desk.order("buy 1 X limit price=200")
    manager = RiskManager(limits, hours=lambda *_: False)
    manager.trip("by hand", NOW)
    found = []
    answer = manager.review(order, desk.snapshot(), NOW)
    assert isinstance(answer, Denial)
    found.append(answer.limit)
    manager.reset("Ada", "a test")
    answer = manager.review(order, desk.snapshot(), NOW)
    assert isinstance(answer, Denial)
    found.append(answer.limit)
    answer = RiskManager(limits).review(order, desk.snapshot(), NOW)
    assert isinstance(answer, Denial)
    found.append(answer.limit)
    assert found == [Limit.BREAKER, Limit.TRADING_HOURS, Limit.RESTRICTED]

"""Instruments: the grid on which a venue accepts prices and quantities."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from rustybt.model import Instrument, InstrumentKind, InvalidValueError, Rounding, Side

D = Decimal


def pair(**changes: Any) -> Instrument:
    """Return BTC/USDT with *changes*."""
    fields = {
        "symbol": "BTCUSDT",
        "base": "BTC",
        "quote": "USDT",
        "tick": D("0.01"),
        "lot": D("0.00001"),
    }
    return Instrument(**{**fields, **changes})


def problems_of(**changes: Any) -> tuple[str, ...]:
    """Return what is wrong with BTC/USDT with *changes*."""
    with pytest.raises(InvalidValueError) as caught:
        pair(**changes)
    assert caught.value.what == f"instrument {changes.get('symbol', 'BTCUSDT')!r}"
    return caught.value.problems


def test_defaults_mean_no_bounds_and_paid_in_full() -> None:
    """An instrument that is told nothing else is a spot pair without limits or margin."""
    instrument = pair()
    assert instrument.kind is InstrumentKind.SPOT
    assert (instrument.multiplier, instrument.initial_margin) == (D(1), D(1))
    assert (instrument.min_quantity, instrument.max_quantity) == (D(0), None)
    assert (instrument.min_notional, instrument.max_notional) == (D(0), None)
    assert (instrument.min_price, instrument.max_price) == (None, None)
    assert instrument.maintenance_margin == 1


@pytest.mark.parametrize(
    "name", ["tick", "lot", "multiplier", "initial_margin", "maintenance_margin"]
)
@pytest.mark.parametrize("value", [D(0), D(-1), D("NaN"), 1.5, 1, "1", None])
def test_what_must_be_above_zero(name: str, value: object) -> None:
    """Tick, lot, multiplier and margins are decimals above zero."""
    expected = f"{name} must be a Decimal above 0 of at most 36 digits, not {value!r}"
    assert problems_of(**{name: value})[0] == expected


@pytest.mark.parametrize("name", ["min_quantity", "min_notional"])
def test_lower_bounds_cannot_be_negative(name: str) -> None:
    """A quantity or a notional has no negative minimum; zero is fine."""
    expected = f"{name} must be a Decimal of at least 0 and at most 36 digits, not Decimal('-1')"
    assert problems_of(**{name: D(-1)}) == (expected,)
    assert getattr(pair(**{name: D(0)}), name) == 0


@pytest.mark.parametrize("name", ["max_quantity", "max_notional"])
def test_upper_bounds_must_leave_something(name: str) -> None:
    """A maximum of zero would allow nothing at all."""
    expected = f"{name} must be a Decimal above 0 of at most 36 digits, not Decimal('0')"
    assert problems_of(**{name: D(0)}) == (expected,)


@pytest.mark.parametrize("name", ["quantity", "notional", "price"])
def test_bounds_must_leave_something_between_them(name: str) -> None:
    """A minimum above the maximum is refused, one equal to it is not."""
    low, high = f"min_{name}", f"max_{name}"
    assert problems_of(**{low: D(2), high: D(1)}) == (f"{low} 2 is above {high} 1",)
    assert getattr(pair(**{low: D(2), high: D(2)}), low) == 2


@pytest.mark.parametrize("name", ["min_price", "max_price"])
def test_price_bounds_must_be_numbers_of_any_sign(name: str) -> None:
    """A negative price bound is legal (oil has traded there), a float is not."""
    assert getattr(pair(**{name: D(-40)}), name) == -40
    expected = f"{name} must be a finite Decimal of at most 36 digits, not 1.5"
    assert problems_of(**{name: 1.5}) == (expected,)


@pytest.mark.parametrize("name", ["quantity", "notional", "price"])
def test_a_bad_bound_is_not_compared(name: str) -> None:
    """A float above the maximum, or a maximum below a float, is one problem."""
    assert len(problems_of(**{f"min_{name}": 5.5, f"max_{name}": D(1)})) == 1
    assert len(problems_of(**{f"min_{name}": D(5), f"max_{name}": 1.5})) == 1


def test_the_problem_of_one_bound_does_not_hide_the_other() -> None:
    """Both bounds are looked at even if the first is wrong."""
    found = problems_of(min_price=1.5, max_price="2", min_quantity=D(-1), max_quantity=D(0))
    assert [problem.split()[0] for problem in found] == [
        "min_quantity",
        "max_quantity",
        "min_price",
        "max_price",
    ]


@pytest.mark.parametrize("name", ["symbol", "base", "quote"])
@pytest.mark.parametrize("value", ["", " BTC", "BTC ", 5])
def test_names_are_text_without_blanks(name: str, value: object) -> None:
    """Symbol and currencies are never empty, padded or something else than text."""
    expected = f"{name} must be text without blanks around it, not {value!r}"
    assert problems_of(**{name: value}) == (expected,)


def test_kind_is_a_member_not_its_text() -> None:
    """The text of a kind is converted at the edges, not accepted inside."""
    expected = (
        "kind must be one of InstrumentKind.SPOT, InstrumentKind.EQUITY, InstrumentKind.FUTURE,"
        " InstrumentKind.PERPETUAL, not 'spot'"
    )
    assert problems_of(kind="spot") == (expected,)


def test_maintenance_margin_cannot_exceed_the_initial_one() -> None:
    """A position could otherwise be closed the moment it is opened; equal is allowed."""
    found = problems_of(initial_margin=D("0.1"), maintenance_margin=D("0.2"))
    assert found == ("maintenance_margin 0.2 is above initial_margin 0.1",)
    assert pair(initial_margin=D("0.1"), maintenance_margin=D("0.1")).initial_margin == D("0.1")


def test_a_pair_has_two_currencies() -> None:
    """Base and quote of a spot pair differ; a contract may be settled in its own currency."""
    assert problems_of(base="USDT") == ("base and quote are both 'USDT'",)
    assert pair(base="USDT", kind=InstrumentKind.FUTURE).base == "USDT"


def test_all_problems_are_reported_at_once() -> None:
    """Whoever fixes a bad instrument does it in one go."""
    found = problems_of(symbol="", tick=D(0), lot=0.1, kind=None, min_notional=D(-1))
    assert len(found) == 5


@pytest.mark.parametrize(
    ("kind", "margined"),
    [
        (InstrumentKind.SPOT, False),
        (InstrumentKind.EQUITY, False),
        (InstrumentKind.FUTURE, True),
        (InstrumentKind.PERPETUAL, True),
    ],
)
def test_contracts_are_margined(kind: InstrumentKind, margined: bool) -> None:
    """Only futures and perpetuals pay gains and losses instead of the price."""
    assert pair(kind=kind).is_margined is margined


def test_notional_is_exact_and_signed() -> None:
    """Quantity times price times multiplier, with the sign of the quantity."""
    instrument = pair(multiplier=D("50"))
    assert instrument.notional(D("-2.5"), D("4000.25")) == D("-500031.25")
    assert pair().notional(D("1E+15"), D("1E-12")) == 1000


@pytest.mark.parametrize(("side", "expected"), [(Side.BUY, "100.01"), (Side.SELL, "100.02")])
def test_a_limit_is_never_worse_than_asked(side: Side, expected: str) -> None:
    """A buy limit is rounded down, a sell limit up."""
    assert str(pair().limit_price(D("100.015"), side)) == expected


def test_a_negative_limit_is_never_worse_either() -> None:
    """Below zero the directions are still those of the number line."""
    assert pair().limit_price(D("-37.635"), Side.BUY) == D("-37.64")
    assert pair().limit_price(D("-37.635"), Side.SELL) == D("-37.63")


def test_prices_are_rounded_as_stated() -> None:
    """Any direction can be asked for by name."""
    assert pair().round_price(D("1.005"), Rounding.NEAREST) == D("1.00")
    assert pair().round_price(D("1.001"), Rounding.UP) == D("1.01")


def test_quantities_are_rounded_towards_zero() -> None:
    """Never more than wanted, long or short."""
    assert str(pair().round_quantity(D("0.123459"))) == "0.12345"
    assert str(pair().round_quantity(D("-0.123459"))) == "-0.12345"


def test_affordable_never_exceeds_the_money() -> None:
    """The largest lot count whose value fits, multiplier included; not one lot more."""
    instrument = pair(lot=D("0.1"), multiplier=D(5))
    assert instrument.affordable(D("100"), D("6.5")) == D("3.0")
    assert instrument.affordable(D("97.5"), D("6.5")) == D("3.0")
    assert instrument.affordable(D("97.49"), D("6.5")) == D("2.9")
    assert instrument.affordable(D(0), D("6.5")) == 0


def test_affordable_refuses_what_has_no_answer() -> None:
    """Prices that are not positive and negative notionals are named, both at once."""
    with pytest.raises(InvalidValueError) as caught:
        pair().affordable(D(-1), D(0))

    assert caught.value.what == "purchase of 'BTCUSDT'"
    assert [problem.split()[0] for problem in caught.value.problems] == ["notional", "price"]


def test_an_order_within_all_filters_is_fine() -> None:
    """Values on the grid and exactly on every bound are accepted."""
    instrument = pair(
        min_quantity=D("0.1"),
        max_quantity=D("0.1"),
        min_price=D(100),
        max_price=D(100),
        min_notional=D(10),
        max_notional=D(10),
    )
    assert instrument.violations(D("0.1"), D(100)) == ()
    instrument.check(D("0.1"), D(100))


@pytest.mark.parametrize(
    ("quantity", "price", "expected"),
    [
        ("0.000015", "100", "quantity 0.000015 is off the lot 0.00001"),
        ("1", "100.001", "price 100.001 is off the tick 0.01"),
        ("0.05", "100", "quantity 0.05 is below the minimum 0.1"),
        ("5", "100", "quantity 5 is above the maximum 4"),
        ("1", "9.99", "price 9.99 is below the minimum 10"),
        ("1", "1000.01", "price 1000.01 is above the maximum 1000"),
        ("0.1", "10", "notional 1.0 is below the minimum 5"),
        ("4", "501", "notional 2004 is above the maximum 2000"),
    ],
)
def test_each_filter_of_the_venue(quantity: str, price: str, expected: str) -> None:
    """What a venue would refuse is found here first, with value and bound."""
    instrument = pair(
        min_quantity=D("0.1"),
        max_quantity=D(4),
        min_price=D(10),
        max_price=D(1000),
        min_notional=D(5),
        max_notional=D(2000),
    )
    assert instrument.violations(D(quantity), D(price))[0] == expected


def test_all_violations_are_reported_at_once() -> None:
    """An order that breaks three filters hears of three."""
    instrument = pair(min_quantity=D(1), max_notional=D(1))
    with pytest.raises(InvalidValueError) as caught:
        instrument.check(D("0.5"), D("100.001"))

    assert caught.value.what == "order for 'BTCUSDT'"
    assert caught.value.problems == (
        "price 100.001 is off the tick 0.01",
        "quantity 0.5 is below the minimum 1",
        "notional 50.0005 is above the maximum 1",
    )


@pytest.mark.parametrize("price", ["0", "-37.63"])
def test_only_contracts_trade_at_zero_or_below(price: str) -> None:
    """A coin is never given away; oil futures have been."""
    assert pair().violations(D(1), D(price)) == (f"price {price} is not above 0",)
    assert pair(kind=InstrumentKind.FUTURE).violations(D(1), D(price)) == ()


def test_the_notional_filter_looks_at_the_size_not_the_sign() -> None:
    """A negative price does not get around the smallest and largest order value."""
    future = pair(kind=InstrumentKind.FUTURE, min_notional=D(5), max_notional=D(50))
    assert future.violations(D(1), D(-10)) == ()
    assert future.violations(D(1), D(-60)) == ("notional 60 is above the maximum 50",)


def test_sides_undo_each_other() -> None:
    """The opposite of a buy is a sale, and back."""
    assert Side.BUY.opposite is Side.SELL
    assert Side.SELL.opposite is Side.BUY

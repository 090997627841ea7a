"""Bars and quotes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from rustybt.model import Bar, InvalidValueError, Quote

D = Decimal
START = datetime(2024, 3, 1, 14, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def bar(**changes: Any) -> Bar:
    """Return a one-minute bar with *changes*."""
    fields = {
        "symbol": "SPY",
        "start": START,
        "end": START + MINUTE,
        "open": D("10.5"),
        "high": D(12),
        "low": D(10),
        "close": D(11),
        "volume": D(100),
    }
    return Bar(**{**fields, **changes})


def quote(**changes: Any) -> Quote:
    """Return a quote with *changes*."""
    fields = {
        "symbol": "SPY",
        "time": START,
        "bid": D("10.00"),
        "ask": D("10.01"),
        "bid_size": D(5),
        "ask_size": D(7),
    }
    return Quote(**{**fields, **changes})


def problems_of(build: Any, **changes: Any) -> tuple[str, ...]:
    """Return what is wrong with the value that *build* makes of *changes*."""
    with pytest.raises(InvalidValueError) as caught:
        build(**changes)
    symbol = changes.get("symbol", "SPY")
    assert caught.value.what == f"{'bar' if build is bar else 'quote'} of {symbol!r}"
    return caught.value.problems


def test_a_bar_keeps_what_it_was_given() -> None:
    """A valid bar holds the very values."""
    assert bar().close == 11
    assert bar().end - bar().start == MINUTE


@pytest.mark.parametrize("name", ["open", "high", "low", "close"])
@pytest.mark.parametrize("value", [10.5, D("NaN"), D("Infinity"), None])
def test_prices_are_finite_decimals(name: str, value: object) -> None:
    """NaN rows and floats do not become bars."""
    found = problems_of(bar, **{name: value})
    assert found == (f"{name} must be a finite Decimal of at most 36 digits, not {value!r}",)


def test_all_prices_are_looked_at() -> None:
    """Two bad prices are two problems."""
    found = problems_of(bar, open=D("NaN"), close=D("NaN"))
    assert [problem.split()[0] for problem in found] == ["open", "close"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"open": D("12.01")}, ["open 12.01 is outside low 10 to high 12"]),
        ({"open": D("9.99")}, ["open 9.99 is outside low 10 to high 12"]),
        ({"close": D("12.01")}, ["close 12.01 is outside low 10 to high 12"]),
        ({"close": D("9.99")}, ["close 9.99 is outside low 10 to high 12"]),
        (
            {"low": D(13)},
            [
                "low 13 is above high 12",
                "open 10.5 is outside low 13 to high 12",
                "close 11 is outside low 13 to high 12",
            ],
        ),
    ],
)
def test_high_and_low_enclose_the_bar(changes: dict[str, Decimal], expected: list[str]) -> None:
    """A price outside the range of its own bar is a data error."""
    assert problems_of(bar, **changes) == tuple(expected)


def test_a_flat_bar_is_a_bar() -> None:
    """All four prices may be equal, zero or negative, and nothing need have traded."""
    for price in (D(1), D(0), D("-37.63")):
        flat = bar(open=price, high=price, low=price, close=price, volume=D(0))
        assert flat.low == price


def test_volume_is_never_negative() -> None:
    """A negative volume is a data error."""
    expected = "volume must be a Decimal of at least 0 and at most 36 digits, not Decimal('-1')"
    assert problems_of(bar, volume=D(-1)) == (expected,)


def test_time_runs_forward_inside_a_bar() -> None:
    """A bar that ends when it starts, or before, is refused."""
    for end in (START, START - MINUTE):
        assert problems_of(bar, end=end) == (f"start {START} is not before end {end}",)


@pytest.mark.parametrize("name", ["start", "end"])
@pytest.mark.parametrize(
    "value",
    [
        datetime(2024, 3, 1, 14, 30),  # noqa: DTZ001 - being naive is the point
        datetime(2024, 3, 1, 14, 30, tzinfo=timezone(timedelta(hours=1))),
        1709303400,
        None,
    ],
)
def test_times_are_aware_and_utc(name: str, value: object) -> None:
    """Naive times, other zones and numbers are refused."""
    found = problems_of(bar, **{name: value})
    assert found == (f"{name} must be an aware UTC datetime, not {value!r}",)


def test_any_zone_without_offset_is_utc() -> None:
    """A library's own UTC object is as good as the standard one."""
    zone = timezone(timedelta(0), "Zulu")
    start = START.replace(tzinfo=zone)
    assert bar(start=start).start == START


def test_a_bar_reports_all_its_problems() -> None:
    """Symbol, times, prices and volume are all named in one error."""
    found = problems_of(bar, symbol="", start=None, end=None, high=1.5, volume=1.5)
    assert [problem.split()[0] for problem in found] == ["symbol", "start", "end", "high", "volume"]


def test_middle_and_spread() -> None:
    """The middle lies between bid and ask, the spread is their distance."""
    assert quote().middle == D("10.005")
    assert quote().spread == D("0.01")


def test_a_locked_market_is_a_quote_a_crossed_one_is_not() -> None:
    """Bid equal to ask happens; bid above ask is stale or wrong."""
    assert quote(bid=D("10.01")).spread == 0
    assert problems_of(quote, bid=D("10.02")) == ("bid 10.02 is above ask 10.01",)


@pytest.mark.parametrize("name", ["bid_size", "ask_size"])
def test_sizes_are_never_negative(name: str) -> None:
    """Nothing on offer is zero, never less."""
    assert getattr(quote(**{name: D(0)}), name) == 0
    assert problems_of(quote, **{name: D(-1)})[0].startswith(
        f"{name} must be a Decimal of at least"
    )


def test_a_quote_reports_all_its_problems() -> None:
    """A float bid is not compared with the ask but reported, with everything else."""
    found = problems_of(quote, symbol=" ", time=None, bid=1.5, ask=None, bid_size=D(-1))
    assert [problem.split()[0] for problem in found] == ["symbol", "time", "bid", "ask", "bid_size"]
    assert len(problems_of(quote, bid=99.5)) == 1
    assert len(problems_of(quote, ask=D("NaN"))) == 1


def test_values_cannot_be_changed() -> None:
    """A fact stays what it was."""
    with pytest.raises(AttributeError):
        bar().close = D(1)  # type: ignore[misc]  # refusing the assignment is the point

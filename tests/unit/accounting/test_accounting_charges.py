"""What holding a position costs."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from rustybt.accounting import borrow_charge, funding_charge
from rustybt.model import Rounding

D = Decimal
CENT = D("0.01")
DAY = timedelta(days=1)


def test_a_short_position_pays_for_what_it_borrows() -> None:
    """Ten thousand at 3.65 per cent for a day is one."""
    assert borrow_charge(D(-10_000), D("0.0365"), DAY, cent=CENT) == 1
    assert borrow_charge(D(-10_000), D("0.0365"), DAY / 2, cent=CENT) == D("0.50")


@pytest.mark.parametrize("value", ["0", "10000"])
def test_a_long_position_borrows_nothing(value: str) -> None:
    """Neither does a flat one."""
    assert borrow_charge(D(value), D("0.5"), DAY, cent=CENT) == 0


def test_what_is_owed_is_rounded_up_unless_told_otherwise() -> None:
    """Never less than due; a direction can be named."""
    assert borrow_charge(D(-10_000), D("0.03650001"), DAY, cent=CENT) == D("1.01")
    down = borrow_charge(D(-10_000), D("0.03650001"), DAY, cent=CENT, rounding=Rounding.DOWN)
    assert down == 1


def test_the_year_of_the_rate_can_be_chosen() -> None:
    """Some desks count 360 days; the shorter year costs more."""
    year = timedelta(days=360)
    assert borrow_charge(D(-360), D(1), DAY, cent=CENT, year=year) == 1
    assert borrow_charge(D(-365), D(1), DAY, cent=CENT) == 1


def test_time_counts_to_the_microsecond() -> None:
    """A microsecond of a huge loan is not nothing."""
    tick = timedelta(microseconds=1)
    loan = D(-31_536_000_000_000)
    assert borrow_charge(loan, D(1), tick, cent=CENT) == 1
    ages = timedelta(days=730_000)
    assert borrow_charge(loan, D(1), ages + tick, cent=CENT) == 63_072_000_000_000_001
    year = timedelta(days=365_000, microseconds=1)
    assert borrow_charge(loan, D(1), year * 2, cent=CENT, year=year) == 2 * -loan


@pytest.mark.parametrize(
    ("value", "rate", "expected"),
    [
        ("50000", "0.0001", "5.00"),
        ("-50000", "0.0001", "-5.00"),
        ("50000", "-0.0001", "-5.00"),
        ("-50000", "-0.0001", "5.00"),
        ("50", "0.0001", "0.00"),
        ("150", "0.0001", "0.02"),
    ],
)
def test_longs_pay_shorts_when_the_rate_is_positive(value: str, rate: str, expected: str) -> None:
    """And the other way round when it is negative; to the nearest cent, ties to even."""
    assert str(funding_charge(D(value), D(rate), cent=CENT)) == expected


def test_the_rounding_of_funding_can_be_chosen() -> None:
    """A venue that rounds up is followed."""
    assert funding_charge(D(50), D("0.0001"), cent=CENT, rounding=Rounding.UP) == CENT

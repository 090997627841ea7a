"""Fills: one trade of ours, as the venue reported it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from rustybt.model import Fill, InvalidValueError, Liquidity, Side

D = Decimal
NOW = datetime(2024, 3, 1, tzinfo=UTC)


def fill(**changes: Any) -> Fill:
    """Return a purchase of 2 at 100 with *changes*."""
    fields = {
        "trade_id": "t1",
        "client_id": "o1",
        "symbol": "BTCUSDT",
        "side": Side.BUY,
        "quantity": D(2),
        "price": D(100),
        "time": NOW,
    }
    return Fill(**{**fields, **changes})


def problems_of(**changes: Any) -> tuple[str, ...]:
    """Return what is wrong with a fill with *changes*."""
    with pytest.raises(InvalidValueError) as caught:
        fill(**changes)
    assert caught.value.what == f"fill {changes.get('trade_id', 't1')!r}"
    return caught.value.problems


def test_by_default_no_fee_was_charged() -> None:
    """A fill without a fee has one of zero, in the quote currency."""
    assert fill().fee == 0
    assert fill().fee_currency is None
    assert fill().liquidity is None
    assert fill().venue_id is None


def test_signed_quantity_is_the_change_of_the_position() -> None:
    """A purchase adds, a sale subtracts, digit for digit."""
    assert fill().signed_quantity == 2
    assert fill(side=Side.SELL, quantity=D("0.1")).signed_quantity == D("-0.1")


@pytest.mark.parametrize("value", [D(0), D(-1), D("NaN"), 2.0, 2, None])
def test_quantity_is_above_zero(value: object) -> None:
    """The side says the direction; the quantity is always positive."""
    expected = f"quantity must be a Decimal above 0 of at most 36 digits, not {value!r}"
    assert problems_of(quantity=value) == (expected,)


@pytest.mark.parametrize("name", ["price", "fee"])
def test_price_and_fee_are_numbers_of_any_sign(name: str) -> None:
    """Prices have been negative and a rebate is a negative fee; floats are refused."""
    assert getattr(fill(**{name: D("-0.5")}), name) == D("-0.5")
    expected = f"{name} must be a finite Decimal of at most 36 digits, not 0.5"
    assert problems_of(**{name: 0.5}) == (expected,)


@pytest.mark.parametrize("name", ["trade_id", "client_id", "symbol", "fee_currency"])
def test_ids_are_text(name: str) -> None:
    """An empty or padded id would break the recognition of duplicates."""
    for value in ("", " x"):
        expected = f"{name} must be text without blanks around it, not {value!r}"
        assert problems_of(**{name: value}) == (expected,)


def test_side_and_liquidity_are_members() -> None:
    """Their text is converted at the edges, not accepted inside."""
    assert problems_of(side="buy") == ("side must be one of Side.BUY, Side.SELL, not 'buy'",)
    assert problems_of(liquidity="maker") == (
        "liquidity must be one of Liquidity.MAKER, Liquidity.TAKER, not 'maker'",
    )
    assert fill(liquidity=Liquidity.MAKER).liquidity is Liquidity.MAKER


def test_all_problems_are_reported_at_once() -> None:
    """One error tells the whole story."""
    found = problems_of(
        trade_id="", client_id="", symbol="", side=None, quantity=1, price=1, time=None, fee=1
    )
    assert [problem.split()[0] for problem in found] == [
        "trade_id",
        "client_id",
        "symbol",
        "side",
        "quantity",
        "price",
        "time",
        "fee",
    ]


def test_reports_of_one_trade_may_differ_in_the_rest() -> None:
    """Stream and REST disagree on time, fee and ids, and still mean the same trade."""
    other = replace(fill(), time=NOW + timedelta(seconds=1), fee=D(1), venue_id="v", client_id="x")
    assert fill().same_trade(other)


@pytest.mark.parametrize(
    "changes",
    [{"symbol": "ETHUSDT"}, {"side": Side.SELL}, {"quantity": D(3)}, {"price": D(101)}],
)
def test_another_price_or_quantity_is_another_trade(changes: dict[str, Any]) -> None:
    """What was bought or sold at which price may not differ."""
    assert not fill().same_trade(fill(**changes))

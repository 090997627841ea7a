"""What checks compare the engine with, against figures worked out by hand."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from readiness_tests.reckoning import (
    NEARLY,
    Account,
    Books,
    Comparison,
    Holding,
    Trading,
    is_short,
    nearest,
)


def traded(*fills: tuple[int, int], merged: bool = True) -> Holding:
    """Return the holding that these quantities at these prices make."""
    holding = Holding(merged=merged)
    for quantity, price in fills:
        holding.trade(Fraction(quantity), Fraction(price))
    return holding


@pytest.mark.parametrize(
    ("fills", "quantity", "average", "realised"),
    [
        ([(10, 5), (30, 9)], 40, 8, 0),
        ([(10, 5), (30, 9), (-10, 11)], 30, 8, 30),
        ([(10, 5), (30, 9), (-40, 7)], 0, None, -40),
        ([(-10, 5), (-10, 7), (5, 2)], -15, 6, 20),
        ([(10, 5), (-25, 8)], -15, 8, 30),
        ([(-10, 5), (25, 4), (-15, 4)], 0, None, 10),
    ],
)
def test_a_position_with_one_average(
    fills: list[tuple[int, int]], quantity: int, average: int | None, realised: int
) -> None:
    """Increases move the average; closing earns the difference to it; a turn begins anew."""
    holding = traded(*fills)
    assert holding.quantity == quantity
    assert holding.average == average
    assert holding.realised == realised


def test_the_oldest_units_are_closed_first() -> None:
    """Without an average, each purchase keeps its price."""
    holding = traded((10, 5), (10, 9), (-15, 10), merged=False)
    assert holding.lots == [(Fraction(5), Fraction(9))]
    assert holding.realised == 10 * 5 + 5 * 1
    assert holding.cost == 45


def test_a_cost_of_many_digits_is_told() -> None:
    """A third of something is no decimal; a position that is turned begins exactly again."""
    holding = traded((3, 10), (-1, 10), (1, 11))
    assert holding.exact
    third = traded((1, 1), (2, 2), (-1, 1))
    assert third.cost == Fraction(10, 3)
    assert not third.exact
    third.trade(Fraction(-5), Fraction(2))
    assert third.exact


def test_a_number_is_short_or_rounded() -> None:
    """Forty digits are what the engine keeps of a quotient."""
    assert is_short(Fraction("0.1234567890123456789012345678901234567890"))
    assert not is_short(Fraction(1, 3))
    assert nearest(Fraction(2, 3)) == Decimal("0." + "6" * 39 + "7")


BARS = {
    "A": [["d0", "10", "12", "9", "11", "1"], ["d1", "10", "12", "9", "11", "1"]],
    "B": [["d0", "20", "20", "20", "20", "1"], ["d1", "30", "33", "29", "31", "1"]],
}


def test_an_account_pays_at_the_next_open() -> None:
    """Orders are filled a bar later, worse by the slippage, and the fee is on what they came to."""
    orders = {"A": {0: "100"}, "B": {0: "-10"}}
    account = Account(BARS, Trading(orders=orders, cash="5000", commission="100", slippage="50"))

    bought, sold = Fraction("10.05"), Fraction("29.85")
    fees = (100 * bought + 10 * sold) / 100
    expected = [(Fraction(100), bought, bought), (Fraction(-10), sold, sold / 10)]
    assert account.fills == expected
    assert account.fees == fees
    assert account.cash == 5000 - 100 * bought + 10 * sold - fees
    assert account.equity == [Fraction(5000), account.cash + 1100 - 310]
    assert account.realised == 0
    assert account.cost == 100 * bought - 10 * sold


def test_slippage_stays_within_the_bar() -> None:
    """No price can be worse than the worst of the bar."""
    orders = {"A": {0: "1"}, "B": {0: "-1"}}
    account = Account(BARS, Trading(orders=orders, cash="100", slippage="9000"))
    assert [price for _, price, _ in account.fills] == [12, 29]


def test_books_count_what_is_no_trade() -> None:
    """Dividends come in on what is held, charges and fees go out."""
    books = Books()
    for step in (
        {"deposit": "1000"},
        {"symbol": "A", "quantity": "10", "price": "5", "fee": "1"},
        {"symbol": "B", "quantity": "-4", "price": "5", "fee": "1"},
        {"symbol": "A", "dividend": "0.5"},
        {"symbol": "B", "dividend": "1"},
        {"symbol": "B", "charge": "2"},
    ):
        books.take(step)
    cash = 1000 - 50 - 1 + 20 - 1 + 5 - 4 - 2
    assert books.figures({"symbol": "B"}) == {"cash": cash}
    assert books.figures({"prices": {"A": "6", "B": "4"}}) == {
        "cash": cash,
        "fees": 2,
        "income": 1,
        "charges": 2,
        "equity": cash + 60 - 16,
        "quick_equity": cash + 60 - 16,
        "realised": 0,
        "unrealised": 10 + 4,
        "long": 60,
        "short": -16,
    }


def test_figures_that_agree_leave_nothing() -> None:
    """A decimal agrees in each digit, or within what it is allowed."""
    compared = Comparison()
    compared.hold("price", "0.10", Fraction(1, 10))
    compared.hold("average", None, None)
    compared.hold("third", "0." + "3" * 40, Fraction(1, 3), NEARLY)
    assert (compared.figures, compared.first, compared.difference) == (3, "none", "0")


def test_the_first_and_the_largest_difference_are_told() -> None:
    """Where to look first, and how bad it is."""
    compared = Comparison()
    compared.hold("cash", "1.01", Fraction(1))
    compared.hold("equity", "3", Fraction(1))
    assert compared.first == "cash: expected 1, observed 1.01"
    assert compared.difference == "2"


@pytest.mark.parametrize(("observed", "expected"), [(None, Fraction(0)), ("0", None)])
def test_nothing_is_not_zero(observed: str | None, expected: Fraction | None) -> None:
    """A figure that is missing differs from one that is 0."""
    compared = Comparison()
    compared.hold("average", observed, expected)
    assert compared.first.startswith("average: expected")
    assert compared.difference == "1"

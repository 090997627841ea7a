"""The reference that engines are held against, and the bars that they are given."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from benchmarks.peers.cases import (
    BASIS_POINTS,
    CASES,
    CASH,
    CLOSE,
    COLUMNS,
    FAST,
    OPEN,
    QUANTITY,
    SLOW,
    Case,
    Prices,
    case_of,
    prices_of,
)
from benchmarks.peers.reference import AS_ASKED, Expected, Rules, reference

SMALL = Case(symbols=3, bars=600)
RULES = [
    AS_ASKED,
    Rules(fill="close"),
    Rules(mark="open"),
    Rules(sells_at_end=True),
    Rules(mark="open", sells_at_end=True),
]


def slowly(prices: Prices, rules: Rules) -> Expected:
    """Return what *rules* lead to by walking the bars with fractions, each average anew."""
    cash, fills, worth = Fraction(CASH), 0, Fraction(0)
    rate = Fraction(BASIS_POINTS, 10_000)
    for symbol in prices:
        closes = [Fraction(int(price)) for price in symbol[CLOSE]]
        opens = [Fraction(int(price)) for price in symbol[OPEN]]
        held, before, ordered, bought = 0, 0, 0, 0
        for row in range(len(closes)):
            is_last = row == len(closes) - 1
            if ordered and not (rules.sells_at_end and is_last and ordered > 0):
                cash -= ordered * opens[row] + abs(ordered) * opens[row] * rate
                held, fills = held + ordered, fills + 1
                bought = row if held else 0
            ordered = 0
            if row < SLOW - 1:
                continue
            fast = sum(closes[row - FAST + 1 : row + 1], Fraction(0)) / FAST
            slow = sum(closes[row - SLOW + 1 : row + 1], Fraction(0)) / SLOW
            side = (fast > slow) - (fast < slow)
            wanted = held
            if side == 1 and before == -1:
                wanted = QUANTITY
            if side == -1 and before == 1:
                wanted = 0
            before = side
            if rules.fill == "next_open":
                ordered = wanted - held
            elif wanted != held:
                trade = wanted - held
                cash -= trade * closes[row] + abs(trade) * closes[row] * rate
                held, fills = wanted, fills + 1
        last = (opens if rules.mark == "open" else closes)[-1]
        bought_last = rules.last_buy_at_cost and bought == len(closes) - 1
        worth += held * (opens[-1] if bought_last else last)
        if held and rules.sells_at_end:
            cash, fills = cash - held * last * rate, fills + 1
    total = (cash + worth) / 100
    return Expected(Decimal(total.numerator) / Decimal(total.denominator), fills)


@pytest.mark.parametrize("rules", [*RULES, Rules(last_buy_at_cost=True)], ids=str)
def test_the_reference_is_what_a_slow_loop_of_fractions_finds(rules: Rules) -> None:
    """Whole numbers and running sums give what averages taken anew give, under all rules."""
    prices = prices_of(SMALL)
    found = reference(prices, SMALL, rules)
    assert found == slowly(prices, rules)
    assert found.fills > 10


def test_rules_make_a_difference() -> None:
    """No two of the rules end alike, so an engine cannot pass by the rules of another."""
    prices = prices_of(SMALL)
    assert len({reference(prices, SMALL, rules) for rules in RULES}) == len(RULES)


def rising_at(row: int, bars: int) -> Prices:
    """Return one symbol whose averages cross after the bar in *row*, its opens one cent higher."""
    close = np.where(np.arange(bars) < row, 10_000 - np.arange(bars), 100_000)
    return np.stack([close + 1, close, close, close, np.ones(bars)]).astype(np.int64)[None]


def test_an_order_after_the_last_bar_is_never_filled() -> None:
    """There is no next open, but there is a close."""
    case = Case(1, 60)
    prices = rising_at(59, 60)
    assert reference(prices, case, AS_ASKED) == (Decimal(CASH) / 100, 0)
    assert reference(prices, case, Rules(fill="close")).fills == 1


def test_what_is_sold_at_the_end_is_not_bought_in_the_last_bar() -> None:
    """An order that would be filled in the last bar is dropped where all is sold there."""
    case = Case(1, 60)
    prices = rising_at(58, 60)
    assert reference(prices, case, AS_ASKED).fills == 1
    assert reference(prices, case, Rules(sells_at_end=True)) == (Decimal(CASH) / 100, 0)


def test_what_is_bought_in_the_last_bar_may_count_at_cost() -> None:
    """Ten units bought at an open one cent above the last close are worth ten cents more."""
    case = Case(1, 60)
    prices = rising_at(58, 60)
    at_close = reference(prices, case, AS_ASKED)
    at_cost = reference(prices, case, Rules(last_buy_at_cost=True))
    assert (at_cost.equity - at_close.equity, at_cost.fills) == (Decimal("0.10"), 1)


@pytest.mark.parametrize("case", [Case(1, 5_000), Case(4, 300)], ids=lambda case: case.name)
def test_prices_are_whole_positive_and_in_order(case: Case) -> None:
    """High is highest, low is lowest, and the same case has the same bars every time."""
    prices = prices_of(case)
    assert prices.shape == (case.symbols, len(COLUMNS), case.bars)
    assert prices.dtype == np.int64
    assert (prices > 0).all()
    assert (prices[:, 1] == prices[:, :4].max(axis=1)).all()
    assert (prices[:, 2] == prices[:, :4].min(axis=1)).all()
    assert np.array_equal(prices, prices_of(case))


def test_cases_are_called_by_their_shape() -> None:
    """A case's name gives the case."""
    assert [case_of(case.name) for case in CASES] == list(CASES)


@pytest.mark.parametrize("name", ["", "1", "x", "1x", "0x100", "1x50", "-1x100", "1x1e3", "ax100"])
def test_what_is_no_case_is_refused(name: str) -> None:
    """The message says what a case looks like."""
    with pytest.raises(ValueError, match="is no case; expected SYMBOLSxBARS"):
        case_of(name)

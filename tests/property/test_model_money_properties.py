"""Properties of exact arithmetic and of rounding to a grid."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from random import Random

from hypothesis import assume, given
from hypothesis import strategies as st

from rustybt.model import money
from rustybt.model.money import Rounding

digits = st.integers(min_value=-(10**36) + 1, max_value=10**36 - 1)
numbers = st.builds(
    lambda value, places: Decimal(f"{value}E-{places}"), digits, st.integers(18, 35)
)
steps = st.builds(
    lambda value, places: Decimal(f"{value}E{places}"), st.integers(1, 10**6), st.integers(-18, 3)
)


def fraction(value: Decimal) -> Fraction:
    """Return *value* as a ratio, computed without any decimal arithmetic."""
    return Fraction(*value.as_integer_ratio())


@given(numbers)
def test_text_goes_in_and_comes_out_unchanged(value: Decimal) -> None:
    """Every supported number survives its text, with its very digits."""
    again = money.decimal(str(value))
    assert (again, str(again)) == (value, str(value))
    assert fraction(money.decimal(money.text(value))) == fraction(value)
    assert "E" not in money.text(value)


@given(numbers, numbers, numbers)
def test_sums_and_products_are_those_of_ratios(a: Decimal, b: Decimal, c: Decimal) -> None:
    """Addition, subtraction and products of three are exact for all supported numbers."""
    assert fraction(money.add(a, b)) == fraction(a) + fraction(b)
    assert fraction(money.subtract(a, b)) == fraction(a) - fraction(b)
    assert fraction(money.product(a, b, c)) == fraction(a) * fraction(b) * fraction(c)


@given(st.lists(numbers, max_size=8), st.integers(0, 10**6))
def test_the_order_of_a_sum_does_not_matter(values: list[Decimal], seed: int) -> None:
    """Shuffled, a sum has the same value and the same digits."""
    shuffled = list(values)
    Random(seed).shuffle(shuffled)  # noqa: S311 - a reproducible order, no secret
    assert str(money.total(shuffled)) == str(money.total(values))
    assert fraction(money.total(values)) == sum(map(fraction, values))


@given(numbers, numbers)
def test_a_quotient_is_right_to_forty_digits(a: Decimal, b: Decimal) -> None:
    """The error is at most half a unit of the fortieth digit."""
    assume(b)
    exact = fraction(a) / fraction(b)
    assert abs(fraction(money.divide(a, b)) - exact) <= abs(exact) * Fraction(1, 2 * 10**39)


@given(numbers, steps, st.sampled_from(Rounding))
def test_rounding_lands_on_the_grid_in_its_direction(
    value: Decimal, step: Decimal, mode: Rounding
) -> None:
    """The result is a multiple, less than a step away, on the stated side; twice is once."""
    rounded = money.to_step(value, step, mode)
    exact, grid, result = fraction(value), fraction(step), fraction(rounded)
    assert (result / grid).denominator == 1
    assert abs(result - exact) < grid
    assert money.is_multiple(rounded, step)
    assert money.to_step(rounded, step, mode) == rounded
    if mode is Rounding.DOWN:
        assert abs(result) <= abs(exact)
    elif mode is Rounding.UP:
        assert abs(result) >= abs(exact)
    elif mode is Rounding.FLOOR:
        assert result <= exact
    elif mode is Rounding.CEILING:
        assert result >= exact
    else:
        assert result == round(exact / grid) * grid


@given(numbers, steps)
def test_rounding_is_symmetric(value: Decimal, step: Decimal) -> None:
    """The negative of a number rounds to the negative, floor and ceiling changing places."""
    mirror = {Rounding.FLOOR: Rounding.CEILING, Rounding.CEILING: Rounding.FLOOR}
    for mode in Rounding:
        there = money.to_step(value.copy_negate(), step, mirror.get(mode, mode))
        assert there == money.to_step(value, step, mode).copy_negate()

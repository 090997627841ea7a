"""Exact decimals: where they come from, how they are added up and how they are rounded."""

from __future__ import annotations

import contextvars
import decimal as standard
import threading
from decimal import Decimal

import pytest

from rustybt.model import money
from rustybt.model.errors import InvalidValueError, PrecisionError
from rustybt.model.money import Rounding

D = Decimal


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("1.10", "1.10"),
        ("-0.000000000001", "-1E-12"),
        ("1e15", "1E+15"),
        ("+5.", "5"),
        (".5", "0.5"),
        (7, "7"),
        (D("2.50"), "2.50"),
        ("999999999999999999.999999999999999999", "999999999999999999.999999999999999999"),
        ("1E-35", "1E-35"),
    ],
)
def test_exact_numbers_are_taken_digit_for_digit(given: str | int | Decimal, expected: str) -> None:
    """Text, whole numbers and decimals keep the digits they were written with."""
    assert str(money.decimal(given)) == expected


@pytest.mark.parametrize("given", [0.1, 1.0, True, None, b"1", [1]])
def test_what_is_not_exact_is_refused_with_its_type(given: object) -> None:
    """A float, a bool or anything else is refused, and the error says what it was."""
    with pytest.raises(InvalidValueError) as caught:
        money.decimal(given, "price")  # type: ignore[arg-type]  # the wrong type is the point

    kind = type(given).__name__
    assert str(caught.value) == (
        f"price is not valid: {given!r} is a {kind}, not text, an int or a Decimal"
    )


@pytest.mark.parametrize(
    "given",
    ["", " 1", "1 ", "1_000", "NaN", "Infinity", "-inf", "0x10", "1,5", "٣", "1e99999", "."],
)
def test_text_that_is_no_plain_number_is_refused(given: str) -> None:
    """Blanks, underscores, other scripts and special values are not numbers here."""
    with pytest.raises(InvalidValueError, match="is not a finite number") as caught:
        money.decimal(given, "price")

    assert caught.value.what == "price"
    assert repr(given) in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        "1000000000000000000",
        "1e18",
        "1E-36",
        "1." + "1" * 36,
        10**18,
        D("NaN"),
        D("sNaN"),
        D("inf"),
    ],
)
def test_a_number_beyond_the_limits_is_refused(given: str | int | Decimal) -> None:
    """What exact arithmetic could not carry is refused where it comes in."""
    with pytest.raises(
        InvalidValueError, match="36 significant digits, 18 of them before"
    ) as caught:
        money.decimal(given, "price")
    assert caught.value.what == "price"


def test_an_unnamed_number_is_called_number() -> None:
    """Without a name the error still says what it is about."""
    with pytest.raises(InvalidValueError) as caught:
        money.decimal("x")

    assert caught.value.what == "number"


@pytest.mark.parametrize(
    ("value", "supported"),
    [
        ("0", True),
        ("-999999999999999999", True),
        ("1E+17", True),
        ("1E+18", False),
        ("1E-35", True),
        ("1E-36", False),
        ("0." + "1" * 35, True),
        ("1." + "1" * 35, True),
        ("1." + "1" * 36, False),
        ("NaN", False),
        ("-Infinity", False),
    ],
)
def test_support_ends_where_the_limits_are(value: str, supported: bool) -> None:
    """The limits hold exactly: 36 digits, below 1e18, nothing after the 35th decimal."""
    assert money.is_supported(D(value)) is supported


def test_sums_and_products_ignore_the_ambient_context() -> None:
    """Digits that the default context would drop are kept, whatever the context says."""
    with standard.localcontext() as context:
        context.prec = 5
        assert money.add(D("1E+20"), D("1E-11")) == D("100000000000000000000.00000000001")
        assert money.multiply(D("123456.789"), D("987654.321")) == D("121932631112.635269")
        assert money.subtract(D("1E+20"), D("1E-11")) == D("99999999999999999999.99999999999")
        assert money.total([D("1E+20"), D("1E-11"), D("-1E+20")]) == D("1E-11")
        assert money.product(D("1E+10"), D("1.0000000001"), D(3)) == D("30000000003")


def test_arithmetic_is_the_same_in_a_thread_and_in_another_context() -> None:
    """Threads start with a fresh ambient context; the results do not change."""
    wide, narrow = D("12345678901234567890.123456789"), D("0.000000000000001")
    seen: list[Decimal] = []
    thread = threading.Thread(target=lambda: seen.append(money.add(wide, narrow)))
    thread.start()
    thread.join()
    seen.append(contextvars.Context().run(money.add, wide, narrow))

    assert seen == [D("12345678901234567890.123456789000001")] * 2


def test_a_sum_that_would_lose_a_digit_raises() -> None:
    """Beyond 256 digits exact arithmetic raises; it never rounds."""
    assert money.add(D("1E+255"), D(1)) > D("1E+255")
    with pytest.raises(standard.Inexact):
        money.add(D("1E+256"), D(1))


def test_quotients_keep_forty_digits_half_to_even() -> None:
    """A quotient has 40 significant digits, and a tie goes to the even neighbour."""
    assert str(money.divide(D(1), D(3))) == "0." + "3" * 40
    assert str(money.divide(D("1" + "0" * 39 + "5"), D(10))) == "1" + "0" * 39
    with pytest.raises(standard.DivisionByZero):
        money.divide(D(1), D(0))


def test_operators_are_exact_inside_exact_arithmetic() -> None:
    """The context manager makes plain operators exact and refuses floats."""
    with money.exact_arithmetic():
        assert D("1E+30") + D("1E-30") == D("1" + "0" * 30 + "." + "0" * 29 + "1")
        with pytest.raises(standard.Inexact):
            D(1) / D(3)
        with pytest.raises(standard.FloatOperation):
            D(0.1)


def test_nothing_adds_up_to_nothing() -> None:
    """The empty sum is 0 and the empty product 1."""
    assert money.total([]) == 0
    assert money.product() == 1


@pytest.mark.parametrize(
    ("value", "down", "up", "floor", "ceiling", "nearest"),
    [
        ("1.24", "1.00", "1.25", "1.00", "1.25", "1.25"),
        ("-1.24", "-1.00", "-1.25", "-1.25", "-1.00", "-1.25"),
        ("1.25", "1.25", "1.25", "1.25", "1.25", "1.25"),
        ("-1.25", "-1.25", "-1.25", "-1.25", "-1.25", "-1.25"),
        ("0.125", "0.00", "0.25", "0.00", "0.25", "0.00"),
        ("0.375", "0.25", "0.50", "0.25", "0.50", "0.50"),
        ("-0.125", "0.00", "-0.25", "-0.25", "0.00", "0.00"),
        ("-0.375", "-0.25", "-0.50", "-0.50", "-0.25", "-0.50"),
        ("0.1", "0.00", "0.25", "0.00", "0.25", "0.00"),
        ("0.13", "0.00", "0.25", "0.00", "0.25", "0.25"),
        ("-0.13", "0.00", "-0.25", "-0.25", "0.00", "-0.25"),
        ("0", "0.00", "0.00", "0.00", "0.00", "0.00"),
    ],
)
def test_each_direction_of_rounding(
    value: str, down: str, up: str, floor: str, ceiling: str, nearest: str
) -> None:
    """A quarter grid, above and below zero, with both kinds of tie; results carry its decimals."""
    expected = dict(zip(Rounding, (down, up, floor, ceiling, nearest), strict=True))
    rounded = {mode: str(money.to_step(D(value), D("0.25"), mode)) for mode in Rounding}
    assert rounded == expected


def test_rounding_works_on_steps_that_are_no_power_of_ten() -> None:
    """Steps of 3, of 50 and of 1e-12 are as exact as the others."""
    assert money.to_step(D(8), D(3), Rounding.DOWN) == 6
    assert str(money.to_step(D(149), D("5E+1"), Rounding.NEAREST)) == "150"
    huge = D("1000000000000000.0000000000003")
    assert str(money.to_step(huge, D("1E-12"), Rounding.UP)) == "1000000000000000.000000000001"
    assert str(money.to_step(D("2.2504"), D("0.0001"), Rounding.DOWN)) == "2.2504"


def test_a_direction_may_be_given_by_its_name_but_not_made_up() -> None:
    """The text of a direction means it; anything else is an error, not a silent default."""
    assert money.to_step(D("1.9"), D(1), "down") == 1  # type: ignore[arg-type]  # text on purpose
    with pytest.raises(KeyError):
        money.to_step(D("1.9"), D(1), "sideways")  # type: ignore[arg-type]  # nonsense on purpose


@pytest.mark.parametrize("step", ["0", "-0.01"])
def test_a_step_must_be_positive(step: str) -> None:
    """There is no grid of zero or negative steps."""
    with pytest.raises(InvalidValueError) as caught:
        money.to_step(D(1), D(step), Rounding.DOWN)

    assert str(caught.value) == f"step is not valid: {step} is not positive"


def test_a_value_too_far_from_its_step_raises() -> None:
    """What cannot be counted exactly is an error with both numbers in it."""
    with pytest.raises(PrecisionError, match=r"^1E\+300 cannot be counted in steps of 1E-9$"):
        money.to_step(D("1E+300"), D("1E-9"), Rounding.DOWN)


@pytest.mark.parametrize(
    ("value", "step", "expected"),
    [("1.25", "0.25", True), ("1.26", "0.25", False), ("-6", "3", True), ("0", "3", True)],
)
def test_multiples_are_recognised(value: str, step: str, expected: bool) -> None:
    """A value is a multiple of a step or it is not."""
    assert money.is_multiple(D(value), D(step)) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1E+3", "1000"), ("1E-7", "0.0000001"), ("-0.00", "0.00"), ("-1.50", "-1.50"), ("0", "0")],
)
def test_venues_get_no_exponent_and_no_negative_zero(value: str, expected: str) -> None:
    """Small lot sizes are written out, as venues demand."""
    assert money.text(D(value)) == expected


def test_quotients_are_not_trapped_by_rounding_but_by_nonsense() -> None:
    """0/0 is an error, not NaN."""
    with pytest.raises(standard.InvalidOperation):
        money.divide(D(0), D(0))

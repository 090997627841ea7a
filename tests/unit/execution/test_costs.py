"""Slippage and commission: each formula, its units, and what cannot be."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from rustybt.execution import (
    BasisPointCommission,
    BasisPointSlippage,
    Commission,
    FixedSlippage,
    MakerTakerCommission,
    NoCommission,
    NoSlippage,
    PerShareCommission,
    PerTradeCommission,
    RoundedCommission,
    Slippage,
    SpreadSlippage,
    Taking,
    Tier,
    TieredCommission,
    Traded,
    VolumeShareSlippage,
)
from rustybt.execution.costs import fee
from rustybt.model import InvalidValueError, Rounding

D = Decimal
FLOAT: Any = 0.5
TEXT: Any = "up"
TIERS = TieredCommission((Tier(D(0), D(10)), Tier(D(1000), D(6)), Tier(D(5000), D(2))))


def traded(quantity: str, notional: str, maker: str = "0", account: str = "0") -> Traded:
    """Return what was traded."""
    return Traded(D(quantity), D(notional), D(maker), D(account))


@pytest.mark.parametrize(
    ("model", "price", "expected"),
    [
        (NoSlippage(), "100", "0"),
        (FixedSlippage(D("0.02")), "100", "0.02"),
        (FixedSlippage(D(0)), "100", "0"),
        (BasisPointSlippage(D(5)), "100", "0.05"),
        (BasisPointSlippage(D(5)), "-100", "0.05"),
        (SpreadSlippage(D("0.03")), "100", "0.015"),
        (VolumeShareSlippage(D("0.1")), "100", "0.1"),
        (VolumeShareSlippage(), "100", "0.1"),
        (VolumeShareSlippage(D("0.1")), "-100", "0.1"),
    ],
)
def test_slippage(model: Slippage, price: str, expected: str) -> None:
    """A tenth of the volume is traded; the move is never below zero."""
    assert model.shift(Taking(D(price), D(10), D(100))) == D(expected)


@pytest.mark.parametrize(
    ("quantity", "volume", "expected"),
    [(50, 100, "2.5"), (100, 100, "10"), (200, 100, "10"), (1, 0, "10")],
)
def test_the_share_of_the_volume_is_at_most_all(quantity: int, volume: int, expected: str) -> None:
    """Also where there was no volume."""
    model = VolumeShareSlippage(D("0.1"))
    assert model.shift(Taking(D(100), D(quantity), D(volume))) == D(expected)


def test_a_share_that_does_not_end_has_40_digits() -> None:
    """A third of the volume, squared."""
    digits = str(int("3" * 40) ** 2)
    expected = D("0." + digits.rjust(80, "0"))
    assert VolumeShareSlippage(D(1)).shift(Taking(D(1), D(1), D(3))) == expected


@pytest.mark.parametrize(
    ("model", "done", "expected"),
    [
        (NoCommission(), traded("10", "1000"), "0"),
        (PerShareCommission(D("0.005")), traded("100", "1000"), "0.5"),
        (PerShareCommission(D("0.005"), minimum=D(1)), traded("100", "1000"), "1"),
        (PerShareCommission(D("0.005"), minimum=D(1)), traded("201", "1000"), "1.005"),
        (PerShareCommission(D("0.005"), maximum=D("0.01")), traded("100", "10"), "0.1"),
        (PerShareCommission(D("0.005"), maximum=D("0.01")), traded("100", "60"), "0.5"),
        (PerShareCommission(D("0.005"), D(1), D("0.01")), traded("10", "50"), "0.5"),
        (PerShareCommission(D("0.005"), D(1), D("0.01")), traded("0", "0"), "0"),
        (PerTradeCommission(D("4.95")), traded("1", "1"), "4.95"),
        (PerTradeCommission(D("4.95")), traded("1000", "1000"), "4.95"),
        (PerTradeCommission(D("4.95")), traded("0", "0"), "0"),
        (BasisPointCommission(D(20)), traded("10", "1791.30"), "3.5826"),
        (BasisPointCommission(D(20), minimum=D(5)), traded("10", "1791.30"), "5"),
        (BasisPointCommission(D(20), minimum=D(5)), traded("0", "0"), "0"),
        (BasisPointCommission(D(0)), traded("10", "1000"), "0"),
        (MakerTakerCommission(D(2), D(5)), traded("10", "1000", maker="300"), "0.41"),
        (MakerTakerCommission(D(-1), D(5)), traded("10", "1000", maker="1000"), "-0.1"),
        (MakerTakerCommission(D(-1), D(5)), traded("10", "1000"), "0.5"),
        (TIERS, traded("1", "1", account="0"), "0"),
        (TIERS, traded("1", "1", account="500"), "0.5"),
        (TIERS, traded("1", "1", account="1000"), "1"),
        (TIERS, traded("1", "1", account="1500"), "1.3"),
        (TIERS, traded("1", "1", account="5000"), "3.4"),
        (TIERS, traded("1", "1", account="15000"), "5.4"),
        (TieredCommission((Tier(D(0), D(3)),)), traded("1", "1", account="10000"), "3"),
        (RoundedCommission(BasisPointCommission(D(20))), traded("10", "1791.30"), "3.58"),
        (
            RoundedCommission(BasisPointCommission(D(20)), D("0.05"), Rounding.UP),
            traded("10", "1791.30"),
            "3.60",
        ),
    ],
)
def test_commission(model: Commission, done: Traded, expected: str) -> None:
    """What all of an order's trading costs."""
    assert model.total(done) == D(expected)


def test_the_fee_of_a_fill_is_what_it_adds() -> None:
    """The minimum is paid with the first fill and used up by the next ones."""
    model = PerShareCommission(D("0.01"), minimum=D(1))
    steps = [traded(str(done), str(100 * done)) for done in (0, 40, 90, 150)]
    fees = [fee(model, before, after) for before, after in pairwise(steps)]
    assert fees == [D(1), D(0), D("0.5")]


def test_a_fee_across_tiers_pays_each_its_part() -> None:
    """From 900 to 1100 of the account: 100 at ten points, 100 at six."""
    before, after = traded("0", "0", account="900"), traded("2", "200", account="1100")
    assert fee(TIERS, before, after) == D("0.16")


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: FixedSlippage(D(-1)), "amount must be a Decimal of at least 0"),
        (lambda: FixedSlippage(FLOAT), "amount must be a Decimal of at least 0"),
        (lambda: BasisPointSlippage(D(-1)), "points must be a Decimal of at least 0"),
        (lambda: SpreadSlippage(D(-1)), "spread must be a Decimal of at least 0"),
        (lambda: VolumeShareSlippage(D(-1)), "impact must be a Decimal of at least 0"),
        (lambda: PerShareCommission(D(-1)), "rate must be a Decimal of at least 0"),
        (lambda: PerShareCommission(D(1), D(-1)), "minimum must be a Decimal of at least 0"),
        (lambda: PerShareCommission(D(1), D(1), D(-1)), "maximum must be a Decimal of at least 0"),
        (lambda: PerTradeCommission(D(-1)), "amount must be a Decimal of at least 0"),
        (lambda: BasisPointCommission(D(-1)), "points must be a Decimal of at least 0"),
        (lambda: BasisPointCommission(D(1), D(-1)), "minimum must be a Decimal of at least 0"),
        (lambda: Tier(D(-1), D(1)), "start must be a Decimal of at least 0"),
        (lambda: Tier(D(1), D(-1)), "points must be a Decimal of at least 0"),
        (lambda: TieredCommission(()), "the first tier must start at 0"),
        (lambda: TieredCommission((Tier(D(1), D(1)),)), "the first tier must start at 0"),
        (
            lambda: TieredCommission((Tier(D(0), D(1)), Tier(D(0), D(1)))),
            "each tier must start above the one before it",
        ),
        (lambda: MakerTakerCommission(D("NaN"), D(1)), "maker must be a finite Decimal"),
        (lambda: MakerTakerCommission(D(1), D(-1)), "taker must be a Decimal of at least 0"),
        (lambda: RoundedCommission(NoCommission(), D(0)), "cent must be a Decimal above 0"),
        (
            lambda: RoundedCommission(NoCommission(), D(1), TEXT),
            "rounding must be one of Rounding.DOWN",
        ),
    ],
)
def test_models_that_cannot_be(make: Callable[[], Any], problem: str) -> None:
    """Each says which field is wrong and what was seen."""
    with pytest.raises(InvalidValueError) as caught:
        make()
    assert [found[: len(problem)] for found in caught.value.problems] == [problem]


def test_an_error_names_the_model() -> None:
    """By its class."""
    with pytest.raises(InvalidValueError, match="cost model 'FixedSlippage' is not valid"):
        FixedSlippage(D(-1))
    with pytest.raises(InvalidValueError, match="commission 'TieredCommission' is not valid"):
        TieredCommission(())
    with pytest.raises(InvalidValueError, match="commission 'MakerTakerCommission' is not valid"):
        MakerTakerCommission(D("NaN"), D(1))
    with pytest.raises(InvalidValueError, match="commission 'RoundedCommission' is not valid"):
        RoundedCommission(NoCommission(), D(0))

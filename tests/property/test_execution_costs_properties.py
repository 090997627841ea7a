"""Costs are exact, never in our favour, and do not depend on how trading was split."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

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
from rustybt.execution.market import slipped
from rustybt.model import Instrument, InstrumentKind, Rounding, Side
from rustybt.model.money import ZERO, add, multiply, total

D = Decimal
SHARE = Instrument(
    symbol="X", base="X", quote="USD", tick=D("0.05"), lot=D(1), kind=InstrumentKind.EQUITY
)
ORDER_MODELS: tuple[Commission, ...] = (
    NoCommission(),
    PerShareCommission(D("0.0035"), D("0.35"), D("0.01")),
    PerShareCommission(D("0.005"), D(1)),
    PerTradeCommission(D("4.95")),
    BasisPointCommission(D("7.5"), D("1.5")),
    MakerTakerCommission(D("-0.5"), D("3.25")),
    RoundedCommission(PerShareCommission(D("0.0035"), D("0.35"), D("0.01"))),
    RoundedCommission(MakerTakerCommission(D(2), D(5)), D("0.05"), Rounding.UP),
)
TIERS = ((0, D(10)), (1000, D("6.5")), (5000, D(2)), (6000, D(3)))
TIERED = TieredCommission(tuple(Tier(D(start), points) for start, points in TIERS))
SLIPPAGES: tuple[Slippage, ...] = (
    NoSlippage(),
    FixedSlippage(D("0.013")),
    BasisPointSlippage(D("12.5")),
    SpreadSlippage(D("0.07")),
    VolumeShareSlippage(D("0.3")),
)

quantities = st.integers(1, 50_000).map(lambda units: D(units).scaleb(-2))
prices = st.integers(-2_000, 30_000).map(lambda cents: D(cents).scaleb(-2))
drafts = st.lists(st.integers(0, 50_000 * 32_000 * 2 - 1), min_size=1, max_size=5)
"""Trades, each drawn as one number: a tenth of the time that drawing its parts would take."""


class Row(NamedTuple):
    """One trade."""

    quantity: Decimal
    price: Decimal
    flag: bool


def rows_of(numbers: list[int]) -> list[Row]:
    """Return drafts as trades of up to 500 units at prices from -20 to 300."""
    result = []
    for number in numbers:
        rest, flag = divmod(number, 2)
        units, cents = divmod(rest, 32_000)
        result.append(Row(D(units + 1).scaleb(-2), D(cents - 2000).scaleb(-2), bool(flag)))
    return result


def after(before: Traded, quantity: Decimal, price: Decimal, *, maker: bool) -> Traded:
    """Return what is traded after one more trade."""
    notional = multiply(quantity, price).copy_abs()
    return Traded(
        add(before.quantity, quantity),
        add(before.notional, notional),
        add(before.maker_notional, notional) if maker else before.maker_notional,
        add(before.account_notional, notional),
    )


def fees(model: Commission, rows: list[Row]) -> list[Decimal]:
    """Return the fee of each trade of one order."""
    done, result = Traded(), []
    for quantity, price, maker in rows:
        now = after(done, quantity, price, maker=maker)
        result.append(fee(model, done, now))
        done = now
    return result


@given(st.sampled_from(ORDER_MODELS), drafts, st.integers(1, 99))
def test_a_split_costs_the_same(model: Commission, numbers: list[int], percent: int) -> None:
    """Any trade in two, or all in reverse: the same total, to the last digit."""
    rows, index = rows_of(numbers), percent
    whole = total(fees(model, rows))
    index %= len(rows)
    quantity, price, maker = rows[index]
    part = multiply(quantity, D(percent).scaleb(-2))
    rest = add(quantity, part.copy_negate())
    split = [*rows[:index], Row(part, price, maker), Row(rest, price, maker), *rows[index + 1 :]]
    assert total(fees(model, split)) == whole
    assert total(fees(model, rows[::-1])) == whole


@given(drafts)
def test_tiers_do_not_care_whose_order_it_was(numbers: list[int]) -> None:
    """Orders that trade in turn pay together what one order would, worked out in fractions."""
    orders = [Traded(), Traded()]
    account, paid = ZERO, ZERO
    for quantity, price, which in rows_of(numbers):
        before = orders[which]
        begun = Traded(before.quantity, before.notional, before.maker_notional, account)
        account = add(account, multiply(quantity, price).copy_abs())
        orders[which] = after(begun, quantity, price, maker=False)
        assert orders[which].account_notional == account
        paid = add(paid, fee(TIERED, begun, orders[which]))
    expected = Fraction(0)
    for (start, points), end in zip(TIERS, [1000, 5000, 6000, None], strict=True):
        top = Fraction(account) if end is None else min(Fraction(account), Fraction(end))
        expected += max(Fraction(0), top - start) * Fraction(points) / 10_000
    assert Fraction(paid) == expected


@given(st.sampled_from(ORDER_MODELS[:-1]), drafts)
def test_only_a_rebate_is_negative(model: Commission, numbers: list[int]) -> None:
    """More trading never costs less, apart from making the market where that is paid for."""
    rows = rows_of(numbers)
    rebate = isinstance(model, MakerTakerCommission)
    for cost, (_, _, maker) in zip(fees(model, rows), rows, strict=True):
        assert cost >= 0 or (rebate and maker)


@given(st.sampled_from(SLIPPAGES), prices, quantities, st.integers(0, 1000), st.sampled_from(Side))
def test_slippage_is_never_in_our_favour(
    model: Slippage, price: Decimal, quantity: Decimal, volume: int, side: Side
) -> None:
    """The price is worse or the same, on the tick if it moved, and less than a tick too far."""
    shift = model.shift(Taking(price, quantity, D(volume)))
    assert shift >= 0
    moved = slipped(price, shift, side, SHARE)
    worse = moved - price if side is Side.BUY else price - moved
    assert worse >= shift or not shift
    if shift:
        assert Fraction(moved) / Fraction(SHARE.tick) % 1 == 0
        assert Fraction(worse) < Fraction(shift) + Fraction(SHARE.tick)
    else:
        assert moved == price


@given(quantities, quantities, st.integers(1, 500))
def test_a_larger_share_slips_more(first: Decimal, second: Decimal, volume: int) -> None:
    """The volume share model grows with the quantity and stops at all of the volume."""
    model = VolumeShareSlippage(D("0.2"))
    small, large = sorted((first, second))
    shifts = [model.shift(Taking(D(100), each, D(volume))) for each in (small, large)]
    assert shifts[0] <= shifts[1] <= 20
    share = min(Fraction(1), Fraction(large) / volume)
    assert abs(Fraction(shifts[1]) - 20 * share * share) < Fraction(1, 10**36)

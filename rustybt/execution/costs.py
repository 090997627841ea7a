"""What trading costs: slippage moves the price against us, commission is charged on top.

A slippage model says how far the price of one fill moves, in quote currency and never below zero;
matching applies it in the unfavourable direction, rounds to the tick away from us and, unless told
otherwise, stays within what the market traded. It concerns orders that take whatever price there
is (market orders, triggered stops and take-profits), never limits.

A commission model says what all trading of an order so far costs. The fee of a fill is what it adds
to that, so however an order is split into fills, over however many bars, the fees add up to the
same total, to the last digit and with every minimum and rounding included. Amounts are in the
instrument's quote currency.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Final, NamedTuple, Protocol

from msgspec import Struct

from rustybt.model.checks import Problems
from rustybt.model.money import ONE, ZERO, Rounding, add, divide, multiply, subtract, to_step

BASIS_POINT: Final = Decimal("0.0001")
HALF: Final = Decimal("0.5")


class Taking(NamedTuple):
    """One fill to be: *quantity* units near *price*, in a market that trades *volume* units."""

    price: Decimal
    quantity: Decimal
    volume: Decimal


class Slippage(Protocol):
    """How far the price of a fill moves against us."""

    def shift(self, trade: Taking, /) -> Decimal:
        """Return by how much, in quote currency, the price of *trade* moves."""
        ...


class NoSlippage(Struct, frozen=True, gc=False):
    """The price stays as it is."""

    def shift(self, _: Taking, /) -> Decimal:
        """Return nothing."""
        return ZERO


class FixedSlippage(Struct, frozen=True, gc=False):
    """Every fill is worse by *amount* of quote currency per unit."""

    amount: Decimal

    def __post_init__(self) -> None:
        _not_negative(self, "amount")

    def shift(self, _: Taking, /) -> Decimal:
        """Return the amount."""
        return self.amount


class BasisPointSlippage(Struct, frozen=True, gc=False):
    """Every fill is worse by *points* hundredths of a per cent of its price."""

    points: Decimal

    def __post_init__(self) -> None:
        _not_negative(self, "points")

    def shift(self, trade: Taking, /) -> Decimal:
        """Return ``|price| * points / 10000``."""
        return multiply(multiply(trade.price.copy_abs(), self.points), BASIS_POINT)


class SpreadSlippage(Struct, frozen=True, gc=False):
    """Prices of bars are middles; every fill pays half of the *spread*, in quote currency.

    Not for quotes: their spread is paid anyway.
    """

    spread: Decimal

    def __post_init__(self) -> None:
        _not_negative(self, "spread")

    def shift(self, _: Taking, /) -> Decimal:
        """Return ``spread / 2``."""
        return multiply(self.spread, HALF)


class VolumeShareSlippage(Struct, frozen=True, gc=False):
    """The price moves with the square of our share of the volume.

    ``|price| * impact * share**2`` with ``share = min(1, quantity / volume)``, to 40 digits: the
    volume share model of Zipline, whose default impact is 0.1. A market without volume counts as
    one in which all of the volume is ours.
    """

    impact: Decimal = Decimal("0.1")

    def __post_init__(self) -> None:
        _not_negative(self, "impact")

    def shift(self, trade: Taking, /) -> Decimal:
        """Return the move."""
        share = divide(trade.quantity, trade.volume) if trade.quantity < trade.volume else ONE
        return multiply(multiply(trade.price.copy_abs(), self.impact), multiply(share, share))


class Traded(Struct, frozen=True, gc=False):
    """What an order has traded so far, all of it without a sign.

    *quantity* is in units, *notional* in quote currency, *maker_notional* the part of it that
    rested in the book. *account_notional* is what the whole account has traded in that currency,
    this order included.
    """

    quantity: Decimal = ZERO
    notional: Decimal = ZERO
    maker_notional: Decimal = ZERO
    account_notional: Decimal = ZERO


class Commission(Protocol):
    """What an order costs."""

    def total(self, traded: Traded, /) -> Decimal:
        """Return the commission on all that was *traded*; 0 when nothing was."""
        ...


class NoCommission(Struct, frozen=True, gc=False):
    """Trading is free."""

    def total(self, _: Traded, /) -> Decimal:
        """Return nothing."""
        return ZERO


class PerShareCommission(Struct, frozen=True, gc=False):
    """An order costs *rate* per unit, at least *minimum*, at most *maximum* of its notional.

    *maximum* is a fraction. Where both bounds apply the maximum wins, as it does at Interactive
    Brokers.
    """

    rate: Decimal
    minimum: Decimal = ZERO
    maximum: Decimal | None = None

    def __post_init__(self) -> None:
        _not_negative(self, "rate", "minimum", "maximum")

    def total(self, traded: Traded, /) -> Decimal:
        """Return ``min(maximum * notional, max(minimum, rate * quantity))``."""
        if not traded.quantity:
            return ZERO
        cost = max(self.minimum, multiply(self.rate, traded.quantity))
        return cost if self.maximum is None else min(cost, multiply(self.maximum, traded.notional))


class PerTradeCommission(Struct, frozen=True, gc=False):
    """An order that trades at all costs *amount*, whatever its size and number of fills."""

    amount: Decimal

    def __post_init__(self) -> None:
        _not_negative(self, "amount")

    def total(self, traded: Traded, /) -> Decimal:
        """Return the amount once anything was traded."""
        return self.amount if traded.quantity else ZERO


class BasisPointCommission(Struct, frozen=True, gc=False):
    """An order costs *points* hundredths of a per cent of its notional, at least *minimum*."""

    points: Decimal
    minimum: Decimal = ZERO

    def __post_init__(self) -> None:
        _not_negative(self, "points", "minimum")

    def total(self, traded: Traded, /) -> Decimal:
        """Return ``max(minimum, notional * points / 10000)``."""
        if not traded.quantity:
            return ZERO
        return max(self.minimum, multiply(multiply(traded.notional, self.points), BASIS_POINT))


class Tier(Struct, frozen=True, gc=False):
    """A step of a schedule: *points* (hundredths of a per cent) from a notional of *start* on."""

    start: Decimal
    points: Decimal

    def __post_init__(self) -> None:
        _not_negative(self, "start", "points")


class TieredCommission(Struct, frozen=True, gc=False):
    """The more an account has traded, the less (or more) the next unit of notional costs.

    Each tier's rate holds for the notional between its start and the next one's, counted over the
    whole account since it began; a trade across a boundary pays both rates, each for its part. The
    first tier starts at 0.
    """

    tiers: tuple[Tier, ...]

    def __post_init__(self) -> None:
        problems = Problems()
        starts = [tier.start for tier in self.tiers]
        if not starts or starts[0] != ZERO:
            problems.append("the first tier must start at 0")
        if any(first >= second for first, second in pairwise(starts)):
            problems.append("each tier must start above the one before it")
        problems.refuse("commission", type(self).__name__)

    def total(self, traded: Traded, /) -> Decimal:
        """Return the sum over the tiers of rate times the notional that falls into each."""
        result = ZERO
        ends = [tier.start for tier in self.tiers[1:]]
        for tier, end in zip(self.tiers, [*ends, traded.account_notional], strict=True):
            inside = subtract(min(end, traded.account_notional), tier.start)
            if inside <= ZERO:
                break
            result = add(result, multiply(multiply(inside, tier.points), BASIS_POINT))
        return result


class MakerTakerCommission(Struct, frozen=True, gc=False):
    """Trades that rested in the book cost *maker* basis points of notional, others *taker*.

    A negative rate for makers is a rebate.
    """

    maker: Decimal
    taker: Decimal

    def __post_init__(self) -> None:
        problems = Problems()
        problems.number("maker", self.maker)
        problems.not_negative("taker", self.taker)
        problems.refuse("commission", type(self).__name__)

    def total(self, traded: Traded, /) -> Decimal:
        """Return ``(maker * maker notional + taker * the rest of the notional) / 10000``."""
        taken = subtract(traded.notional, traded.maker_notional)
        cost = add(multiply(traded.maker_notional, self.maker), multiply(taken, self.taker))
        return multiply(cost, BASIS_POINT)


class RoundedCommission(Struct, frozen=True, gc=False):
    """What *commission* costs per order, rounded to *cent*, the smallest unit charged."""

    commission: Commission
    cent: Decimal = Decimal("0.01")
    rounding: Rounding = Rounding.NEAREST

    def __post_init__(self) -> None:
        problems = Problems()
        problems.positive("cent", self.cent)
        problems.member("rounding", self.rounding, Rounding)
        problems.refuse("commission", type(self).__name__)

    def total(self, traded: Traded, /) -> Decimal:
        """Return the rounded total."""
        return to_step(self.commission.total(traded), self.cent, self.rounding)


def fee(commission: Commission, before: Traded, after: Traded) -> Decimal:
    """Return what the trade that led from *before* to *after* costs; a rebate is negative."""
    return subtract(commission.total(after), commission.total(before))


def _not_negative(model: Struct, *names: str) -> None:
    """Refuse a *model* with one of the named amounts below zero; one that is ``None`` is absent."""
    problems = Problems()
    for name in names:
        value = getattr(model, name)
        if value is not None:
            problems.not_negative(name, value)
    problems.refuse("cost model", type(model).__name__)

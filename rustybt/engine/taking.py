"""What a market order gets at the open of a bar: the shortcut for orders that need no matching.

It does what :mod:`rustybt.execution` does for such an order, without the states in between; tests
hold the two against each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rustybt.execution.costs import (
    BASIS_POINT,
    BasisPointCommission,
    BasisPointSlippage,
    FixedSlippage,
    MakerTakerCommission,
    NoCommission,
    NoSlippage,
    PerShareCommission,
    PerTradeCommission,
    RoundedCommission,
    SpreadSlippage,
    Taking,
    Traded,
    VolumeShareSlippage,
)
from rustybt.execution.market import slipped
from rustybt.execution.rules import FillPolicy
from rustybt.model.instrument import Side
from rustybt.model.money import ZERO, multiply

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from rustybt.engine.tape import Tape
    from rustybt.execution.costs import Commission
    from rustybt.execution.rules import MatchingRules
    from rustybt.model.instrument import Instrument

    FeeOf = Callable[[Decimal, Decimal], Decimal]

# Models whose price and fee depend on the order alone, not on what the account has traded before.
_COMMISSIONS: Final = (
    NoCommission,
    BasisPointCommission,
    MakerTakerCommission,
    PerShareCommission,
    PerTradeCommission,
)
_SLIPPAGES: Final = (
    NoSlippage,
    BasisPointSlippage,
    FixedSlippage,
    SpreadSlippage,
    VolumeShareSlippage,
)


def is_simple(rules: MatchingRules) -> bool:
    """Tell whether a market order is filled whole at the next open, at a cost of its own."""
    commission = rules.commission
    if isinstance(commission, RoundedCommission):
        commission = commission.commission
    return (
        rules.policy is not FillPolicy.SAME_CLOSE
        and not rules.delays
        and rules.volume_share is None
        and type(commission) in _COMMISSIONS
        and type(rules.slippage) in _SLIPPAGES
    )


def price_at_open(
    tape: Tape, row: int, quantity: Decimal, instrument: Instrument, rules: MatchingRules
) -> Decimal:
    """Return the price of a market order of the signed *quantity* in *row*, slippage included."""
    price = tape.exact(row, "open")
    if type(rules.slippage) is NoSlippage:
        return price
    taking = Taking(price, quantity.copy_abs(), tape.exact(row, "volume"))
    side = Side.BUY if quantity > ZERO else Side.SELL
    moved = slipped(price, rules.slippage.shift(taking), side, instrument)
    if rules.slip_outside:
        return moved
    return max(tape.exact(row, "low"), min(tape.exact(row, "high"), moved))


def fee_of(commission: Commission) -> FeeOf:
    """Return the function of quantity and notional, both unsigned, that gives an order's fee."""
    rate = _rate(commission)
    if rate is ZERO:
        return _free
    if rate is not None:

        def proportional(_: Decimal, notional: Decimal) -> Decimal:
            return multiply(notional, rate)

        return proportional

    def total(quantity: Decimal, notional: Decimal) -> Decimal:
        return commission.total(Traded(quantity, notional, ZERO, notional))

    return total


def proportional_rate(rules: MatchingRules) -> Decimal | None:
    """Return what part of a notional is the fee; ``None`` if there is slippage, or another fee."""
    return _rate(rules.commission) if type(rules.slippage) is NoSlippage else None


def _rate(commission: Commission) -> Decimal | None:
    """Return what part of a notional is the fee; ``None`` if the fee is none."""
    if type(commission) is NoCommission:
        return ZERO
    if type(commission) is BasisPointCommission and not commission.minimum:
        return multiply(commission.points, BASIS_POINT)
    return None


def _free(_quantity: Decimal, _notional: Decimal) -> Decimal:
    """Return nothing."""
    return ZERO

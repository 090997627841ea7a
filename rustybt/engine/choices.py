"""What the arguments of a backtest stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rustybt.engine.errors import BacktestError
from rustybt.execution.costs import NoCommission, NoSlippage
from rustybt.execution.rules import FillPolicy, MatchingRules
from rustybt.model.money import ZERO, decimal

if TYPE_CHECKING:
    from decimal import Decimal

    from rustybt.execution.costs import Commission, Slippage
    from rustybt.strategy.base import Number


def cash_of(cash: Number) -> Decimal:
    """Return the initial cash; raise unless it is above 0."""
    amount = decimal(cash, "cash")
    if amount <= ZERO:
        raise BacktestError(f"initial cash of {amount}", expected="an amount above 0")
    return amount


def rules_of(
    fill: FillPolicy | str, commission: Commission | None, slippage: Slippage | None
) -> MatchingRules:
    """Return the rules of the simulated venue."""
    try:
        policy = FillPolicy(fill)
    except ValueError:
        names = ", ".join(FillPolicy)
        raise BacktestError(f"there is no fill policy {fill!r}", expected=names) from None
    return MatchingRules(
        policy=policy,
        commission=commission or NoCommission(),
        slippage=slippage or NoSlippage(),
    )

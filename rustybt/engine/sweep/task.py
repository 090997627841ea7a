"""What is sent to those who run combinations, and what they send back."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypedDict

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta
    from decimal import Decimal

    import polars as pl

    from rustybt.engine.margin import MarginPolicy
    from rustybt.engine.sweep.grid import Combination
    from rustybt.engine.terms import HoldingCosts
    from rustybt.execution.costs import Commission, Slippage
    from rustybt.execution.rules import FillPolicy, MatchingRules
    from rustybt.model.instrument import Instrument
    from rustybt.risk.limits import RiskLimits
    from rustybt.strategy.base import Number


class Options(TypedDict, total=False):
    """What :class:`~rustybt.engine.backtest.Backtest` is told besides strategy and data."""

    cash: Number
    commission: Commission | None
    slippage: Slippage | None
    fill: FillPolicy | str
    rules: MatchingRules | None
    instruments: Mapping[str, Instrument] | None
    currency: str
    lot: Number
    limits: RiskLimits | None
    interval: timedelta | None
    periods: float | None
    costs: HoldingCosts | None
    margin: MarginPolicy | str | None
    margins: tuple[Decimal, Decimal]
    actions: pl.DataFrame | None


class Part(NamedTuple):
    """The instants with bars from *start* to before *end*; figures count from *first* on.

    What is before *first* is run too: indicators have their history and positions are held.
    """

    start: int
    first: int
    end: int


class Task(NamedTuple):
    """One run: combination *number* of all, on a part of the data."""

    number: int
    parameters: Combination
    part: Part


class Figures(Struct, frozen=True, kw_only=True, gc=False):
    """What one run came to. Money is the exact decimal as text, in the account's currency.

    Ratios are floats, ``None`` where they are not defined and after ruin (equity at or below 0).
    *fees*, *fills*, *trades* (round trips closed) and *refused* (wishes that came to nothing, over
    the whole run) are counts and sums of the part that figures count from; *returns* are those of
    its instants, kept only where they are to be chained.
    """

    final_equity: str
    profit: str
    fees: str
    fills: int
    trades: int
    refused: int
    ruined: bool
    total_return: float | None = None
    annual_return: float | None = None
    volatility: float | None = None
    sharpe_ratio: float | None = None
    sortino_ratio: float | None = None
    calmar_ratio: float | None = None
    max_drawdown: float | None = None
    returns: list[float] | None = None


class Outcome(NamedTuple):
    """What became of a task: *figures*, or the *error* that ended it.

    *lost* says that no answer ever came (its process died): another run may fare better.
    """

    number: int
    part: Part
    figures: Figures | None
    error: str | None = None
    lost: bool = False

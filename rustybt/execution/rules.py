"""How a simulated venue trades."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from rustybt.execution.costs import Commission, NoCommission, NoSlippage, Slippage
from rustybt.model.checks import Problems
from rustybt.model.money import ONE


class FillPolicy(StrEnum):
    """What an order may see of the market, and what is assumed within a bar.

    Highs and lows come without their times. Two of the policies assume the worse order of the two,
    one the more likely.
    """

    NEXT_OPEN = "next_open"
    """An order sees the bar after the one it was decided on; a market order gets its open."""
    SAME_CLOSE = "same_close"
    """An order sees the close it was decided on as well and may trade there: optimistic. What does
    not, waits for the next bar as above."""
    INTRABAR = "intrabar"
    """As next open, but a bar is taken to run from its open to the nearer of high and low, to the
    other, to its close."""


class MatchingRules(Struct, frozen=True, kw_only=True, gc=False):
    """The rules of a simulated venue.

    * *volume_share*: the part of a bar's volume, or of the size on offer in a quote, that our
      orders together may take; ``None`` for as much as they want.
    * *touch_share*: the part of a bar's volume for limits that the bar reaches and does not pass,
      because others were first in the queue; 0 means that the market has to trade through a limit
      to fill it, ``None`` that a touch is as good as more.
    * *latency*, *latency_bars*: requests (to submit, cancel, modify) arrive that much later, that
      is, before the first bar or quote that begins then; after both, if both are given.
    * *slip_outside*: whether slippage may lead outside the range of the bar.

    Raise :class:`~rustybt.model.errors.InvalidValueError` naming all problems.
    """

    policy: FillPolicy = FillPolicy.NEXT_OPEN
    slippage: Slippage = NoSlippage()
    commission: Commission = NoCommission()
    volume_share: Decimal | None = None
    touch_share: Decimal | None = None
    latency: timedelta = timedelta(0)
    latency_bars: int = 0
    slip_outside: bool = False

    def __post_init__(self) -> None:
        problems = Problems()
        problems.member("policy", self.policy, FillPolicy)
        for name in ("volume_share", "touch_share"):
            share = getattr(self, name)
            if share is not None and problems.not_negative(name, share) and share > ONE:
                problems.append(f"{name} {share} is more than all of the volume")
        if self.latency < timedelta(0):
            problems.append(f"latency {self.latency} is negative")
        if type(self.latency_bars) is not int or self.latency_bars < 0:
            problems.append(f"latency_bars must be a whole number from 0 on: {self.latency_bars!r}")
        problems.refuse("matching", "rules")

    @property
    def delays(self) -> bool:
        """Whether requests take any time to arrive."""
        return self.latency_bars > 0 or self.latency > timedelta(0)

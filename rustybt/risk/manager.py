"""The gate between wanting to trade and being able to send an order."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, final

from rustybt.model.approval import RiskApproved
from rustybt.model.order import OrderState
from rustybt.risk.breaker import Breaker
from rustybt.risk.checks import EVERY_ORDER, OPENING_ORDERS, Case
from rustybt.risk.limits import Denial, Limit, RiskLimits

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from rustybt.model.order import Order
    from rustybt.risk.limits import TradingHours
    from rustybt.risk.portfolio import PortfolioSnapshot


@final
class _Approval(RiskApproved):
    """The only thing that an approval is made of."""

    __slots__ = ("_approved", "_order")

    def __init__(self, order: Order, approved: datetime) -> None:
        self._order = order
        self._approved = approved

    @property
    def order(self) -> Order:
        return self._order

    @property
    def approved(self) -> datetime:
        return self._approved

    def __repr__(self) -> str:
        return f"RiskApproved({self._order.client_id!r}, {self._approved.isoformat()})"


class RiskManager:
    """Reviews every order before it may be sent.

    It knows the *limits*, the trading *hours* (``None``: always open), the circuit *breaker* and
    when orders were approved lately (*sent*, oldest first, for one that continues after a
    restart). It reads no clock and keeps no positions: those come with each review.
    """

    def __init__(
        self,
        limits: RiskLimits,
        *,
        hours: TradingHours | None = None,
        breaker: Breaker | None = None,
        sent: Iterable[datetime] = (),
    ) -> None:
        self.limits = limits
        self.breaker = Breaker() if breaker is None else breaker
        self._hours = hours
        self._sent = deque(sent)  # pruned before it is counted

    def review(
        self, order: Order, portfolio: PortfolioSnapshot, now: datetime
    ) -> RiskApproved | Denial:
        """Approve *order* and count it in *portfolio*, or say which limit forbids it.

        A modification is reviewed as the order that it would make of the one with the same client
        id. An order that can only reduce a position is held to the restricted list, the trading
        hours and the price collar; the other limits must never keep anybody from getting out.
        """
        case = Case(order, portfolio, self.limits, now)
        denial = self._denial(case)
        if denial is not None:
            return denial
        portfolio.include(order)
        if self.limits.max_order_rate is not None:
            self._sent.append(now)
        return _Approval(order, now)

    def review_all(
        self, orders: Sequence[Order], portfolio: PortfolioSnapshot, now: datetime
    ) -> tuple[RiskApproved, ...] | Denial:
        """Approve all of *orders*, which are new and belong together, or none of them.

        An entry whose stop is denied must not be sent alone: the first denial stands for all, and
        none of them is counted.
        """
        approved: list[RiskApproved] = []
        for order in orders:
            answer = self.review(order, portfolio, now)
            if isinstance(answer, Denial):
                for each in approved:
                    self._withdraw(each.order, portfolio)
                return answer
            approved.append(answer)
        return tuple(approved)

    def _withdraw(self, order: Order, portfolio: PortfolioSnapshot) -> None:
        """Count an order no longer that was approved a moment ago."""
        portfolio.include(order.to(OrderState.DENIED))
        if self.limits.max_order_rate is not None:
            self._sent.pop()

    def trip(self, cause: str, now: datetime) -> None:
        """Stop trading because of *cause*; see :class:`~rustybt.risk.breaker.Breaker`."""
        self.breaker = self.breaker.trip(cause, now)

    def reset(self, operator: str, reason: str) -> None:
        """Let trading go on because *operator*, a person, says so for a *reason*."""
        self.breaker = self.breaker.reset(operator, reason)

    def _denial(self, case: Case) -> Denial | None:
        """Return the first denial there is."""
        denial = self._breaker(case) or self._trading_hours(case)
        if denial is not None:
            return denial
        for check in EVERY_ORDER:
            if (denial := check(case)) is not None:
                return denial
        if case.reduces:
            return None
        for check in OPENING_ORDERS:
            if (denial := check(case)) is not None:
                return denial
        return self._order_rate(case)

    def _breaker(self, case: Case) -> Denial | None:
        """Refuse orders while the breaker is tripped, reducing ones only if it says so."""
        breaker = self.breaker
        if not breaker.is_tripped or (case.reduces and breaker.allow_reducing):
            return None
        return case.deny(Limit.BREAKER, f"tripped at {breaker.tripped}: {breaker.cause}")

    def _trading_hours(self, case: Case) -> Denial | None:
        """Refuse orders while the market is closed."""
        if self._hours is None or self._hours(case.order.symbol, case.now):
            return None
        detail = f"{case.order.symbol} does not trade at {case.now.isoformat()}"
        return case.deny(Limit.TRADING_HOURS, detail)

    def _order_rate(self, case: Case) -> Denial | None:
        """Refuse one order more than there may be in the window that ends now."""
        threshold = case.limits.max_order_rate
        if threshold is None:
            return None
        # A clock that stepped back leaves times ahead of now: they count, to be on the safe side.
        since = case.now - case.limits.rate_window
        while self._sent and self._sent[0] <= since:
            self._sent.popleft()
        if len(self._sent) < threshold:
            return None
        detail = f"there were {len(self._sent)} orders within {case.limits.rate_window}"
        return case.deny(Limit.MAX_ORDER_RATE, detail, len(self._sent) + 1, threshold)

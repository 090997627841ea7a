"""One function per limit. Each returns a denial, or nothing if the order keeps the limit."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING, Context, Decimal
from typing import TYPE_CHECKING, Final

from rustybt.model.instrument import Side
from rustybt.model.money import ZERO, add, multiply, subtract
from rustybt.risk.limits import Denial, Limit

if TYPE_CHECKING:
    from datetime import datetime

    from rustybt.model.order import Order
    from rustybt.risk.limits import RiskLimits
    from rustybt.risk.portfolio import PortfolioSnapshot

# Rounded up, a ratio that breaks a limit never looks as if it kept it.
_divide = Context(prec=40, rounding=ROUND_CEILING).divide


class Case:
    """One order under review.

    *reach* is how far its position could go once it works, *reduces* whether it can do nothing but
    make that smaller: because it says so, or because with all others on its side it never turns
    the position round.
    """

    __slots__ = ("limits", "now", "order", "portfolio", "reach", "reduces")

    def __init__(
        self, order: Order, portfolio: PortfolioSnapshot, limits: RiskLimits, now: datetime
    ) -> None:
        self.order = order
        self.portfolio = portfolio
        self.limits = limits
        self.now = now
        self.reach = portfolio.reach(order.symbol, order)
        low, high = self.reach
        keeps_side = low >= ZERO if order.side is Side.SELL else high <= ZERO
        # Whoever takes a reduce-only order has to honour it or to refuse it.
        self.reduces = order.reduce_only or keeps_side

    def deny(
        self,
        limit: Limit,
        detail: str,
        value: Decimal | int | None = None,
        threshold: Decimal | int | None = None,
    ) -> Denial:
        """Return the denial of this order because of *limit*."""
        return Denial(
            client_id=self.order.client_id,
            time=self.now,
            limit=limit,
            detail=detail,
            value=None if value is None else Decimal(value),
            threshold=None if threshold is None else Decimal(threshold),
        )

    def unknown(self, what: str, limit: Limit) -> Denial:
        """Return the denial of this order because *limit* cannot be checked."""
        detail = f"{limit} cannot be checked without the {what}"
        return self.deny(Limit.KNOWN_VALUE, detail)


Check = Callable[[Case], Denial | None]


def restricted(case: Case) -> Denial | None:
    """Refuse a symbol on the restricted list, in either direction."""
    symbol = case.order.symbol
    if symbol not in case.limits.restricted:
        return None
    return case.deny(Limit.RESTRICTED, f"{symbol} is on the restricted list")


def price_collar(case: Case) -> Denial | None:
    """Refuse a limit price too far on the worse side of the market, or of its own trigger.

    A price on the better side does no harm, it only waits.
    """
    collar, order = case.limits.price_collar, case.order
    if collar is None or order.price is None:
        return None
    asleep = order.trigger is not None and not order.triggered
    reference = order.trigger if asleep else case.portfolio.price(order.symbol)
    if reference is None:
        # Closing must stay possible when the data stops.
        return None if case.reduces else case.unknown("market price", Limit.PRICE_COLLAR)
    slack = multiply(reference, collar).copy_abs()
    if order.side is Side.BUY:
        worst = add(reference, slack)
        kept = order.price <= worst
    else:
        worst = subtract(reference, slack)
        kept = order.price >= worst
    if kept:
        return None
    detail = f"a {order.side} at {order.price} is too far from {reference}"
    return case.deny(Limit.PRICE_COLLAR, detail, order.price, worst)


def order_notional(case: Case) -> Denial | None:
    """Refuse an order that is worth too much at its limit, else its trigger, else the market."""
    threshold, order = case.limits.max_order_notional, case.order
    if threshold is None:
        return None
    price = order.price if order.price is not None else order.trigger
    if price is None:
        worth = case.portfolio.market_value(order.symbol)
    else:
        worth = case.portfolio.unit_value(order.symbol, price)
    if worth is None:
        return case.unknown("value of one unit", Limit.MAX_ORDER_NOTIONAL)
    value = multiply(order.leaves, worth)
    if value <= threshold:
        return None
    detail = f"{order.leaves} {order.symbol} are worth {value} {case.portfolio.currency}"
    return case.deny(Limit.MAX_ORDER_NOTIONAL, detail, value, threshold)


def daily_loss(case: Case) -> Denial | None:
    """Refuse to open anything once the day has lost what it may lose."""
    threshold = case.limits.max_daily_loss
    if threshold is None:
        return None
    start, equity = case.portfolio.day_start_equity, case.portfolio.equity
    if start <= ZERO:
        return case.deny(Limit.MAX_DAILY_LOSS, f"the day started with an equity of {start}")
    loss = subtract(start, equity)
    if loss < multiply(start, threshold):
        return None
    detail = f"equity went from {start} to {equity} since the day began"
    return case.deny(Limit.MAX_DAILY_LOSS, detail, _divide(loss, start), threshold)


def position_size(case: Case) -> Denial | None:
    """Refuse an order that could make its position too large a part of equity."""
    threshold, order, portfolio = case.limits.max_position_size, case.order, case.portfolio
    if threshold is None:
        return None
    worth = portfolio.market_value(order.symbol)
    if worth is None:
        return case.unknown("value of one unit", Limit.MAX_POSITION_SIZE)
    units = case.reach.high if order.side is Side.BUY else case.reach.low
    value = multiply(units, worth).copy_abs()
    detail = f"{units} {order.symbol} would be worth {value} {portfolio.currency}"
    return _of_equity(case, Limit.MAX_POSITION_SIZE, value, threshold, detail)


def leverage(case: Case) -> Denial | None:
    """Refuse an order after which all positions could be worth too many times the equity."""
    threshold, portfolio = case.limits.max_leverage, case.portfolio
    if threshold is None:
        return None
    value = portfolio.gross_exposure(case.order.symbol, case.reach)
    if value is None:
        return case.unknown("value of every position", Limit.MAX_LEVERAGE)
    detail = f"all positions would be worth {value} {portfolio.currency}"
    return _of_equity(case, Limit.MAX_LEVERAGE, value, threshold, detail)


def _of_equity(
    case: Case, limit: Limit, value: Decimal, threshold: Decimal, detail: str
) -> Denial | None:
    """Refuse a *value* above *threshold* times equity; without equity there is no room at all."""
    equity = case.portfolio.equity
    if equity <= ZERO:
        return case.deny(limit, f"{detail}, with an equity of {equity}")
    if value <= multiply(equity, threshold):
        return None
    return case.deny(limit, f"{detail}, equity is {equity}", _divide(value, equity), threshold)


def open_positions(case: Case) -> Denial | None:
    """Refuse to open one position more than there may be."""
    threshold = case.limits.max_open_positions
    if threshold is None:
        return None
    occupied = case.portfolio.occupied()
    if case.order.symbol in occupied or len(occupied) < threshold:
        return None
    detail = f"{case.order.symbol} would be one position more than there may be"
    return case.deny(Limit.MAX_OPEN_POSITIONS, detail, len(occupied) + 1, threshold)


EVERY_ORDER: Final[tuple[Check, ...]] = (restricted, price_collar)
"""What holds for all orders."""
OPENING_ORDERS: Final[tuple[Check, ...]] = (
    order_notional,
    daily_loss,
    position_size,
    leverage,
    open_positions,
)
"""What does not apply to an order that can only make a position smaller."""

"""What an order may cost at most, so that the venue can hold it back before it trades."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rustybt.exchange.errors import ExchangeError
from rustybt.exchange.records import STOPPED, Kind
from rustybt.execution.costs import RoundedCommission, TieredCommission, Traded
from rustybt.execution.market import BarScene
from rustybt.model.instrument import Side
from rustybt.model.money import ZERO, add, multiply, subtract

if TYPE_CHECKING:
    from decimal import Decimal

    from rustybt.exchange.records import OrderRecord
    from rustybt.execution.costs import Commission
    from rustybt.execution.market import BarView
    from rustybt.execution.rules import MatchingRules
    from rustybt.model.instrument import Instrument


def refuse_tiers(commission: Commission) -> None:
    """Raise :class:`ExchangeError` for a commission whose rate depends on the account's history.

    What an order costs at most could not be held back when it is placed.
    """
    inner = commission
    while isinstance(inner, RoundedCommission):
        inner = inner.commission
    if isinstance(inner, TieredCommission):
        raise ExchangeError(
            "the practice exchange cannot charge a tiered commission",
            expected="a commission that depends on the order alone",
            remedy="use the rate of one tier, such as BasisPointCommission",
        )


def largest_fee(commission: Commission, done: Traded, quantity: Decimal, value: Decimal) -> Decimal:
    """Return the most that trading *quantity* more for *value* can cost, after what is *done*."""
    units, notional = add(done.quantity, quantity), add(done.notional, value)
    most = max(
        commission.total(Traded(units, notional, done.maker_notional, notional)),
        commission.total(Traded(units, notional, add(done.maker_notional, value), notional)),
    )
    return max(ZERO, subtract(most, commission.total(done)))


def done_so_far(record: OrderRecord) -> Traded:
    """Return what *record* has traded."""
    return Traded(record.filled, record.value, record.maker_value, record.value)


def price_at_close(
    bar: BarView, instrument: Instrument, rules: MatchingRules, side: Side, quantity: Decimal
) -> Decimal:
    """Return the price at which *quantity* would be taken from the market at the close of *bar*."""
    scene = BarScene(bar, instrument, rules)
    scene.at = bar.close
    return scene.taking_price(side, quantity)


def price_inside(
    bar: BarView, instrument: Instrument, rules: MatchingRules, record: OrderRecord
) -> Decimal | None:
    """Return the price at which the purchase *record* without a limit would trade in *bar*.

    ``None`` if its stop price is not reached. No order trades its leaves at a worse price.
    """
    scene = BarScene(bar, instrument, rules)
    stop = record.stop_price
    if stop is not None and record.kind in STOPPED and not record.triggered:
        rises = record.kind is Kind.STOP_LOSS
        if (bar.high < stop) if rises else (bar.low > stop):
            return None
        scene.at = max(bar.open, stop) if rises else min(bar.open, stop)
    return scene.taking_price(Side.BUY, record.leaves)


def purchase_cost(
    commission: Commission, done: Traded, quantity: Decimal, price: Decimal, *, with_fee: bool
) -> Decimal:
    """Return the most that *quantity* more at *price* costs in quote currency."""
    value = multiply(quantity, price)
    return add(value, largest_fee(commission, done, quantity, value)) if with_fee else value

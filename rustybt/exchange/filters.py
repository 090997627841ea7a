"""The filters of the venue: which orders it would not take, and under which code."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from rustybt.exchange.errors import RefusalError, failed_filter, missing
from rustybt.exchange.records import PRICED, STOPPED, Kind
from rustybt.model.instrument import Side
from rustybt.model.money import ZERO, is_multiple, multiply

if TYPE_CHECKING:
    from rustybt.exchange.records import OrderRequest
    from rustybt.model.instrument import Instrument

PRECISION: Final = 8
"""Decimals that any price or quantity may have."""
_LONGEST_ID: Final = 36


class Filters(Struct, frozen=True, kw_only=True):
    """What the venue asks of orders beyond what each instrument says.

    A limit may be at most *furthest* times the last price and at least the last price divided by
    it; an account may have *max_orders* open in a symbol, *max_stops* of them with a stop price.
    """

    furthest: Decimal = Decimal(5)
    max_orders: int = 200
    max_stops: int = 50


def shape_problem(request: OrderRequest) -> RefusalError | None:
    """Return why *request* is not a whole order of its kind, ``None`` if it is one."""
    for name, value, wanted in (
        ("price", request.price, request.kind in PRICED),
        ("stopPrice", request.stop_price, request.kind in STOPPED),
    ):
        if wanted and value is None:
            return missing(name)
        if value is not None and not wanted:
            return RefusalError(-1106, f"Parameter '{name}' sent when not required.")
    if request.quantity is None and (request.kind is not Kind.MARKET or not request.quote_quantity):
        return missing("quantity")
    if request.quantity is not None and request.quote_quantity is not None:
        return RefusalError(-1128, "Combination of optional parameters invalid.")
    if len(request.client_id) > _LONGEST_ID:
        return RefusalError(-1100, "Illegal characters found in parameter 'newClientOrderId'.")
    return _precision_problem(request)


def _precision_problem(request: OrderRequest) -> RefusalError | None:
    """Return that a number of *request* has more decimals than the venue knows."""
    named = {
        "quantity": request.quantity,
        "quoteOrderQty": request.quote_quantity,
        "price": request.price,
        "stopPrice": request.stop_price,
    }
    for name, value in named.items():
        if value is not None and decimals(value) > PRECISION:
            return RefusalError(-1111, f"Parameter '{name}' has too much precision.")
    return None


def decimals(value: Decimal) -> int:
    """Return how many digits *value* was written with after the point."""
    exponent = value.as_tuple().exponent
    return -exponent if isinstance(exponent, int) and exponent < 0 else 0


def filter_problem(
    instrument: Instrument,
    filters: Filters,
    request: OrderRequest,
    quantity: Decimal,
    last: Decimal | None,
) -> RefusalError | None:
    """Return which filter forbids *request* for *quantity*, ``None`` if none does.

    *last* is the last price, ``None`` before the first.
    """
    prices = [each for each in (request.price, request.stop_price) if each is not None]
    if any(_price_fails(instrument, price) for price in prices):
        return failed_filter("PRICE_FILTER")
    if request.price is not None and last is not None and _too_far(filters, request.price, last):
        return failed_filter("PERCENT_PRICE_BY_SIDE")
    if _lot_fails(instrument, quantity):
        return failed_filter("LOT_SIZE")
    valued = prices or ([last] if last is not None else [])
    if any(_notional_fails(instrument, quantity, price) for price in valued):
        return failed_filter("NOTIONAL")
    return None


def _price_fails(instrument: Instrument, price: Decimal) -> bool:
    return (
        price <= ZERO
        or not is_multiple(price, instrument.tick)
        or _is_outside(price, instrument.min_price, instrument.max_price)
    )


def _lot_fails(instrument: Instrument, quantity: Decimal) -> bool:
    return (
        quantity <= ZERO
        or not is_multiple(quantity, instrument.lot)
        or _is_outside(quantity, instrument.min_quantity, instrument.max_quantity)
    )


def _notional_fails(instrument: Instrument, quantity: Decimal, price: Decimal) -> bool:
    notional = instrument.notional(quantity, price)
    return _is_outside(notional, instrument.min_notional, instrument.max_notional)


def _is_outside(value: Decimal, low: Decimal | None, high: Decimal | None) -> bool:
    return (low is not None and value < low) or (high is not None and value > high)


def _too_far(filters: Filters, price: Decimal, last: Decimal) -> bool:
    return price > multiply(last, filters.furthest) or multiply(price, filters.furthest) < last


def triggers_at_once(request: OrderRequest, last: Decimal | None) -> bool:
    """Tell whether the *last* price has reached the stop price of *request* already."""
    stop = request.stop_price
    if stop is None or last is None:
        return False
    is_loss = request.kind in (Kind.STOP_LOSS, Kind.STOP_LOSS_LIMIT)
    rises = is_loss is (request.side is Side.BUY)
    return last >= stop if rises else last <= stop


def crosses(request: OrderRequest, last: Decimal | None) -> bool:
    """Tell whether the limit of *request* would trade at the *last* price."""
    if request.price is None or last is None:
        return False
    return request.price >= last if request.side is Side.BUY else request.price <= last

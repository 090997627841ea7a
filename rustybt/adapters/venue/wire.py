"""Orders and trades in ccxt's words, and back, digit for digit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rustybt.model.fill import Fill, Liquidity
from rustybt.model.instrument import Side
from rustybt.model.money import ZERO, decimal
from rustybt.model.order import OrderType, TimeInForce
from rustybt.model.order_state import OrderState
from rustybt.trading.reports import VenueOrder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from rustybt.model.instrument import Instrument
    from rustybt.model.order import Order

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TYPES: Final = {
    OrderType.MARKET: "market",
    OrderType.LIMIT: "limit",
    OrderType.STOP: "market",
    OrderType.STOP_LIMIT: "limit",
    OrderType.TAKE_PROFIT: "market",
}
_AT_ONCE: Final = {TimeInForce.IOC: "IOC", TimeInForce.FOK: "FOK"}
_STATES: Final = {
    "canceled": OrderState.CANCELLED,
    "expired": OrderState.EXPIRED,
    "expired_in_match": OrderState.EXPIRED,
    "rejected": OrderState.REJECTED,
}


class Wanted(NamedTuple):
    """The arguments of ccxt's ``create_order`` behind the symbol."""

    type: str
    side: str
    amount: str
    price: str | None
    params: dict[str, Any]


def plain(number: Decimal) -> str:
    """Return *number* as digits, without an exponent and without zeros at the end."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def refusal(order: Order, instrument: Instrument | None) -> str:
    """Say why *order* cannot be sent as it is; nothing if it can.

    A property that the venue would not honour is never dropped. What only reduces is honoured by
    a spot venue if it sells, because what is not held cannot be sold there.
    """
    if instrument is None:
        return f"{order.symbol} is not traded here"
    if order.type is OrderType.TRAILING_STOP:
        return "a trailing stop is not offered"
    if order.time_in_force in (TimeInForce.DAY, TimeInForce.GTD):
        return f"time in force {order.time_in_force} is not offered"
    if order.reduce_only and order.side is Side.BUY and not instrument.is_margined:
        return "a spot position is never short: there is nothing that a buy could reduce"
    if order.post_only and order.type is not OrderType.LIMIT:
        return "only a limit order can be post-only"
    price = order.price if order.price is not None else order.trigger
    if price is None:
        return _off_lot(order, instrument)
    return "; ".join(instrument.violations(order.leaves, price))


def _off_lot(order: Order, instrument: Instrument) -> str:
    """Say what is wrong with the quantity of an order without a price."""
    if order.leaves != instrument.round_quantity(order.leaves):
        return f"quantity {order.leaves:f} is off the lot {instrument.lot:f}"
    if order.leaves < instrument.min_quantity:
        return f"quantity {order.leaves:f} is below {instrument.min_quantity:f}"
    return ""


def wanted(order: Order, instrument: Instrument) -> Wanted:
    """Return how ccxt is told to send what is left of *order*."""
    params: dict[str, Any] = {"clientOrderId": order.client_id}
    kind = _TYPES[order.type]
    if order.type is OrderType.TAKE_PROFIT and order.price is not None:
        kind = "limit"
    if order.trigger is not None:
        name = "takeProfitPrice" if order.type is OrderType.TAKE_PROFIT else "stopLossPrice"
        params[name] = plain(order.trigger)
    if order.time_in_force in _AT_ONCE:
        params["timeInForce"] = _AT_ONCE[order.time_in_force]
    if order.post_only:
        params["postOnly"] = True
    if order.reduce_only and instrument.is_margined:
        params["reduceOnly"] = True
    price = None if order.price is None else plain(order.price)
    return Wanted(kind, str(order.side), plain(order.leaves), price, params)


def state_of(found: Mapping[str, Any]) -> OrderState:
    """Return the state of an order of ccxt."""
    status, filled = found.get("status"), exact(found.get("filled"))
    if status in _STATES:
        return _STATES[status]
    if status == "closed":
        return OrderState.FILLED
    return OrderState.PARTIALLY_FILLED if filled else OrderState.ACCEPTED


def order_of(found: Mapping[str, Any], client_id: str | None) -> VenueOrder:
    """Return an order of ccxt as the engine wants it."""
    return VenueOrder(
        client_id=client_id or None,
        venue_id=str(found["id"]),
        symbol=found["symbol"],
        side=Side(found["side"]),
        quantity=exact(found.get("amount")),
        filled=exact(found.get("filled")),
        state=state_of(found),
        price=exact(found.get("price")) or None,
        trigger=exact(found.get("triggerPrice")) or None,
    )


def fill_of(found: Mapping[str, Any], client_id: str, quote: str) -> Fill:
    """Return a trade of ccxt as a fill of the order *client_id*; its price is in *quote*."""
    fee = found.get("fee") or {}
    currency = fee.get("currency")
    maker = found.get("takerOrMaker")
    return Fill(
        trade_id=str(found["id"]),
        client_id=client_id,
        symbol=found["symbol"],
        side=Side(found["side"]),
        quantity=exact(found["amount"]),
        price=exact(found["price"]),
        time=instant(found["timestamp"]),
        fee=exact(fee.get("cost")),
        fee_currency=None if currency == quote else currency,
        liquidity=Liquidity(maker) if maker in ("maker", "taker") else None,
        venue_id=str(found["order"]) if found.get("order") is not None else None,
    )


def exact(value: object) -> Decimal:
    """Return a number of ccxt, which was told to keep the digits; 0 for none."""
    if value is None or value == "":
        return ZERO
    return decimal(repr(value) if isinstance(value, float) else str(value))


def instant(milliseconds: int) -> datetime:
    """Return the time so many *milliseconds* after 1970 began, aware UTC."""
    return _EPOCH + timedelta(milliseconds=int(milliseconds))


def milliseconds(time: datetime) -> int:
    """Return how many milliseconds after 1970 began *time* is."""
    return (time - _EPOCH) // timedelta(milliseconds=1)

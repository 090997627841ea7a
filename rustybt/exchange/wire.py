"""The wire's words for what the venue knows, and the other way round."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from rustybt.exchange.errors import RefusalError, missing
from rustybt.exchange.records import (
    STOPPED,
    TIMED,
    Balance,
    Kind,
    OrderRequest,
    Trading,
    milliseconds,
)
from rustybt.model.errors import InvalidValueError
from rustybt.model.instrument import Side
from rustybt.model.money import ZERO, decimal, divide, multiply, text
from rustybt.model.order import TimeInForce

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from rustybt.exchange.filters import Filters
    from rustybt.exchange.records import OrderRecord, TradeRecord
    from rustybt.model.bar import Bar
    from rustybt.model.instrument import Instrument

Json = dict[str, Any]
E = TypeVar("E", bound=StrEnum)

_NO_BOUND = "9999999999.00000000"


def wire_symbol(instrument: Instrument) -> str:
    """Return what the wire calls *instrument*."""
    return f"{instrument.base}{instrument.quote}"


# From the wire


def number(params: Mapping[str, str], name: str) -> Decimal | None:
    """Return the decimal parameter *name*, ``None`` if it is not there; refuse what is none."""
    written = params.get(name)
    if written is None:
        return None
    try:
        return decimal(written, name)
    except InvalidValueError:
        raise RefusalError(-1100, f"Illegal characters found in parameter '{name}'.") from None


def whole(params: Mapping[str, str], name: str) -> int | None:
    """Return the whole parameter *name*, ``None`` if it is not there; refuse what is none."""
    written = params.get(name)
    if written is None:
        return None
    if not written.isdecimal() or len(written) > len(str(2**63)) - 1:
        raise RefusalError(-1100, f"Illegal characters found in parameter '{name}'.")
    return int(written)


def _choice(params: Mapping[str, str], name: str, kind: type[E], code: int, what: str) -> E:
    """Return one of a few words."""
    if name not in params:
        raise missing(name)
    for each in kind:
        if each.value.upper() == params[name]:
            return each
    raise RefusalError(code, f"Invalid {what}.")


_TIMES = (TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK)


def order_request(params: Mapping[str, str], symbol: str) -> OrderRequest:
    """Return the order that *params* ask for in *symbol*."""
    kind = _choice(params, "type", Kind, -1116, "orderType")
    side = _choice(params, "side", Side, -1117, "side")
    times = TimeInForce.GTC
    if kind in TIMED:
        times = _choice(params, "timeInForce", TimeInForce, -1115, "timeInForce")
        if times not in _TIMES:
            raise RefusalError(-1115, "Invalid timeInForce.")
    elif "timeInForce" in params:
        raise RefusalError(-1106, "Parameter 'timeInForce' sent when not required.")
    for name in ("icebergQty", "trailingDelta"):
        if name in params:
            raise RefusalError(-1104, f"Parameter '{name}' is not known to the practice exchange.")
    return OrderRequest(
        symbol=symbol,
        side=side,
        kind=kind,
        quantity=number(params, "quantity"),
        quote_quantity=number(params, "quoteOrderQty"),
        price=number(params, "price"),
        stop_price=number(params, "stopPrice"),
        time_in_force=times,
        client_id=params.get("newClientOrderId", ""),
    )


# To the wire


def order_json(record: OrderRecord, symbol: str) -> Json:
    """Return what a question about an order is answered with."""
    return {
        **_common(record, symbol),
        "icebergQty": "0.00000000",
        "time": milliseconds(record.created),
        "updateTime": milliseconds(record.updated),
        "isWorking": record.is_working,
    }


def placed_json(record: OrderRecord, symbol: str, trades: list[TradeRecord]) -> Json:
    """Return what a new order is answered with; *trades* are those it made at once."""
    fills = [
        {
            "price": text(trade.price),
            "qty": text(trade.quantity),
            "commission": text(trade.fee),
            "commissionAsset": trade.fee_asset,
            "tradeId": trade.trade_id,
        }
        for trade in trades
    ]
    time = milliseconds(record.updated)
    return {**_common(record, symbol), "transactTime": time, "fills": fills}


def cancelled_json(record: OrderRecord, symbol: str) -> Json:
    """Return what a cancel is answered with."""
    return {
        **_common(record, symbol),
        "origClientOrderId": record.client_id,
        "clientOrderId": record.cancel_id,
        "transactTime": milliseconds(record.updated),
    }


def _common(record: OrderRecord, symbol: str) -> Json:
    """Return what all answers about an order have."""
    result: Json = {
        "symbol": symbol,
        "orderId": record.order_id,
        "orderListId": -1,
        "clientOrderId": record.client_id,
        "price": text(record.price or ZERO),
        "origQty": text(record.quantity),
        "executedQty": text(record.filled),
        "cummulativeQuoteQty": text(record.value),
        "origQuoteOrderQty": text(record.quote_quantity or ZERO),
        "status": record.status.value,
        "timeInForce": record.time_in_force.value.upper(),
        "type": record.kind.value,
        "side": record.side.value.upper(),
        "workingTime": milliseconds(record.created),
        "selfTradePreventionMode": "NONE",
    }
    if record.kind in STOPPED:
        result["stopPrice"] = text(record.stop_price or ZERO)
    return result


def trade_json(trade: TradeRecord, symbol: str) -> Json:
    """Return one of an account's trades."""
    return {
        "symbol": symbol,
        "id": trade.trade_id,
        "orderId": trade.order_id,
        "orderListId": -1,
        "price": text(trade.price),
        "qty": text(trade.quantity),
        "quoteQty": text(trade.value),
        "commission": text(trade.fee),
        "commissionAsset": trade.fee_asset,
        "time": milliseconds(trade.time),
        "isBuyer": trade.side is Side.BUY,
        "isMaker": trade.maker,
        "isBestMatch": True,
    }


def balances_json(balances: Mapping[str, Balance]) -> list[Json]:
    """Return what an account has."""
    return [
        {"asset": asset, "free": text(each.free), "locked": text(each.locked)}
        for asset, each in balances.items()
    ]


def candle_json(bar: Bar) -> list[Any]:
    """Return one candle."""
    return [
        milliseconds(bar.start),
        text(bar.open),
        text(bar.high),
        text(bar.low),
        text(bar.close),
        text(bar.volume),
        milliseconds(bar.end) - 1,
        text(multiply(bar.volume, bar.close)),
        1,
        "0",
        "0",
        "0",
    ]


def instrument_json(instrument: Instrument, trading: Trading, filters: Filters) -> Json:
    """Return the description of a symbol."""
    low, high = instrument.min_price, instrument.max_price
    return {
        "symbol": wire_symbol(instrument),
        "status": "TRADING" if trading is Trading.TRADING else "BREAK",
        "baseAsset": instrument.base,
        "baseAssetPrecision": 8,
        "quoteAsset": instrument.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": [kind.value for kind in Kind],
        "icebergAllowed": False,
        "ocoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "permissions": ["SPOT"],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": ["NONE"],
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": text(instrument.tick if low is None else low),
                "maxPrice": _NO_BOUND if high is None else text(high),
                "tickSize": text(instrument.tick),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": text(max(instrument.min_quantity, instrument.lot)),
                "maxQty": _bound(instrument.max_quantity),
                "stepSize": text(instrument.lot),
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": text(instrument.min_notional),
                "applyMinToMarket": True,
                "maxNotional": _bound(instrument.max_notional),
                "applyMaxToMarket": True,
                "avgPriceMins": 0,
            },
            {
                "filterType": "PERCENT_PRICE_BY_SIDE",
                "bidMultiplierUp": text(filters.furthest),
                "bidMultiplierDown": f"{divide(1, filters.furthest):.8f}",
                "askMultiplierUp": text(filters.furthest),
                "askMultiplierDown": f"{divide(1, filters.furthest):.8f}",
                "avgPriceMins": 0,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": filters.max_orders},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": filters.max_stops},
        ],
    }


def _bound(value: Decimal | None) -> str:
    return _NO_BOUND if value is None else text(value)


def refusal_json(refusal: RefusalError) -> Json:
    """Return what a refused request is answered with."""
    return {"code": refusal.code, "msg": refusal.message}

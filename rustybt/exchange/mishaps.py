"""What faults do to a request and its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiohttp import web

from rustybt.exchange import wire
from rustybt.exchange.faults import FaultKind
from rustybt.model.money import ZERO

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from rustybt.exchange.api import Api
    from rustybt.exchange.faults import Call, Fault
    from rustybt.exchange.market_api import ApiRequest
    from rustybt.exchange.records import OrderRecord
    from rustybt.exchange.venue import PracticeVenue

_GARBAGE: Final = b"<html><body>upstream said something else</body>"


async def mishap_after(
    request: web.Request, fault: Fault, response: web.StreamResponse
) -> web.StreamResponse:
    """Return what the client gets in place of *response*."""
    mishap = _MISHAPS.get(fault.kind)
    return response if mishap is None else await mishap(request, fault, response)


async def _drop(request: web.Request, _: Fault, response: web.StreamResponse) -> Answer:
    """Close the connection without a word."""
    if request.transport is not None:
        request.transport.abort()
    return response


async def _cut(request: web.Request, fault: Fault, response: web.StreamResponse) -> Answer:
    """Close the connection in the middle of the answer."""
    body = response.body if isinstance(response, web.Response) else b""
    data = body if isinstance(body, bytes) else b""
    half = web.StreamResponse(status=response.status)
    half.content_type = "application/json"
    half.content_length = max(2, len(data))
    await half.prepare(request)
    await half.write(data[: len(data) // 2] or b"{")
    return await _drop(request, fault, half)


async def _garble(_: web.Request, __: Fault, ___: web.StreamResponse) -> Answer:
    """Answer with what is no JSON."""
    return web.Response(status=200, body=_GARBAGE, content_type="text/html")


async def _said(_: web.Request, fault: Fault, __: web.StreamResponse) -> Answer:
    """Answer what the fault says."""
    return _error(fault, fault.status, fault.code, fault.message)


def _saying(status: int, code: int, message: str) -> Mishap:
    """Return the mishap that always answers that."""

    async def answer(_: web.Request, fault: Fault, __: web.StreamResponse) -> Answer:
        return _error(fault, status, code, message)

    return answer


def _error(fault: Fault, status: int, code: int, message: str) -> web.Response:
    """Return an error."""
    body = msgspec.json.encode({"code": code, "msg": message})
    result = web.Response(status=status, body=body, content_type="application/json")
    if status in (418, 429):
        result.headers["Retry-After"] = str(fault.retry_after)
    return result


_MISHAPS: Final[Mapping[FaultKind, Mishap]] = {
    FaultKind.DROP_REQUEST: _drop,
    FaultKind.DROP_REPLY: _drop,
    FaultKind.CUT_REPLY: _cut,
    FaultKind.GARBAGE_REPLY: _garble,
    FaultKind.ERROR: _said,
    FaultKind.UNKNOWN_OUTCOME: _saying(
        504,
        -1007,
        "Timeout waiting for response from backend server. Send status unknown; execution status"
        " unknown.",
    ),
    FaultKind.RATE_LIMIT: _saying(429, -1003, "Too many requests; current limit is exceeded."),
    FaultKind.BAN: _saying(418, -1003, "Way too many requests; IP banned."),
    FaultKind.NOT_FOUND: _saying(400, -2013, "Order does not exist."),
}


def before_cancel(
    venue: PracticeVenue, api: Api, call: Call, asked: ApiRequest, faults: Sequence[Fault]
) -> None:
    """Let the order that is about to be cancelled trade first, if a fault says so."""
    if not _cancels(call) or all(each.kind is not FaultKind.FILL_BEFORE_CANCEL for each in faults):
        return
    params = asked.params
    prefix = "cancelO" if call.method == "POST" else "o"
    record = venue.order(
        asked.account,
        api.symbol(params),
        order_id=wire.whole(params, f"{prefix}rderId"),
        client_id=params.get(f"{prefix}rigClientOrderId"),
    )
    if record.is_open:
        fill_rest(venue, record, asked)


def after_cancel(
    venue: PracticeVenue, call: Call, asked: ApiRequest, answer: Any, faults: Sequence[Fault]
) -> None:
    """Let the order that was cancelled trade after all, if a fault says so."""
    if not _cancels(call) or all(each.kind is not FaultKind.FILL_AFTER_CANCEL for each in faults):
        return
    cancelled = answer.get("cancelResponse", answer)
    fill_rest(venue, venue.accounts[asked.account].orders[cancelled["orderId"]], asked)


def _cancels(call: Call) -> bool:
    """Tell whether *call* cancels one order."""
    return (call.method, call.endpoint) in (("DELETE", "order"), ("POST", "order/cancelReplace"))


def fill_rest(venue: PracticeVenue, record: OrderRecord, asked: ApiRequest) -> None:
    """Trade what is left of *record* at its limit, or at the last price."""
    price = record.price or venue.tapes[record.symbol].price or ZERO
    if price and record.leaves > ZERO:
        venue.force_trade(record.account, record.order_id, record.leaves, price, asked.now)


if TYPE_CHECKING:
    Answer = web.StreamResponse
    Mishap = Callable[[web.Request, Fault, web.StreamResponse], Awaitable[Answer]]

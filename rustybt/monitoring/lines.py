"""What the log says of a session: a line for whatever people may ask about afterwards.

Bars, quotes, timers and the strategy's own state are not among it: the journal has them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec.structs import asdict

from rustybt.model.event import (
    CashMoved,
    Charged,
    ConnectionLost,
    ConnectionRestored,
    DividendPaid,
    OperatorCommand,
    OrderFilled,
    OrderReplaced,
    OrderUpdated,
    SharesSplit,
)
from rustybt.model.order_state import OrderState
from rustybt.trading.commands import (
    Alert,
    Cancel,
    End,
    Modify,
    Note,
    Query,
    Submit,
    TakeSnapshot,
)
from rustybt.trading.reports import (
    Heartbeat,
    InstrumentsChanged,
    OrderFound,
    OrderMissing,
    RequestFailed,
    SessionStarted,
    SessionStopped,
    VenueSnapshot,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from rustybt.model.order import Order


class Line(NamedTuple):
    """A line of the log: how grave, what happened, and what belongs to it."""

    level: str
    event: str
    fields: Mapping[str, Any]


def lines_about(told: object, time: datetime) -> Iterator[Line]:
    """Yield the lines on an event or a command of the session's *time*; none for most of them.

    A line about an order names it as ``order``.
    """
    describe = _DESCRIBED.get(type(told))
    for line in () if describe is None else describe(told):
        fields = {name: value for name, value in line.fields.items() if value not in (None, "", {})}
        yield line._replace(fields={"at": time} | fields)


# What the engine wants


def _submit(told: Submit) -> Iterator[Line]:
    for approved in told.approved:
        yield Line("info", "order sent", _terms(approved.order))


def _modify(told: Modify) -> Iterator[Line]:
    yield Line("info", "order change sent", _terms(told.approved.order))


def _terms(order: Order) -> dict[str, Any]:
    """Return what was ordered."""
    return {
        "order": order.client_id,
        "symbol": order.symbol,
        "side": order.side,
        "type": order.type,
        "quantity": order.quantity,
        "price": order.price,
        "trigger": order.trigger,
        "group": order.group,
    }


def _cancel(told: Cancel) -> Iterator[Line]:
    yield Line("info", "cancel sent", {"order": told.client_id, "symbol": told.symbol})


def _query(told: Query) -> Iterator[Line]:
    yield Line("info", "order asked for", {"order": told.client_id, "symbol": told.symbol})


def _take_snapshot(told: TakeSnapshot) -> Iterator[Line]:
    yield Line("debug", "account asked for", {"reason": told.reason})


def _alert(told: Alert) -> Iterator[Line]:
    yield Line(str(told.severity), told.message, {"kind": told.kind, "details": told.details})


def _note(told: Note) -> Iterator[Line]:
    fields: dict[str, Any] = {"order": told.details.get("client_id"), "details": told.details}
    yield Line("info", f"{told.kind}: {told.message}", fields)


def _end(told: End) -> Iterator[Line]:
    yield Line("info", "the engine ends", {"reason": told.reason, "code": told.code})


# What happened


def _updated(told: OrderUpdated) -> Iterator[Line]:
    fields = {"order": told.client_id, "venue_id": told.venue_id, "reason": told.reason}
    grave = told.state is OrderState.REJECTED
    yield Line("warning" if grave else "info", f"order {told.state}", fields)


def _filled(told: OrderFilled) -> Iterator[Line]:
    fill = told.fill
    fields = {
        "order": fill.client_id,
        "symbol": fill.symbol,
        "side": fill.side,
        "quantity": fill.quantity,
        "price": fill.price,
        "fee": fill.fee,
        "fee_currency": fill.fee_currency,
        "trade": fill.trade_id,
    }
    yield Line("info", "order filled", fields)


def _replaced(told: OrderReplaced) -> Iterator[Line]:
    fields = {
        "order": told.client_id,
        "quantity": told.quantity,
        "price": told.price,
        "trigger": told.trigger,
        "venue_id": told.venue_id,
    }
    yield Line("info", "order changed", fields)


def _found(told: OrderFound) -> Iterator[Line]:
    fields = {"order": told.client_id, "state": told.order.state, "filled": told.order.filled}
    yield Line("info", "order found", fields)


def _missing(told: OrderMissing) -> Iterator[Line]:
    yield Line("warning", "order missing", {"order": told.client_id, "reason": told.reason})


def _failed(told: RequestFailed) -> Iterator[Line]:
    fields = {
        "order": told.client_id,
        "request": told.request,
        "outcome": told.outcome,
        "reason": told.reason,
    }
    yield Line("warning", "request failed", fields)


def _snapshot(told: VenueSnapshot) -> Iterator[Line]:
    yield Line("debug", "account read", {"orders": len(told.orders), "fills": len(told.fills)})


def _instruments(told: InstrumentsChanged) -> Iterator[Line]:
    names = [each.symbol for each in told.instruments]
    yield Line("info", "instruments changed", {"symbols": names, "gone": list(told.gone)})


def _operator(told: OperatorCommand) -> Iterator[Line]:
    fields = {"operator": told.operator, "reason": told.reason, "arguments": told.arguments}
    yield Line("info", f"{told.command} was commanded", fields)


def _lost(told: ConnectionLost) -> Iterator[Line]:
    yield Line("warning", f"{told.component} was lost", {"reason": told.reason})


def _restored(told: ConnectionRestored) -> Iterator[Line]:
    yield Line("info", f"{told.component} is back", {})


def _started(told: SessionStarted) -> Iterator[Line]:
    fields = asdict(told)
    del fields["time"], fields["session"]
    yield Line("info", "the engine starts", fields)


def _stopped(told: SessionStopped) -> Iterator[Line]:
    fields = {"reason": told.reason, "planned": told.planned}
    yield Line("info", "the engine stopped", fields)


def _alive(told: Heartbeat) -> Iterator[Line]:
    yield Line("info", "alive", {"states": told.states})


def _booked(told: CashMoved | DividendPaid | SharesSplit | Charged) -> Iterator[Line]:
    fields = asdict(told)
    del fields["time"]
    yield Line("info", "the books were changed", {"what": type(told).__name__} | fields)


_DESCRIBED: Final[Mapping[type, Callable[[Any], Iterator[Line]]]] = {
    Submit: _submit,
    Modify: _modify,
    Cancel: _cancel,
    Query: _query,
    TakeSnapshot: _take_snapshot,
    Alert: _alert,
    Note: _note,
    End: _end,
    OrderUpdated: _updated,
    OrderFilled: _filled,
    OrderReplaced: _replaced,
    OrderFound: _found,
    OrderMissing: _missing,
    RequestFailed: _failed,
    VenueSnapshot: _snapshot,
    InstrumentsChanged: _instruments,
    OperatorCommand: _operator,
    ConnectionLost: _lost,
    ConnectionRestored: _restored,
    SessionStarted: _started,
    SessionStopped: _stopped,
    Heartbeat: _alive,
    CashMoved: _booked,
    DividendPaid: _booked,
    SharesSplit: _booked,
    Charged: _booked,
}
DESCRIBED: Final = frozenset(_DESCRIBED)
"""The types of which there are lines."""

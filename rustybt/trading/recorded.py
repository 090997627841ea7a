"""What our own commands change in the books: they are kept in the journal as they were meant."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from rustybt.model.codec import from_json
from rustybt.model.event import CashMoved
from rustybt.model.fill import Fill
from rustybt.model.group import OrderGroup
from rustybt.model.instrument import Instrument
from rustybt.model.order import Order
from rustybt.model.order_state import OrderState
from rustybt.trading.commands import (
    Cancel,
    ClearTimer,
    KeepState,
    Note,
    OrderModified,
    OrdersSubmitted,
    Query,
    SetTimer,
    TakeSnapshot,
)
from rustybt.trading.state import Inquiry, Phase
from rustybt.trading.taking import prune

if TYPE_CHECKING:
    from collections.abc import Callable

    from rustybt.trading.books import Books
    from rustybt.trading.commands import Recorded

_PRUNE_EVERY = 500
_OVERDUE = timedelta(seconds=30)
"""After which nobody waits any more for the answer to a request itself: it was lost."""
STUCK = ("stuck:", "cancel:")
"""What the keys of orders begin with that nothing could be done about."""


def record(books: Books, command: Recorded) -> None:
    """Change *books* as a command does; most do not."""
    handler = _HANDLERS.get(type(command))
    if handler is not None:
        handler(books, command)


def _submitted(books: Books, command: OrdersSubmitted) -> None:
    """Take up orders that are in flight from now on."""
    for order in command.orders:
        books.see(order.client_id)
        if order.client_id not in books.orders:
            books.orders.add(order)
        if books.orders[order.client_id].quantity != order.quantity:
            books.orders.revise(order)  # an exit got its size
        books.orders.move(order.client_id, OrderState.SUBMITTED)
        books.doubt(order.client_id)
        books.touched[order.client_id] = books.now
        books.count(books.sent)
    if command.group is not None:
        books.groups[command.group.group_id] = command.group
    if books.counter % _PRUNE_EVERY == 0:
        prune(books)


def _modified(books: Books, command: OrderModified) -> None:
    """Wait for an answer to a modification."""
    order = command.order
    books.orders.move(order.client_id, OrderState.PENDING_REPLACE)
    books.terms[order.client_id] = order
    books.inquiries[order.client_id] = Inquiry(since=books.now)
    books.touched[order.client_id] = books.now
    books.count(books.sent)


def _cancelled(books: Books, command: Cancel) -> None:
    """Wait for an answer to a cancel."""
    client_id = command.client_id
    if client_id not in books.orders or not books.orders[client_id].is_open:
        return
    books.orders.move(client_id, OrderState.PENDING_CANCEL)
    books.cancels[client_id] = books.cancels.get(client_id, 0) + 1
    books.inquiries[client_id] = Inquiry(since=books.now)
    books.touched[client_id] = books.now


def _queried(books: Books, command: Query) -> None:
    """Wait for an answer to a question."""
    known = books.inquiries.get(command.client_id) or Inquiry(since=books.now)
    overdue = books.now - known.since >= _OVERDUE
    books.inquiries[command.client_id] = replace(
        known, asked=books.now, tries=known.tries + 1, failed=known.failed or overdue
    )


def _snapshot(books: Books, _command: TakeSnapshot) -> None:
    """Wait for a snapshot."""
    books.snapshot_asked = books.now


def _timer(books: Books, command: SetTimer) -> None:
    """Wait for a timer."""
    books.timers[command.name] = command.due


def _no_timer(books: Books, command: ClearTimer) -> None:
    """Wait for a timer no more."""
    books.timers.pop(command.name, None)


def _kept(books: Books, command: KeepState) -> None:
    """Remember what the strategy remembers."""
    books.strategy_state = command.state


def _noted(books: Books, command: Note) -> None:
    """Do what a note says was decided."""
    handler = _NOTES.get(command.kind)
    if handler is not None:
        handler(books, command.details, command.message)


# Notes


def _session(books: Books, details: dict[str, str], _message: str) -> None:
    """Work under these names."""
    books.prefix, books.currency = details["prefix"], details["currency"]
    books.symbols = tuple(msgspec.json.decode(details["symbols"], type=list[str]))
    books.window = int(details["window"])
    allows = details["allow_reducing"] == "true"
    books.breaker = replace(books.breaker, allow_reducing=allows)


def _instruments(books: Books, details: dict[str, str], _message: str) -> None:
    """Know what is traded."""
    for text in details.values():
        books.add_instrument(from_json(text, Instrument))


def _denied(books: Books, details: dict[str, str], _message: str) -> None:
    """Use up the ids of orders that came to nothing."""
    books.see(details["client_id"])


def _waiting(books: Books, details: dict[str, str], _message: str) -> None:
    """Keep the exits of a bracket until its entry trades."""
    group = from_json(details["group"], OrderGroup)
    books.groups[group.group_id] = group
    for text in msgspec.json.decode(details["orders"], type=list[str]):
        order = from_json(text, Order)
        books.see(order.client_id)
        books.orders.add(order)


def _dropped(books: Books, details: dict[str, str], message: str) -> None:
    """End an order that was never sent."""
    books.settle(books.orders.move(details["client_id"], OrderState.CANCELLED, message))


def _ungrouped(books: Books, details: dict[str, str], _message: str) -> None:
    """Forget a group whose orders have all ended."""
    group = books.groups.pop(details["group"], None)
    for member in () if group is None else group.members:
        if member in books.orders:
            books.orders.revise(replace(books.orders[member], group=None))


def _adopted(books: Books, details: dict[str, str], _message: str) -> None:
    """Take an order into the books that the venue has."""
    order = from_json(details["order"], Order)
    books.see(order.client_id)
    if order.client_id not in books.orders:
        books.orders.add(order)
        books.touched[order.client_id] = books.now
        books.doubt(order.client_id, failed=True)


def _never_arrived(books: Books, details: dict[str, str], message: str) -> None:
    """End an order that the venue does not have."""
    order = books.orders[details["client_id"]]
    unsent = order.venue_id is None and not order.filled
    state = OrderState.REJECTED if unsent else OrderState.CANCELLED
    if order.is_open:
        order = books.orders.move(order.client_id, state, message)
        books.touched[order.client_id] = books.now
        books.settle(order)


def _believed(books: Books, details: dict[str, str], message: str) -> None:
    """Book an amount that the venue has and we have not, a position with what it is worth."""
    if "fill" in details:
        books.ledger.apply(from_json(details["fill"], Fill))
    entry = CashMoved(
        time=books.now,
        entry_id=details["entry_id"],
        currency=details["currency"],
        amount=Decimal(details["amount"]),
    )
    if books.ledger.book(entry):
        books.booked = books.now
        if details.get("set_aside") == "true":
            books.set_aside[entry.currency] = entry.amount
    if message:
        books.rebase()


def _opened(books: Books, _details: dict[str, str], _message: str) -> None:
    """Measure from here."""
    books.opened = True
    books.rebase()


def _tripped(books: Books, _details: dict[str, str], message: str) -> None:
    """Stop trading."""
    books.breaker = books.breaker.trip(message, books.now)


def _enabled(books: Books, _details: dict[str, str], _message: str) -> None:
    """Trade."""
    books.enabled, books.enable_by = True, ""
    books.heard = dict.fromkeys(books.symbols, books.now)


def _asked(books: Books, _details: dict[str, str], _message: str) -> None:
    """Compare from here on."""
    books.phase = Phase.COMPARING


def _recovered(books: Books, _details: dict[str, str], _message: str) -> None:
    """Be ready."""
    books.phase = Phase.READY


def _suspects(books: Books, details: dict[str, str], _message: str) -> None:
    """Remember what differs from the venue."""
    books.suspects = dict(details)


def _reported(books: Books, details: dict[str, str], message: str) -> None:
    """Remember what people were told of."""
    books.reported[details["key"]] = message


def _agreed(books: Books, _details: dict[str, str], _message: str) -> None:
    """Forget the differences that people were told of: they are over."""
    stuck = {key: text for key, text in books.reported.items() if key.startswith(STUCK)}
    books.reported = stuck


def _flattening(books: Books, details: dict[str, str], _message: str) -> None:
    """Go on with closing all positions."""
    books.flattening = details["step"]


_NOTES: dict[str, Callable[[Books, dict[str, str], str], None]] = {
    "session": _session,
    "instruments": _instruments,
    "denied": _denied,
    "waiting": _waiting,
    "dropped": _dropped,
    "ungrouped": _ungrouped,
    "adopted": _adopted,
    "never_arrived": _never_arrived,
    "believed": _believed,
    "opened": _opened,
    "breaker_tripped": _tripped,
    "trading_enabled": _enabled,
    "asked": _asked,
    "recovered": _recovered,
    "suspects": _suspects,
    "discrepancy": _reported,
    "agreed": _agreed,
    "flattening": _flattening,
}

_HANDLERS: dict[type, Callable[[Books, Any], None]] = {
    OrdersSubmitted: _submitted,
    OrderModified: _modified,
    Cancel: _cancelled,
    Query: _queried,
    TakeSnapshot: _snapshot,
    SetTimer: _timer,
    ClearTimer: _no_timer,
    KeepState: _kept,
    Note: _noted,
}

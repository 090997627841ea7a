"""What the venue's answers, and failed requests, change in the books."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from rustybt.model.errors import ModelError
from rustybt.model.event import OrderReplaced, OrderUpdated
from rustybt.model.order_state import CLOSED, OrderState
from rustybt.trading.fills import book_fill, contradicted, reached
from rustybt.trading.reports import Outcome, Request

if TYPE_CHECKING:
    from rustybt.model.order import Order
    from rustybt.trading.books import Books, Facts
    from rustybt.trading.reports import (
        OrderFound,
        OrderMissing,
        RequestFailed,
        VenueOrder,
        VenueSnapshot,
    )

_UNSENT = frozenset({OrderState.SUBMITTED, OrderState.PENDING_CANCEL})
_NO_CANCEL = "the request to cancel or change it came to nothing"


def failed(books: Books, event: RequestFailed, facts: Facts) -> None:
    """Take a request that came to nothing, or to nobody knows what."""
    if event.request is Request.SNAPSHOT:
        books.snapshot_asked = None
        books.snapshot_failures += 1
        books.count(books.errors)
        return
    client_id = event.client_id
    if event.outcome is not Outcome.REFUSED or event.request is Request.QUERY:
        books.count(books.errors)
    if client_id is None or client_id not in books.orders:
        facts.odd.append(("request_failed", f"{event.request} {event.outcome}: {event.reason}"))
        return
    if event.request is Request.QUERY:
        _unanswered(books, client_id)
    elif event.request is Request.SUBMIT and event.outcome is not Outcome.UNKNOWN:
        _never_sent(books, books.orders[client_id], event.reason, facts)
    elif books.orders[client_id].is_open:
        books.doubt(client_id, failed=True)


def _unanswered(books: Books, client_id: str) -> None:
    """Forget that a question is under way."""
    inquiry = books.inquiries.get(client_id)
    if inquiry is not None:
        books.inquiries[client_id] = replace(inquiry, asked=None)


def _never_sent(books: Books, order: Order, reason: str, facts: Facts) -> None:
    """End an order that the venue does not have."""
    if order.state in _UNSENT and not order.filled and order.venue_id is None:
        after = books.orders.move(order.client_id, OrderState.REJECTED, reason)
        reached(books, order, after, facts)
    elif order.is_open:
        books.doubt(order.client_id, failed=True)


def missing(books: Books, event: OrderMissing, facts: Facts) -> None:
    """Count that the venue does not know an order (yet)."""
    inquiry = books.inquiries.get(event.client_id)
    if inquiry is None:
        facts.odd.append(("unasked", f"{event.client_id} is missing, and nobody asked"))
        return
    books.inquiries[event.client_id] = replace(inquiry, asked=None, missing=inquiry.missing + 1)


def found(books: Books, event: OrderFound, facts: Facts) -> None:
    """Take over what the venue knows of an order."""
    books.see(event.client_id)
    for fill in event.fills:
        book_fill(books, fill, facts)
    facts.found = event
    if event.client_id not in books.orders:
        return
    _unanswered(books, event.client_id)
    books.heard_of(event.client_id)
    try:
        take_over(books, event.order, event.client_id, facts)
    except ModelError as error:
        facts.faults.append(("impossible_order", str(error)))
    order = books.orders[event.client_id]
    if not order.is_open and event.order.filled <= order.filled:
        books.settle(order)


def take_over(books: Books, there: VenueOrder, client_id: str, facts: Facts) -> None:
    """Bring our order to the state that the venue reports, as far as its trades are known.

    While trades are missing the doubt stays, and the order is asked for again.
    """
    order = books.orders[client_id]
    if order.state is OrderState.PENDING_REPLACE:
        order = _modified(books, there, order, facts)
    if there.filled > order.filled:
        books.doubt(client_id, failed=True)
    elif there.state in CLOSED:
        _ended(books, there, order, facts)
    elif order.is_open or order.state is OrderState.REJECTED:
        _working(books, there, order, facts)


def _ended(books: Books, there: VenueOrder, order: Order, facts: Facts) -> None:
    """End an order that has ended at the venue."""
    if there.state is OrderState.FILLED or not order.is_open:
        if order.is_open and there.quantity < order.quantity:  # it was made smaller there
            _replace(books, there, order, facts)
        return
    _apply(books, order, there, there.state, there.reason, facts)


def _working(books: Books, there: VenueOrder, order: Order, facts: Facts) -> None:
    """Let an order work that works at the venue."""
    inquiry = books.inquiries.get(order.client_id)
    pending = order.state in (OrderState.PENDING_CANCEL, OrderState.PENDING_REPLACE)
    if pending and (inquiry is None or not inquiry.failed):
        if order.venue_id is None:
            _apply(books, order, there, OrderState.ACCEPTED, "", facts)
        return
    _apply(books, order, there, OrderState.ACCEPTED, _NO_CANCEL if pending else "", facts)
    if not pending and _differs(order, there):
        _replace(books, there, books.orders[order.client_id], facts)
    if books.orders[order.client_id].is_open:
        books.settle(books.orders[order.client_id])


def _differs(order: Order, there: VenueOrder) -> bool:
    """Tell whether an order works on other terms than ours."""
    priced = order.price is not None and there.price is not None
    return order.quantity != there.quantity or (priced and order.price != there.price)


def _apply(
    books: Books,
    order: Order,
    there: VenueOrder,
    state: OrderState,
    reason: str,
    facts: Facts,
) -> None:
    """Apply a state that an answer tells as if the stream had told it."""
    event = OrderUpdated(
        time=books.now,
        client_id=order.client_id,
        state=state,
        venue_id=there.venue_id or None,
        reason=reason,
    )
    try:
        reached(books, order, books.orders.apply(event), facts)
    except ModelError as error:
        contradicted(books, order.client_id, str(error), facts)


def _modified(books: Books, there: VenueOrder, order: Order, facts: Facts) -> Order:
    """Take over the terms that were asked for if they are in force now."""
    wanted = books.terms.get(order.client_id)
    if wanted is not None and (wanted.quantity, wanted.price) == (there.quantity, there.price):
        _replace(books, there, order, facts)
    return books.orders[order.client_id]


def _replace(books: Books, there: VenueOrder, order: Order, facts: Facts) -> None:
    """Give an order the terms that it has at the venue."""
    event = OrderReplaced(
        time=books.now,
        client_id=order.client_id,
        quantity=there.quantity,
        price=there.price,
        trigger=there.trigger,
        venue_id=there.venue_id or None,
    )
    try:
        reached(books, order, books.orders.apply(event), facts)
    except ModelError as error:
        contradicted(books, order.client_id, str(error), facts)


def taken_snapshot(books: Books, event: VenueSnapshot, facts: Facts) -> None:
    """Book the trades that a snapshot tells and take up the orders that turned up in it."""
    books.snapshot_asked = None
    books.snapshot_failures = 0
    for fill in event.fills:
        if book_fill(books, fill, facts) and fill.client_id in books.orders:
            trade = f"trade {fill.trade_id} of {fill.client_id}: {fill.quantity} at {fill.price}"
            facts.odd.append(("missed_fill", f"{fill.symbol} {trade}"))
    covered = event.since is None or books.watermark is None or event.since <= books.watermark
    if event.complete and covered:
        books.watermark = min(event.asked, books.now)
    for there in event.orders:
        client_id = there.client_id
        if client_id is None:
            continue
        books.see(client_id)
        if client_id in books.orders:
            _turned_up(books, there, books.orders[client_id], facts)
    # What happened before it was asked for is in this one and in all that follow.
    books.touched = {key: time for key, time in books.touched.items() if time >= event.asked}
    facts.snapshot = event


def _turned_up(books: Books, there: VenueOrder, order: Order, facts: Facts) -> None:
    """Let an order work that nobody knew to have arrived."""
    if order.state in (OrderState.SUBMITTED, OrderState.REJECTED):
        _apply(books, order, there, OrderState.ACCEPTED, "", facts)

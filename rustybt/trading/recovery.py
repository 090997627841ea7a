"""Doubts about orders and differences from the venue, and what becomes of them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from rustybt.model.codec import to_json
from rustybt.model.errors import ModelError
from rustybt.model.fill import Fill
from rustybt.model.instrument import Side
from rustybt.model.money import ZERO, add, subtract
from rustybt.model.order import Order, OrderType
from rustybt.model.order_state import OrderState
from rustybt.trading.commands import Cancel
from rustybt.trading.reconciliation import Discrepancy, expected, reconcile
from rustybt.trading.recorded import STUCK
from rustybt.trading.settings import Kind, Policy
from rustybt.trading.state import Phase

if TYPE_CHECKING:
    from rustybt.trading.desk import Desk
    from rustybt.trading.reports import VenueOrder, VenueSnapshot
    from rustybt.trading.state import Inquiry

INQUIRIES: Final = "inquiries"
RECONCILE: Final = "reconcile"
_ANSWER_WITHIN = timedelta(seconds=10)
"""After which a question without an answer is asked again."""
_LONGEST_PAUSE = timedelta(seconds=60)
_ASK = frozenset({Kind.MISSED_FILL, Kind.LOST_ORDER, Kind.STATE_DRIFT})
"""What is cleared up by asking for the order, not by looking twice."""
_AT_ONCE = frozenset({Kind.UNKNOWN_ORDER, Kind.FOREIGN_ORDER})
"""What is certain when it is seen."""


# Orders


def inquire(desk: Desk, *, at_once: bool = False) -> None:
    """Ask for the orders in doubt that it is time to ask for."""
    books = desk.books
    for client_id, inquiry in list(books.inquiries.items()):
        if client_id not in books.orders:
            continue
        if _is_never(desk, inquiry):
            _give_up(desk, client_id, inquiry)
        elif at_once or _is_due(desk, inquiry):
            order = books.orders[client_id]
            desk.query(client_id, order.symbol, order.venue_id)
            _tell_if_stuck(desk, client_id, inquiry)


def _is_never(desk: Desk, inquiry: Inquiry) -> bool:
    """Tell whether an order was missing often and long enough to be believed."""
    settings = desk.settings
    long = desk.books.now - inquiry.since >= settings.query_threshold
    return inquiry.missing >= settings.query_tries and long


def _is_due(desk: Desk, inquiry: Inquiry) -> bool:
    """Tell whether to ask (again) now; who asked often waits longer."""
    now, settings = desk.books.now, desk.settings
    if inquiry.asked is not None:
        return now - inquiry.asked >= _pause(desk, inquiry, _ANSWER_WITHIN)
    return inquiry.failed or now - inquiry.since >= settings.query_after


def _pause(desk: Desk, inquiry: Inquiry, least: timedelta) -> timedelta:
    """Return how long to wait for an answer: longer the more often none came."""
    beyond = max(0, inquiry.tries - desk.settings.query_tries)
    return min(least * (1 << min(beyond, 6)), _LONGEST_PAUSE)


def _give_up(desk: Desk, client_id: str, inquiry: Inquiry) -> None:
    """Believe that an order never arrived, or is gone; a late report of it still counts."""
    order = desk.books.orders[client_id]
    reason = f"the venue does not know it ({inquiry.missing} answers)"
    desk.note("never_arrived", reason, client_id=client_id)
    was_there = order.venue_id is not None
    if was_there and desk.settings.policy(Kind.LOST_ORDER) is Policy.HALT:
        desk.trip(f"reconciliation: order {client_id} is lost: {reason}")
    desk.alert("lost_order" if was_there else "rejection", f"order {client_id}: {reason}")


def _tell_if_stuck(desk: Desk, client_id: str, inquiry: Inquiry) -> None:
    """Tell people once of an order that could not be cleared up."""
    if inquiry.tries >= desk.settings.query_tries:
        message = f"nobody knows what became of order {client_id}"
        desk.tell_once(f"stuck:{client_id}", "order_stuck", message)


# The account


def start_snapshot(desk: Desk, reason: str) -> None:
    """Ask for the account unless that has just been done."""
    asked = desk.books.snapshot_asked
    if asked is None or desk.books.now - asked >= 3 * _ANSWER_WITHIN:
        desk.snapshot(reason)


def compare(desk: Desk, snapshot: VenueSnapshot) -> None:
    """Find what differs from the venue; do what the policies want about what is certain."""
    books = desk.books
    if not books.opened:
        _open(desk, snapshot)
    found = reconcile(
        snapshot,
        ledger=books.ledger,
        orders={order.client_id: order for order in _of_interest(desk, snapshot)},
        symbols=books.symbols,
        is_ours=books.is_ours,
        touched=books.touched,
        booked=books.booked,
    )
    before = books.suspects
    now = {each.key: str(each) for each in found}
    if now != before:
        desk.note("suspects", f"{len(now)} differences from the venue", **now)
    if not now and any(not key.startswith(STUCK) for key in books.reported):
        desk.note("agreed", "books and venue agree again")
    fresh = [each for each in found if not _is_certain(each, before)]
    for each in found:
        _deal(desk, each, certain=_is_certain(each, before))
    if books.phase is Phase.COMPARING and not fresh and not books.inquiries:
        desk.note("recovered", "the books and the venue have been brought together")
    elif fresh or books.phase is Phase.COMPARING:
        desk.restart_timer(RECONCILE, desk.settings.query_after)


def _of_interest(desk: Desk, snapshot: VenueSnapshot) -> list[Order]:
    """Return the orders that are open here or there."""
    orders = desk.books.orders
    found = {order.client_id: order for order in orders.open()}
    for there in snapshot.orders:
        if there.client_id is not None and there.client_id in orders:
            found[there.client_id] = orders[there.client_id]
    return list(found.values())


def _is_certain(each: Discrepancy, before: dict[str, str]) -> bool:
    """Tell whether something is known for certain: at once, or because it was seen before."""
    return each.kind in _AT_ONCE or before.get(each.key) == str(each)


def _deal(desk: Desk, each: Discrepancy, *, certain: bool) -> None:
    """Do what has to be done about a discrepancy."""
    if each.kind in _ASK:
        _ask(desk, each, certain=certain)
    elif certain:
        _act(desk, each, desk.settings.policy(each.kind))


def _ask(desk: Desk, each: Discrepancy, *, certain: bool) -> None:
    """Ask for an order that differs; tell people, or stop, if asking did not clear it up."""
    books = desk.books
    known = books.inquiries.get(each.subject)
    if known is None or known.asked is None:
        order = books.orders[each.subject]
        desk.query(order.client_id, order.symbol, order.venue_id)
    if not certain:
        return
    desk.tell_once(each.key, "discrepancy", str(each))
    policy = desk.settings.policy(each.kind)
    if policy is Policy.HALT:
        desk.trip(f"reconciliation: {each}")
    there = each.order
    if policy in (Policy.BOOK, Policy.CANCEL) and there and not books.orders[each.subject].is_open:
        # It has ended for us: what works there is wanted by nobody.
        desk.emit(Cancel(client_id=each.subject, symbol=there.symbol, venue_id=there.venue_id))


def _act(desk: Desk, each: Discrepancy, policy: Policy) -> None:
    """Carry out the policy for a discrepancy that is certain."""
    is_new = desk.tell_once(each.key, "discrepancy", str(each))
    if each.kind is Kind.UNKNOWN_ORDER and policy in (Policy.BOOK, Policy.CANCEL):
        _adopt(desk, each, cancel=policy is Policy.CANCEL)
    elif policy is Policy.BOOK and each.kind in (Kind.CASH_DRIFT, Kind.QUANTITY_DRIFT):
        _believe(desk, each)
    elif policy is not Policy.ALERT and is_new:
        desk.trip(f"reconciliation: {each}")


def _adopt(desk: Desk, each: Discrepancy, *, cancel: bool) -> None:
    """Take an order into the books that only the venue remembers; its trades are asked for."""
    there = each.order
    if there is None or there.client_id is None:
        return
    try:
        order = _order_of(desk, there, there.client_id)
    except ModelError as error:
        desk.trip(f"reconciliation: {each} cannot be adopted: {error}")
        return
    desk.note("adopted", f"{each}", order=to_json(order).decode())
    if cancel:
        desk.cancel(order, "its record was lost")
    else:
        desk.query(order.client_id, order.symbol, order.venue_id)


def _order_of(desk: Desk, there: VenueOrder, client_id: str) -> Order:
    """Return an order as the venue describes it, with nothing filled as far as we know."""
    kind = there.type
    needs_more = kind in (OrderType.TRAILING_STOP, None) or (
        kind not in (OrderType.MARKET, OrderType.LIMIT) and there.trigger is None
    )
    if needs_more:
        kind = OrderType.MARKET if there.price is None else OrderType.LIMIT
    plain = kind in (OrderType.MARKET, OrderType.LIMIT)
    return Order(
        client_id=client_id,
        symbol=there.symbol,
        side=there.side,
        type=kind or OrderType.MARKET,
        quantity=there.quantity,
        created=desk.books.now,
        price=None if kind in (OrderType.MARKET, OrderType.STOP) else there.price,
        trigger=None if plain else there.trigger,
        state=OrderState.ACCEPTED,
        venue_id=there.venue_id,
    )


def _believe(desk: Desk, each: Discrepancy) -> None:
    """Bring an amount to what the venue has."""
    books = desk.books
    amount = subtract(Decimal(each.theirs), Decimal(each.ours))
    entry = f"{each.key}@{books.now.isoformat()}"
    details = {"entry_id": entry, "currency": each.subject, "amount": f"{amount:f}"}
    if each.kind is Kind.QUANTITY_DRIFT:
        symbol = _symbol_of(desk, each.subject)
        instrument = desk.instrument(symbol)
        price = books.prices.get(symbol, ZERO)
        fill = Fill(
            trade_id=entry,
            client_id=entry,
            symbol=symbol,
            side=Side.BUY if amount > ZERO else Side.SELL,
            quantity=amount.copy_abs(),
            price=price,
            time=books.now,
        )
        details["fill"] = to_json(fill).decode()
        details["currency"] = instrument.quote
        details["amount"] = f"{instrument.notional(amount, price):f}"
    desk.note("believed", str(each), **details)


def _symbol_of(desk: Desk, subject: str) -> str:
    """Return the symbol that a quantity of *subject*, a symbol or a base currency, is held in."""
    symbols = desk.books.symbols
    if subject in symbols:
        return subject
    return next(symbol for symbol in symbols if desk.instrument(symbol).base == subject)


def _open(desk: Desk, snapshot: VenueSnapshot) -> None:
    """Begin the books of an account with what it has; coins that were there are left alone."""
    books = desk.books
    ours = expected(books.ledger, with_positions=snapshot.positions is not None)
    quotes = {books.currency, *(desk.instrument(symbol).quote for symbol in books.symbols)}
    for balance in sorted(snapshot.balances, key=lambda each: each.currency):
        currency = balance.currency
        amount = subtract(add(balance.free, balance.used), ours.get(currency, ZERO))
        if amount:
            desk.note(
                "believed",
                "",
                entry_id=f"opening-{currency}",
                currency=currency,
                amount=f"{amount:f}",
                set_aside="false" if currency in quotes else "true",
            )
    desk.note("opened", f"the books begin with {len(snapshot.balances)} balances")


def after_failure(desk: Desk, retry_after: int | None) -> None:
    """Ask for the account again in a while."""
    pause = max(desk.settings.query_after, timedelta(seconds=retry_after or 0))
    desk.restart_timer(RECONCILE, pause)

"""What our books and the venue disagree about: a pure function of both."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec import Struct

from rustybt.model.money import ZERO, add
from rustybt.model.order_state import PENDING, OrderState
from rustybt.trading.reports import VenueOrder
from rustybt.trading.settings import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from rustybt.accounting.ledger import Ledger
    from rustybt.model.order import Order
    from rustybt.trading.reports import VenueSnapshot

_SETTLED = frozenset({OrderState.ACCEPTED, OrderState.TRIGGERED, OrderState.PARTIALLY_FILLED})
_IN_FLIGHT = PENDING | {OrderState.SUBMITTED, OrderState.NEW}


class Discrepancy(Struct, frozen=True, kw_only=True):
    """One thing that books and venue disagree about.

    *subject* is a client id, a symbol or a currency; *ours* and *theirs* are what each side says.
    *order* is the venue's, where it is about one.
    """

    kind: Kind
    subject: str
    ours: str
    theirs: str
    order: VenueOrder | None = None

    @property
    def key(self) -> str:
        """What the same one is known by when it is seen again."""
        return f"{self.kind}:{self.subject}"

    def __str__(self) -> str:
        return f"{self.kind} of {self.subject}: {self.ours} here, {self.theirs} at the venue"


def reconcile(
    snapshot: VenueSnapshot,
    *,
    ledger: Ledger,
    orders: Mapping[str, Order],
    symbols: Collection[str],
    is_ours: Callable[[str], bool],
    touched: Mapping[str, datetime],
    booked: datetime | None,
) -> tuple[Discrepancy, ...]:
    """Return all that *ledger* and *orders* (by client id) disagree about with *snapshot*.

    The trades in it have been booked already. An order that something happened to since the
    snapshot was asked for (*touched*), or that an answer is owed about, is left for the next one;
    so are all amounts if anything was *booked* since. Only balances of what *symbols* are quoted in
    and of what was ever paid in are compared.
    """
    found = list(_orders_there(snapshot, orders, is_ours, touched))
    found += _orders_here(snapshot, orders, touched)
    if booked is None or booked < snapshot.asked:
        found += _amounts(snapshot, ledger, symbols)
    return tuple(sorted(found, key=lambda each: each.key))


def _orders_there(
    snapshot: VenueSnapshot,
    orders: Mapping[str, Order],
    is_ours: Callable[[str], bool],
    touched: Mapping[str, datetime],
) -> Iterable[Discrepancy]:
    """Go through the orders that are open at the venue."""
    for there in snapshot.orders:
        order = None if there.client_id is None else orders.get(there.client_id)
        if order is None:
            yield _unknown(there, is_ours)
        elif not _left_alone(order, snapshot, touched):
            yield from _compared(order, there)


def _unknown(there: VenueOrder, is_ours: Callable[[str], bool]) -> Discrepancy:
    """Say whose an order is that our books do not know."""
    ours = there.client_id is not None and is_ours(there.client_id)
    return Discrepancy(
        kind=Kind.UNKNOWN_ORDER if ours else Kind.FOREIGN_ORDER,
        subject=there.client_id or there.venue_id,
        ours="unknown",
        theirs=f"{there.side} {there.quantity:f} {there.symbol}, {there.state}",
        order=there,
    )


def _left_alone(order: Order, snapshot: VenueSnapshot, touched: Mapping[str, datetime]) -> bool:
    """Tell whether a snapshot may be older than what we know of *order*."""
    at = touched.get(order.client_id)
    return order.state in _IN_FLIGHT or (at is not None and at >= snapshot.asked)


def _compared(order: Order, there: VenueOrder) -> Iterable[Discrepancy]:
    """Compare an order that both sides know."""
    if there.filled > order.filled:
        kind, ours, theirs = Kind.MISSED_FILL, f"{order.filled:f}", f"{there.filled:f}"
    elif not order.is_open:
        kind, ours, theirs = Kind.STATE_DRIFT, str(order.state), str(there.state)
    elif order.quantity != there.quantity:
        kind, ours, theirs = Kind.STATE_DRIFT, f"{order.quantity:f}", f"{there.quantity:f}"
    else:
        return
    yield Discrepancy(kind=kind, subject=order.client_id, ours=ours, theirs=theirs, order=there)


def _orders_here(
    snapshot: VenueSnapshot, orders: Mapping[str, Order], touched: Mapping[str, datetime]
) -> Iterable[Discrepancy]:
    """Go through the orders that are open in our books."""
    there = {order.client_id for order in snapshot.orders}
    for client_id, order in orders.items():
        if order.state not in _SETTLED or client_id in there:
            continue
        if not _left_alone(order, snapshot, touched):
            yield Discrepancy(
                kind=Kind.LOST_ORDER, subject=client_id, ours=str(order.state), theirs="not open"
            )


def _amounts(
    snapshot: VenueSnapshot, ledger: Ledger, symbols: Collection[str]
) -> Iterable[Discrepancy]:
    """Compare positions and balances."""
    ours = expected(ledger, with_positions=snapshot.positions is not None)
    theirs = {each.currency: add(each.free, each.used) for each in snapshot.balances}
    bases = {ledger.instrument(symbol).base for symbol in symbols}
    wanted = {*ours, *bases, *(ledger.instrument(symbol).quote for symbol in symbols)}
    for currency in sorted(wanted):
        here, there = ours.get(currency, ZERO), theirs.get(currency, ZERO)
        if here != there:
            kind = Kind.QUANTITY_DRIFT if currency in bases else Kind.CASH_DRIFT
            yield _amount(kind, currency, here, there)
    for currency in sorted(theirs.keys() - wanted):
        if theirs[currency]:
            yield _amount(Kind.FOREIGN_POSITION, currency, ZERO, theirs[currency])
    if snapshot.positions is not None:
        yield from _positions(snapshot.positions, ledger, symbols)


def expected(ledger: Ledger, *, with_positions: bool = False) -> dict[str, Decimal]:
    """Return what an account should have of each currency, and of what is no currency.

    Shares count under the name of their base unless the venue tells its positions itself.
    """
    result = {currency: ledger.cash(currency) for currency in ledger.currencies}
    for symbol, quantity in ledger.quantities().items():
        instrument = ledger.instrument(symbol)
        if instrument.is_margined or (with_positions and instrument.kind != "spot"):
            continue
        result[instrument.base] = add(result.get(instrument.base, ZERO), quantity)
    return result


def _positions(
    positions: Mapping[str, Decimal], ledger: Ledger, symbols: Collection[str]
) -> Iterable[Discrepancy]:
    """Compare the positions of a venue that has them."""
    ours = {
        symbol: quantity
        for symbol, quantity in ledger.quantities().items()
        if ledger.instrument(symbol).kind != "spot"
    }
    for symbol in sorted({*ours, *positions}):
        here, there = ours.get(symbol, ZERO), positions.get(symbol, ZERO)
        if here != there:
            known = symbol in symbols or symbol in ours
            kind = Kind.QUANTITY_DRIFT if known else Kind.FOREIGN_POSITION
            yield _amount(kind, symbol, here, there)


def _amount(kind: Kind, subject: str, here: Decimal, there: Decimal) -> Discrepancy:
    """Return the discrepancy of two amounts."""
    return Discrepancy(kind=kind, subject=subject, ours=f"{here:f}", theirs=f"{there:f}")

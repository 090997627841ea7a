"""Trades and new states of orders, booked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from rustybt.accounting.errors import LedgerError
from rustybt.model.errors import (
    ConflictingFillError,
    InvalidTransitionError,
    InvalidValueError,
    OverfillError,
)
from rustybt.model.event import OrderFilled, OrderReplaced
from rustybt.model.money import add
from rustybt.model.order_state import OrderState

if TYPE_CHECKING:
    from rustybt.model.fill import Fill
    from rustybt.model.order import Order
    from rustybt.trading.books import Books, Facts

_FINE = frozenset(
    {
        OrderState.ACCEPTED,
        OrderState.TRIGGERED,
        OrderState.PARTIALLY_FILLED,
        OrderState.FILLED,
    }
)


def book_fill(books: Books, fill: Fill, facts: Facts) -> bool:
    """Book a trade on its order and in the ledger, once; return whether it was new.

    A trade is a fact: the ledger books also what an order cannot take (too much of it, an order
    that is not known), or it would not equal the venue. Only a trade id that stands for a different
    trade is not booked.
    """
    books.see(fill.client_id)
    is_ours = fill.client_id in books.orders
    if not is_ours and fill.symbol not in books.ledger.symbols:
        facts.odd.append(("foreign_trade", f"{fill.symbol} trade {fill.trade_id}"))
        return False
    if not is_ours:
        facts.unknown.append(fill.client_id)
    elif not _fill_order(books, fill, facts):
        return False
    try:
        is_new = books.ledger.apply(fill)
    except ConflictingFillError as error:
        facts.faults.append(("conflicting_fill", str(error)))
        return False
    except LedgerError as error:
        facts.faults.append(("fill", str(error)))
        return False
    if is_new:
        books.forget_trades()
        books.booked = books.now
        books.touched[fill.client_id] = books.now
        if is_ours:
            facts.fills.append(fill)
    return is_new


def _fill_order(books: Books, fill: Fill, facts: Facts) -> bool:
    """Book a trade on its order; return False if it cannot be, or was booked before."""
    before = books.orders[fill.client_id]
    try:
        enlarged = _enlarge(books, before, fill)
        after = books.orders.apply(OrderFilled(time=books.now, fill=fill))
    except ConflictingFillError as error:
        facts.faults.append(("conflicting_fill", str(error)))
        return False
    except OverfillError as error:
        facts.faults.append(("overfill", str(error)))
    except (InvalidTransitionError, InvalidValueError) as error:
        facts.faults.append(("impossible_fill", str(error)))
    else:
        reached(books, before, after, facts)
        if enlarged:
            books.doubt(after.client_id, failed=True)
        return after is not before  # the ledger may have forgotten what the order knows
    return True


def _enlarge(books: Books, order: Order, fill: Fill) -> bool:
    """Give an order the larger size that was asked for if a trade may be explained by it.

    The venue's trades after a modification may overtake its answer, and come after its end. Return
    whether it was done to an open order: the venue has to be asked then, for a trade of just the
    old size has two explanations.
    """
    wanted = books.terms.get(order.client_id)
    filled = add(order.filled, fill.quantity)
    if wanted is None or not order.quantity <= filled <= wanted.quantity:
        return False
    known = any(each.trade_id == fill.trade_id for each in order.fills)
    if known or wanted.quantity == order.quantity:
        return False
    if not order.is_open:
        if filled > order.quantity:
            books.orders.revise(replace(order, quantity=wanted.quantity))
        return False
    books.orders.apply(
        OrderReplaced(
            time=books.now,
            client_id=order.client_id,
            quantity=wanted.quantity,
            price=wanted.price,
            trigger=wanted.trigger,
        )
    )
    return True


def reached(books: Books, before: Order, after: Order, facts: Facts) -> None:
    """Note that an order got from one version to another."""
    if after is before:
        return
    books.touched[after.client_id] = books.now
    books.settle(after)
    books.heard_of(after.client_id)
    if after.state is OrderState.REJECTED:
        if before.state is not OrderState.REJECTED:
            books.rejections += 1
            facts.ended.append(after)
    elif after.state in _FINE and before.state not in _FINE:
        books.rejections = 0


def contradicted(books: Books, client_id: str, problem: str, facts: Facts) -> None:
    """Note a report that contradicts the books: the venue has to be asked."""
    facts.odd.append(("contradiction", problem))
    books.doubt(client_id, failed=True)

"""What there is to tell of a session, for people and programs: amounts as text, times in ISO."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rustybt.model.codec import from_json
from rustybt.model.errors import InvalidValueError
from rustybt.model.order_state import OrderState
from rustybt.trading.books import Books
from rustybt.trading.fold import COMMAND, EVENT, fold
from rustybt.trading.state import EngineState

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from rustybt.journal.store import Journal
    from rustybt.model.order import Order

FOLD_VERSION: Final = "3"
"""Of the state that snapshots hold: one of another version is not used."""


def restored(journal: Journal) -> EngineState:
    """Return what *journal* adds up to, from its newest snapshot on.

    Raise :class:`~rustybt.journal.errors.JournalError` for a record that is not whole, and
    ``InvalidValueError`` for one that nobody understands.
    """
    state, after = kept_state(journal)
    wanted = journal.records(after)
    return fold((each for each in wanted if each.kind in (EVENT, COMMAND)), state)


def kept_state(journal: Journal) -> tuple[EngineState | None, int]:
    """Return the state of the newest snapshot that can be used, and the number of its record.

    Without one they are ``None`` and 0.
    """
    snapshot = journal.latest_snapshot(FOLD_VERSION)
    if snapshot is None:
        return None, 0
    try:
        return from_json(snapshot.data, EngineState), snapshot.sequence
    except InvalidValueError:  # a cache only: the records tell it all
        return None, 0


def summary(state: EngineState) -> dict[str, Any]:
    """Return how things stand: session, breaker, account, positions, number of orders."""
    books = Books(state)
    open_orders = [order for order in books.orders.open() if order.state is not OrderState.NEW]
    return {
        "session": state.session,
        "session_id": state.session_id,
        "time": _iso(state.time),
        "phase": str(state.phase),
        "enabled": state.enabled,
        "stopping": state.stopping,
        "breaker": {
            "tripped": state.breaker.is_tripped,
            "since": _iso(state.breaker.tripped),
            "cause": state.breaker.cause,
        },
        "lost": dict(state.lost),
        "in_doubt": len(state.inquiries),
        "orders": len(books.orders.orders()),
        "open_orders": len(open_orders),
        "fills": sum(len(order.fills) for order in books.orders.orders()),
        **balance(state),
    }


def balance(state: EngineState) -> dict[str, Any]:
    """Return equity, cash by currency, and the positions at the last prices."""
    books = Books(state)
    return {
        "currency": state.currency,
        "equity": _text(books.equity()),
        "day_start": _text(state.day_start),
        "peak": _text(state.peak),
        "cash": {each: _text(books.ledger.cash(each)) for each in books.ledger.currencies},
        "positions": {
            symbol: {
                "quantity": _text(position.quantity),
                "average_price": _text(position.average_price),
                "price": _text(state.prices.get(symbol)),
            }
            for symbol, position in sorted(books.ledger.positions().items())
        },
    }


def orders(state: EngineState, *, ended: bool = False) -> list[dict[str, Any]]:
    """Return the open orders, with *ended* ones too if wanted, oldest first."""
    return [_order(each) for each in state.orders if ended or each.is_open]


def _order(order: Order) -> dict[str, Any]:
    """Return what there is to tell of an order."""
    return {
        "client_id": order.client_id,
        "venue_id": order.venue_id,
        "symbol": order.symbol,
        "side": str(order.side),
        "type": str(order.type),
        "quantity": _text(order.quantity),
        "filled": _text(order.filled),
        "price": _text(order.price),
        "trigger": _text(order.trigger),
        "state": str(order.state),
        "created": _iso(order.created),
        "reason": order.reason,
    }


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:f}"


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()

"""What events change in the books."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rustybt.accounting.errors import LedgerError
from rustybt.execution.order_manager import OrderManager
from rustybt.model.errors import (
    InvalidTransitionError,
    InvalidValueError,
    ModelError,
)
from rustybt.model.event import (
    BarClosed,
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
    TimerFired,
)
from rustybt.model.money import add, divide, multiply
from rustybt.model.order_state import OrderState
from rustybt.trading.answers import failed, found, missing, taken_snapshot
from rustybt.trading.books import Books, Facts
from rustybt.trading.fills import book_fill, contradicted, reached
from rustybt.trading.reports import (
    Heartbeat,
    InstrumentsChanged,
    OrderFound,
    OrderMissing,
    RequestFailed,
    SessionStarted,
    VenueSnapshot,
)
from rustybt.trading.state import Inquiry, Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from rustybt.model.bar import Bar
    from rustybt.trading.reports import EngineEvent

BARS = "bars"
"""The timer after which bars of an instant do not wait for the rest."""
KEPT_ORDERS = 2000
"""How many orders are remembered after their end, at least."""

_UPDATES = frozenset(
    {
        OrderState.ACCEPTED,
        OrderState.TRIGGERED,
        OrderState.PARTIALLY_FILLED,
        OrderState.FILLED,
        OrderState.CANCELLED,
        OrderState.EXPIRED,
        OrderState.REJECTED,
    }
)


def take(books: Books, event: EngineEvent) -> Facts:
    """Change *books* as *event* says; return what came of it."""
    facts = Facts()
    if not books.advance(event.time):
        facts.odd.append(("clock_back", f"{event.time.isoformat()} is before the last event"))
    handler = _HANDLERS.get(type(event))
    if handler is not None:
        handler(books, event, facts)
    return facts


# Market data


def _bar(books: Books, event: BarClosed, facts: Facts) -> None:
    """Gather the bars of an instant; let them go once all are there."""
    bar = event.bar
    symbol = bar.symbol
    if symbol not in books.symbols:
        return
    books.heard[symbol] = books.now
    last = books.bars.get(symbol)
    waiting = books.gathering.get(symbol)
    repeated = waiting is not None and bar.start <= waiting.start
    if repeated or (last is not None and bar.start <= last):
        facts.odd.append(("repeated_bar", f"{symbol} {bar.start.isoformat()} came again"))
        return
    if books.gathering:
        instant = next(iter(books.gathering.values())).start
        if bar.start < instant:
            _release(books, [bar], facts)  # what it should have come with has gone already
            return
        if bar.start > instant:
            release(books, facts)
    books.gathering[symbol] = bar
    enough = len(books.gathering) + len(books.gone) >= len(books.symbols)
    if enough and all(each in books.gathering for each in books.expected()):
        release(books, facts)


def release(books: Books, facts: Facts) -> None:
    """Let the bars go that are there."""
    bars = [books.gathering[symbol] for symbol in sorted(books.gathering)]
    books.gathering.clear()
    books.timers.pop(BARS, None)
    if bars:
        _release(books, bars, facts)


def _release(books: Books, bars: list[Bar], facts: Facts) -> None:
    """Take prices over from *bars*."""
    for bar in bars:
        last = books.bars.get(bar.symbol)
        if last is not None and (expected := last + (bar.end - bar.start)) < bar.start:
            facts.gaps.append((bar.symbol, expected, bar.start))
        books.prices[bar.symbol] = bar.close
        books.bars[bar.symbol] = bar.start
    facts.bars.append(bars)
    books.mark()


def _timer(books: Books, event: TimerFired, facts: Facts) -> None:
    """Forget a timer that has fired; one that was forgotten before means nothing."""
    known = books.timers.pop(event.name, None) is not None
    if not known:
        facts.odd.append(("stale_timer", event.name))
    elif event.name == BARS:
        release(books, facts)


# Orders


def _filled(books: Books, event: OrderFilled, facts: Facts) -> None:
    """Book a trade."""
    book_fill(books, event.fill, facts)


def _updated(books: Books, event: OrderUpdated, facts: Facts) -> None:
    """Move an order along."""
    client_id = event.client_id
    books.see(client_id)
    if client_id not in books.orders:
        facts.unknown.append(client_id)
        return
    if event.state not in _UPDATES:
        return
    order = books.orders[client_id]
    if event.state is OrderState.FILLED and order.state is not OrderState.FILLED:
        books.doubt(client_id)  # its trades are still to come
        return
    try:
        reached(books, order, books.orders.apply(event), facts)
    except (InvalidTransitionError, InvalidValueError) as error:
        contradicted(books, client_id, str(error), facts)


def _replaced(books: Books, event: OrderReplaced, facts: Facts) -> None:
    """Give an order its new terms."""
    books.see(event.client_id)
    if event.client_id not in books.orders:
        facts.unknown.append(event.client_id)
        return
    before = books.orders[event.client_id]
    try:
        reached(books, before, books.orders.apply(event), facts)
    except ModelError as error:
        contradicted(books, event.client_id, str(error), facts)


def prune(books: Books) -> None:
    """Forget orders that ended long ago, once there are twice as many as are kept."""
    everything = books.orders.orders()
    if len(everything) <= 2 * KEPT_ORDERS + len(books.orders.open()):
        return
    ended = [order for order in everything if not order.is_open and order.group is None]
    forgotten = {order.client_id for order in ended[:-KEPT_ORDERS]}
    books.orders = OrderManager(each for each in everything if each.client_id not in forgotten)
    for client_id in forgotten:
        books.touched.pop(client_id, None)
        books.terms.pop(client_id, None)


# Sessions, people, connections


def _started(books: Books, event: SessionStarted, _facts: Facts) -> None:
    """Begin anew: nothing that was asked before will be answered."""
    books.session += 1
    books.counter = 0
    books.session_id = event.session
    books.phase = Phase.ASKING
    books.enabled = False
    books.enable_by = books.stopping = books.flattening = ""
    books.snapshot_asked = None
    books.snapshot_failures = 0
    for forgotten in (books.timers, books.lost, books.suspects, books.gathering, books.heard):
        forgotten.clear()
    books.inquiries = {
        order.client_id: Inquiry(since=books.now, failed=True)
        for order in books.orders.open()
        if order.state is not OrderState.NEW
    }
    prune(books)


def _operator(books: Books, event: OperatorCommand, _facts: Facts) -> None:
    """Do at once what a person wants; the rest follows."""
    command = event.command
    if command == "enable":
        books.enable_by = event.operator
    elif command == "disable":
        books.enabled, books.enable_by = False, ""
    elif command == "halt":
        cause = f"halted by {event.operator}: {event.reason}"
        books.breaker = books.breaker.trip(cause, books.now)
    elif command == "resume":
        books.breaker = books.breaker.reset(event.operator, event.reason)
        books.rejections = books.snapshot_failures = 0
        books.errors.clear()
        books.sent.clear()
        books.reported.clear()
        books.skew = None
        books.heard = dict.fromkeys(books.symbols, books.now)
        books.rebase()
    elif command == "flatten":
        books.enabled, books.enable_by, books.flattening = False, "", "cancel"
    elif command == "stop":
        books.stopping, books.enable_by = books.stopping or event.reason, ""


def _lost(books: Books, event: ConnectionLost, _facts: Facts) -> None:
    """Note that a component cannot be reached."""
    books.lost[event.component] = event.reason


def _restored(books: Books, event: ConnectionRestored, _facts: Facts) -> None:
    """Note that it can be reached again."""
    books.lost.pop(event.component, None)


def _heartbeat(books: Books, event: Heartbeat, _facts: Facts) -> None:
    """Note what the clock is off the venue's."""
    skew = event.states.get("skew_ms", "")
    if skew.lstrip("-").isdecimal():
        books.skew = abs(int(skew))


# Books


def _entry(
    books: Books, event: CashMoved | DividendPaid | SharesSplit | Charged, facts: Facts
) -> None:
    """Book what is no trade."""
    try:
        is_new = books.ledger.book(event)
    except LedgerError as error:
        facts.faults.append(("entry", str(error)))
        return
    if not is_new:
        return
    books.booked = books.now
    if isinstance(event, CashMoved) and event.currency == books.currency:
        _deposited(books, event)
    elif isinstance(event, SharesSplit):
        facts.split.append(event.symbol)
        price = books.prices.get(event.symbol)
        if price is not None:
            books.prices[event.symbol] = divide(multiply(price, event.old), event.new)


def _deposited(books: Books, event: CashMoved) -> None:
    """Keep money that came or went from looking like a profit or a loss."""
    if books.day_start is not None:
        books.day_start = add(books.day_start, event.amount)
    if books.peak is not None:
        books.peak = add(books.peak, event.amount)


def _instruments(books: Books, event: InstrumentsChanged, facts: Facts) -> None:
    """Take over new filters of what we trade."""
    ours = {*books.symbols, *books.ledger.symbols}
    for instrument in event.instruments:
        if instrument.symbol in ours:
            try:
                books.add_instrument(instrument)
            except LedgerError as error:
                facts.faults.append(("instrument", str(error)))
    back = {each.symbol for each in event.instruments}
    gone = (*books.gone, *(symbol for symbol in event.gone if symbol in ours))
    books.gone = tuple(dict.fromkeys(symbol for symbol in gone if symbol not in back))


_HANDLERS: dict[type, Callable[[Books, Any, Facts], None]] = {
    BarClosed: _bar,
    TimerFired: _timer,
    OrderFilled: _filled,
    OrderUpdated: _updated,
    OrderReplaced: _replaced,
    RequestFailed: failed,
    OrderFound: found,
    OrderMissing: missing,
    VenueSnapshot: taken_snapshot,
    SessionStarted: _started,
    OperatorCommand: _operator,
    ConnectionLost: _lost,
    ConnectionRestored: _restored,
    Heartbeat: _heartbeat,
    InstrumentsChanged: _instruments,
    CashMoved: _entry,
    DividendPaid: _entry,
    SharesSplit: _entry,
    Charged: _entry,
}

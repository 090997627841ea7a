"""The trading engine: events in, commands out, the same for the same, whatever the clock says."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from rustybt.model.codec import to_json
from rustybt.model.errors import InvalidValueError
from rustybt.model.event import (
    ConnectionLost,
    ConnectionRestored,
    OperatorCommand,
    TimerFired,
)
from rustybt.model.order_state import OrderState
from rustybt.trading.books import Books
from rustybt.trading.commands import Severity
from rustybt.trading.desk import Desk
from rustybt.trading.guard import left_out, losses, stale, tripwire
from rustybt.trading.hooks import Hooks, refuse_silent
from rustybt.trading.operations import STALE, STOP, begin_stop, drive, give_up_stop
from rustybt.trading.recovery import (
    INQUIRIES,
    RECONCILE,
    after_failure,
    compare,
    inquire,
    start_snapshot,
)
from rustybt.trading.reports import (
    InstrumentsChanged,
    OrderMissing,
    Outcome,
    Request,
    RequestFailed,
    SessionStarted,
    VenueSnapshot,
)
from rustybt.trading.settings import FEED, Kind, Policy
from rustybt.trading.state import EngineState, Phase
from rustybt.trading.taking import take

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from decimal import Decimal

    from rustybt.accounting.ledger import Ledger
    from rustybt.execution.order_manager import OrderManager
    from rustybt.model.bar import Bar
    from rustybt.model.instrument import Instrument
    from rustybt.risk.breaker import Breaker
    from rustybt.risk.limits import TradingHours
    from rustybt.strategy.base import Strategy
    from rustybt.trading.books import Facts
    from rustybt.trading.commands import Command
    from rustybt.trading.reports import EngineEvent
    from rustybt.trading.settings import EngineSettings

COMMANDS = ("enable", "disable", "halt", "resume", "flatten", "cancel", "stop")
"""What an ``OperatorCommand`` can be; ``cancel`` takes the argument ``client_id``."""


class Engine:
    """Trades *strategy* on *instruments* (by symbol), as *settings* say.

    It reads no clock and does nothing by itself: time is that of the events, and what it wants is
    returned. A session begins with :class:`~rustybt.trading.reports.SessionStarted`; what comes
    before is only taken note of. *state* is what the journal adds up to
    (:func:`rustybt.trading.fold.fold`), *hours* tell when a symbol can be traded.

    Raise :class:`~rustybt.model.errors.InvalidValueError` for symbols without an instrument and
    :class:`~rustybt.strategy.errors.StrategyError` for a strategy that would never decide.
    """

    def __init__(
        self,
        strategy: Strategy,
        instruments: Mapping[str, Instrument],
        settings: EngineSettings,
        *,
        hours: TradingHours | None = None,
        state: EngineState | None = None,
    ) -> None:
        missing = [symbol for symbol in settings.symbols if symbol not in instruments]
        if missing:
            raise InvalidValueError(
                "instruments", [f"{each} is not among them" for each in missing]
            )
        refuse_silent(strategy)
        self.settings = settings
        self._instruments = dict(instruments)
        self._books = Books(state)
        self._desk = Desk(self._books, settings, hours)
        self._hooks = Hooks(strategy, self._desk)
        self._handlers: dict[type, Callable[[Any], None]] = {
            SessionStarted: self._session,
            TimerFired: self._timer,
            OperatorCommand: self._operator,
            ConnectionLost: self._lost,
            ConnectionRestored: self._restored,
            RequestFailed: self._failed,
            OrderMissing: self._missing,
            InstrumentsChanged: self._changed,
            VenueSnapshot: self._compared,
        }

    # For readers

    @property
    def state(self) -> EngineState:
        """Everything that is known, as a value; making it takes time with many orders."""
        return self._books.state()

    @property
    def ledger(self) -> Ledger:
        """The books; not to be changed, nor to be kept: there are new ones now and then."""
        return self._books.ledger

    @property
    def orders(self) -> OrderManager:
        """The orders; not to be changed, nor to be kept."""
        return self._books.orders

    @property
    def breaker(self) -> Breaker:
        """The circuit breaker as it is."""
        return self._books.breaker

    @property
    def is_enabled(self) -> bool:
        """Whether trading was enabled; the breaker may still be tripped."""
        return self._books.enabled

    @property
    def phase(self) -> Phase:
        """How far the start-up is."""
        return self._books.phase

    @property
    def equity(self) -> Decimal:
        """What the account is worth at the last prices, in its currency."""
        return self._books.equity()

    # What it does

    def warm_up(self, bars: Iterable[Bar]) -> None:
        """Show the strategy earlier *bars*, after ``SessionStarted`` and before any other bar.

        What it orders meanwhile comes to nothing, and its ``state`` is put back afterwards. Raise
        :class:`~rustybt.strategy.errors.StrategyError` if it raises anything.
        """
        self._desk.out = []
        self._hooks.warm_up(bars)

    def process(self, event: EngineEvent) -> tuple[Command, ...]:
        """Take *event*; return what is to be done now, in this order.

        The same events always give the same commands. What cannot be is no reason to raise: it
        trips the breaker, and is told.
        """
        desk, books = self._desk, self._books
        desk.out = []
        was_tripped = books.breaker.is_tripped
        facts = take(books, event)
        handler = self._handlers.get(type(event))
        if handler is not None and books.phase is not Phase.IDLE:
            handler(event)
        self._tell(facts)
        self._show(facts)
        self._check(facts)
        if books.phase is not Phase.IDLE:
            if facts.snapshot is not None:
                compare(desk, facts.snapshot)
            cause = tripwire(books, self.settings.guard)
            if cause is not None:
                desk.trip(cause)
            drive(desk)
        if books.breaker.is_tripped and not was_tripped:
            desk.alert("breaker", f"trading stopped: {books.breaker.cause}", Severity.CRITICAL)
        return tuple(desk.out)

    def _tell(self, facts: Facts) -> None:
        """Put on record, and tell people, what is not as it should be."""
        desk = self._desk
        for kind, problem in facts.odd:
            desk.note(kind, problem)
            if kind == "missed_fill":
                desk.alert("discrepancy", f"missed fill: {problem}")
                if self.settings.policy(Kind.MISSED_FILL) is Policy.HALT:
                    desk.trip(f"reconciliation: missed fill: {problem}")
        for gap in facts.gaps:
            said = left_out(gap, self.settings.interval, desk.hours)
            if said is not None:
                desk.alert("missing_bar", said)
        for order in facts.ended:
            desk.alert("rejection", f"order {order.client_id} was rejected: {order.reason}")
        for kind, problem in facts.faults:
            desk.alert(kind, problem, Severity.CRITICAL)
            desk.trip(f"{kind}: {problem}")
        for client_id in dict.fromkeys(facts.unknown):
            self._unknown(client_id)

    def _unknown(self, client_id: str) -> None:
        """Look into a report of an order that is not in the books."""
        books, desk = self._books, self._desk
        ours = books.is_ours(client_id)
        whose = "ours, but its record is lost" if ours else "somebody else's"
        kind = Kind.UNKNOWN_ORDER if ours else Kind.FOREIGN_ORDER
        message = f"the venue reports order {client_id}, which is {whose}"
        if not desk.tell_once(f"{kind}:{client_id}", "discrepancy", message):
            return
        if self.settings.policy(kind) is Policy.HALT:
            desk.trip(f"reconciliation: {message}")
        if ours and books.phase is not Phase.IDLE:
            start_snapshot(desk, "unknown order")

    def _show(self, facts: Facts) -> None:
        """Tell the strategy what happened, trades first."""
        if self._books.phase is Phase.IDLE:
            return
        for fill in facts.fills:
            self._hooks.filled(fill)
        for bars in facts.bars:
            self._hooks.closed(bars, self._books.now)
        for symbol in facts.split:
            for order in self._books.orders.open(symbol):
                self._desk.cancel(order, "the shares were split")

    def _check(self, facts: Facts) -> None:
        """Look at the losses after whatever changes equity."""
        if facts.bars or facts.fills:
            cause = losses(self._books, self.settings.guard)
            if cause is not None:
                self._desk.trip(cause)

    # Events that are more than facts

    def _session(self, event: SessionStarted) -> None:
        """Begin to recover: there is no other way to start."""
        desk, settings = self._desk, self.settings
        desk.ended = False
        self._hooks.failed = False
        desk.note(
            "session",
            f"session {self._books.session} ({event.session}) begins",
            prefix=settings.prefix,
            currency=settings.currency,
            symbols=msgspec.json.encode(settings.symbols).decode(),
            window=str(
                int(max(settings.guard.window, settings.limits.rate_window).total_seconds())
            ),
            allow_reducing="true" if settings.allow_reducing else "false",
        )
        known = set(self._books.ledger.symbols)
        traded = {
            symbol: to_json(self._instruments[symbol]).decode()
            for symbol in sorted({*settings.symbols, *(known & self._instruments.keys())})
        }
        desk.note("instruments", f"{len(traded)} instruments are traded", **traded)
        inquire(desk, at_once=True)
        desk.restart_timer(RECONCILE, settings.reconcile_every)
        self._hooks.start()

    def _timer(self, event: TimerFired) -> None:
        """Do what a timer was set for."""
        if event.name == INQUIRIES:
            inquire(self._desk)
        elif event.name == RECONCILE:
            self._desk.timer(RECONCILE, self.settings.reconcile_every)
            if self._books.phase is not Phase.ASKING:
                start_snapshot(self._desk, "due")
        elif event.name == STOP and self._books.stopping and not self._desk.ended:
            give_up_stop(self._desk)
        elif event.name == STALE and self._books.enabled:
            self._look_for_silence()

    def _look_for_silence(self) -> None:
        """Stop trading if data has gone stale."""
        guard = self.settings.guard
        cause = stale(self._books, guard, self._desk.hours)
        if cause is not None:
            self._desk.trip(cause)
        if guard.stale_after is not None:
            pause = max(guard.stale_after / 4, timedelta(seconds=1))
            self._desk.restart_timer(STALE, pause)

    def _operator(self, event: OperatorCommand) -> None:
        """Put on record what a person wants, and do what is not done by itself."""
        desk = self._desk
        details = {"operator": event.operator, "command": event.command}
        desk.note("operator", event.reason, **details)
        if event.command == "resume":
            self._hooks.failed = False
            desk.alert("breaker", f"trading may go on, says {event.operator}: {event.reason}")
        elif event.command == "enable" and self._books.phase is not Phase.READY:
            desk.note("enable_deferred", "trading begins once the recovery is complete")
        elif event.command == "stop":
            self._hooks.stop()
            begin_stop(desk)
        elif event.command == "cancel":
            self._cancel(event.arguments.get("client_id", ""))
        elif event.command not in COMMANDS:
            known = ", ".join(COMMANDS)
            desk.note("unknown_command", f"{event.command!r} is none of {known}")

    def _cancel(self, client_id: str) -> None:
        """Cancel the order that a person named."""
        if client_id in self._books.orders:
            self._desk.cancel(self._books.orders[client_id], "cancelled by a person")
        else:
            self._desk.note("unknown_command", f"there is no order {client_id!r} to cancel")

    def _lost(self, event: ConnectionLost) -> None:
        """Tell people."""
        message = f"{event.component} is not connected: {event.reason}"
        self._desk.alert("connection_lost", message)

    def _restored(self, event: ConnectionRestored) -> None:
        """Find out what happened meanwhile."""
        self._desk.alert("connection_restored", f"{event.component} is back", Severity.INFO)
        if event.component != FEED and self._books.phase is not Phase.ASKING:
            self._desk.snapshot("reconnected")

    def _failed(self, event: RequestFailed) -> None:
        """Ask again, not before the venue wants to be asked."""
        pause = timedelta(seconds=event.retry_after or 0)
        if event.request is Request.SNAPSHOT:
            after_failure(self._desk, event.retry_after)
        elif event.request is Request.QUERY or event.outcome is Outcome.UNKNOWN:
            self._desk.restart_timer(INQUIRIES, max(pause, self.settings.query_after))
        if event.request in (Request.CANCEL, Request.MODIFY):
            self._desk.note("request_failed", f"{event.request} {event.outcome}: {event.reason}")

    def _missing(self, event: OrderMissing) -> None:
        """Believe it only after some time, and several times."""
        self._desk.note("missing", f"the venue does not know {event.client_id}: {event.reason}")

    def _changed(self, event: InstrumentsChanged) -> None:
        """Tell people of symbols that went away, above all of those that are held."""
        for symbol in event.gone:
            if symbol in self._books.gone:
                held = self._books.ledger.quantity(symbol)
                severity = Severity.CRITICAL if held else Severity.WARNING
                message = f"{symbol} is not traded any more; {held:f} are held"
                self._desk.alert("delisted", message, severity)
        for order in self._books.orders.open():
            if order.symbol in self._books.gone and order.state is not OrderState.NEW:
                self._desk.query(order.client_id, order.symbol, order.venue_id)

    def _compared(self, event: VenueSnapshot) -> None:
        """Put on record how far back a snapshot goes; the rest follows from the books."""
        if not event.complete:
            self._desk.note("incomplete", "the snapshot does not tell all trades since it should")

"""What must hold in a simulated world, whatever goes wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from rustybt.journal.records import verify
from rustybt.model.codec import to_json
from rustybt.model.event import OperatorCommand
from rustybt.model.instrument import Side
from rustybt.model.money import ZERO
from rustybt.model.order_state import OrderState
from rustybt.trading.commands import Note, Submit
from rustybt.trading.fold import fold
from rustybt.trading.reconciliation import expected
from rustybt.trading.reports import Outcome, Request, RequestFailed, SessionStarted
from rustybt.trading.state import Phase

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rustybt.model.order import Order
    from rustybt.trading.commands import Command, End
    from rustybt.trading.engine import Engine
    from rustybt.trading.reports import EngineEvent
    from rustybt.trading.simulation.venue import Placed
    from rustybt.trading.simulation.world import World
    from rustybt.trading.state import EngineState

_PROMPT = timedelta(seconds=2)
"""An order that arrived so soon must be found, however long the venue's lists are behind."""
_FALSE_ALARMS: Final = (
    "reconciliation:",
    "overfill",
    "conflicting",
    "impossible",
    "fill:",
    "entry:",
)
"""How the breaker's cause begins when the engine takes the venue, which is right, for wrong."""


class Watch:
    """Looks at every step of an engine, and keeps what must not be in *broken*.

    It follows by itself, from what is told and wanted alone, whether trading is allowed.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.broken: list[str] = []
        self._allowed = self._tripped = self._stopping = False
        self._kept = False, False, False
        self._sent: set[str] = set()
        self._before: OrderState | None = None

    def before(self, event: EngineEvent, engine: Engine) -> None:
        """Look at what is about to be told."""
        self._before = None
        self._kept = self._allowed, self._tripped, self._stopping
        if isinstance(event, SessionStarted):
            self._allowed = self._stopping = False
        elif isinstance(event, OperatorCommand):
            self._operated(event.command)
        else:
            client_id = _open_question(event)
            if client_id and client_id in engine.orders:
                self._before = engine.orders[client_id].state

    def undo(self) -> None:
        """Forget the last step: the process died before it was written down."""
        self._allowed, self._tripped, self._stopping = self._kept

    def _operated(self, command: str) -> None:
        """Follow what people want."""
        if command in ("disable", "flatten"):
            self._allowed = False
        elif command == "halt":
            self._tripped = True
        elif command == "resume":
            self._tripped = False
        elif command == "stop":
            self._stopping = True

    def after(self, event: EngineEvent, engine: Engine, commands: tuple[Command, ...]) -> None:
        """Look at what came of it."""
        for command in commands:
            if isinstance(command, Note):
                self._noted(command)
            elif isinstance(command, Submit):
                self._submitted([each.order for each in command.approved], engine)
        if self._before is None or self._before is OrderState.REJECTED:
            return
        order = engine.orders[_open_question(event)]
        if order.state is OrderState.REJECTED:
            self.broken.append(f"{order.client_id}: nobody knows, but it counts as rejected")

    def _noted(self, note: Note) -> None:
        """Follow what the engine decided."""
        if note.kind == "trading_enabled":
            self._allowed = True
        elif note.kind == "breaker_tripped":
            self._tripped = True
            if note.message.startswith(_FALSE_ALARMS):
                self.broken.append(f"false alarm: {note.message}")
        elif note.kind == "never_arrived":
            self._given_up(note.details["client_id"])

    def _given_up(self, client_id: str) -> None:
        """Hold it against the engine if it did not ask long enough."""
        placed = self._world.venue.orders.get(client_id)
        sent = self._world.sent_at.get(client_id)
        if placed is not None and sent is not None and placed.arrived - sent < _PROMPT:
            self.broken.append(f"{client_id} was given up, but the venue has it")

    def _submitted(self, orders: list[Order], engine: Engine) -> None:
        """Look at what is about to be sent."""
        for order in orders:
            self._world.sent_at[order.client_id] = self._world.now
            held = engine.ledger.quantity(order.symbol)
            reduces = order.quantity <= (held if order.side is Side.SELL else held.copy_negate())
            if order.reduce_only or (self._tripped and self._allowed and reduces):
                continue
            if not self._allowed or self._stopping:
                self.broken.append(f"{order.client_id} was sent while trading was not enabled")
            elif self._tripped:
                self.broken.append(f"{order.client_id} was sent although the breaker had tripped")

    def sending(self, client_id: str) -> None:
        """Look at an order that leaves: its id must be its own for ever."""
        if client_id in self._sent:
            self.broken.append(f"{client_id} was sent twice")
        self._sent.add(client_id)

    def ended(self, end: End) -> None:
        """Look at a planned end: nothing is open then, unless it took too long."""
        if end.code == 0 and not self._world.faults.slow_request:
            for order in self._world.venue.open_orders():
                self.broken.append(f"{order.client_id} is open after a planned end")


def _open_question(event: EngineEvent) -> str:
    """Return the order of which nobody knows what the request for it came to, if that is told."""
    if not isinstance(event, RequestFailed) or event.client_id is None:
        return ""
    is_open = event.request is Request.SUBMIT and event.outcome is Outcome.UNKNOWN
    return event.client_id if is_open else ""


def unsettled(world: World) -> tuple[str, ...]:
    """Return what does not hold although nothing goes wrong any more, and has not for a while."""
    engine = world.machine.engine
    if engine is None:
        return ("the engine does not run",)
    state = engine.state
    return (
        *_open_matters(state),
        *_orders(world, engine),
        *_strangers(world, engine),
        *_amounts(world, engine),
        *_records(world, state),
    )


def _open_matters(state: EngineState) -> Iterator[str]:
    """Say what has come to no end."""
    if state.phase is not Phase.READY:
        yield f"the recovery is still {state.phase}"
    for client_id in state.inquiries:
        yield f"{client_id}: nobody has found out what became of it"
    for key, text in state.suspects.items():
        yield f"{key}: {text}"


def _orders(world: World, engine: Engine) -> Iterator[str]:
    """Compare the engine's orders with the venue's."""
    for order in engine.orders.orders():
        placed = world.venue.orders.get(order.client_id)
        if order.state is OrderState.NEW:
            continue  # an exit that waits for its entry
        if placed is None:
            if order.is_open or order.filled:
                yield f"{order.client_id} is {order.state} here, and unknown at the venue"
        elif problem := _differs(order, placed):
            yield f"{order.client_id} {problem}"


def _differs(order: Order, placed: Placed) -> str:
    """Say in what an order is not as the venue has it."""
    if order.is_open is not placed.is_open:
        return f"is {order.state} here and {placed.state} at the venue"
    if order.filled != placed.filled:
        return f"traded {order.filled:f} here and {placed.filled:f} at the venue"
    if order.state is OrderState.REJECTED:
        return "counts as rejected, but the venue took it"
    if order.is_open and order.quantity != placed.quantity:
        return f"is of {order.quantity:f} here and of {placed.quantity:f} at the venue"
    ours = sorted(each.trade_id for each in order.fills)
    return "" if ours == sorted(each.trade_id for each in placed.fills) else "has other trades"


def _strangers(world: World, engine: Engine) -> Iterator[str]:
    """Say which orders of the venue the engine knows nothing of."""
    for client_id in world.venue.orders:
        if client_id not in engine.orders:
            yield f"{client_id} is at the venue and unknown here"


def _amounts(world: World, engine: Engine) -> Iterator[str]:
    """Compare what the account has, to the last digit."""
    ours = expected(engine.ledger)
    for currency, theirs in world.venue.amounts.items():
        here = ours.get(currency, ZERO)
        if here != theirs:
            yield f"{currency}: {here:f} here, {theirs:f} at the venue"


def _records(world: World, state: EngineState) -> Iterator[str]:
    """Look through the journal, and at what it adds up to."""
    journal = world.machine.journal
    found = verify(journal)
    if found is not None:
        yield f"the chain is broken: {found}"
    if to_json(fold(journal)) != to_json(state):
        yield "the journal does not add up to what the engine knows"

"""What is between an engine and its venue: requests, replies, a stream; all of them go wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from rustybt.model.event import ConnectionLost, ConnectionRestored
from rustybt.trading.commands import Cancel, Modify, Query, Submit, TakeSnapshot
from rustybt.trading.reports import (
    OrderFound,
    OrderMissing,
    Outcome,
    Request,
    RequestFailed,
    VenueSnapshot,
)
from rustybt.trading.simulation.venue import updated

if TYPE_CHECKING:
    from collections.abc import Callable

    from rustybt.model.order import Order
    from rustybt.trading.commands import Command
    from rustybt.trading.simulation.venue import Placed, Told
    from rustybt.trading.simulation.world import World

STREAM: Final = "user-stream"
"""The component that a disconnect is about."""


class Network:
    """Carries requests of the engine's process of the moment, and what comes back to it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.connected = True

    def send(self, command: Command) -> None:
        """Put a request on its way, if *command* is one."""
        match command:
            case Submit():
                for approved in command.approved:
                    self._submit(approved.order)
            case Modify():
                self._modify(command.approved.order)
            case Cancel():
                self._cancel(command.client_id)
            case Query():
                self._query(command.client_id)
            case TakeSnapshot():
                self._snapshot(command)
            case _:
                pass

    # Requests

    def _submit(self, order: Order) -> None:
        """Ask for an order."""
        self._world.watch.sending(order.client_id)

        def act() -> Told:
            why = self._world.venue.create(order)
            if why:
                return _failed(Request.SUBMIT, Outcome.REFUSED, order.client_id, why)
            return updated(self._world.venue.orders[order.client_id])

        self._request(Request.SUBMIT, order.client_id, act)

    def _modify(self, order: Order) -> None:
        """Ask for other terms."""

        def act() -> Told:
            why = self._world.venue.modify(order)
            if why:
                return _failed(Request.MODIFY, Outcome.REFUSED, order.client_id, why)
            return self._world.venue.replaced(self._world.venue.orders[order.client_id])

        self._request(Request.MODIFY, order.client_id, act)

    def _cancel(self, client_id: str) -> None:
        """Ask for the end of an order."""

        def act() -> Told:
            why = self._world.venue.cancel(client_id)
            if why:
                return _failed(Request.CANCEL, Outcome.REFUSED, client_id, why)
            return updated(self._world.venue.orders[client_id])

        self._request(Request.CANCEL, client_id, act)

    def _query(self, client_id: str) -> None:
        """Ask what the venue knows of an order."""

        def act() -> Told:
            placed = self._world.venue.orders.get(client_id)
            if placed is None or not self._is_visible(placed):
                return lambda time: OrderMissing(time=time, client_id=client_id)
            shown, fills = placed.shown(), tuple(placed.fills)
            if self._world.hits(self._world.faults.delay_report):
                fills = fills[:-1]  # the list of trades is behind
            return lambda time: OrderFound(time=time, client_id=client_id, order=shown, fills=fills)

        self._request(Request.QUERY, client_id, act)

    def _is_visible(self, placed: Placed) -> bool:
        """Tell whether an order is found by those who ask for it."""
        lag = timedelta(seconds=self._world.faults.lag)
        return self._world.now - placed.arrived >= lag

    def _request(self, kind: Request, client_id: str | None, act: Callable[[], Told]) -> None:
        """Let a request arrive and *act*, or go wrong in one of the ways that there are."""
        world, faults = self._world, self._world.faults
        world.say(lambda: f"-> {kind} {client_id or ''}")
        about_order = kind is not Request.SNAPSHOT
        if world.hits(faults.not_sent):
            self._reply(_failed(kind, Outcome.NOT_SENT, client_id, "no route to the venue"))
        elif world.hits(faults.refuse):
            outcome = Outcome.REFUSED if about_order else Outcome.UNKNOWN
            self._reply(_failed(kind, outcome, client_id, "too many requests", 3))
        elif world.hits(faults.lose_request):
            world.say(lambda: f"   {kind} {client_id or ''} is lost")
        elif world.hits(faults.break_before):
            self._reply(_failed(kind, Outcome.UNKNOWN, client_id, "timed out"), 5.0)
        else:
            slow = kind in (Request.SUBMIT, Request.CANCEL) and world.hits(faults.slow_request)
            delay = world.between(3, 30) if slow else world.between(0.01, 0.2)
            generation = world.machine.generation
            world.after(delay, lambda: self._arrive(kind, client_id, act, generation))

    def _arrive(
        self, kind: Request, client_id: str | None, act: Callable[[], Told], generation: int
    ) -> None:
        """Let the venue act on a request, and answer it."""
        world, faults = self._world, self._world.faults
        answer = act()
        if world.hits(faults.lose_reply):
            world.say(lambda: f"   the reply to {kind} {client_id or ''} is lost")
            return
        if world.hits(faults.break_after):
            answer = _failed(kind, Outcome.UNKNOWN, client_id, "the connection broke")
        slow = world.hits(faults.slow_reply)
        delay = world.between(1, 8) if slow else world.between(0.01, 0.1)
        self._reply(answer, delay, generation)
        if kind in (Request.SUBMIT, Request.CANCEL) and world.hits(faults.twice):
            self._reply(answer, delay + 1, generation)

    def _snapshot(self, command: TakeSnapshot) -> None:
        """Ask for the account: in several requests, between which things happen."""
        world = self._world
        asked = world.local()
        parts: dict[str, Any] = {}

        def orders() -> None:
            parts["orders"] = tuple(
                each.shown()
                for each in world.venue.orders.values()
                if each.is_open and self._is_visible(each)
            )

        def balances() -> None:
            parts["balances"] = world.venue.balances()

        def fills() -> None:
            parts["fills"] = world.venue.fills_since(command.since)

        steps = [orders, balances, fills]
        world.chance.shuffle(steps)

        def act() -> Told:
            steps[2]()
            return lambda time: VenueSnapshot(time=time, asked=asked, since=command.since, **parts)

        steps[0]()
        steps[1]()
        self._request(Request.SNAPSHOT, None, act)

    def _reply(self, told: Told, delay: float = 0.01, generation: int | None = None) -> None:
        """Bring an answer to the process that asked, if it still lives."""
        world = self._world
        asker = world.machine.generation if generation is None else generation
        world.after(delay, lambda: world.machine.hear(told, asker))

    # The stream

    def report(self, told: Told) -> None:
        """Bring what the venue tells by itself."""
        world, faults = self._world, self._world.faults
        if not self.connected or world.hits(faults.lose_report):
            world.say(lambda: f"   lost on the stream: {_short(told(world.now))}")
            return
        late = world.hits(faults.delay_report)
        delay = world.between(0.5, 5) if late else world.between(0.01, 0.1)
        self._reply(told, delay)
        if world.hits(faults.repeat_report):
            self._reply(told, delay + world.between(0, 3))

    def disconnect(self) -> None:
        """Lose the stream for a while; that is noticed a little later."""
        world = self._world
        self.connected = False
        world.say(lambda: "   the stream breaks")
        self._reply(lambda time: ConnectionLost(time=time, component=STREAM, reason="reset"), 0.5)
        world.after(world.between(1, 15), self.reconnect)

    def reconnect(self) -> None:
        """Have the stream back."""
        if not self.connected:
            self.connected = True
            self._world.say(lambda: "   the stream is back")
            self._reply(lambda time: ConnectionRestored(time=time, component=STREAM), 0.02)


def _failed(
    request: Request, outcome: Outcome, client_id: str | None, reason: str, after: int | None = None
) -> Told:
    """Return the report of a request gone wrong."""
    return lambda time: RequestFailed(
        time=time,
        request=request,
        outcome=outcome,
        client_id=client_id,
        reason=reason,
        retry_after=after,
    )


def _short(event: object) -> str:
    """Say what an event is in one line."""
    return str(event)[:160]

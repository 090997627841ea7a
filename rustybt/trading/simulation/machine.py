"""The process that an engine runs in: it writes down, sends, and dies at any point between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rustybt.journal.payload import canonical
from rustybt.journal.records import chain
from rustybt.model.codec import to_json
from rustybt.model.event import OperatorCommand, TimerFired
from rustybt.trading.commands import ClearTimer, End, SetTimer
from rustybt.trading.engine import Engine
from rustybt.trading.fold import COMMAND, EVENT, fold
from rustybt.trading.reports import SessionStarted

if TYPE_CHECKING:
    from rustybt.journal.records import Record
    from rustybt.trading.commands import Command
    from rustybt.trading.reports import EngineEvent
    from rustybt.trading.simulation.venue import Told
    from rustybt.trading.simulation.world import World
    from rustybt.trading.state import EngineState

_DOWN: Final = (0.5, 20.0)
"""Seconds until somebody starts it again."""


class Machine:
    """Runs one engine after the other on one journal. *generation* counts them.

    *journal* is what reached the disk. *events* counts what the engines were told.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.engine: Engine | None = None
        self.generation = self.crashes = self.events = 0
        self.journal: list[Record] = []
        self._pending: list[Record] = []
        self._timers: dict[str, int] = {}
        self._timer = 0

    @property
    def state(self) -> EngineState:
        """What the journal adds up to."""
        return fold(self.journal)

    # Beginning and end

    def start(self) -> None:
        """Start an engine on what the journal says, and let a person enable it."""
        world = self._world
        if self.engine is not None:
            return
        self.generation += 1
        self._timers.clear()
        world.network.connected = True
        self.engine = Engine(
            world.strategy(),
            world.venue.instruments,
            world.settings,
            state=self.state if self.journal else None,
        )
        world.say(lambda: f"== start {self.generation}")
        asker = self.generation
        self.hear(self._started(), asker)
        world.after(world.between(0, 3), lambda: self.hear(operated("enable"), asker))

    def _started(self) -> Told:
        """Return the report that a session begins."""
        number = self.generation
        return lambda time: SessionStarted(
            time=time,
            session=f"s{number}",
            mode="simulation",
            clock="simulated",
            venue="simulation",
            account="one",
            strategy="simulated",
            digest="-",
            version="-",
        )

    def crash(self, place: str) -> None:
        """Die: what was not on the disk is gone, and nothing more is sent."""
        world = self._world
        world.say(lambda: f"!! killed {place}")
        self._pending.clear()
        self.engine = None
        self.crashes += 1
        world.after(world.between(*_DOWN), self.start)

    # Turns

    def hear(self, told: Told, generation: int) -> None:
        """Process what is told to the process *generation*, if it still runs."""
        if self.engine is None or generation != self.generation:
            return
        event = told(self._world.local())
        world, engine = self._world, self.engine
        world.say(lambda: f"<- {str(event)[:220]}")
        self.events += 1
        self._write(EVENT, canonical(event), event)
        world.watch.before(event, engine)
        commands = engine.process(event)
        for command in commands:
            self._write(COMMAND, to_json(command.record()), event)
        world.watch.after(event, engine, commands)
        self._settle(commands)

    def _write(self, kind: str, payload: bytes, event: EngineEvent) -> None:
        """Chain a record that is not on the disk yet."""
        written = self._pending or self.journal
        last = written[-1] if written else None
        session = f"s{self.generation}"
        self._pending.append(
            chain(last, time=event.time, session=session, kind=kind, payload=payload)
        )

    def _settle(self, commands: tuple[Command, ...]) -> None:
        """Put everything on the disk, then do what is wanted, unless something kills us."""
        world, rate = self._world, self._world.faults.crash
        dies = world.hits(rate)
        place = world.chance.randrange(len(commands) + 2) if dies else None
        if place == 0:
            world.watch.undo()
            self.crash("before writing")
            return
        self.journal += self._pending
        self._pending.clear()
        for number, command in enumerate(commands, start=1):
            if place == number:
                self.crash(f"before {type(command).__name__}")
                return
            self._carry_out(command)
            if self.engine is None:
                return
        if place is not None:
            self.crash("after sending")

    def _carry_out(self, command: Command) -> None:
        """Do what the engine wants."""
        world = self._world
        if isinstance(command, SetTimer):
            self._set(command)
        elif isinstance(command, ClearTimer):
            self._timers.pop(command.name, None)
        elif isinstance(command, End):
            world.say(lambda: f"== ended: {command.reason} ({command.code})")
            self.engine = None
            world.watch.ended(command)
            if world.goes_on:
                world.after(world.between(*_DOWN), self.start)
        else:
            world.network.send(command)

    def _set(self, command: SetTimer) -> None:
        """Tell the engine when it is time."""
        world, name, asker = self._world, command.name, self.generation
        self._timer += 1
        number = self._timers[name] = self._timer

        def fire() -> None:
            if self._timers.get(name) == number and asker == self.generation:
                del self._timers[name]
                self.hear(lambda time: TimerFired(time=time, name=name), asker)

        world.after(max(0.0, (command.due - world.local()).total_seconds()), fire)


def operated(command: str, **arguments: str) -> Told:
    """Return the report of what a person wants."""
    return lambda time: OperatorCommand(
        time=time, command=command, operator="ann", reason="simulated", arguments=arguments
    )

"""Runs a trading engine: takes what happens, writes it down, then does what the engine wants.

Nothing is sent before its record is on the disk, and nothing is taken for done before it is told.
"""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from rustybt.errors import RustyBTError
from rustybt.journal.errors import JournalError
from rustybt.journal.payload import canonical
from rustybt.model.codec import to_json
from rustybt.model.event import BarClosed, OperatorCommand, QuoteChanged
from rustybt.trading.commands import (
    Alert,
    Cancel,
    ClearTimer,
    End,
    Modify,
    Query,
    SetTimer,
    Severity,
    Submit,
    TakeSnapshot,
)
from rustybt.trading.fold import COMMAND, EVENT
from rustybt.trading.notices import Notices
from rustybt.trading.reports import Heartbeat, SessionStarted, SessionStopped
from rustybt.trading.simulated import SimulatedVenue
from rustybt.trading.summary import FOLD_VERSION
from rustybt.trading.timers import Timers

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from datetime import datetime
    from typing import Any

    from rustybt.journal.lease import Lease
    from rustybt.journal.store import Journal
    from rustybt.trading.commands import Command
    from rustybt.trading.engine import Engine
    from rustybt.trading.ports import Clock, Feed, Notifier, Observer, Venue
    from rustybt.trading.reports import EngineEvent

FAILED: Final = 3
"""The code of a session that could not go on."""
_REHEARSED: Final = 1000
"""Records that are written together where nothing outside depends on them."""
_MARKET: Final = (BarClosed, QuoteChanged)


class RunnerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How often a runner does what is not trading.

    *sign_every* and *snapshot_every* count records; *heartbeat* goes by the session's clock,
    *lease_for* (how long the account stays reserved after the last sign of life) by the wall.
    """

    heartbeat: timedelta = timedelta(seconds=60)
    sign_every: int = 1000
    snapshot_every: int = 20_000
    lease_for: timedelta = timedelta(seconds=15)


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How a session ended: *code* 0 is as planned."""

    code: int
    reason: str


class Runner:
    """One session of *engine*. :meth:`run` returns when it has ended.

    *feed* makes the feed, which may want to know when all is :meth:`settled`. *journal* is open,
    with the lease of the account as its fence if there is a *lease*; *wall* is the real time that
    leases go by. *observer* follows what is done. Events may come from any place on the event loop
    through :meth:`put`.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        venue: Venue,
        feed: Callable[[Runner], Feed],
        clock: Clock,
        journal: Journal,
        notifier: Notifier,
        started: SessionStarted,
        wall: Callable[[], Any],
        settings: RunnerSettings | None = None,
        lease: Lease | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.engine = engine
        self.settings = RunnerSettings() if settings is None else settings
        self._venue = venue
        self._clock = clock
        self._journal = journal
        self._notices = Notices(notifier)
        self._started = started
        self._wall = wall
        self._lease = lease
        self._observer = observer
        self._unobserved: list[tuple[EngineEvent | Command, datetime]] = []
        self._timers = Timers(clock, self.put)
        self._urgent: deque[EngineEvent] = deque()
        self._market: deque[EngineEvent] = deque()
        self._wanted: list[Command] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._ending: Ending | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        # Venue and time are made here as well: what a crash undoes is undone for all of them.
        self._is_rehearsal = isinstance(venue, SimulatedVenue) and clock.kind == "simulated"
        self._signed = self._snapshot = self._committed = self._sequence
        self.events = 0
        self._feed = feed(self)
        self.error: BaseException | None = None
        """What ended the session, if it was something that nobody had foreseen."""

    @property
    def _sequence(self) -> int:
        """The number of the newest record."""
        last = self._journal.last
        return 0 if last is None else last.sequence

    @property
    def unsent_alerts(self) -> int:
        """How many alerts could not be told to anybody."""
        return self._notices.lost

    # For whoever tells something

    def put(self, event: EngineEvent) -> None:
        """Take *event* for the next turn; what is no bar or quote goes first."""
        (self._market if isinstance(event, _MARKET) else self._urgent).append(event)
        self._idle.clear()
        self._wake.set()

    def operate(self, command: str, operator: str, reason: str, **arguments: str) -> None:
        """Take the command of a person."""
        self.put(
            OperatorCommand(
                time=self._clock.now(),
                command=command,
                operator=operator,
                reason=reason,
                arguments=arguments,
            )
        )

    def abort(self, reason: str, code: int = FAILED) -> None:
        """End at once: nothing more is sent, and nothing is cancelled."""
        if self._ending is None:
            self._ending = Ending(code=code, reason=reason)
        self._wake.set()

    async def settled(self) -> None:
        """Return when all that was told, and what followed at once from it, is done."""
        for _ in range(3):  # a sleeper that was woken, and the task that it tells, each need a turn
            await asyncio.sleep(0)
        await self._idle.wait()

    # The session

    async def run(self, *, enabled_by: str | None = None, reason: str = "") -> Ending:
        """Run the session to its end; *enabled_by* lets it trade for a *reason*, once recovered."""
        try:
            await self._venue.start(self.put)
            self.put(self._started)
            if enabled_by is not None:
                self.operate("enable", enabled_by, reason)
            self._spawn(self._beat())
            if self._lease is not None:
                self._spawn(self._hold(self._lease))
            settings = self.engine.settings
            await self._feed.start(self.put, settings.symbols, settings.interval)
            await self._work()
        except RustyBTError as error:
            self._fail(str(error))
        except Exception as error:  # noqa: BLE001 - a crash must be told, and recovery is the start
            self._fail(f"{type(error).__name__}: {error}", error)
        finally:
            await self._close()
        assert self._ending is not None  # noqa: S101 - _work and _fail both set it
        return self._ending

    async def _work(self) -> None:
        """Take turns until the session ends."""
        while self._ending is None:
            if not (self._urgent or self._market):
                self._wake.clear()
                self._idle.set()
                await self._wake.wait()
                continue
            self._turn()
            await asyncio.sleep(0)

    def _turn(self) -> None:
        """Process what waits; then write it down, whole, and only then do what follows from it."""
        while self._urgent:
            self._process(self._urgent.popleft())
        if not self._market:
            self._settle()
            return
        while self._market and not self._urgent:
            if isinstance(self._venue, SimulatedVenue):
                # It trades by the bar as if its orders had long arrived: first send them.
                self._settle()
                if self._urgent or self._ending is not None:
                    return
                for event in self._venue.on_event(self._market[0]):
                    self._process(event)
            self._process(self._market.popleft())
        self._settle()

    def _process(self, event: EngineEvent) -> None:
        """Journal *event*, and what the engine wants because of it."""
        if self._ending is not None:
            return
        self._journal.append(EVENT, canonical(event), event.time)
        self.events += 1
        self._unobserved.append((event, event.time))
        for command in self.engine.process(event):
            self._journal.append(COMMAND, to_json(command.record()), event.time)
            self._wanted.append(command)
            self._unobserved.append((command, event.time))

    def _settle(self) -> None:
        """Put everything on the disk, then carry out what is wanted."""
        if not self._is_rehearsal or self._sequence - self._committed >= _REHEARSED:
            self._commit()
        wanted, self._wanted = self._wanted, []
        for command in wanted:
            self._carry_out(command)
        self._show()
        self._keep_house()

    def _show(self) -> None:
        """Let who follows the session see what was done."""
        done, self._unobserved = self._unobserved, []
        if self._observer is not None:
            for told, time in done:
                self._observer.observe(told, time)

    def _commit(self) -> None:
        """Put everything on the disk."""
        self._journal.commit()
        self._committed = self._sequence

    def _carry_out(self, command: Command) -> None:
        """Do what the engine wants."""
        match command:
            case Submit():
                self._venue.submit(command.approved, command.group)
            case Modify():
                self._venue.modify(command.approved)
            case Cancel():
                self._venue.cancel(command.client_id)
            case Query():
                self._venue.query(command.client_id, command.symbol, command.venue_id)
            case TakeSnapshot():
                self._venue.snapshot(self.engine.settings.symbols, command.since)
            case SetTimer():
                self._timers.set(command.name, command.due)
            case ClearTimer():
                self._timers.clear(command.name)
            case Alert():
                self._notify(command)
            case End():
                self.abort(command.reason, command.code)

    def _notify(self, alert: Alert) -> None:
        """Hand *alert* on; whatever becomes of it must not concern trading."""
        self._notices.notify(alert, self._clock.now())

    def _keep_house(self) -> None:
        """Sign the head and keep the state, every so many records."""
        now = self._sequence
        if now - self._signed >= self.settings.sign_every:
            self._signed = now
            self._commit()
            self._journal.sign_head()
        if now - self._snapshot >= self.settings.snapshot_every:
            self._snapshot = now
            self._commit()
            self._journal.save_snapshot(now, FOLD_VERSION, to_json(self.engine.state))

    # What runs beside

    async def _beat(self) -> None:
        """Put a sign of life into the journal."""
        due = self._clock.now()
        while True:
            due = max(due + self.settings.heartbeat, self._clock.now())
            await self._clock.sleep_until(due)
            states = {
                "phase": str(self.engine.phase),
                "waiting": str(len(self._market)),
                "unsent_alerts": str(self._notices.lost),
            }
            if (skew := getattr(self._venue, "skew_ms", None)) is not None:
                states["skew_ms"] = str(skew)
            self.put(Heartbeat(time=max(due, self._clock.now()), states=states))

    async def _hold(self, lease: Lease) -> None:
        """Keep the account reserved; end at once if somebody else has it."""
        while True:
            await asyncio.sleep(self.settings.lease_for.total_seconds() / 3)
            try:
                lease.renew(self._wall(), self.settings.lease_for)
            except JournalError as error:
                self._fail(str(error))
                return

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run *work* beside the session; what goes wrong with it ends the session."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        """Take note of the end of something that should not end."""
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._fail(f"{task.get_name()} failed: {task.exception()}")

    def _fail(self, reason: str, error: BaseException | None = None) -> None:
        """End at once, and tell people."""
        self.error = error or self.error
        if self._ending is None:
            alert = Alert(kind="session_failed", severity=Severity.CRITICAL, message=reason)
            self._unobserved.append((alert, self._clock.now()))
            self._notify(alert)
        self.abort(reason)

    async def _close(self) -> None:
        """End everything that was begun; the last record says how it ended."""
        self._timers.clear_all()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for part in (self._feed, self._venue):
            try:
                await part.stop()
            except RustyBTError as error:
                self._fail(str(error))
        try:
            self._say_goodbye()
        except JournalError as error:
            self._fail(str(error))
        if self._lease is not None:
            try:
                self._lease.release()
            except JournalError as error:
                self._fail(str(error))
        self._show()
        self._notices.close()

    def _say_goodbye(self) -> None:
        """Write down that the session ended, and sign it."""
        ending = self._ending or Ending(code=FAILED, reason="the session was cut off")
        stopped = SessionStopped(
            time=self._clock.now(), reason=ending.reason, planned=ending.code == 0
        )
        self._journal.append(EVENT, canonical(stopped), stopped.time)
        self._unobserved.append((stopped, stopped.time))
        self.engine.process(stopped)
        self._journal.commit()
        self._journal.sign_head()


__all__ = ["FAILED", "Ending", "Runner", "RunnerSettings"]

"""What a deployment's journal says, followed record by record, and whether its engine runs."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from rustybt.api.tally import Tally
from rustybt.data.interval import parse_interval
from rustybt.deployment import trading_hours
from rustybt.errors import RustyBTError
from rustybt.home import Home
from rustybt.system.wiring import open_journal
from rustybt.trading.books import Books
from rustybt.trading.control import ControlError, NotRunningError, Request, ask, socket_file
from rustybt.trading.fold import add
from rustybt.trading.state import EngineState
from rustybt.trading.summary import kept_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date, datetime, timedelta

    from rustybt.journal.records import Record
    from rustybt.journal.store import Journal
    from rustybt.risk.limits import TradingHours
    from rustybt.settings import Settings

PATIENCE: Final = 2.0
"""Seconds that a running engine may take to say that it is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How things stood at *now*.

    *state* is what the journal adds up to, empty while there is none; *problem* says why it cannot
    be read. *engine* is ``running``, ``not running`` or ``silent`` (it listens, and does not
    answer); *told* is what a running one says of itself. *written* is the time of the last record.
    *interval* is how long a bar of the deployment is, *hours* tell whether a market is open.
    """

    now: datetime
    state: EngineState = field(default_factory=EngineState)
    tally: Tally = field(default_factory=Tally)
    sequence: int = 0
    written: datetime | None = None
    problem: str = ""
    engine: str = "not running"
    told: dict[str, Any] | None = None
    interval: timedelta
    hours: TradingHours | None = None

    @property
    def is_running(self) -> bool:
        """Whether the engine answers."""
        return self.told is not None


class Watch:
    """Follows the journal of the deployment that *settings* describe; safe for threads.

    *clock* gives the present time. Counts begin with the newest snapshot of the journal's state.
    """

    def __init__(self, settings: Settings, clock: Callable[[], datetime]) -> None:
        self.settings = settings
        self.clock = clock
        self._socket = socket_file(Home(settings.home))
        self._interval = parse_interval(settings.data_interval).length
        self._hours: tuple[date, TradingHours] | None = None
        self._lock = threading.Lock()
        self._forget()

    def view(self) -> View:
        """Read what is new, and return how things stand; say what cannot be read."""
        engine, told = self._asked()  # before the journal: that must not be behind the answer
        with self._lock:
            problem = self._read()
            last, now = self._last, self.clock()
            return View(
                now=now,
                state=self._state,
                tally=self._tally.copy(),
                sequence=0 if last is None else last.sequence,
                written=None if last is None else last.time,
                problem=problem,
                engine=engine,
                told=told,
                interval=self._interval,
                hours=self._hours_of(now),
            )

    def _asked(self) -> tuple[str, dict[str, Any] | None]:
        """Return whether the engine runs, and what it says."""
        try:
            answer = ask(self._socket, Request(command="status"), patience=PATIENCE)
        except NotRunningError:
            return "not running", None
        except ControlError:
            return "silent", None
        return "running", answer["status"]

    def _hours_of(self, now: datetime) -> TradingHours:
        """Return when the deployment's market is open; a calendar reaches so far only."""
        if self._hours is None or self._hours[0] != now.date():
            self._hours = now.date(), trading_hours(self.settings, now)
        return self._hours[1]

    def _forget(self) -> None:
        """Know nothing of the journal."""
        self._books = Books()
        self._state = EngineState()
        self._tally = Tally()
        self._last: Record | None = None
        self._is_begun = False

    def _read(self) -> str:
        """Take up what is new in the journal; return why that is not possible."""
        try:
            # Opened anew each time: see Journal.open on those who watch for long.
            with open_journal(
                self.settings, session="api", clock=self.clock, readonly=True
            ) as journal:
                self._follow(journal)
        except RustyBTError as error:
            self._forget()
            return str(error)
        return ""

    def _follow(self, journal: Journal) -> None:
        """Take up the records behind the last one, all of them if it is not there any more."""
        if self._last is not None and not _holds(journal, self._last):
            self._forget()
        if self._last is not None and journal.committed.own == self._last.own:
            return
        after = 0 if self._last is None else self._last.sequence
        if not self._is_begun:
            kept, after = kept_state(journal)
            self._books, self._is_begun = Books(kept), True
        self._take(journal.records(after))
        if self._last is None:
            self._last = journal.last  # nothing came behind the snapshot
        self._state = self._books.state()

    def _take(self, records: Iterable[Record]) -> None:
        """Take up records, each of which follows on the one before."""
        for each in records:
            self._tally.count(add(self._books, each), each.time)
            self._last = each


def _holds(journal: Journal, known: Record) -> bool:
    """Tell whether *known* is still a record of *journal*: another one may have been restored."""
    found = next(journal.records(known.sequence - 1, upto=known.sequence), None)
    return found is not None and found.own == known.own

"""What a trading engine is plugged into: a venue, a feed, a clock, a journal, a place for alerts.

Nothing here waits for an answer: venues and feeds report events through the *sink* that they were
started with, on the event loop that started them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from rustybt.execution.broker import Broker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime, timedelta

    from rustybt.journal.records import Record
    from rustybt.model.instrument import Instrument
    from rustybt.trading.commands import Alert, Command
    from rustybt.trading.reports import EngineEvent

    Sink = Callable[[EngineEvent], None]
    """Takes what happened; returns at once."""


class Clock(Protocol):
    """Where "now" comes from. *kind* is ``wall``, ``scaled`` or ``simulated``."""

    @property
    def kind(self) -> str:
        """What the times of a session are worth as evidence."""
        ...

    def now(self) -> datetime:
        """Return the time, aware UTC."""
        ...

    async def sleep_until(self, time: datetime) -> None:
        """Return at *time*, at once if it has passed."""
        ...


class Venue(Broker, Protocol):
    """A broker that can also be asked. Every method returns at once; answers come as events.

    ``submit``, ``cancel``, ``modify``: a request that goes wrong is reported as
    :class:`~rustybt.trading.reports.RequestFailed` with its outcome. It is not repeated, except
    where it was certainly not sent and the venue asked to be left alone for a while.
    """

    @property
    def name(self) -> str:
        """What the venue is called in records."""
        ...

    async def start(self, sink: Sink) -> Mapping[str, Instrument]:
        """Connect; return the instruments, by symbol. Raise ``RustyBTError`` if it cannot."""
        ...

    async def stop(self) -> None:
        """Disconnect. Orders that are open stay so."""
        ...

    def query(self, client_id: str, symbol: str, venue_id: str | None = None) -> None:
        """Ask for an order: ``OrderFound``, ``OrderMissing``, or ``RequestFailed``."""
        ...

    def snapshot(self, symbols: Sequence[str], since: datetime | None) -> None:
        """Ask for the account: ``VenueSnapshot`` or ``RequestFailed``."""
        ...


class Feed(Protocol):
    """A stream of market events: ``BarClosed``, ``QuoteChanged``, and connections come and gone.

    Only complete bars are reported, each once, those of one symbol in order of time. After a lost
    connection the bars missed are fetched and come first.
    """

    async def start(self, sink: Sink, symbols: Sequence[str], interval: timedelta) -> None:
        """Begin to report."""
        ...

    async def stop(self) -> None:
        """End."""
        ...


class Log(Protocol):
    """The part of :class:`rustybt.journal.store.Journal` that a runner writes to."""

    @property
    def last(self) -> Record | None:
        """The newest record."""
        ...

    def append(self, kind: str, payload: bytes, time: datetime | None = None) -> Record:
        """Chain a record; it is on disk after the next :meth:`commit`."""
        ...

    def commit(self) -> None:
        """Write what was appended; raise if it is not on the disk. Nothing may be sent then."""
        ...


class Notifier(Protocol):
    """Where alerts go. It returns at once, never raises, and delivers when it can."""

    def notify(self, alert: Alert, time: datetime) -> None:
        """Take an alert for delivery."""
        ...


class Observer(Protocol):
    """Who follows a session. It returns at once, never raises, and changes nothing."""

    def observe(self, told: EngineEvent | Command, time: datetime) -> None:
        """Take note of what happened, or was wanted because of it, at the session's *time*.

        It is in the journal by then, and what was wanted is on its way.
        """
        ...

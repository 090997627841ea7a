"""Ship the journal elsewhere while the engine runs, and measure how much could be lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rustybt.backup.errors import BackupError
from rustybt.backup.offsite import shown_url
from rustybt.errors import RustyBTError
from rustybt.files import write_atomic
from rustybt.home import Home
from rustybt.journal.places import heads_file, journal_url
from rustybt.journal.replication import Replicator
from rustybt.journal.store import Journal
from rustybt.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from rustybt.security.vault import Clock

FOLDER = "journal"
"""Where below ``OFFSITE_URL`` the copy of the journal is."""


class Shipped(msgspec.Struct, frozen=True, kw_only=True):
    """How far the copy of a journal is, and what could be lost with the host.

    *target* is where it goes, without what may be secret; *time* when this was found out. *shipped*
    is the last record that was found in the copy, *pending* how many on disk were not.
    *safe_until*: what was on disk at that time is in it. *rpo_seconds* is how much could be lost
    just before this, from the earlier *safe_until* to now; *worst_seconds* the most since *since*.
    *problem* is why the last attempt failed, ``None`` if it did not.
    """

    target: str
    time: datetime
    since: datetime
    shipped: int
    pending: int
    safe_until: datetime | None
    rpo_seconds: float | None
    worst_seconds: float | None
    problem: str | None


def replication_file(home: Home) -> Path:
    """Return the file that tells how far the copy is; it is replaced with each attempt."""
    return home.state / "replication.json"


def target_of(root: Path, environ: Mapping[str, str], to: str | None) -> str:
    """Return where the copy of the journal of the home *root* goes: *to*, else ``OFFSITE_URL``.

    Raise `BackupError` if neither is given.
    """
    if to is not None:
        return to
    offsite = load_settings(root, environ).offsite_url
    if offsite is None:
        raise BackupError(
            "there is no place to copy the journal to",
            expected="--to with a folder or a URL, or OFFSITE_URL in .env",
        )
    return f"{offsite.get_secret_value().rstrip('/')}/{FOLDER}"


class Replication:
    """Ships the journal of the home *root* to *target* whenever `ship` is called.

    The journal is opened anew each time, for reading only: it need not be there yet.
    """

    def __init__(
        self, root: Path, environ: Mapping[str, str], clock: Clock, *, target: str
    ) -> None:
        settings = load_settings(root, environ)
        self._home, self._url = Home(settings.home), journal_url(settings)
        self._clock, self._target = clock, target
        self._since = clock()
        self._safe_until: datetime | None = None
        self._worst: float | None = None
        self._shipped = 0

    def ship(self) -> Shipped:
        """Copy what is on disk by now, and keep on record how far that went.

        A store or a journal that fails is a `problem` in what is returned. Raise `BackupError` only
        if even that cannot be written.
        """
        begun = self._clock()
        shipped, pending, problem = self._attempt()
        now = self._clock()
        lost_from = self._safe_until
        if problem is None:
            self._safe_until = begun
        rpo = None if lost_from is None else (now - lost_from).total_seconds()
        if rpo is not None:
            self._worst = max(rpo, self._worst or 0.0)
        return self._kept(
            Shipped(
                target=shown_url(self._target),
                time=now,
                since=self._since,
                shipped=shipped,
                pending=pending,
                safe_until=self._safe_until,
                rpo_seconds=rpo,
                worst_seconds=self._worst,
                problem=problem,
            )
        )

    def _attempt(self) -> tuple[int, int, str | None]:
        try:
            with Journal.open(
                self._url,
                session="replication",
                clock=self._clock,
                readonly=True,
                heads=heads_file(self._home),
            ) as journal:
                state = Replicator(journal, self._target, clock=self._clock).ship()
                if state.problem is None:
                    self._shipped = state.shipped
                pending = max(journal.committed.sequence - self._shipped, 0)
        except RustyBTError as error:
            return self._shipped, 0, str(error)
        return self._shipped, pending, state.problem

    def _kept(self, shipped: Shipped) -> Shipped:
        path = replication_file(self._home)
        try:
            write_atomic(path, msgspec.json.encode(shipped))
        except OSError as error:
            raise BackupError(f"cannot write {path}: {error.strerror}") from error
        return shipped


def shipments(
    replication: Replication, every: float, wait: Callable[[float], bool]
) -> Iterator[Shipped]:
    """Yield what became of each attempt, *every* seconds, until *wait* says that it is over.

    *wait* takes seconds, and returns whether to end; what is on disk then is shipped once more.
    """
    yield replication.ship()
    while not wait(every):
        yield replication.ship()
    yield replication.ship()

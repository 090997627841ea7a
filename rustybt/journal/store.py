"""The journal: records in a database, appended and never changed."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Self

import msgspec

from rustybt.journal.connection import Fence, Writer
from rustybt.journal.database import PATIENCE, POOL, database_errors, open_database, problems_of
from rustybt.journal.errors import JournalError
from rustybt.journal.heads import HeadStore, SignedHead, sign
from rustybt.journal.reading import checked_records, damaged
from rustybt.journal.records import GENESIS, Head, Record, chain, is_whole
from rustybt.journal.snapshots import Snapshot, latest, save

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from datetime import datetime
    from pathlib import Path
    from types import TracebackType

    from sqlalchemy import Engine

    from rustybt.journal.lease import Lease
    from rustybt.journal.signing import SigningKey

_parse = msgspec.json.Decoder(msgspec.Raw).decode


class Journal:
    """An append-only chain of records in a database. Made by `open`; safe for threads.

    What is appended is chained at once and written, with all that was appended before, by the next
    `commit`. After any failure to write, nothing more is taken until the journal is opened anew:
    only then is it known what is on disk. Errors of the database are
    :class:`~rustybt.journal.errors.JournalError`.
    """

    def __init__(
        self,
        engine: Engine,
        writer: Writer,
        *,
        session: str,
        clock: Callable[[], datetime],
        key: SigningKey | None,
        readonly: bool,
        heads: HeadStore,
    ) -> None:
        self.engine = engine
        self.session = session
        self._clock = clock
        self._key = key
        self._readonly = readonly
        self._heads = heads
        self._kinds: set[str] = set()
        self._fence: Fence | None = None
        self._pending: list[Record] = []
        self._failure: str | None = None
        self._chaining, self._writing = threading.Lock(), threading.Lock()
        self._writer = writer
        self._last = self._committed = self._read_last()

    @classmethod
    def open(
        cls,
        url: str,
        *,
        session: str,
        clock: Callable[[], datetime],
        key: SigningKey | None = None,
        readonly: bool = False,
        heads: Path | None = None,
        patience: float = PATIENCE,
        pool: int = POOL,
    ) -> Journal:
        """Open the journal at *url*, which is made if there is none, for the run *session*.

        *url* is ``sqlite:///path``, ``postgresql+psycopg://...`` or ``sqlite://``, which is in
        memory. *clock* gives the time of records and signatures. *key* signs heads; they are kept
        in the database and, beside it, in the file *heads*. Another process's transaction is waited
        for *patience* seconds; *pool* connections are lent at once beside the writer's own. With
        *readonly* there has to be a journal, and nothing is written; who watches for long opens it
        anew each time: a file that nobody has open for writing is taken for one that does not
        change.

        Raise :class:`~rustybt.journal.errors.JournalError` if the database refuses, is of
        a newer version, or lacks records that were signed.
        """
        if not session or "\0" in session:
            raise JournalError(f"{session!r} is no name of a session", expected="some text")
        engine = open_database(url, readonly=readonly, patience=patience, pool=pool)
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(engine.dispose)
            with problems_of(engine):
                writer = Writer(engine)
            on_failure.callback(writer.close)
            journal = cls(
                engine,
                writer,
                session=session,
                clock=clock,
                key=key,
                readonly=readonly,
                heads=HeadStore(engine, heads),
            )
            journal._refuse_cut()
            on_failure.pop_all()
        return journal

    @property
    def last(self) -> Record | None:
        """The last record that was appended, on disk or not yet; None while there is none."""
        return self._last

    @property
    def head(self) -> Head:
        """Number and hash of `last`; number 0 while there is none."""
        return _head(self._last)

    @property
    def committed(self) -> Head:
        """Number and hash of the last record that is on disk; number 0 while there is none."""
        return _head(self._committed)

    def append(self, kind: str, payload: bytes, time: datetime | None = None) -> Record:
        """Chain a record of *payload*, which `canonical` made, and return it; `commit` writes it.

        Without *time* (aware) it is the clock's. Raise `JournalError` for a payload that is no JSON
        in one line, for an empty *kind*, and if the journal takes no more.
        """
        if kind not in self._kinds:
            _refuse_kind(kind)
            self._kinds.add(kind)
        _refuse_payload(payload)
        with self._chaining:
            self._refuse_unusable()
            record = chain(
                self._last,
                time=self._clock() if time is None else time,
                session=self.session,
                kind=kind,
                payload=payload,
            )
            self._pending.append(record)
            self._last = record
        return record

    def commit(self) -> None:
        """Write everything that was appended so far; it is on disk when this returns.

        Callers in several threads share one transaction where they can. Raise `JournalError` if it
        cannot be written, or another process wrote meanwhile, and ``LeaseLostError`` if the lease
        of `fence` is lost; nothing more is taken then.
        """
        with self._writing:
            with self._chaining:
                self._refuse_unusable()
                group, self._pending = self._pending, []
            if not group:
                return
            with self._giving_up():
                self._writer.append(group, self.committed, self._fence)
            self._committed = group[-1]

    def fence(self, lease: Lease) -> None:
        """Let every later `commit` fail once another process has taken *lease* over."""
        self._fence = Fence(lease.name, lease.token)

    def records(
        self, after: int = 0, kinds: Collection[str] | None = None, upto: int | None = None
    ) -> Iterator[Record]:
        """Yield what is on disk behind number *after*, to *upto*, of some *kinds* or of all.

        Each record is checked to be whole and, where all kinds are read, to follow the one before;
        raise `JournalError` at the first that is not, and if the database refuses.
        """
        found = checked_records(self.engine, after, kinds=kinds, upto=upto)
        while True:
            with problems_of(self.engine):
                record = next(found, None)
            if record is None:
                return
            yield record

    def sign_head(self) -> SignedHead:
        """Sign what is on disk, keep the signature in the database and in the file, return it.

        Raise `JournalError` without a key, with nothing on disk, and if it cannot be kept.
        """
        with self._writing:
            self._refuse_readonly()
            if self._key is None:
                raise JournalError(
                    "the journal has no key to sign with", remedy="open it with a signing key"
                )
            if self._committed is None:
                raise JournalError("there is nothing to sign: the journal is empty")
            signed = sign(self._key, self.committed, self._clock())
            with problems_of(self.engine):
                self._heads.keep(signed)
        return signed

    def save_snapshot(self, sequence: int, fold_version: str, data: bytes) -> None:
        """Keep *data*, what a fold of *fold_version* made of the records up to *sequence*.

        It is a cache: losing one costs time only. Raise `JournalError` if there is no such record
        on disk, or if the database refuses.
        """
        with self._writing, problems_of(self.engine):
            self._refuse_readonly()
            save(self.engine, sequence, fold_version, data)

    def latest_snapshot(self, fold_version: str) -> Snapshot | None:
        """Return the newest snapshot of *fold_version* that belongs to this chain, if there is one.

        One that is damaged, or was made of another chain, is ignored.
        """
        with problems_of(self.engine):
            return latest(self.engine, fold_version)

    def close(self) -> None:
        """Close the connections. What was not committed is not kept."""
        with self._writing, self._chaining:
            self._failure = "it is closed"
            self._pending = []
            with contextlib.suppress(*database_errors(self.engine)):
                self._writer.close()
            self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _read_last(self) -> Record | None:
        with problems_of(self.engine):
            last = self._writer.last()
        if last is not None and not is_whole(last):
            raise damaged(last.sequence)
        return last

    def _refuse_cut(self) -> None:
        """Raise `JournalError` if records are missing that a head names, or are others."""
        with problems_of(self.engine):
            signed = self._heads.newest()
        if signed is None:
            return
        found = next(self.records(signed.sequence - 1, None, signed.sequence), None)
        if found is None or found.own != signed.own:
            raise JournalError(
                f"the journal ends at record {self.committed.sequence} or was written anew: "
                f"record {signed.sequence}, which was signed, is not there",
                remedy="run verify-audit, then restore the journal from a backup",
            )

    def _refuse_readonly(self) -> None:
        if self._readonly:
            raise JournalError("the journal is open for reading only")

    def _refuse_unusable(self) -> None:
        self._refuse_readonly()
        if self._failure is not None:
            raise JournalError(
                f"the journal takes no more records: {self._failure}", remedy="open it anew"
            )

    @contextlib.contextmanager
    def _giving_up(self) -> Iterator[None]:
        """Take nothing more after any error: what is on disk is unknown."""
        try:
            with problems_of(self.engine):
                yield
        except BaseException as error:
            with self._chaining:
                self._failure = str(error) or type(error).__name__
                self._pending = []
                self._last = self._committed
            raise


def _head(record: Record | None) -> Head:
    if record is None:
        return Head(sequence=0, own=GENESIS)
    return Head(sequence=record.sequence, own=record.own)


def _refuse_kind(kind: str) -> None:
    if not kind or "\0" in kind:  # PostgreSQL keeps no such text
        raise JournalError(f"{kind!r} is no kind of a record", expected="some text")


def _refuse_payload(payload: bytes) -> None:
    try:
        _parse(payload)
    except msgspec.DecodeError as error:
        raise JournalError(f"the payload is no JSON: {error}") from error
    if b"\n" in payload:
        raise JournalError("the payload has several lines", expected="canonical JSON")

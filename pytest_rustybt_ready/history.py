"""The history: one line per run in a file whose lines are chained by hash."""

from __future__ import annotations

import fcntl
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import UNSET, UnsetType

from pytest_rustybt_ready.canonical import digest, digest_bytes, to_bytes
from pytest_rustybt_ready.errors import HistoryError
from pytest_rustybt_ready.record import Changes, Record
from pytest_rustybt_ready.statements import revocations
from pytest_rustybt_ready.values import Disposition, Instant, Stage, Subject, Value

FILE = "history.jsonl"
START = "sha256:" + "0" * 64


class Entry(Value, frozen=True, kw_only=True):
    """One run as the history keeps it: the disposition of each item that the run covered.

    ``previous`` is the digest of the line before; ``digest`` that of this line's other fields.
    ``revocations`` are the digests of those that the run saw, in the deployment that ``home``
    stands for; both are left out where there were none.
    """

    previous: str
    at: Instant
    stage: Stage
    status: str
    commit: str
    subject: str
    record: str
    items: dict[str, Disposition]
    digest: str = ""
    home: str | UnsetType = UNSET
    revocations: tuple[str, ...] | UnsetType = UNSET

    def sealed(self) -> Entry:
        """Return the entry with its digest filled in."""
        bare = msgspec.structs.replace(self, digest="")
        return msgspec.structs.replace(self, digest=digest(bare))


class History:
    """The runs recorded in a file. A missing file is an empty history."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def entries(self) -> list[Entry]:
        """Return all runs, oldest first.

        Raises HistoryError at the first line that is not sound, OSError if the file is unreadable.
        """
        try:
            return self._parse(self.path.read_bytes())
        except FileNotFoundError:
            return []

    def revocations(self, subject: Subject) -> dict[str, str]:
        """Return the revocations that earlier runs saw in this deployment, with which run it was.

        A history that cannot be read knows of none; that is told where runs are compared.
        """
        try:
            entries = self.entries()
        except (HistoryError, OSError):
            return {}
        seen: dict[str, str] = {}
        for entry in entries:
            if entry.revocations is not UNSET and entry.home == home_of(subject):
                who = f"the run of {entry.at:%Y-%m-%d %H:%M} UTC"
                seen = dict.fromkeys(entry.revocations, who) | seen
        return seen

    def append(self, record: Record) -> None:
        """Add *record*'s run to the file; raise as :meth:`entries` does."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+") as file:
            # two runs may end at the same time: a chain has one line after each line
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            entries = self._parse(file.read())
            entry = entry_of(record, entries[-1].digest if entries else START)
            file.write(to_bytes(entry) + b"\n")

    def set_aside(self) -> Path:
        """Move a broken file out of the way, keeping it, and return where it went."""
        number = 1
        while (kept := self.path.with_suffix(f".broken-{number}.jsonl")).exists():
            number += 1
        return self.path.rename(kept)

    def _parse(self, data: bytes) -> list[Entry]:
        entries: list[Entry] = []
        for number, line in enumerate(data.splitlines(), start=1):
            previous = entries[-1].digest if entries else START
            entries.append(self._entry(number, line, previous))
        if data and not data.endswith(b"\n"):
            raise HistoryError(f"{self.path}, line {len(entries)}: it has no end")
        return entries

    def _entry(self, number: int, line: bytes, previous: str) -> Entry:
        where = f"{self.path}, line {number}"
        try:
            entry = msgspec.json.decode(line, type=Entry)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise HistoryError(f"{where}: not a history entry: {error}") from error
        if entry.sealed().digest != entry.digest:
            raise HistoryError(f"{where}: altered since it was written")
        if entry.previous != previous:
            raise HistoryError(f"{where}: does not follow the line before it")
        return entry


def entry_of(record: Record, previous: str) -> Entry:
    """Return the history's line for *record*.

    A run that was cut short says nothing of the items that it did not get to.
    """
    told = (item for item in record.verdict.items if item.in_scope)
    cut_short = record.run.interrupted
    seen = tuple(sorted(revocations.sound(record.sealed_statements, record.refused)))
    return Entry(
        previous=previous,
        at=record.verdict.at,
        stage=record.run.stage,
        status=record.verdict.status,
        commit=record.subject.commit,
        subject=record.subject.name,
        record=record.digest,
        items={
            item.id: item.disposition
            for item in told
            if not (cut_short and item.disposition is Disposition.NOT_RUN)
        },
        home=home_of(record.subject) if seen else UNSET,
        revocations=seen or UNSET,
    ).sealed()


def home_of(subject: Subject) -> str:
    """Return what stands for the place of a deployment: not its name, which others may share."""
    return digest_bytes(subject.home.encode())


def changes(entries: Iterable[Entry], record: Record) -> Changes:
    """Compare *record* with the newest earlier runs of the same subject at the same stage.

    Each item is compared with the last run that covered it. *Newly stale* items are those that
    were satisfied, and no longer are only because their evidence or signature grew too old.
    """
    before: dict[str, Disposition] = {}
    related = [
        e for e in entries if (e.subject, e.stage) == (record.subject.name, record.run.stage)
    ]
    for entry in related:
        before |= entry.items
    told = entry_of(record, START).items
    covered = [item for item in record.verdict.items if item.id in told and item.id in before]
    lost = [i for i in covered if before[i.id].satisfied and not i.disposition.satisfied]
    won = [i for i in covered if i.disposition.satisfied and not before[i.id].satisfied]
    stale = [item.id for item in lost if item.stale]
    return Changes(
        previous=related[-1].record if related else "",
        fixed=tuple(item.id for item in won),
        regressed=tuple(item.id for item in lost if item.id not in stale),
        newly_stale=tuple(stale),
    )

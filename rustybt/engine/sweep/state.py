"""Results that are kept as they come, so that a second run does only what is missing.

A file of lines, each a checksum and a JSON document: ``inputs`` (digests of strategy, data and
settings, and the version of the engine) or a result with the digest of its inputs, its parameters
and its part of the data. Lines are only ever appended; one that a crash cut off is cut away.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import zlib
from typing import TYPE_CHECKING, Final, NamedTuple, Self

import msgspec

from rustybt.engine.sweep.errors import SweepStateError
from rustybt.engine.sweep.task import Figures, Outcome
from rustybt.malformed import MALFORMED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rustybt.engine.sweep.task import Task

_HEAD: Final = b"rustybt sweep 1\n"
_SYNCED: Final = 64
"""Lines after which the disk is told to be done: to wait for each would take as long as a run."""
_EXPECTED: Final = "a file that a sweep has written, or a new name"


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """All that results depend on besides parameters and part: digests, and a version."""

    strategy: str
    data: str
    settings: str
    engine: str

    @property
    def digest(self) -> str:
        """The digest of all four."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:16]

    def differences(self, other: Inputs) -> list[str]:
        """Return the names of what is not the same."""
        fields = self.__struct_fields__
        return [name for name in fields if getattr(self, name) != getattr(other, name)]


class Entry(msgspec.Struct, omit_defaults=True):
    """What one line says: inputs, or a result."""

    inputs: Inputs | None = None
    of: str = ""
    task: str = ""
    figures: Figures | None = None
    error: str | None = None


class State:
    """The results in the file *path*, which is made if need be, and is ours until it is closed.

    *notes* say what was found there. Raise
    :class:`~rustybt.engine.sweep.errors.SweepStateError` if it cannot be used, holds something
    else, or is another running sweep's.
    """

    def __init__(self, path: Path, inputs: Inputs) -> None:
        self._path = path
        self._of = inputs.digest
        self.notes: list[str] = []
        self._known: dict[str, Entry] = {}
        self._unsynced = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise SweepStateError(f"cannot use {path}: {error.strerror}") from None
        try:
            self._lock()
            self._read(inputs)
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._sync()
        finally:
            os.close(self._file)

    def known(self, tasks: Sequence[Task]) -> list[Outcome]:
        """Return the outcomes of those *tasks* that were run before."""
        found = []
        for task in tasks:
            entry = self._known.get(_name(task))
            if entry is not None:
                found.append(Outcome(task.number, task.part, entry.figures, entry.error))
        return found

    def keep(self, task: Task, outcome: Outcome) -> None:
        """Append *outcome*; not one that never came.

        It survives the end of this process from now on, and a power cut when the state is closed
        or some more have been kept.
        """
        if outcome.lost:
            return
        self._append(
            Entry(of=self._of, task=_name(task), figures=outcome.figures, error=outcome.error)
        )

    def _append(self, entry: Entry) -> None:
        """Append one line."""
        body = msgspec.json.encode(entry)
        self._write(b"%08x %s\n" % (zlib.crc32(body), body))

    def _write(self, line: bytes) -> None:
        """Write *line* whole; raise if the disk refuses."""
        try:
            while line:
                line = line[os.write(self._file, line) :]
            self._unsynced += 1
            if self._unsynced >= _SYNCED:
                self._sync()
        except OSError as error:
            raise SweepStateError(f"cannot write {self._path}: {error.strerror}") from None

    def _sync(self) -> None:
        """Flush everything to the disk."""
        os.fsync(self._file)
        self._unsynced = 0

    def _lock(self) -> None:
        """Take the file for us alone; the kernel gives it back when the process ends."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SweepStateError(
                f"{self._path} is being written by another sweep",
                remedy="wait for it to end, or name another file",
            ) from None

    def _read(self, inputs: Inputs) -> None:
        """Read the whole file; cut off what a crash left half-written."""
        try:
            content = self._path.read_bytes()
        except OSError as error:
            raise SweepStateError(f"cannot read {self._path}: {error.strerror}") from None
        if not content.startswith(_HEAD):
            if not _HEAD.startswith(content):
                raise SweepStateError(
                    f"{self._path} holds no results of a sweep", expected=_EXPECTED
                )
            os.ftruncate(self._file, 0)
            self._write(_HEAD)
            content = _HEAD
        found = parsed(content[len(_HEAD) :])
        if found.torn:
            os.ftruncate(self._file, len(content) - found.torn)
            self.notes.append("the last line was cut off by a crash and is run again")
        if found.damaged:
            self.notes.append(f"{found.damaged} damaged lines are not used")
        self._sort(found.entries, inputs)

    def _sort(self, entries: Sequence[Entry], inputs: Inputs) -> None:
        """Take the results of the same *inputs* and say what the others are of."""
        earlier = [entry.inputs for entry in entries if entry.inputs is not None]
        self._known = {entry.task: entry for entry in entries if entry.of == self._of}
        if inputs not in earlier:
            if earlier:
                changed = ", ".join(inputs.differences(earlier[-1]))
                self.notes.append(f"begun anew: changed since the last run: {changed}")
            self._append(Entry(inputs=inputs))


class Parsed(NamedTuple):
    """What lines say: *entries*, how many were *damaged*, how long the *torn* end of them is."""

    entries: list[Entry]
    damaged: int
    torn: int


def parsed(content: bytes) -> Parsed:
    """Return what the lines in *content* say."""
    end = content.rfind(b"\n") + 1
    found = [_entry(line) for line in content[:end].split(b"\n")[:-1]]
    entries = [entry for entry in found if entry is not None]
    return Parsed(entries, len(found) - len(entries), len(content) - end)


def _name(task: Task) -> str:
    """Return what tells a task from others of the same inputs."""
    values = {name: f"{type(each).__name__}:{each}" for name, each in task.parameters.items()}
    document = msgspec.json.encode([sorted(values.items()), list(task.part)])
    return hashlib.sha256(document).hexdigest()[:24]


def _entry(line: bytes) -> Entry | None:
    """Return what *line* says; ``None`` if it is damaged."""
    checksum, _, body = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(body):
        return None
    try:
        return msgspec.json.decode(body, type=Entry)
    except MALFORMED:
        return None

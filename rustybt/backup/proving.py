"""Find out whether a home is what was restored, and put that on record."""

from __future__ import annotations

import hashlib
import socket
from datetime import UTC
from typing import TYPE_CHECKING

import msgspec

from rustybt.backup.errors import BackupError
from rustybt.backup.journals import whole_journal
from rustybt.backup.restoring import Restoration, restoration_file
from rustybt.deployment import open_vault
from rustybt.errors import RustyBTError
from rustybt.files import PRIVATE_FOLDER, expanded, locked, read_bounded, write_atomic
from rustybt.home import Home
from rustybt.journal.places import journal_url
from rustybt.malformed import MALFORMED
from rustybt.model.codec import to_json
from rustybt.settings import load_settings
from rustybt.system.wiring import state_of
from rustybt.trading.summary import summary

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path
    from typing import Any

    from rustybt.journal.verification import Report
    from rustybt.security.vault import Clock
    from rustybt.settings import Settings

_MAX_BYTES = 64 * 1024 * 1024


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in a home that was restored.

    *problems* is empty if it is as the backup was. *changed* are the files that a later session
    changed; *records* is how long the journal is; *state* what it adds up to, and *state_sha256*
    tells two such states apart.
    """

    time: datetime
    host: str
    home: str
    archive: str
    created: datetime
    restored: datetime
    problems: tuple[str, ...]
    changed: tuple[str, ...]
    records: int
    state_sha256: str | None
    state: dict[str, Any] | None

    @property
    def ok(self) -> bool:
        """Whether nothing is missing or wrong."""
        return not self.problems


def prove_restored(root: Path, environ: Mapping[str, str], clock: Clock) -> Proof:
    """Compare the home *root* with what was restored to it; open settings, vault and journal.

    As long as no session has run since, every file has to be the one of the backup. The result is
    added to ``readiness/restores.jsonl`` in the home. Raise `BackupError` if nothing was restored
    there, and what the disk refuses.
    """
    home = Home(expanded(root).absolute())
    record = _record(home)
    return _kept(home, _Proving(home, record, environ, clock).run())


def proofs_file(home: Home) -> Path:
    """Return the file of all results, a line each."""
    return home.readiness / "restores.jsonl"


class _Proving:
    """One comparison; every problem is told."""

    def __init__(
        self, home: Home, record: Restoration, environ: Mapping[str, str], clock: Clock
    ) -> None:
        self._home, self._record = home, record
        self._environ, self._clock = environ, clock
        self._problems: list[str] = []
        self._changed: list[str] = []
        self._report: Report | None = None
        self._state: dict[str, Any] | None = None
        self._state_sha256: str | None = None

    def run(self) -> Proof:
        record = self._record
        try:
            self._open(load_settings(self._home.root, self._environ))
        except RustyBTError as error:
            self._problems.append(str(error))
        self._compare()
        return Proof(
            time=self._clock().astimezone(UTC),
            host=socket.gethostname(),
            home=str(self._home.root),
            archive=record.archive,
            created=record.created,
            restored=record.restored,
            problems=tuple(self._problems),
            changed=tuple(self._changed),
            records=0 if self._report is None else self._report.records,
            state_sha256=self._state_sha256,
            state=self._state,
        )

    def _open(self, settings: Settings) -> None:
        """Open the vault, read the journal from its start, and let it add up."""
        open_vault(settings, self._clock)
        part = self._record.journal
        if part is None or part.sequence == 0:
            return
        self._report = whole_journal(journal_url(settings), part, self._home)
        state = state_of(settings, self._clock)
        self._state = summary(state)
        self._state_sha256 = hashlib.sha256(to_json(state)).hexdigest()

    def _compare(self) -> None:
        """Compare every file; whether one may be another depends on whether a session ran."""
        part, report = self._record.journal, self._report
        went_on = report is not None and part is not None and report.head.sequence > part.sequence
        for path, wanted in sorted(self._record.files.items()):
            found = _digest(self._home.root / path)
            if found is None:
                self._problems.append(f"{path} is missing")
            elif found != wanted and went_on:
                self._changed.append(path)
            elif found != wanted:
                self._problems.append(f"{path} is not the file that was restored")


def _record(home: Home) -> Restoration:
    path = restoration_file(home)
    if not path.exists():
        raise BackupError(
            f"nothing was restored to {home.root}: there is no {path.name} in its state",
            remedy=f"python -m rustybt restore ARCHIVE --home {home.root}",
        )
    try:
        return msgspec.json.decode(read_bounded(path, _MAX_BYTES), type=Restoration)
    except MALFORMED as error:
        raise BackupError(f"{path} is damaged: {error}", remedy="restore the backup anew") from None


def _digest(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _kept(home: Home, proof: Proof) -> Proof:
    """Add *proof* to the record of all, and return it."""
    path = proofs_file(home)
    try:
        path.parent.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        with locked(path.parent):
            earlier = read_bounded(path, _MAX_BYTES) if path.exists() else b""
            write_atomic(path, earlier + msgspec.json.encode(proof) + b"\n")
    except OSError as error:
        raise BackupError(f"cannot write {path}: {error.strerror}") from error
    return proof

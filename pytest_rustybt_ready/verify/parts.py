"""Parts of a merge: records that a machine or a person has signed."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from pytest_rustybt_ready import record as records
from pytest_rustybt_ready.errors import RecordError
from pytest_rustybt_ready.record import Part, Record
from pytest_rustybt_ready.rules import Facts, Rulings
from pytest_rustybt_ready.statements.ssh import RESULTS, Keyring, SignatureError, seal_of, sign
from pytest_rustybt_ready.statements.trust import RESULTS_ROLE, Roles


class PartError(RecordError):
    """A part cannot be merged: it is unsigned, foreign, or in conflict with another."""


class Signed(NamedTuple):
    """A record whose signature holds, and what the merged record says of it."""

    record: Record
    part: Part


def results_digest(record: Record) -> str:
    """Return the digest of what the checks of *record* say, which approvals are bound to."""
    return Rulings(Facts(record.inputs(), record.verdict.at), {}).results()


def sign_part(path: Path, key: Path) -> Path:
    """Sign the record at *path*; return where the signature lies.

    Raise RecordError for a record that is not sound, SignatureError if the key cannot sign.
    """
    data = _bytes(path)
    records.read(data, path)
    signature = path.with_name(f"{path.name}.sig")
    try:
        signature.write_text(sign(data, key=key, namespace=RESULTS), "ascii")
    except OSError as error:
        raise PartError(f"{signature}: cannot be written: {error.strerror}") from error
    return signature


def read_part(path: Path, keys: Keyring, roles: Roles, at: datetime) -> Signed:
    """Read a part whose signature was made by somebody who may sign results, or raise PartError."""
    data, armoured = _bytes(path), _bytes(path.with_name(f"{path.name}.sig"))
    record = records.read(data, path)
    signature = armoured.decode("ascii", "replace")
    try:
        key = seal_of(signature).key
    except SignatureError as error:
        raise PartError(f"{path}: {error}") from error
    able = [name for name in keys.holders(key) if roles.holds(name, RESULTS_ROLE)]
    known = able or list(keys.holders(key)) or [""]
    when = (record.run.finished, at)
    fault = keys.fault_of(data, signature, signer=known[0], namespace=RESULTS, at=when)
    if not fault and not able:
        fault = f"{known[0]} does not hold the role {RESULTS_ROLE!r} in roles.toml"
    if fault:
        raise PartError(f"{path}: {fault}")
    return Signed(
        record,
        Part(
            file=path.name,
            digest=record.digest,
            signer=able[0],
            key=key,
            subject=f"{record.subject.kind} {record.subject.name}",
            stage=record.run.stage,
            finished=record.run.finished,
        ),
    )


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        unsigned = (
            "it is not signed (see sign-results)" if path.suffix == ".sig" else "no such file"
        )
        raise PartError(f"{path}: {unsigned}") from error
    except OSError as error:
        raise PartError(f"{path}: cannot be read: {error.strerror}") from error

"""Snapshots: what a fold made of the records so far. A cache, never the truth."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from msgspec import Struct
from sqlalchemy import delete, insert, select

from rustybt.journal.errors import JournalError
from rustybt.journal.tables import RECORDS, SNAPSHOTS

if TYPE_CHECKING:
    from sqlalchemy import Engine

KEPT = 2
"""How many snapshots of a version of a fold are kept: should one be wrong, there is another."""


class Snapshot(Struct, frozen=True, kw_only=True):
    """*data*: what the fold of *fold_version* made of all records to number *sequence*."""

    sequence: int
    fold_version: str
    own: bytes
    data: bytes


def save(engine: Engine, sequence: int, fold_version: str, data: bytes) -> None:
    """Keep a snapshot, bound to the hash of its record; raise `JournalError` without a record."""
    with engine.begin() as connection:
        own = connection.scalar(select(RECORDS.c.own).where(RECORDS.c.sequence == sequence))
        if own is None:
            raise JournalError(f"no record {sequence} is on disk that a snapshot could be of")
        mine = SNAPSHOTS.c.fold_version == fold_version
        connection.execute(delete(SNAPSHOTS).where(mine, SNAPSHOTS.c.sequence == sequence))
        connection.execute(
            insert(SNAPSHOTS).values(
                sequence=sequence,
                fold_version=fold_version,
                own=own,
                checksum=_checksum(sequence, fold_version, bytes(own), data),
                data=data,
            )
        )
        newest = select(SNAPSHOTS.c.sequence).where(mine).order_by(SNAPSHOTS.c.sequence.desc())
        kept = connection.scalars(newest.limit(KEPT)).all()
        connection.execute(delete(SNAPSHOTS).where(mine, SNAPSHOTS.c.sequence.not_in(kept)))


def latest(engine: Engine, fold_version: str) -> Snapshot | None:
    """Return the newest snapshot of *fold_version* that its record and its checksum confirm."""
    of_this_chain = (SNAPSHOTS.c.sequence == RECORDS.c.sequence) & (
        SNAPSHOTS.c.own == RECORDS.c.own
    )
    wanted = (
        select(SNAPSHOTS)
        .join(RECORDS, of_this_chain)
        .where(SNAPSHOTS.c.fold_version == fold_version)
        .order_by(SNAPSHOTS.c.sequence.desc())
    )
    with engine.begin() as connection:
        for row in connection.execute(wanted):
            own, data = bytes(row.own), bytes(row.data)
            if bytes(row.checksum) == _checksum(row.sequence, fold_version, own, data):
                return Snapshot(
                    sequence=row.sequence, fold_version=fold_version, own=own, data=data
                )
    return None


def _checksum(sequence: int, fold_version: str, own: bytes, data: bytes) -> bytes:
    return sha256(b"%d %b %b %b" % (sequence, own, fold_version.encode(), data)).digest()

"""Read records so that none is believed that is not the one that was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rustybt.journal.connection import record_of, rows
from rustybt.journal.errors import JournalError
from rustybt.journal.records import GENESIS, is_whole

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqlalchemy import Engine

    from rustybt.journal.records import Record


def checked_records(
    engine: Engine,
    after: int = 0,
    *,
    kinds: Collection[str] | None = None,
    upto: int | None = None,
) -> Iterator[Record]:
    """Yield the records behind number *after*, to *upto*, of some *kinds* or of all.

    Each must be whole and, where all kinds are read, follow the one before; raise `JournalError`
    at the first that does not, and the driver's errors. A record that was forged together with all
    that follow it is not found here: that needs a signed head.
    """
    before = None if after else GENESIS
    sequence = after
    for chunk in rows(engine, after + 1, kinds=kinds, upto=upto):
        for record in map(record_of, chunk):
            sequence = record.sequence if kinds is not None else sequence + 1
            follows = kinds is not None or before is None or record.previous == before
            if not (follows and record.sequence == sequence and is_whole(record)):
                raise damaged(sequence)
            before = record.own
            yield record


def damaged(sequence: int) -> JournalError:
    """Return the error that names the record *sequence* as damaged."""
    return JournalError(
        f"the journal is damaged at record {sequence}",
        remedy="run verify-audit, then restore the journal from a backup",
    )

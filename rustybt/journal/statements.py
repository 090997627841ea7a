"""What the journal asks of its database, in the words of each: no text is put together here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Engine

HEAD: Final = "SELECT sequence, own FROM journal ORDER BY sequence DESC LIMIT 1"
LAST: Final = (
    "SELECT sequence, micros, session, kind, payload, previous, own FROM journal "
    "ORDER BY sequence DESC LIMIT 1"
)
SNAPSHOT: Final = "VACUUM INTO ?"
"""Writes the database to a new file, as of one instant; SQLite's own words."""


class Statements(NamedTuple):
    """Statements with marks for values, as the driver of a database wants them.

    *read* takes the first number, the last and how many rows; *read_kinds* takes the kinds, as
    :func:`kinds_for` writes them, before how many.
    """

    insert: str
    lease: str
    read: str
    read_kinds: str


SQLITE: Final = Statements(
    insert=(
        "INSERT INTO journal (sequence, micros, session, kind, payload, previous, own) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)"
    ),
    lease="SELECT token FROM journal_lease WHERE name = ?",
    read=(
        "SELECT sequence, micros, session, kind, payload, previous, own FROM journal "
        "WHERE sequence >= ? AND sequence <= ? ORDER BY sequence LIMIT ?"
    ),
    read_kinds=(
        "SELECT sequence, micros, session, kind, payload, previous, own FROM journal "
        "WHERE sequence >= ? AND sequence <= ? AND kind IN (SELECT value FROM json_each(?)) "
        "ORDER BY sequence LIMIT ?"
    ),
)
POSTGRESQL: Final = Statements(
    insert=(
        "INSERT INTO journal (sequence, micros, session, kind, payload, previous, own) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s)"
    ),
    lease="SELECT token FROM journal_lease WHERE name = %s FOR SHARE",
    read=(
        "SELECT sequence, micros, session, kind, payload, previous, own FROM journal "
        "WHERE sequence >= %s AND sequence <= %s ORDER BY sequence LIMIT %s"
    ),
    read_kinds=(
        "SELECT sequence, micros, session, kind, payload, previous, own FROM journal "
        "WHERE sequence >= %s AND sequence <= %s AND kind = ANY(%s) ORDER BY sequence LIMIT %s"
    ),
)


def statements_for(engine: Engine) -> Statements:
    """Return the statements in the words of the database behind *engine*."""
    return SQLITE if engine.dialect.name == "sqlite" else POSTGRESQL


def kinds_for(engine: Engine, kinds: Collection[str]) -> object:
    """Return *kinds* as the one value that stands for them all in ``read_kinds``."""
    return json.dumps(list(kinds)) if engine.dialect.name == "sqlite" else list(kinds)

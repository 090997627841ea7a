"""Bring a journal's database to the newest schema."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import column, inspect, select, table, text

from rustybt.journal.errors import JournalError
from rustybt.journal.tables import VERSION_TABLE

if TYPE_CHECKING:
    from sqlalchemy import Connection

SCHEMA = "0001"
"""The newest version of the schema that this code knows. Versions sort as text."""

# Two processes that make the same journal at once take turns; the number is this project's own.
_ADVISORY_LOCK = 0x52757374_79425431


def schema_of(connection: Connection) -> str | None:
    """Return the version of the schema in the database, None if it holds no journal."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.scalar(select(column("version_num")).select_from(table(VERSION_TABLE)))
    return None if found is None else str(found)


def upgrade(connection: Connection) -> None:
    """Bring the database to `SCHEMA` inside the transaction of *connection*.

    Raise :class:`~rustybt.journal.errors.JournalError` if a newer version made it.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
    found = schema_of(connection)
    refuse_newer(found)
    if found != SCHEMA:
        _run(connection)


def refuse_newer(found: str | None) -> None:
    """Raise `JournalError` if *found* is a version of the schema that this code does not know."""
    if found is not None and found > SCHEMA:
        raise JournalError(
            f"the journal has schema version {found}",
            expected=f"at most {SCHEMA}, the newest that this version of RustyBT knows",
            remedy="use the version of RustyBT that wrote it, or a newer one",
        )


def _run(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    # a percent sign begins an interpolation there
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, SCHEMA)

"""Connections to the database of a journal: durable, private, and with errors of one kind."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from rustybt.files import PRIVATE_FILE
from rustybt.journal.errors import JournalError
from rustybt.journal.migrations import SCHEMA, refuse_newer, schema_of, upgrade

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine
    from sqlalchemy.engine.interfaces import DBAPIConnection

PATIENCE = 5.0
"""For how many seconds a transaction waits for another process's to end."""

POOL: Final = 5
"""How many connections are lent at once."""

Lent = Mapping[str, Any]
_REMEDY = "see that the database is there, has room and lets this user write"


def open_database(
    url: str, *, readonly: bool = False, patience: float = PATIENCE, pool: int = POOL
) -> Engine:
    """Return an engine for the journal at *url*, whose schema is brought up to date first.

    *url* is ``sqlite:///path``, ``sqlite://`` (in memory) or ``postgresql+psycopg://...``. A new
    file has mode 0600. With *readonly* nothing is written or made, and there has to be a journal.
    *pool* connections are lent at once, beside the one that writes; who wants another one waits for
    *patience* seconds.
    Raise :class:`~rustybt.journal.errors.JournalError` if it cannot be opened, or if a newer
    version wrote it.
    """
    where = _parsed(url)
    try:
        lent = _lending(pool, patience)
        engine = (_sqlite if _is_sqlite(where) else _server)(where, readonly, patience, lent)
        try:
            with engine.begin() as connection:
                _prepare(connection, where, readonly)
        except BaseException:
            engine.dispose()
            raise
    except (SQLAlchemyError, OSError) as error:
        raise refusal(where, error) from error
    return engine


def read_file(path: Path, *, patience: float = PATIENCE) -> Engine:
    """Return an engine that only reads the SQLite database in the file at *path*, a journal or not.

    Raise :class:`~rustybt.journal.errors.JournalError` if there is no such file.
    """
    where = URL.create("sqlite", database=str(path))
    return _sqlite(where, readonly=True, patience=patience, lent=_lending(POOL, patience))


def _lending(pool: int, patience: float) -> Lent:
    """Return how many connections there are at once, and for how many seconds one is waited for."""
    return {"pool_size": pool, "max_overflow": 1, "pool_timeout": patience}


def _parsed(url: str) -> URL:
    try:
        where = make_url(url)
    except ArgumentError:
        where = None  # the text may hold a password: it is not shown
    if where is not None and where.drivername == "postgresql":
        where = where.set(drivername="postgresql+psycopg")
    if where is None or where.drivername not in ("sqlite", "postgresql+psycopg"):
        raise JournalError(
            "that is not the URL of a journal's database",
            expected="sqlite:///path or postgresql+psycopg://user@host/name",
        )
    return where


def _is_sqlite(where: URL) -> bool:
    return where.drivername == "sqlite"


def shown(url: URL) -> str:
    """Return *url* without its password."""
    path = url.database or ""
    if path.startswith("file:"):  # how a file is named to SQLite
        path = unquote(urlsplit(path).path)
    if _is_sqlite(url):
        return f"sqlite:///{path}"
    return url.set(query={}).render_as_string(hide_password=True)


@contextlib.contextmanager
def problems_of(engine: Engine) -> Iterator[None]:
    """Raise what the database of *engine* or the system refuses as a `JournalError`."""
    try:
        yield
    except database_errors(engine) as error:
        raise refusal(engine.url, error) from error


def database_errors(engine: Engine) -> tuple[type[Exception], ...]:
    """Return what *engine*, its raw connections and the files beside them raise."""
    return (SQLAlchemyError, engine.dialect.loaded_dbapi.Error, OSError)


def refusal(where: URL, error: BaseException) -> JournalError:
    """Return the `JournalError` that tells of *error* at the database *where*."""
    cause: BaseException = error
    if isinstance(error, DBAPIError) and error.orig is not None:
        cause = error.orig  # without the statement and its values
    said = " ".join(str(cause).split()) or type(cause).__name__
    return JournalError(f"the journal {shown(where)} fails: {said}", remedy=_REMEDY)


def _sqlite(
    where: URL, readonly: bool, patience: float, lent: Lent  # noqa: FBT001 - private
) -> Engine:
    path = where.database or ":memory:"
    if path == ":memory:":
        engine = create_engine(
            where, poolclass=StaticPool, connect_args={"check_same_thread": False}
        )
    else:
        url = _file_url(Path(path), readonly)
        engine = create_engine(url, connect_args={"timeout": patience}, **lent)
    event.listen(engine, "connect", _read_as_it_is if readonly else _make_durable)
    event.listen(engine, "begin", _begin_reading if readonly else _begin_writing)
    return engine


def _file_url(path: Path, readonly: bool) -> URL:  # noqa: FBT001 - private
    """Return the URL of a file that is there; it is made, private, unless *readonly*."""
    if readonly:
        _refuse_absent(path)
    else:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE))
    query = {"uri": "true", "mode": "rw"}
    if readonly:
        # Without a writer's log, even a reader would leave one behind, and change the folder.
        written = path.with_name(f"{path.name}-wal").exists()
        query |= {"mode": "ro"} if written else {"mode": "ro", "immutable": "1"}
    return URL.create("sqlite", database=path.absolute().as_uri(), query=query)


def _refuse_absent(path: Path) -> None:
    if not path.is_file():
        raise JournalError(f"there is no journal at {path}")


def _make_durable(connection: DBAPIConnection, _record: object) -> None:
    """Let every commit reach the disk before it returns."""
    connection.isolation_level = None  # transactions begin where we say so
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    mode = cursor.fetchone()
    for pragma in ("synchronous = FULL", "fullfsync = ON", "checkpoint_fullfsync = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
    if mode is None or mode[0] not in ("wal", "memory"):
        raise JournalError(
            "the journal's file system allows no write-ahead log",
            remedy="put the database on a local disk",
        )


def _read_as_it_is(connection: DBAPIConnection, _record: object) -> None:
    connection.isolation_level = None


def _begin_writing(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_reading(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _server(
    where: URL, readonly: bool, patience: float, lent: Lent  # noqa: FBT001 - private
) -> Engine:
    options = f"-c lock_timeout={int(patience * 1000)}"
    if readonly:
        options += " -c default_transaction_read_only=on"
    try:
        return create_engine(where, connect_args={"options": options}, **lent)
    except ImportError as error:
        raise JournalError(
            "a journal in PostgreSQL needs the library psycopg",
            remedy="pip install 'rustybt[live]'",
        ) from error


def _prepare(connection: Connection, where: URL, readonly: bool) -> None:  # noqa: FBT001 - private
    if connection.dialect.name == "postgresql":
        _refuse_forgetful(connection)
    if not readonly:
        upgrade(connection)
        return
    found = schema_of(connection)
    refuse_newer(found)
    if found is None:
        raise JournalError(f"there is no journal in {shown(where)}")
    if found != SCHEMA:
        raise JournalError(
            f"the journal has schema version {found}",
            expected=SCHEMA,
            remedy="open it once for writing: that brings it up to date",
        )


def _refuse_forgetful(connection: Connection) -> None:
    """Raise `JournalError` if the server says that something is on disk before it is."""
    for setting in ("fsync", "synchronous_commit"):
        if connection.exec_driver_sql(f"SHOW {setting}").scalar() == "off":
            raise JournalError(
                f"the database server runs with {setting} = off",
                expected="on: what is committed must survive a power cut",
            )


def file_of(url: str) -> Path | None:
    """Return the file that *url* names; None where it is no file's."""
    where = _parsed(url)
    if not _is_sqlite(where) or where.database in (None, "", ":memory:"):
        return None
    return Path(str(where.database))

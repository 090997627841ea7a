"""Borrow as many connections to the journal's database at once as there are workers."""

from __future__ import annotations

import contextlib
import resource
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from rustybt.journal.places import journal_url
from rustybt.settings import load_settings
from rustybt.system.wiring import open_journal
from rustybt.trading.clocks import WallClock

_FILES_EACH: Final = 3
"""Of SQLite: the database, its log, and the log's index."""
_ROUNDS: Final = 3


def main(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sizes of the pool and of what the server allows, and who waited in vain.

    *home* is the deployment's. Nothing is written there: a journal in a file is made anew in this
    folder, one at a server is read.
    """
    settings = load_settings(Path(arguments["home"]), {})
    at_server = not journal_url(settings).startswith("sqlite")
    if not at_server:
        settings = settings.model_copy(
            update={"home": Path.cwd(), "db_url": SecretStr("sqlite:///pool.db")}
        )
    clock = WallClock().now
    with open_journal(settings, session="pool", clock=clock, readonly=at_server) as journal:
        engine = journal.engine
        found = {
            "workers": settings.num_workers,
            "pool": settings.db_pool_size,
            "lent": _size(engine),
            "database": engine.dialect.name,
            "allowed": _allowed(engine),
        }
        failed = [_timeouts(engine, settings.num_workers) for _ in range(_ROUNDS)]
    return {**found, "timeouts": sum(failed), "borrowed": _ROUNDS * settings.num_workers}


def _size(engine: Engine) -> int:
    """Return how many connections the engine lends at once."""
    assert isinstance(engine.pool, QueuePool)
    return engine.pool.size()


def _allowed(engine: Engine) -> int:
    """Return how many connections the server allows, or the system for files."""
    if engine.dialect.name == "sqlite":
        return resource.getrlimit(resource.RLIMIT_NOFILE)[0] // _FILES_EACH
    with engine.connect() as connection:
        allowed = connection.exec_driver_sql("SHOW max_connections").scalar_one()
        kept = connection.exec_driver_sql("SHOW superuser_reserved_connections").scalar_one()
    return int(allowed) - int(kept)


def _timeouts(engine: Engine, workers: int) -> int:
    """Return how many of *workers* that want a connection at once get none in time."""
    everybody = threading.Barrier(workers)

    def work(_: int) -> bool:
        everybody.wait()
        connection = None
        with contextlib.suppress(SQLAlchemyError):
            connection = engine.raw_connection()
            connection.cursor().execute("SELECT count(*) FROM journal")
        everybody.wait()  # nobody lets go before the last one has one, or has given up
        if connection is not None:
            connection.close()
        return connection is None

    with ThreadPoolExecutor(workers) as pool:
        return sum(pool.map(work, range(workers)))

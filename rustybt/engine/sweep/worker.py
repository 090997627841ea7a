"""A process that runs tasks for another one, until that one has no more or is gone."""

from __future__ import annotations

import contextlib
import sys
from multiprocessing.connection import Connection
from pickle import PickleError

from rustybt.engine.sweep.workbench import Workbench
from rustybt.errors import RustyBTError
from rustybt.strategy.loader import described


def main(descriptor: int) -> None:
    """Serve the sweep at the other end of the socket *descriptor*.

    It sends where to import from, then the job, and is answered ``None`` or what is wrong with
    that; then lists of tasks, each task answered by its outcome.
    """
    with Connection(descriptor) as connection, contextlib.suppress(EOFError, OSError):
        # The end of the connection is the end of the sweep, and of this process.
        bench = _prepared(connection)
        while bench is not None:
            for task in connection.recv():
                connection.send(bench.outcome(task))


def _prepared(connection: Connection) -> Workbench | None:
    """Return what runs tasks; say what is wrong and return ``None`` if it cannot be made."""
    sys.path[:] = connection.recv()
    try:
        bench: Workbench = connection.recv().workbench()
    except RustyBTError as error:
        connection.send(str(error))
    except (PickleError, ImportError, AttributeError) as error:
        connection.send(f"what the sweep was given cannot be found there: {described(error)}")
    else:
        connection.send(None)
        return bench
    return None

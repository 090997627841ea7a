"""Processes of this machine that run tasks: none is lost when one of them dies."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections import Counter, deque
from multiprocessing.connection import Connection, wait
from pathlib import Path
from pickle import PicklingError
from typing import TYPE_CHECKING, Final, Self

from rustybt.engine.sweep.errors import SweepError
from rustybt.engine.sweep.job import Job
from rustybt.engine.sweep.shipment import pack_files
from rustybt.engine.sweep.task import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rustybt.engine.intake import Bars
    from rustybt.engine.sweep.source import Source
    from rustybt.engine.sweep.task import Options, Part, Task

_PROGRAM: Final = "import sys; from rustybt.engine.sweep.worker import main; main(int(sys.argv[1]))"
_CHUNK: Final = 32
"""Tasks sent at once at most: enough that no process waits for the next."""
_LIVES: Final = 2
"""How often a task is tried whose process dies."""
_GRACE: Final = 10.0
"""Seconds for a process whose socket has closed to be gone."""


class Worker:
    """One process and what it has been given to do."""

    def __init__(self, job: Job, threads: int) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 - this very interpreter, fixed arguments
                [sys.executable, "-c", _PROGRAM, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=2,  # what a strategy prints must not mix with what the sweep prints
                env=_environment(threads),
                process_group=0,  # an interrupt from the keyboard is the sweep's to handle
            )
        self.connection = Connection(ours.detach())
        self.tasks: deque[Task] = deque()
        self.is_ready = False
        self._job = job

    def brief(self) -> None:
        """Send everything but the tasks."""
        try:
            with contextlib.suppress(ConnectionError):  # it died: who listens to it will notice
                self.connection.send(sys.path)
                self.connection.send(self._job)
        except (PicklingError, AttributeError, TypeError) as error:
            raise SweepError(
                f"what the sweep was given cannot be sent to other processes: {error}",
                remedy="define costs and limits at the top of a module, or use processes=1",
            ) from None

    def give(self, tasks: Sequence[Task]) -> None:
        """Send *tasks*."""
        self.tasks.extend(tasks)
        with contextlib.suppress(ConnectionError):  # as above
            self.connection.send(list(tasks))

    def end(self, *, seconds: float = 0) -> int:
        """Make sure that the process is no more; return its exit code.

        It has so many *seconds* to end by itself, which one whose socket has closed is doing.
        """
        self.connection.close()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


class Pool:
    """Runs tasks in *processes* processes of their own. Use it as a context."""

    def __init__(
        self, source: Source, bars: Iterable[Bars], options: Options, processes: int
    ) -> None:
        self._processes = processes
        self._threads = max(1, (os.cpu_count() or 1) // processes)
        self._folder = tempfile.TemporaryDirectory(prefix="rustybt-sweep-")
        try:
            parcels = pack_files(bars, Path(self._folder.name))
        except BaseException:
            self._folder.cleanup()
            raise
        self._job = Job("", source, parcels, options)
        self._workers: list[Worker] = []
        self._pending: deque[Task] = deque()
        self._doubtful: deque[Task] = deque()
        self._deaths: Counter[tuple[int, Part]] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        idle = [each for each in self._workers if each.is_ready and not each.tasks]
        for worker in self._workers:
            worker.connection.close()
        for worker in self._workers:
            worker.end(seconds=_GRACE if worker in idle else 0)
        self._workers.clear()
        self._folder.cleanup()

    def outcomes(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Run *tasks* and yield each outcome as it comes.

        Raise :class:`~rustybt.engine.sweep.errors.SweepError` if the processes cannot begin.
        """
        self._pending.extend(tasks)
        left = len(tasks)
        while len(self._workers) < min(self._processes, left):
            self._start()
        for worker in self._workers:
            self._feed(worker)
        while left:
            for outcome in self._heard():
                left -= 1
                yield outcome

    def _start(self) -> None:
        """Start one process."""
        worker = Worker(self._job, self._threads)
        self._workers.append(worker)
        worker.brief()

    def _feed(self, worker: Worker) -> None:
        """Give *worker* its next tasks if it has none."""
        if not worker.is_ready or worker.tasks:
            return
        if self._pending:
            share = len(self._pending) // (4 * self._processes)
            count = max(1, min(_CHUNK, share))
            worker.give([self._pending.popleft() for _ in range(count)])
        elif self._doubtful:
            worker.give([self._doubtful.popleft()])  # alone: it may take others with it

    def _heard(self) -> Iterator[Outcome]:
        """Wait for answers and yield the outcomes among them."""
        ready = self._ready()
        for worker in [each for each in self._workers if each.connection in ready]:
            try:
                answer = worker.connection.recv()
            except (EOFError, OSError):  # gone, maybe in the middle of an answer
                yield from self._buried(worker)
                continue
            if worker.is_ready:
                worker.tasks.popleft()
                yield answer
            elif answer is None:
                worker.is_ready = True
            else:
                raise SweepError(f"another process cannot begin: {answer}")
            self._feed(worker)

    def _ready(self) -> list[object]:
        """Wait until a process has answered or is gone; return the connections to such ones."""
        return list(wait([worker.connection for worker in self._workers]))

    def _buried(self, worker: Worker) -> Iterator[Outcome]:
        """Go on without a *worker* that died: nothing that it had is lost.

        The task that it was at is tried once more, last and alone; then its death is the outcome.
        """
        self._workers.remove(worker)
        cause = cause_of(worker.end(seconds=_GRACE))
        if not worker.is_ready:
            raise SweepError(f"a process of the sweep {cause} before it could begin")
        if worker.tasks:
            task = worker.tasks.popleft()
            self._pending.extendleft(reversed(worker.tasks))
            key = (task.number, task.part)
            self._deaths[key] += 1
            if self._deaths[key] < _LIVES:
                self._doubtful.append(task)
            else:
                error = f"the process that ran it {cause}, {_LIVES} times"
                yield Outcome(*key, None, error, lost=True)
        if self._pending or self._doubtful:
            self._start()


def _environment(threads: int) -> dict[str, str]:
    """Return the environment of a process that is one of several: as many *threads* and no more."""
    names = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {**os.environ, **dict.fromkeys(names, str(threads))}


def cause_of(code: int) -> str:
    """Say how a process ended."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"

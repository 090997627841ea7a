"""A Dask cluster that runs tasks; needs the extra ``sweep``."""

from __future__ import annotations

import importlib
import threading
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import uuid4

from rustybt.engine.sweep.errors import SweepError
from rustybt.engine.sweep.job import Job
from rustybt.engine.sweep.shipment import pack_bytes
from rustybt.engine.sweep.task import Outcome
from rustybt.strategy.loader import described

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from rustybt.engine.intake import Bars
    from rustybt.engine.sweep.source import Source
    from rustybt.engine.sweep.task import Options, Task
    from rustybt.engine.sweep.workbench import Workbench

_CHUNK: Final = 16
_BENCHES: Final = 2
"""Sweeps that a process of the cluster keeps prepared."""

_benches: dict[str, Workbench] = {}
_lock: Final = threading.Lock()


class Cluster:
    """Runs tasks on the cluster whose scheduler is at *address*. Use it as a context.

    Its workers need this version of the package; strategy and bars are sent to them, modules that
    the strategy imports are not. Raise :class:`~rustybt.engine.sweep.errors.SweepError` if Dask is
    not installed or nobody answers within *seconds*.
    """

    def __init__(
        self,
        address: str,
        source: Source,
        bars: Iterable[Bars],
        options: Options,
        *,
        seconds: float = 30,
    ) -> None:
        try:
            self._dask: Any = importlib.import_module("distributed")
        except ImportError:
            raise SweepError(
                "Dask is not installed", remedy="install the extra: pip install 'rustybt[sweep]'"
            ) from None
        self._job = Job(uuid4().hex, source, pack_bytes(bars), options)
        try:
            self._client = self._connect(address, seconds)
        except (OSError, ValueError) as error:
            raise SweepError(
                f"no Dask scheduler answers at {address!r}: {error}",
                expected="an address like tcp://127.0.0.1:8786",
            ) from None

    def _connect(self, address: str, seconds: float) -> Any:
        """Return a client of the scheduler at *address*.

        One that cannot connect is closed here, by the name that it already has: Dask would leave it
        to the collector, whose turn may come while Dask holds the lock that closing it takes.
        """
        client = self._dask.Client.__new__(self._dask.Client)
        try:
            client.__init__(address, timeout=seconds, set_as_default=False)
        except BaseException:
            client.close()
            raise
        return client

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def outcomes(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Run *tasks* and yield the outcomes as they come.

        A worker that dies takes others' work with it, so what was given up is run again, last and
        one at a time, before it is reported as lost.
        """
        cores = sum(self._client.ncores().values())
        if not cores:
            raise SweepError(
                "the Dask cluster has no workers", remedy="start some: dask worker ADDRESS"
            )
        size = max(1, min(_CHUNK, len(tasks) // (4 * cores)))
        chunks = [tasks[first : first + size] for first in range(0, len(tasks), size)]
        job = self._scattered()
        sent = {self._submitted(job, chunk): chunk for chunk in chunks}
        doubtful: list[Task] = []
        for future in self._dask.as_completed(list(sent), loop=self._client.loop):
            answer = _answer(future.result)
            if isinstance(answer, Exception):
                doubtful += sent[future]
            else:
                yield from answer
        for task in doubtful:
            yield self._alone(task)

    def _scattered(self) -> Any:
        """Return the job as all workers have it in memory."""
        return self._client.scatter(self._job, broadcast=True, hash=False)

    def _submitted(self, job: Any, tasks: Sequence[Task]) -> Any:
        """Send *tasks*; return their future."""
        return self._client.submit(run_tasks, job, list(tasks), pure=False)

    def _alone(self, task: Task) -> Outcome:
        """Return the outcome of a *task* that was given up, trying it once more and alone."""
        answer = _answer(lambda: self._submitted(self._scattered(), [task]).result())
        if isinstance(answer, Exception):
            error = f"the cluster gave it up: {described(answer)}"
            return Outcome(task.number, task.part, None, error, lost=True)
        return answer[0]


def _answer(ask: Callable[[], list[Outcome]]) -> list[Outcome] | Exception:
    """Return what came back, or why nothing did."""
    try:
        return ask()
    except Exception as error:  # noqa: BLE001 - whatever ends a process far away
        return error


def run_tasks(job: Job, tasks: Sequence[Task]) -> list[Outcome]:
    """Run *tasks* in a process of the cluster, which prepares each job once."""
    with _lock:
        bench = _benches.get(job.token)
        if bench is None:
            while len(_benches) >= _BENCHES:
                del _benches[next(iter(_benches))]
            bench = _benches[job.token] = job.workbench()
    return [bench.outcome(task) for task in tasks]

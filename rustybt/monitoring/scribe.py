"""Writes the log of a session in a thread of its own: a disk that hangs holds up nobody."""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import TYPE_CHECKING, Any, Final

from rustybt.monitoring.lines import DESCRIBED, Line, lines_about

if TYPE_CHECKING:
    from datetime import datetime

    from structlog.typing import FilteringBoundLogger

_WAITING: Final = 10_000
_PATIENCE: Final = 5.0


class Scribe:
    """Writes to *log* what a session does, and what it is told to :meth:`say`, in that order.

    No method waits or raises, whatever the log does. Beyond *waiting* lines further ones are
    :attr:`lost`; the log says how many, once it takes lines again.
    """

    def __init__(self, log: FilteringBoundLogger, *, waiting: int = _WAITING) -> None:
        self.log = log
        self._queue: queue.Queue[tuple[object, datetime | None] | None] = queue.Queue(waiting)
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._has_begun = False
        self._missed = 0
        self.lost = 0

    def observe(self, told: object, time: datetime) -> None:
        """Take an event or a command of the session's *time*."""
        if type(told) in DESCRIBED:
            self._put(told, time)

    def say(self, level: str, event: str, /, **fields: Any) -> None:
        """Take a line."""
        self._put(Line(level, event, fields), None)

    def close(self, patience: float = _PATIENCE) -> None:
        """Wait until all is written, but not longer than *patience* seconds; write no more."""
        if not self._has_begun:
            return
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=patience)
            self._thread.join(patience)

    def _put(self, told: object, time: datetime | None) -> None:
        if not self._has_begun:
            self._has_begun = True
            self._thread.start()
        try:
            self._queue.put_nowait((told, time))
        except queue.Full:
            self.lost += 1
            self._missed += 1

    def _run(self) -> None:
        """Write what comes, until nothing more does."""
        while (waiting := self._queue.get()) is not None:
            try:
                self._write(*waiting)
            except Exception:  # noqa: BLE001 - whatever it is, the next line may be written
                self.lost += 1
                self._missed += 1

    def _write(self, told: object, time: datetime | None) -> None:
        """Write what there is to say, and before it what is missing."""
        missed, self._missed = self._missed, 0
        if missed:
            self.log.warning("log lines were lost", lost=missed)
        lines = [told] if isinstance(told, Line) else []
        if time is not None:
            lines.extend(lines_about(told, time))
        for line in lines:
            getattr(self.log, line.level)(line.event, **line.fields)

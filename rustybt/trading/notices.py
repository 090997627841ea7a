"""Alerts on their way to people, in a thread of their own: what it takes to tell stops nobody."""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

    from rustybt.trading.commands import Alert
    from rustybt.trading.ports import Notifier

_WAITING: Final = 1000
_PATIENCE: Final = 5.0


class Notices:
    """Hands alerts to *notifier*, one after the other, whatever it does with them.

    One that raises has :attr:`lost` the alert; one that hangs lets *waiting* alerts wait, and
    further ones be lost. The journal has them all.
    """

    def __init__(self, notifier: Notifier, *, waiting: int = _WAITING) -> None:
        self._notifier = notifier
        self._queue: queue.Queue[tuple[Alert, datetime] | None] = queue.Queue(waiting)
        self._thread = threading.Thread(target=self._run, name="notices", daemon=True)
        self._has_begun = False
        self.lost = 0

    def notify(self, alert: Alert, time: datetime) -> None:
        """Take an alert; return at once."""
        if not self._has_begun:
            self._has_begun = True
            self._thread.start()
        try:
            self._queue.put_nowait((alert, time))
        except queue.Full:
            self.lost += 1

    def close(self, patience: float = _PATIENCE) -> None:
        """Wait until all is told, but not longer than *patience* seconds."""
        if not self._has_begun:
            return
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=patience)
            self._thread.join(patience)

    def _run(self) -> None:
        """Tell what comes, until nothing more does."""
        while (waiting := self._queue.get()) is not None:
            try:
                self._notifier.notify(*waiting)
            except Exception:  # noqa: BLE001 - whatever it is, heartbeats tell how often
                self.lost += 1

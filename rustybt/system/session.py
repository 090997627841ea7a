"""A session: an engine with everything that it is plugged into, from start to end."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import signal
import socket
from typing import TYPE_CHECKING, Any

from rustybt.home import Home
from rustybt.trading.control import ControlError, ControlServer, Request, socket_file
from rustybt.trading.engine import COMMANDS
from rustybt.trading.runner import Ending, Runner
from rustybt.trading.summary import balance, orders, summary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from rustybt.journal.store import Journal
    from rustybt.monitoring.alerts.delivery import Delivery
    from rustybt.monitoring.scribe import Scribe
    from rustybt.settings import Settings
    from rustybt.trading.ports import Clock


class Session:
    """What :mod:`rustybt.system.starting` has wired. :meth:`run` returns when it is over.

    *name* is the session's; *journal* and *log* stay open until :meth:`close`.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        name: str,
        runner: Runner,
        journal: Journal,
        clock: Clock,
        log: Scribe,
        until: timedelta | None,
        alerts: Delivery | None = None,
    ) -> None:
        self.name = name
        self.runner = runner
        self.journal = journal
        self._clock = clock
        self.log = log
        self._until = until
        self._alerts = alerts
        self._control = ControlServer(socket_file(Home(settings.home)), self._answer)

    def run(self, *, enabled_by: str | None, reason: str) -> Ending:
        """Run to the end; SIGINT and SIGTERM stop it in good order, a second one at once."""
        return asyncio.run(self.run_async(enabled_by=enabled_by, reason=reason))

    async def run_async(self, *, enabled_by: str | None, reason: str) -> Ending:
        """Do what :meth:`run` does, on a running event loop."""
        self.log.say("info", "session begins", enabled_by=enabled_by, reason=reason)
        if self._alerts is not None:
            self._alerts.start()
        timer = asyncio.ensure_future(self._end_in_time())
        try:
            async with self._control:
                with self._signals():
                    ending = await self.runner.run(enabled_by=enabled_by, reason=reason)
        finally:
            timer.cancel()
            await asyncio.gather(timer, return_exceptions=True)
        self.log.say(
            "error" if ending.code else "info",
            "session ended",
            code=ending.code,
            reason=ending.reason,
            exc_info=self.runner.error,
        )
        return ending

    def close(self) -> None:
        """Close journal and log, and end the delivery of alerts; the rest goes out next time."""
        self.journal.close()
        if self._alerts is not None and not self._alerts.close():
            self.log.say("warning", "alerts wait for delivery; the next session sends them")
        self.log.close()

    async def _end_in_time(self) -> None:
        """Stop when the time is over that the session was to take."""
        if self._until is not None:
            await self._clock.sleep_until(self._clock.now() + self._until)
            self.runner.operate("stop", "rustybt", "the time of the session is over")

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Stop when the system or a person says so."""
        loop = asyncio.get_running_loop()
        asked = False

        def stop(name: str) -> None:
            nonlocal asked
            if asked:
                self.runner.abort(f"{name} came twice")
            asked = True
            self.runner.operate("stop", operator(), name)

        handled = []
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(ValueError, NotImplementedError, RuntimeError):
                loop.add_signal_handler(number, stop, signal.Signals(number).name)
                handled.append(number)
        try:
            yield
        finally:
            for number in handled:
                loop.remove_signal_handler(number)

    async def _answer(self, request: Request) -> dict[str, Any]:
        """Answer a person; see :mod:`rustybt.trading.control`."""
        asked = request.command
        engine = self.runner.engine
        if asked in COMMANDS:
            if not request.operator.strip() or not request.reason.strip():
                raise ControlError(f"{asked} needs an operator and a reason")
            self.runner.operate(asked, request.operator, request.reason, **request.arguments)
            return {"accepted": asked}
        if asked == "status":
            return {"status": summary(engine.state)}
        if asked == "balance":
            return {"balance": balance(engine.state)}
        if asked == "orders":
            return {"orders": orders(engine.state, ended="ended" in request.arguments)}
        known = ", ".join(("status", "balance", "orders", *COMMANDS))
        raise ControlError(f"{asked!r} is no request", expected=known)


def operator() -> str:
    """Return who runs this process, for the audit log."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as containers have
        name = f"uid {os.getuid()}"
    return f"{name}@{socket.gethostname()}"

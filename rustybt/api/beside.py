"""The HTTP interface beside a session: in a process of its own, which holds up nobody."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Final, Protocol

from rustybt.api.serving import listener, url_of

if TYPE_CHECKING:
    from rustybt.settings import Settings

LISTENING: Final = "--listening"
"""The option of ``serve-api`` that names a socket by its descriptor."""
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0
_PATIENCE_S: Final = 6.0


class Tell(Protocol):
    """Takes a line for the log; returns at once."""

    def __call__(self, level: str, event: str, /, **fields: object) -> None:
        """Take it."""
        ...


class ApiProcess:
    """Serves the API of the deployment that *settings* describe, for as long as the context lasts.

    The server has a process, an interpreter and a low priority of its own, so that no request
    takes time from the engine. One that ends is started again, ever more slowly; *tell* hears of
    it. It ends when whoever started it does, however that happens. Entering raises
    :class:`~rustybt.api.errors.ApiError` if the address cannot be listened at.
    """

    def __init__(self, settings: Settings, tell: Tell) -> None:
        self._home = settings.home
        self._tell = tell
        self._socket = listener(settings, settings.api_host, settings.api_port)
        self.url = url_of(self._socket)
        self.process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="api", daemon=True)

    def __enter__(self) -> ApiProcess:
        self._thread.start()
        self._tell("info", "the API is served", url=self.url)
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        with self._lock:
            process = self.process
        if process is not None:
            _end(process)
        self._thread.join()
        self._socket.close()

    def _keep(self) -> None:
        """Keep a server running."""
        pause = _FIRST_PAUSE_S
        while (process := self._begin()) is not None:
            code = process.wait()
            if process.stdin is not None:
                process.stdin.close()
            if self._ends.is_set():
                return
            self._tell("warning", "the API ended; it is started again", code=code, seconds=pause)
            self._ends.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _begin(self) -> subprocess.Popen[bytes] | None:
        """Start a server, unless the end has come; return it."""
        number = self._socket.fileno()
        command = [sys.executable, "-m", "rustybt", "serve-api", "--home", str(self._home)]
        with self._lock:
            if self._ends.is_set():
                return None
            # Signals of the terminal are for the engine, which ends the server in its turn. The
            # pipe closes when this process is gone.
            self.process = subprocess.Popen(  # noqa: S603 - this interpreter, and words of ours
                [*command, LISTENING, str(number)],
                pass_fds=(number,),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            return self.process


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a server: let it finish what it does, but not for long."""
    assert process.stdin is not None  # noqa: S101 - it was started with a pipe
    process.stdin.close()
    try:
        process.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

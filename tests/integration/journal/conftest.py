"""A PostgreSQL server of the tests' own, and a new journal's URL in either database."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

_UNPRIVILEGED = "nobody"
_SECONDS = 60.0


def _binaries() -> Path | None:
    """Return the folder of the newest PostgreSQL's programs."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3])
    )
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def _as_other() -> list[str]:
    """Return what to put before a command that refuses to run as root."""
    if os.getuid() != 0:
        return []
    return ["setpriv", f"--reuid={_UNPRIVILEGED}", "--regid=nogroup", "--clear-groups"]


class Cluster:
    """A server in a folder of its own that listens on a socket there, and on no port."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self._binaries, self.folder = binaries, folder
        self._names = count()
        self._run("initdb", "-D", str(folder / "data"), "-U", "journal", "-A", "trust", "-N")
        command = [
            *_as_other(),
            str(binaries / "postgres"),
            *("-D", str(folder / "data"), "-k", str(folder)),
            *("-c", "listen_addresses=", "-c", "shared_buffers=16MB"),
        ]
        with (folder / "log").open("wb") as log:
            self._server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        self._await()

    def url(self) -> str:
        """Return the URL of a new database."""
        name = f"journal_{next(self._names)}"
        self._run("createdb", "-h", str(self.folder), "-U", "journal", name)
        return f"postgresql+psycopg://journal@/{name}?host={self.folder}"

    def stop(self) -> None:
        """End the server."""
        self._server.send_signal(signal.SIGQUIT)
        self._server.wait(timeout=_SECONDS)

    def _run(self, program: str, *arguments: str) -> None:
        command = [*_as_other(), str(self._binaries / program), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder)
        assert done.returncode == 0, done.stderr

    def _await(self) -> None:
        deadline = time.monotonic() + _SECONDS
        while not self._answers():
            assert self._server.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.05)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(self.folder / ".s.PGSQL.5432")) != 0:
                return False
        ready = [str(self._binaries / "pg_isready"), "-q", "-h", str(self.folder)]
        return subprocess.run(ready).returncode == 0


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Return a running server; skip where none is installed."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed: there is no initdb")
    # A socket's path must be short, and another user must get there: pytest's folders are neither.
    everybodys = "/tmp"  # noqa: S108 - the folder below it is private
    with tempfile.TemporaryDirectory(
        prefix="rbt-pg-", dir=everybodys, ignore_cleanup_errors=True
    ) as name:
        folder = Path(name)
        if os.getuid() == 0:
            shutil.chown(folder, _UNPRIVILEGED)
        server = Cluster(binaries, folder)
        yield server
        server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Return what makes URLs of new, empty databases, of each kind in turn."""
    if request.param == "postgresql":
        server: Cluster = request.getfixturevalue("cluster")
        return server.url
    names = count()
    return lambda: f"sqlite:///{tmp_path}/journal-{next(names)}.db"


@pytest.fixture
def url(new_url: Callable[[], str]) -> str:
    """Return the URL of a new, empty database, of each kind in turn."""
    return new_url()

"""What strangers may have written is taken or refused by one clear error, and changes nothing.

``tox -e chaos`` tries each of these ten thousand times.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from rustybt.api.serving import listener, make_server
from rustybt.backup.container import SEAL_BYTES
from rustybt.backup.making import make_backup
from rustybt.backup.reading import unpack
from rustybt.deployment import create_home
from rustybt.errors import RustyBTError
from rustybt.files import tree_digest
from rustybt.monitoring.alerts.rules import parse_alert_rules
from rustybt.settings import load_settings

NOW = datetime(2026, 3, 2, tzinfo=UTC)
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a private folder in it
LINES = 12
TOKEN = "a-token-of-thirty-two-characters-"


class Edit(NamedTuple):
    """Instead of *cut* bytes at the fraction *at* of a file there stands *put*."""

    at: float
    cut: int
    put: bytes

    def done(self, data: bytes) -> bytes:
        """Return *data* so changed."""
        place = int(self.at * len(data))
        return data[:place] + self.put + data[place + self.cut :]


def edits(put: st.SearchStrategy[bytes]) -> st.SearchStrategy[list[Edit]]:
    """Return a few edits, with *put* in place of what was cut."""
    one = st.builds(Edit, st.floats(0, 1), st.integers(0, 64), put)
    return st.lists(one, min_size=1, max_size=4)


def edited(data: bytes, changes: list[Edit]) -> bytes:
    """Return *data* with all *changes* made."""
    for change in changes:
        data = change.done(data)
    return data


BYTES = st.binary(max_size=24)
ENV_PIECES = st.sampled_from(
    [b"=", b"'", b'"', b"\n", b"\\", b"#", b"${", b"\x00", b"export ", b"MAX_LEVERAGE=1", b"\xff"]
)
YAML_PIECES = [
    "- ",
    ": ",
    "\n  ",
    "&a ",
    "*a",
    "!!python/object:os.system ",
    "[",
    "|",
    "{",
    ">",
    "? ",
    "%",
    "<<: ",
    "2026-13-45",
    "1e999",
    "!!binary x",
    "\n",
    "\t",
    "''",
    "\x85",
    "---\n",
    "channels:",
    "0x",
]
YAML_TEXTS = st.lists(st.sampled_from(YAML_PIECES) | st.text(max_size=4), max_size=30).map("".join)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a deployment that all tests here leave as it is."""
    return create_home(tmp_path_factory.mktemp("hostile") / "home", "dev", lambda: NOW).root


class Backup(NamedTuple):
    """An archive, and what opens it."""

    data: bytes
    keys: tuple[SecretStr, ...]

    def __repr__(self) -> str:
        return f"a backup of {len(self.data)} bytes"


@pytest.fixture(scope="module")
def backup(home: Path) -> Backup:
    """Return a backup of the deployment."""
    data = make_backup(home, {}, lambda: NOW).path.read_bytes()
    return Backup(data, tuple(load_settings(home, {}).encryption_keys()))


@given(edits(BYTES | ENV_PIECES))
def test_an_env_file_is_read_or_refused(home: Path, changes: list[Edit]) -> None:
    """Whatever became of a deployment's `.env`, its settings load or one error lists why not."""
    data = edited((home / ".env").read_bytes(), changes)
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        Path(folder, ".env").write_bytes(data)
        try:
            load_settings(Path(folder), {})
        except RustyBTError as error:
            told = str(error)
            assert told.replace("\n", "").isprintable()
        assert Path(folder, ".env").read_bytes() == data
        assert [each.name for each in Path(folder).iterdir()] == [".env"]


@given(edits(BYTES | ENV_PIECES | YAML_TEXTS.map(str.encode)))
def test_edited_alert_rules_are_read_or_refused(home: Path, changes: list[Edit]) -> None:
    """Whatever became of a deployment's alerts.yaml."""
    text = edited((home / "config" / "alerts.yaml").read_bytes(), changes)
    refuse_or_take(text.decode("utf-8", "replace"))


@given(YAML_TEXTS)
@example("a: &a [x]\nb: [*a, *a]")
@example("? [a]\n: b")
def test_invented_alert_rules_are_read_or_refused(text: str) -> None:
    """Pieces of YAML in any order."""
    refuse_or_take(text)


def refuse_or_take(text: str) -> None:
    """Read rules; only the project's own error may come of it, and it says which file."""
    try:
        parse_alert_rules(text, "alerts.yaml", {})
    except RustyBTError as error:
        told = str(error)
        assert "alerts.yaml" in told


@given(edits(BYTES))
def test_an_archive_that_was_changed_is_refused(backup: Backup, changes: list[Edit]) -> None:
    """A byte that changed anywhere is noticed before anything is unpacked."""
    refused(backup, edited(backup.data, changes))


@given(edits(BYTES))
def test_an_archive_that_was_changed_and_sealed_again_is_refused(
    backup: Backup, changes: list[Edit]
) -> None:
    """Who changes the files within and makes the checksum anew is found out by the manifest."""
    inner = gzip.decompress(backup.data)
    changed = edited(inner, changes)
    if changed != inner:
        refused(backup, sealed(backup.data, gzip.compress(changed, 1)))


def sealed(archive: bytes, body: bytes) -> bytes:
    """Return *body* with a seal like that of *archive* that fits it."""
    seal = archive[-SEAL_BYTES:]
    old = hashlib.sha256(archive[:-SEAL_BYTES]).digest()
    assert old in seal
    return body + seal.replace(old, hashlib.sha256(body).digest())


def refused(backup: Backup, data: bytes) -> None:
    """Unpack *data*: an error of the project, nothing beside the folder for it."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        file, into = Path(folder, "backup.tar.gz"), Path(folder, "into")
        file.write_bytes(data)
        into.mkdir()
        if data == backup.data:
            unpack(file, backup.keys, into)
            return
        with pytest.raises(RustyBTError) as caught:
            unpack(file, backup.keys, into)
        assert str(file) in str(caught.value)
        assert sorted(each.name for each in Path(folder).iterdir()) == ["backup.tar.gz", "into"]


METHODS = st.sampled_from(["GET", "POST", "HEAD", "PUT", "OPTIONS", "DELETE", "get", "X" * 40, ""])
PATHS = st.one_of(
    st.sampled_from(
        ["/health", "/status", "/metrics", "/readiness", "/halt", "/", "*", "//", "/%"]
    ),
    st.text("/.%2e\\?&=#ab\u00e9 ", max_size=20),
)
NAMES = st.sampled_from(
    ["Host", "Authorization", "Content-Type", "Content-Length", "Transfer-Encoding", "Expect", "X"]
)
VALUES = f"Bearer {TOKEN}|Bearer {TOKEN}x|application/json|chunked|100-continue|-1|5".split("|")
VALUES += ["9" * 20, "localhost", "[::1", "a" * 2000]
HEADERS = st.lists(
    st.tuples(
        NAMES | st.text("ab:-\u00e9 ", max_size=6),
        st.sampled_from(VALUES) | st.text(max_size=12),
    ),
    max_size=5,
)
BODIES = st.one_of(
    BYTES,
    st.sampled_from(
        [b'{"operator":"a"', b"[" * 5000, b'{"operator":1e999}', b"5\r\nhello\r\n0\r\n"]
    ),
)


@contextmanager
def complaints() -> Iterator[list[str]]:
    """Gather what the server logs as an error: an exception that nobody handled is there."""
    found: list[str] = []

    class Gather(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(self.format(record))

    handler = Gather(logging.ERROR)
    logger = logging.getLogger("uvicorn.error")
    logger.addHandler(handler)
    try:
        yield found
    finally:
        logger.removeHandler(handler)


class Served(NamedTuple):
    """Where a server listens, and the errors that it has logged."""

    address: tuple[str, int]
    errors: list[str]


@pytest.fixture(scope="module")
def served(home: Path) -> Iterator[Served]:
    """Serve the deployment's API on loopback, with a token; nothing that it is asked changes it."""
    before = tree_digest(home)
    settings = load_settings(home, {"API_ENABLED": "true", "API_AUTH_TOKEN": TOKEN})
    with listener(settings, "127.0.0.1", 0) as listening, complaints() as errors:
        running = make_server(settings, lambda: NOW)
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
        thread.start()
        yield Served(listening.getsockname(), errors)
        running.should_exit = True
        thread.join()
    assert tree_digest(home) == before


@given(METHODS, PATHS, HEADERS, BODIES)
def test_no_request_breaks_the_api(
    served: Served,
    method: str,
    path: str,
    headers: list[tuple[str, str]],
    body: bytes,
) -> None:
    """Any bytes are answered in order or cut off, never by a 500, and change no file."""
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    head = "\r\n".join(lines).encode("utf-8", "surrogatepass")
    code = status_of(served.address, head + b"\r\n\r\n" + body)
    assert code is None or code < 500 or (code == 503 and path.startswith("/health"))
    assert not served.errors


def status_of(address: tuple[str, int], request: bytes) -> int | None:
    """Send *request* and nothing more; return the answer's code, ``None`` if there is no answer."""
    with socket.create_connection(address, timeout=30) as connection:
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(64)
        except ConnectionError:
            return None
    words = answer.split(b" ", 2)
    return int(words[1]) if words[0].startswith(b"HTTP/1") else None

"""Where copies of a journal go: a folder, or whatever fsspec reaches."""

from __future__ import annotations

import posixpath
from errno import ENOENT
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rustybt.files import create_exclusively, expanded, sweep_temporaries
from rustybt.journal.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Sink(Protocol):
    """A place for files that are written once. Whatever it cannot do, it raises."""

    def names(self) -> list[str]:
        """Return the names of the files that are there, in any order."""
        ...

    def put(self, name: str, data: bytes) -> None:
        """Let a new file *name* appear, whole; raise if there is one of other content."""
        ...

    def lines(self, name: str) -> Iterator[bytes]:
        """Yield the lines of the file *name*, with their ends."""
        ...


class Folder:
    """A folder, on another disk if it is to be of use. It has to be there: no mount, no copy."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> list[str]:
        """Return the names of its files; raise `FileNotFoundError` if it is not there."""
        if not self._path.is_dir():
            raise FileNotFoundError(ENOENT, "there is no such folder: is its disk mounted?")
        return [path.name for path in self._path.iterdir()]

    def put(self, name: str, data: bytes) -> None:
        """Write and flush beside, then link into place, which overwrites nothing."""
        target = self._path / name
        sweep_temporaries(target)
        try:
            create_exclusively(target, data)
        except FileExistsError:
            _refuse_other(name, target.read_bytes(), data)

    def lines(self, name: str) -> Iterator[bytes]:
        """Yield the lines of a file."""
        with (self._path / name).open("rb") as file:
            yield from file


class Remote:
    """A folder of any file system that fsspec knows, by its URL."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opened: tuple[Any, str] | None = None

    def names(self) -> list[str]:
        """Return the names of its files; none if the folder is not there yet."""
        system, root = self._system()
        system.invalidate_cache()
        if not system.exists(root):
            return []
        return [posixpath.basename(path) for path in system.ls(root, detail=False)]

    def put(self, name: str, data: bytes) -> None:
        """Write beside and move into place: stores of objects show no half-written ones anyway."""
        system, root = self._system()
        target = posixpath.join(root, name)
        if system.exists(target):
            _refuse_other(name, system.cat_file(target), data)
            return
        system.makedirs(root, exist_ok=True)
        beside = posixpath.join(root, f".{name}.tmp")
        system.pipe_file(beside, data)
        system.mv(beside, target)

    def lines(self, name: str) -> Iterator[bytes]:
        """Yield the lines of a file."""
        system, root = self._system()
        with system.open(posixpath.join(root, name), "rb") as file:
            yield from file

    def _system(self) -> tuple[Any, str]:
        """Return the file system and the folder in it, connected to when first needed."""
        if self._opened is None:
            try:
                core = import_module("fsspec.core")
            except ImportError as error:
                raise JournalError(
                    "copies to a URL need the library fsspec", remedy="pip install fsspec"
                ) from error
            system, root = core.url_to_fs(self._url)
            self._opened = system, root.rstrip("/")
        return self._opened


def open_sink(target: str) -> Sink:
    """Return the sink that *target* names: a folder, ``file://`` and a folder, or any other URL."""
    scheme, separator, rest = target.partition("://")
    if separator and scheme != "file":
        return Remote(target)
    return Folder(expanded(Path(rest if separator else target)))


def _refuse_other(name: str, there: bytes, data: bytes) -> None:
    if there != data:
        raise JournalError(
            f"the copy holds another {name}", expected="one journal's copies in one place"
        )

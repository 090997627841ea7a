"""Keep what was measured on a tree, so that it is measured once however many checks ask."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from pytest_rustybt_ready.canonical import digest_bytes, to_bytes

T = TypeVar("T")


class Envelope(msgspec.Struct, frozen=True):
    """A record as it lies on disk, beside the digest of its bytes."""

    digest: str
    record: msgspec.Raw


class TreeStore(Generic[T]):
    """Records of one type in *folder*, one file a tree. Several processes may use it at once."""

    def __init__(self, folder: Path, type_: type[T]) -> None:
        self.folder = folder
        self._type = type_

    def known(self, tree: str) -> T | None:
        """Return the record as it is by now, without waiting for whoever is making more of it."""
        return self._read(self._path(tree))

    def get(self, tree: str, extend: Callable[[T | None, Callable[[T], None]], T]) -> T:
        """Return what *extend* makes of the stored record (None if there is none that is whole).

        *extend* also gets a function that keeps an intermediate record, so that what was measured
        survives if a later step fails. Others that ask for the same tree wait meanwhile.
        """
        path = self._path(tree)
        with self._locked(path):
            known = self._read(path)
            record = extend(known, lambda value: self._write(path, value))
            if record is not known:
                self._write(path, record)
            return record

    def _path(self, tree: str) -> Path:
        return self.folder / f"{tree.removeprefix('sha256:')[:32]}.json"

    def _read(self, path: Path) -> T | None:
        try:
            envelope = msgspec.json.decode(path.read_bytes(), type=Envelope)
            if digest_bytes(bytes(envelope.record)) != envelope.digest:
                return None
            return msgspec.json.decode(envelope.record, type=self._type)
        except (OSError, msgspec.DecodeError):
            return None

    def _write(self, path: Path, record: T) -> None:
        data = to_bytes(record)
        new = path.with_suffix(".new")
        envelope = Envelope(digest=digest_bytes(data), record=msgspec.Raw(data))
        new.write_bytes(msgspec.json.encode(envelope))
        new.replace(path)

    @contextmanager
    def _locked(self, path: Path) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

"""Where a strategy class is found again by another process, and how to tell that it changed."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import inspect
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rustybt.engine.sweep.errors import SweepError
from rustybt.strategy.base import Strategy
from rustybt.strategy.loader import load_strategy

if TYPE_CHECKING:
    from collections.abc import Iterator


class FileSource(NamedTuple):
    """A class in a file that is no module: loaded as the command line loads it."""

    path: str
    name: str
    text: bytes

    def load(self) -> type[Strategy]:
        """Return the class; from a copy if the file is elsewhere or has changed meanwhile."""
        path = Path(self.path)
        with contextlib.suppress(OSError):
            if path.read_bytes() == self.text:
                return load_strategy(path, self.name)
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, path.name)
            copy.write_bytes(self.text)
            return load_strategy(copy, self.name)


class ModuleSource(NamedTuple):
    """A class that can be imported."""

    module: str
    name: str

    def load(self) -> type[Strategy]:
        """Return the class."""
        found: type[Strategy] = getattr(importlib.import_module(self.module), self.name)
        return found


Source = FileSource | ModuleSource


def source_of(strategy: type[Strategy]) -> Source:
    """Return where other processes find *strategy*.

    Raise :class:`~rustybt.engine.sweep.errors.SweepError` for a class that they cannot find: one
    made inside a function or typed into an interpreter.
    """
    with contextlib.suppress(ImportError):
        if strategy.__module__ != "__main__":
            module = importlib.import_module(strategy.__module__)
            is_file = strategy.__module__.startswith("rustybt_strategy_")
            if getattr(module, strategy.__name__, None) is strategy and not is_file:
                return ModuleSource(strategy.__module__, strategy.__name__)
    if "<locals>" not in strategy.__qualname__:
        with contextlib.suppress(OSError, TypeError):
            path = Path(inspect.getfile(strategy)).resolve()
            return FileSource(str(path), strategy.__name__, path.read_bytes())
    raise SweepError(
        f"{strategy.__name__} cannot be found by other processes",
        expected="a class at the top of a file or module",
        remedy="write it there, or use processes=1",
    )


def source_digest(strategy: type[Strategy]) -> str:
    """Return a digest of the files that *strategy* and the strategies above it are written in.

    Other modules that they import are not in it. Raise
    :class:`~rustybt.engine.sweep.errors.SweepError` if there is no file.
    """
    digest = hashlib.sha256(strategy.__qualname__.encode())
    try:
        for path in _files(strategy):
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    except (OSError, TypeError):
        raise SweepError(
            f"{strategy.__name__} has no file by which a change of it could be noticed",
            remedy="write it into a file, or do without a state",
        ) from None
    return digest.hexdigest()


def _files(strategy: type[Strategy]) -> Iterator[Path]:
    """Yield the files of the class and of those that it derives from."""
    for kind in strategy.__mro__:
        if kind is Strategy:
            return
        if issubclass(kind, Strategy):
            yield Path(inspect.getfile(kind))

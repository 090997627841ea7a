"""Strategies from files."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import linecache
import sys
import traceback
from types import ModuleType
from typing import TYPE_CHECKING, Final

from rustybt.strategy.base import Strategy
from rustybt.strategy.errors import StrategyLoadError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOOKS: Final[dict[str, tuple[str, ...]]] = {
    "on_start": (),
    "on_bar": ("bar",),
    "on_bars": ("bars",),
    "on_fill": ("fill",),
    "on_stop": (),
    "signals": (),
}
"""The hooks and the arguments that each is called with."""


def load_strategy(path: Path, name: str | None = None) -> type[Strategy]:
    """Return the strategy class in the Python file *path*, the one called *name* if given.

    The file's folder can be imported from while it is loaded. Raise
    :class:`~rustybt.strategy.errors.StrategyLoadError` if the file cannot be read or compiled,
    raises (the message names the line), holds no strategy or several, or one whose hooks could not
    be called.
    """
    module = _executed(path)
    kind = _chosen(path, _strategies(module), name)
    problems = [*_hook_problems(kind), *_constructor_problems(kind)]
    if problems:
        raise StrategyLoadError(f"{path}: {kind.__name__} cannot be used: {'; '.join(problems)}")
    return kind


def _executed(path: Path) -> ModuleType:
    """Return the module that the file makes."""
    try:
        source = path.read_bytes()
    except OSError as error:
        raise StrategyLoadError(
            f"cannot read the strategy {path}: {error.strerror}",
            expected="a Python file with a class that derives from rustybt.strategy.Strategy",
        ) from None
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    module = ModuleType(f"rustybt_strategy_{digest}")
    module.__file__ = str(path)
    linecache.checkcache(str(path))
    sys.modules[module.__name__] = module  # dataclasses and pickle look classes up there
    try:
        code = compile(source, str(path), "exec")
        with _importing_from(path.resolve().parent):
            exec(code, module.__dict__)  # noqa: S102 - running the user's strategy is the point
    except SyntaxError as error:
        sys.modules.pop(module.__name__, None)
        place = f"{error.filename or path}:{error.lineno}"
        raise StrategyLoadError(f"{place}: {error.msg}", expected="a Python file") from None
    except (Exception, SystemExit) as error:
        sys.modules.pop(module.__name__, None)
        raise StrategyLoadError(
            f"{path}{line_in(error, path)}: importing it raised {described(error)}"
        ) from error
    return module


@contextlib.contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    """Let imports find what lies beside the strategy, as they do when Python runs a script."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(folder))


def described(error: BaseException) -> str:
    """Return the kind of *error* and its message."""
    message = str(error)
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def line_in(error: BaseException, path: Path | str) -> str:
    """Return ``:LINE``, the last line of the file *path* that *error* came through, if any."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return f":{lines[-1]}" if lines else ""


def _strategies(module: ModuleType) -> dict[str, type[Strategy]]:
    """Return the strategies that *module* defines itself, private ones left out."""
    return {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, Strategy)
        and value.__module__ == module.__name__
        and not name.startswith("_")
    }


def _chosen(path: Path, found: dict[str, type[Strategy]], name: str | None) -> type[Strategy]:
    """Return the one strategy that is meant."""
    names = ", ".join(found) or "none"
    if name is not None:
        if name not in found:
            raise StrategyLoadError(f"{path} has no strategy {name!r}", expected=names)
        return found[name]
    if not found:
        raise StrategyLoadError(
            f"{path} defines no strategy",
            expected="a class that derives from rustybt.strategy.Strategy, its name without _",
        )
    if len(found) > 1:
        raise StrategyLoadError(
            f"{path} defines {len(found)} strategies: {names}",
            expected="one, or the name of the one that is meant",
        )
    return next(iter(found.values()))


def _hook_problems(kind: type[Strategy]) -> list[str]:
    """Return which hooks could not be called, and why."""
    problems = []
    for name, arguments in HOOKS.items():
        hook = inspect.getattr_static(kind, name)
        function = getattr(kind, name)
        if not callable(function):
            problems.append(f"{name} is a {type(hook).__name__}, not a method")
            continue
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            problems.append(f"{name} is async; hooks are called without waiting")
        if not _takes(function, len(arguments), bound=isinstance(hook, staticmethod | classmethod)):
            expected = ", ".join(("self", *arguments))
            problems.append(f"{name}{inspect.signature(function)} should be {name}({expected})")
    return problems


def _takes(function: object, count: int, *, bound: bool) -> bool:
    """Tell whether *function* can be called with *count* arguments besides self."""
    arguments = [None] * (count if bound else count + 1)
    try:
        inspect.signature(function).bind(*arguments)  # type: ignore[arg-type]  # it is callable
    except TypeError:
        return False
    return True


def _constructor_problems(kind: type[Strategy]) -> list[str]:
    """Return why the class could not be made without arguments."""
    try:
        inspect.signature(kind).bind()
    except TypeError as error:
        return [f"it cannot be made without arguments ({error})"]
    return []

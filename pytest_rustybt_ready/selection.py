"""What a run was asked for: readiness checks at all, and which part of the checklist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest
from _pytest.mark.expression import Expression

from pytest_rustybt_ready.marks import MARK, PREFIX, SECTIONS

OPTIONS = ("ready_stage", "ready_report", "ready_prove", "ready_item", "deployment")
_NAMES_READINESS = re.compile(rf"\b({MARK}|{PREFIX}\w+)\b")


class Request(NamedTuple):
    """Whether and how readiness checks were asked for.

    ``by_mark``: by ``-m``; ``by_option``: by an option of the plugin without ``-m``; ``paths``: the
    arguments that name readiness files or folders. With none of these the checks stay out.
    """

    by_mark: bool = False
    by_option: bool = False
    paths: tuple[str, ...] = ()
    narrow: bool = False

    @property
    def asked(self) -> bool:
        """Whether readiness checks are part of this run."""
        return self.by_mark or self.by_option or bool(self.paths)


def request_of(config: pytest.Config) -> Request:
    """Read the request from the command line; a worker gets its controller's."""
    worker_input = getattr(config, "workerinput", None)
    if worker_input is not None:
        by_mark, by_option, paths, narrow = worker_input["ready_request"]
        return Request(by_mark, by_option, tuple(paths), narrow)
    expression = config.option.markexpr or ""
    by_mark = bool(_NAMES_READINESS.search(expression)) and not _only_excludes(expression)
    by_option = not expression and any(config.getoption(name, None) for name in OPTIONS)
    named = config.args_source is config.ArgsSource.ARGS
    paths = tuple(readiness_args(config)) if named and (by_mark or not expression) else ()
    narrow = bool(config.option.keyword) or any("::" in arg for arg in paths)
    return Request(by_mark, by_option, paths, narrow)


def readiness_args(config: pytest.Config) -> Iterable[str]:
    """Yield the arguments that name a readiness folder, or a file with checks in it."""
    roots = ready_paths(config)
    for arg in config.args:
        path = Path(config.invocation_params.dir, arg.split("::", 1)[0]).resolve()
        if any(path.is_relative_to(root) for root in roots) or _mentions_readiness(path):
            yield arg


def _mentions_readiness(path: Path) -> bool:
    """Tell whether a file marks checks, by its code: its strings may speak of marks, too."""
    if path.suffix != ".py" or not path.is_file():
        return False
    text = path.read_bytes()
    if not any(name in text for name in (b"ready.", b"mark.readiness", b"mark.ready_")):
        return False
    try:
        nodes = ast.walk(ast.parse(text))
    except SyntaxError:
        return False  # pytest will say so
    return any(isinstance(node, ast.Attribute) and _is_mark(node) for node in nodes)


def _is_mark(node: ast.Attribute) -> bool:
    owner = getattr(node.value, "attr", getattr(node.value, "id", ""))
    if owner == "mark":
        return node.attr == MARK or node.attr.startswith(PREFIX)
    return owner == "ready" and (node.attr in SECTIONS or node.attr == "section")


def ready_paths(config: pytest.Config) -> tuple[Path, ...]:
    """Return the folders that hold readiness checks, as the ini file names them."""
    return tuple((config.rootpath / name).resolve() for name in config.getini("ready_paths"))


def sections_selected(expression: str, keys: Iterable[str]) -> tuple[str, ...]:
    """Return the keys of the sections whose checks ``-m expression`` selects."""
    if not expression:
        return tuple(keys)
    compiled = Expression.compile(expression)
    return tuple(key for key in keys if _selects(compiled, key))


def _only_excludes(expression: str) -> bool:
    """Tell whether *expression* selects what has no readiness mark, as ``not readiness`` does."""
    compiled = Expression.compile(expression)
    keys = {name.removeprefix(PREFIX) for name in _NAMES_READINESS.findall(expression)}
    return not any(_selects(compiled, key) for key in keys)


def _selects(compiled: Expression, key: str) -> bool:
    names = {MARK, PREFIX + key}

    def matches(name: str, /, **_: str | int | bool | None) -> bool:
        return name in names

    return compiled.evaluate(matches)

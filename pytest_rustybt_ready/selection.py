"""What a run was asked for: readiness checks at all, and which part of the checklist."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from _pytest.mark.expression import Expression

from pytest_rustybt_ready.marks import MARK, PREFIX

OPTIONS = ("ready_stage", "ready_report", "ready_prove", "ready_item", "deployment")
MOST_NAMES = 8  # in one -m expression; all ways to combine more would take too long to try
_WORDS = re.compile(r"[^\s()=,\"']+")
_PACKAGE = "pytest_rustybt_ready"
_HINTS = (b"pytest_rustybt_ready", b"mark.readiness", b"mark.ready_")


class Request(NamedTuple):
    """Whether and how readiness checks were asked for.

    ``by_mark``: by ``-m``; ``by_option``: by an option of the plugin without ``-m``; ``paths``: the
    arguments that name readiness files or folders. With none of these the checks stay out.
    ``narrow``: only some tests of a file were asked for, by ``-k`` or node id.
    """

    by_mark: bool = False
    by_option: bool = False
    paths: tuple[str, ...] = ()
    narrow: bool = False

    @property
    def asked(self) -> bool:
        """Whether readiness checks are part of this run."""
        return self.by_mark or self.by_option or bool(self.paths)


REQUEST_KEY = pytest.StashKey[Request]()


def request_of(config: pytest.Config, keys: Iterable[str]) -> Request:
    """Read the request from the command line, with the sections' *keys*.

    A worker of xdist gets its controller's.
    """
    worker_input = getattr(config, "workerinput", None)
    if worker_input is not None:
        by_mark, by_option, paths, narrow = worker_input["ready_request"]
        return Request(by_mark, by_option, tuple(paths), narrow)
    expression = config.option.markexpr or ""
    by_mark = asks(expression, keys)
    given = (config.getoption(name, None) not in (None, False, []) for name in OPTIONS)
    by_option = not expression and any(given)
    named = config.args_source is config.ArgsSource.ARGS
    paths = tuple(readiness_args(config)) if named and (by_mark or not expression) else ()
    narrow = bool(config.option.keyword) or any("::" in arg for arg in paths)
    return Request(by_mark, by_option, paths, narrow)


def asks_for_nothing_else(config: pytest.Config, request: Request, keys: Iterable[str]) -> bool:
    """Tell whether only checks were asked for: by options, or by readiness marks alone."""
    if not request.asked or request.paths or config.args_source is config.ArgsSource.ARGS:
        return False
    marks = {MARK, *(PREFIX + key for key in keys), "and", "or", "not"}
    return set(_WORDS.findall(config.option.markexpr or "")) <= marks


def readiness_args(config: pytest.Config) -> Iterator[str]:
    """Yield the arguments that name a readiness folder, or a file with checks in it."""
    roots = ready_paths(config)
    for arg in config.args:
        path = Path(config.invocation_params.dir, arg.split("::", 1)[0]).resolve()
        if any(path.is_relative_to(root) for root in roots) or holds_checks(path):
            yield arg


def ready_paths(config: pytest.Config) -> tuple[Path, ...]:
    """Return the folders that hold readiness checks, as the ini file names them."""
    return tuple((config.rootpath / name).resolve() for name in config.getini("ready_paths"))


def holds_checks(path: Path) -> bool:
    """Tell whether the Python file at *path* uses readiness marks, outside of function bodies.

    Most files are told by their bytes; only those that name the plugin at all are parsed.
    """
    if path.suffix != ".py" or not path.is_file():
        return False
    try:
        text = path.read_bytes()
        if not any(hint in text for hint in _HINTS):
            return False
        tree = ast.parse(text)
    except (OSError, SyntaxError, ValueError):
        return False  # pytest says itself what is wrong with it
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(_PACKAGE)
        for alias in node.names
        if alias.name == "ready"
    }
    return any(_is_mark(node, names) for node in _outside_functions(tree))


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        yield child
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            decorators = child.decorator_list
            yield from (inner for decorator in decorators for inner in ast.walk(decorator))
        else:
            yield from _outside_functions(child)


def _is_mark(node: ast.AST, names: set[str]) -> bool:
    """Tell whether *node* is ``ready.…``, ``….ready.…`` or ``….mark.readiness`` or the like."""
    if not isinstance(node, ast.Attribute):
        return False
    if isinstance(node.value, ast.Name):
        return node.value.id in names or (node.value.id == "mark" and _is_name(node.attr))
    owner = node.value.attr if isinstance(node.value, ast.Attribute) else ""
    return owner == "ready" or (owner == "mark" and _is_name(node.attr))


def _is_name(attr: str) -> bool:
    return attr == MARK or attr.startswith(PREFIX)


def asks(expression: str, keys: Iterable[str]) -> bool:
    """Tell whether ``-m expression`` asks for checks: whether a readiness mark can get a test in.

    ``not readiness`` and ``not ready_security`` do not: they say what to leave out of an ordinary
    run. Neither does an expression that pytest will refuse.
    """
    marks = {MARK, *(PREFIX + key for key in keys)}
    compiled = _compiled(expression)
    mentioned = marks & {*_WORDS.findall(expression)}
    if compiled is None or not mentioned:
        return False
    return any(
        _evaluate(compiled, {MARK: True, mark: True} | others) and not _evaluate(compiled, others)
        for mark in mentioned
        for others in _combinations(expression, marks)
    )


def sections_selected(expression: str, keys: Iterable[str]) -> tuple[str, ...]:
    """Return the keys of the sections of which ``-m expression`` may select checks."""
    keys = tuple(keys)
    compiled = _compiled(expression)
    if compiled is None:
        return keys
    marks = {MARK, *(PREFIX + key for key in keys)}
    return tuple(
        key
        for key in keys
        if any(
            _evaluate(compiled, {MARK: True, PREFIX + key: True} | others)
            for others in _combinations(expression, marks)
        )
    )


def _compiled(expression: str) -> Expression | None:
    try:
        return Expression.compile(expression) if expression else None
    except Exception:  # noqa: BLE001 - of a type of pytest's own, which says itself what is wrong
        return None


def _combinations(expression: str, marks: set[str]) -> Iterator[dict[str, bool]]:
    """Yield every way in which the marks of others in *expression* may be there or not."""
    others = sorted({*_WORDS.findall(expression)} - marks - {"and", "or", "not"})
    if len(others) > MOST_NAMES:
        yield from (dict.fromkeys(others, there) for there in (False, True))
        return
    for there in itertools.product((False, True), repeat=len(others)):
        yield dict(zip(others, there, strict=True))


def _evaluate(compiled: Expression, there: Mapping[str, bool]) -> bool:
    def matches(name: str, /, **_: str | int | bool | None) -> bool:
        return there.get(name, False)

    return compiled.evaluate(matches)

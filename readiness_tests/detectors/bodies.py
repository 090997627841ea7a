"""Find functions that do nothing, and exceptions that vanish."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from readiness_tests.detectors.source import Function, Source
from readiness_tests.detectors.syntax import (
    Names,
    Place,
    has_docstring,
    is_declaration,
    last_part,
    places,
    text_of,
    without_docstring,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from readiness_tests.detectors.families import Families
    from readiness_tests.detectors.finding import Finding

_UNFINISHED = re.compile(
    r"\b(coming soon|not (yet )?implemented|not implemented yet|under construction"
    r"|to be (done|implemented)|implement me|work in progress)\b",
    re.IGNORECASE,
)
_OUTPUT = frozenset(
    {"print", "echo", "secho", "write", "debug", "info", "warning", "error", "critical", "log"}
)
_EXPLAINED = re.compile(r"noqa:[\w\s,]*\bBLE001\b[\w\s,]*[^\w\s,].*[^\W\d_]{2,}")
_BROAD = frozenset({"Exception", "BaseException"})
_LIFECYCLE = frozenset({"__init__", "__del__", "__enter__", "__exit__", "__aexit__"})


def body_findings(source: Source, names: Names, families: Families) -> Iterator[Finding]:
    """Yield a finding for each empty body, unfinished function and swallowed exception."""
    for place in places(source.tree):
        if _does_nothing(place.node.body) and not _may_do_nothing(place, names, families):
            message = f"{place.qualname} does nothing: implement it or delete it"
            yield source.finding(place.node, "empty-body", message)
    for node in source.nodes:
        yield from _swallowed(source, node, names)
        if isinstance(node, ast.ClassDef) and _is_hollow(node):
            message = f"{node.name} is an empty class: implement it or delete it"
            yield source.finding(node, "empty-body", message)
        if isinstance(node, ast.Call | ast.Raise) and _announces_absence(node):
            message = "says that something is not implemented"
            yield source.finding(node, "unfinished", message)


def _does_nothing(body: Sequence[ast.stmt]) -> bool:
    return all(map(_is_void, without_docstring(body)))


def _is_void(statement: ast.stmt) -> bool:
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Return(value=None) | ast.Return(value=ast.Constant(value=None)):
            return True
        case ast.Raise(exc=ast.Name(id=name)) | ast.Raise(exc=ast.Call(func=ast.Name(id=name))):
            return name == "NotImplementedError"
    return False


def _may_do_nothing(place: Place, names: Names, families: Families) -> bool:
    if is_declaration(place, names) or _is_generic_base(place, names):
        return True
    body = place.node.body
    if not has_docstring(body):
        return False
    if len(body) > 1:
        return _is_refusal(body[1:]) and _is_default(place, families)
    return _is_explained(place, names) or _is_event(place) or _is_default(place, families)


def _is_generic_base(place: Place, names: Names) -> bool:
    # The first function of a single dispatch is the refusal of every type not registered.
    decorated = {last_part(names.resolve(node)) for node in place.node.decorator_list}
    refuses = _is_refusal(without_docstring(place.node.body))
    return refuses and not decorated.isdisjoint({"singledispatch", "singledispatchmethod"})


def _is_explained(place: Place, names: Names) -> bool:
    """Return whether a docstring is all that this kind of function needs.

    So it is for steps of a life cycle with nothing to do, for an `@override` that does nothing on
    purpose, for command groups, which exist for their help text, for fixtures that only ask for
    other fixtures, and for functions inside a test, which are its subject.
    """
    decorated = {last_part(names.resolve(node)) for node in place.node.decorator_list}
    if place.node.name in _LIFECYCLE and place.owner is not None:
        return True
    if any(isinstance(n, Function) and n.name.startswith("test_") for n in place.outside):
        return True
    if "fixture" in decorated:
        return bool(place.parameters)
    return not decorated.isdisjoint({"override", "group", "callback"})


def _is_event(place: Place) -> bool:
    """Return whether a method is an optional hook: an `on_...` of a class without bases."""
    is_root = place.owner is not None and not place.owner.bases
    return is_root and place.node.name.startswith("on_")


def _is_default(place: Place, families: Families) -> bool:
    """Return whether a scanned class overrides the method."""
    return place.owner is not None and families.is_default(place.owner.name, place.node.name)


def _is_refusal(body: Sequence[ast.stmt]) -> bool:
    return len(body) == 1 and isinstance(body[0], ast.Raise)


def _is_hollow(node: ast.ClassDef) -> bool:
    derived = node.bases or node.keywords or node.decorator_list
    return not derived and not has_docstring(node.body) and _does_nothing(node.body)


def _announces_absence(node: ast.Call | ast.Raise) -> bool:
    call = node.exc if isinstance(node, ast.Raise) else node
    if not isinstance(call, ast.Call):
        return False
    name = last_part(ast.unparse(call.func)) if not isinstance(node, ast.Raise) else "print"
    texts = filter(None, map(text_of, call.args))
    return name in _OUTPUT and any(map(_UNFINISHED.search, texts))


def _swallowed(source: Source, node: ast.AST, names: Names) -> Iterator[Finding]:
    if isinstance(node, ast.Try | ast.TryStar):
        for handler in node.handlers:
            if _is_silent(node, handler, names) or _gives_all_up(source, handler, names):
                caught = ast.unparse(handler.type) if handler.type else "every exception"
                message = f"swallows {caught}: handle it, or name it in contextlib.suppress"
                yield source.finding(handler, "swallowed-exception", message)
    if isinstance(node, ast.Call) and names.resolve(node.func) == "contextlib.suppress":
        broad = [ast.unparse(arg) for arg in node.args if _is_broad(arg, names)]
        for caught in broad[:1]:
            message = f"suppresses {caught}: name the exceptions that may be ignored"
            yield source.finding(node, "swallowed-exception", message)


def _is_silent(node: ast.Try | ast.TryStar, handler: ast.ExceptHandler, names: Names) -> bool:
    if not all(isinstance(s, ast.Pass) or _is_text(s) for s in handler.body):
        return False
    # With an `else`, doing nothing for a named exception is a branch like any other.
    return not node.orelse or _is_broad(handler.type, names)


def _gives_all_up(source: Source, handler: ast.ExceptHandler, names: Names) -> bool:
    """Return whether *handler* turns every exception into a constant, or moves on, unexplained.

    The explanation is the one that the linter wants for a broad handler: `noqa: BLE001 - why`.
    """
    if not _is_broad(handler.type, names) or not all(map(_gives_up, handler.body)):
        return False
    _, comment = source.comments.get(handler.lineno, (0, ""))
    return not _EXPLAINED.search(comment)


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _gives_up(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Return):
        return statement.value is None or isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Pass | ast.Continue | ast.Break) or _is_text(statement)


def _is_broad(node: ast.expr | None, names: Names) -> bool:
    if isinstance(node, ast.Tuple | ast.List | ast.Starred):
        children = [node.value] if isinstance(node, ast.Starred) else node.elts
        return any(_is_broad(child, names) for child in children)
    return node is None or last_part(names.resolve(node)) in _BROAD

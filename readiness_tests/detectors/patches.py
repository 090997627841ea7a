"""Find attributes of live objects that are replaced while a test runs."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from readiness_tests.detectors.syntax import Names, last_part, text_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from readiness_tests.detectors.finding import Finding
    from readiness_tests.detectors.source import Source

PRODUCT = frozenset({"rustybt", "pytest_rustybt_ready", "readiness_tests"})
"""The packages whose objects must not be changed from outside."""

_REPLACING = frozenset({"setattr", "delattr", "setitem", "delitem"})
_PROCESS_STATE = frozenset({"sys", "os.environ"})


def patch_findings(
    source: Source, names: Names, product: Collection[str] = PRODUCT
) -> Iterator[Finding]:
    """Yield a finding for each replaced attribute or item.

    Two ways are seen: pytest's `MonkeyPatch`, on anything but the state of the process (`sys` and
    `os.environ`; `setenv`, `chdir` and `syspath_prepend` are free), and plain assignment, `del`,
    `setattr` or `delattr` on what was imported from *product*.
    """
    patchers = {"monkeypatch"} | set(_patchers(source, names))
    for node in source.nodes:
        target = _patched_by_fixture(node, patchers, names)
        if target:
            yield source.finding(node, "patched", f"replaces {target} with monkeypatch")
        for written in _written(node):
            origin = names.resolve(written)
            if origin.partition(".")[0] in product and _is_imported(written, names):
                yield source.finding(node, "patched", f"changes {origin} from outside")


def _patchers(source: Source, names: Names) -> Iterator[str]:
    """Yield the names that hold a MonkeyPatch: parameters, `with ... as`, assignments."""
    for node in source.nodes:
        match node:
            case ast.arg(arg=name, annotation=annotation) if _is_patcher(annotation, names):
                yield name
            case ast.withitem(context_expr=value, optional_vars=ast.Name(id=name)):
                yield from [name] if _makes_patcher(value, names) else []
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield from [name] if _makes_patcher(value, names) else []


def _is_patcher(annotation: ast.expr | None, names: Names) -> bool:
    dotted = text_of(annotation) or names.resolve(annotation)
    return last_part(dotted) == "MonkeyPatch"


def _makes_patcher(value: ast.expr, names: Names) -> bool:
    if not isinstance(value, ast.Call):
        return False
    dotted = names.resolve(value.func)
    return dotted.endswith(("MonkeyPatch", "MonkeyPatch.context", "monkeypatch.context"))


def _patched_by_fixture(node: ast.AST, patchers: Collection[str], names: Names) -> str | None:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return None
    receiver = node.func.value
    if not (isinstance(receiver, ast.Name) and receiver.id in patchers):
        return None
    if node.func.attr not in _REPLACING or not node.args:
        return None
    target = text_of(node.args[0]) or names.resolve(node.args[0]) or ast.unparse(node.args[0])
    return None if _is_process_state(target) else target


def _is_process_state(target: str) -> bool:
    if target == "sys.modules" or target.startswith("sys.modules."):
        return False
    return target in _PROCESS_STATE or target.startswith(("sys.", "os.environ."))


def _written(node: ast.AST) -> Iterator[ast.expr]:
    match node:
        case ast.Attribute(ctx=ast.Store() | ast.Del()):
            yield node
        case ast.Subscript(ctx=ast.Store() | ast.Del(), value=ast.Attribute() as value):
            yield value
        case ast.Call(func=ast.Name(id="setattr" | "delattr"), args=[target, *_]):
            yield target


def _is_imported(node: ast.expr, names: Names) -> bool:
    """Return whether the chain of attributes starts at an import, not at a call's result."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name) and names.imported(node.id) is not None

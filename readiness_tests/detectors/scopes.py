"""See what a scope binds and what it does, without its inner scopes."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from readiness_tests.detectors.source import Function, Source

Bindings = Mapping[str, Sequence[ast.expr | None]]
"""The expressions that each name is bound to; None stands for a value from elsewhere."""

_MUTABLE = ast.List | ast.Set | ast.Dict | ast.ListComp | ast.SetComp | ast.DictComp | ast.Call
_INNER = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda


def own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of the body of *scope*, in order, without those of inner scopes."""
    body = getattr(scope, "body", [])
    stack: list[ast.AST] = [*reversed(body)] if isinstance(body, list) else [body]
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, _INNER):
            stack.extend(reversed(list(ast.iter_child_nodes(node))))


def function_bindings(node: Function | ast.Lambda) -> Bindings:
    """Return what each name of a function is bound to; its parameters come from elsewhere."""
    arguments = [a for a in ast.walk(node.args) if isinstance(a, ast.arg)]
    bound: dict[str, list[ast.expr | None]] = {a.arg: [None] for a in arguments}
    for name, value in _bound_in(node):
        bound.setdefault(name, []).append(value)
    for name in _used_before_return(node):
        # A container that anything else touches may have been filled.
        if any(isinstance(value, _MUTABLE) for value in bound.get(name, ())):
            bound[name].append(None)
    return bound


def module_bindings(source: Source) -> Bindings:
    """Return what each name of a module is bound to; what may change comes from elsewhere."""
    bound: dict[str, list[ast.expr | None]] = {}
    for name, value in _bound_in(source.tree):
        changes = isinstance(value, ast.List | ast.Set | ast.Dict)
        bound.setdefault(name, []).append(None if changes else value)
    for node in source.nodes:
        if isinstance(node, ast.Global):
            for name in node.names:
                bound.setdefault(name, []).append(None)
    return bound


def _bound_in(scope: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    plain: dict[int, ast.expr | None] = {}
    for node in own_nodes(scope):
        plain.update(_plainly_bound(node))
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id, plain.get(id(node))
        yield from ((name, None) for name in _otherwise_bound(node))


def _plainly_bound(node: ast.AST) -> dict[int, ast.expr | None]:
    match node:
        case ast.Assign(targets=targets, value=value):
            return {id(target): value for target in targets}
        case ast.AnnAssign(target=target, value=value) if value is not None:
            return {id(target): value}
        case ast.NamedExpr(target=target, value=value):
            return {id(target): value}
    return {}


def _otherwise_bound(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return [(alias.asname or alias.name).partition(".")[0] for alias in aliases]
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            return names
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
            return [name]
        case ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
            return [name]
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return [node.name]
    return []


def _used_before_return(node: Function | ast.Lambda) -> set[str]:
    returned = {id(n.value) for n in own_nodes(node) if isinstance(n, ast.Return)}
    loads = (n for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load))
    return {load.id for load in loads if id(load) not in returned}


def falls_through(body: Sequence[ast.stmt]) -> bool:
    """Return whether control may reach the end of *body*."""
    return not any(map(_never_ends, body))


def _never_ends(statement: ast.stmt) -> bool:
    match statement:
        case ast.Return() | ast.Raise() | ast.Continue() | ast.Break():
            return True
        case ast.If(body=body, orelse=orelse):
            return not (falls_through(body) or falls_through(orelse))
        case ast.With(body=body) | ast.AsyncWith(body=body):
            return not falls_through(body)
        case ast.While(test=ast.Constant(value=value)) if value:
            return not any(isinstance(node, ast.Break) for node in ast.walk(statement))
        case ast.Try() | ast.TryStar():
            return _try_never_ends(statement)
        case ast.Match(cases=cases):
            is_total = any(isinstance(c.pattern, ast.MatchAs) and not c.guard for c in cases)
            return is_total and not any(falls_through(case.body) for case in cases)
    return False


def _try_never_ends(statement: ast.Try | ast.TryStar) -> bool:
    if not falls_through(statement.finalbody):
        return True
    ends = [[*statement.body, *statement.orelse], *(h.body for h in statement.handlers)]
    return not any(map(falls_through, ends))

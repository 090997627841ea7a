"""Rewrite one function so that it passes everything, or so that it reports being called."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from readiness_tests.detectors.scopes import own_nodes
from readiness_tests.detectors.syntax import (
    Place,
    decorator_name,
    last_part,
    places,
    text_of,
    without_docstring,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from readiness_tests.detectors.validators import Validator

_EMPTY = {
    "bool": "True", "TypeGuard": "True", "TypeIs": "True", "None": "None",
    "list": "[]", "List": "[]", "Sequence": "[]", "Collection": "[]", "Iterable": "[]",
    "tuple": "()", "Tuple": "()", "set": "set()", "Set": "set()", "frozenset": "frozenset()",
    "dict": "{}", "Dict": "{}", "Mapping": "{}", "Iterator": "iter(())",
}  # fmt: skip
"""What a validator of this return type gives when it has nothing to complain about."""

_CONTEXTS = ("Context", "CallbackParam", "Parameter")


class NotNeutralisableError(ValueError):
    """There is no telling what a function would return if it accepted its input."""


def neutralise(text: str, validator: Validator) -> str:
    """Return the module *text* with the body of *validator* replaced by one that always passes.

    A validator of values returns the value it was given, a predicate True, a list of problems
    none. Where the return type tells nothing, the guards go: every `raise`, every `assert` and
    every `if` that ends in `raise` or `return`. Raises NotNeutralisableError if nothing of this
    applies, and LookupError if *text* has no such function.
    """
    found = _find(text, validator)
    if isinstance(found, ast.Lambda):
        return _replaced(text, found.body, found.body, _first(found.args))
    rest = without_docstring(found.node.body)
    if not rest:
        raise NotNeutralisableError("it has no body")
    result = _passing(found, validator.how)
    body = _without_guards(rest) if result is None else [result]
    return _replaced(text, rest[0], rest[-1], _separator(text, rest[0]).join(body))


def observe(text: str, validator: Validator, call: str) -> str:
    """Return the module *text* with the expression *call* evaluated whenever *validator* runs."""
    found = _find(text, validator)
    if isinstance(found, ast.Lambda):
        body = ast.unparse(found.body)
        return _replaced(text, found.body, found.body, f"({call}, ({body}))[1]")
    first, rest = found.node.body[0], without_docstring(found.node.body)
    separator = _separator(text, first)
    if rest:
        return _inserted(text, _start(rest[0]), call + separator)
    return _inserted(text, _end(first), separator + call)


def _find(text: str, validator: Validator) -> Place | ast.Lambda:
    tree = ast.parse(text)
    wanted = (validator.line, validator.column - 1)
    if validator.qualname == "<lambda>":
        for node in ast.walk(tree):
            if isinstance(node, ast.Lambda) and (node.lineno, node.col_offset) == wanted:
                return node
    for place in places(tree):
        at = (place.node.lineno, place.node.col_offset)
        if place.qualname == validator.qualname and at == wanted:
            return place
    raise LookupError(f"{validator} is not in the text")


def _passing(place: Place, how: str) -> str | None:
    """Return the statement that makes the function pass everything, or None if unknown."""
    if any(isinstance(node, ast.Yield | ast.YieldFrom) for node in own_nodes(place.node)):
        return "yield from ()"
    if how == "after init":
        return None
    if how == "name" or (how == "validator" and _is_attrs(place)):
        value = _by_type(place)
    else:
        value = _by_protocol(place, how)
    return None if value is None else f"return {value}"


def _by_protocol(place: Place, how: str) -> str:
    parameters = [argument.arg for argument in place.parameters]
    mode = _mode(place)
    if how == "validates":
        return parameters[1]
    if how == "model_validator" and mode == "after" and "classmethod" not in place.decorators:
        return place.node.args.args[0].arg
    if mode == "wrap" or how == "WrapValidator":
        return f"{parameters[1]}({parameters[0]})"
    if how == "callback":
        return _callback_value(place)
    return parameters[0] if parameters else "None"


def _mode(place: Place) -> str:
    for decorator in place.node.decorator_list:
        for keyword in decorator.keywords if isinstance(decorator, ast.Call) else ():
            if keyword.arg == "mode":
                return text_of(keyword.value) or "after"
    return "after"


def _is_attrs(place: Place) -> bool:
    # attrs: `@field.validator`, bare; or `field(validator=f)`, no decorator at all.
    decorators = place.node.decorator_list
    called = [node for node in decorators if isinstance(node, ast.Call)]
    return not any(last_part(decorator_name(node)) == "validator" for node in called)


def _callback_value(place: Place) -> str:
    values = [
        argument.arg
        for argument in place.parameters
        if not (argument.annotation and ast.unparse(argument.annotation).endswith(_CONTEXTS))
    ]
    if "value" in values:
        return "value"
    return values[-1] if values else "None"


def _by_type(place: Place) -> str | None:
    given = place.node.returns
    wanted = (text_of(given) or ast.unparse(given)) if given else ""
    if _empty(wanted) == "True":
        return "True"
    returned = [n.value for n in own_nodes(place.node) if isinstance(n, ast.Return)]
    names = {value.id for value in returned if isinstance(value, ast.Name)}
    of_type = [a.arg for a in place.parameters if wanted and _type(a) == wanted]
    parameters = [a.arg for a in place.parameters]
    likely = [name for name in (*of_type, *parameters) if name in names]
    if likely:
        return likely[0]
    if not wanted:
        return _by_answers(returned)
    return of_type[0] if of_type and wanted != "None" else _empty(wanted)


def _type(argument: ast.arg) -> str:
    given = argument.annotation
    return (text_of(given) or ast.unparse(given)) if given else ""


def _empty(wanted: str) -> str | None:
    if wanted.startswith("Optional[") or "None" in (part.strip() for part in wanted.split("|")):
        return "None"
    return _EMPTY.get(last_part(wanted.partition("[")[0]))


def _by_answers(returned: Sequence[ast.expr | None]) -> str | None:
    values = [value for value in returned if value is not None]
    if not values:
        return "None"
    return "True" if all(map(_is_truth, values)) else None


def _is_truth(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, bool)
    return isinstance(node, ast.Compare | ast.BoolOp | ast.UnaryOp)


def _without_guards(rest: Sequence[ast.stmt]) -> list[str]:
    before = "\n".join(map(ast.unparse, rest))
    remover = _GuardRemover()
    kept = [statement for old in rest for statement in remover.apply(old)]
    after = "\n".join(map(ast.unparse, kept)) or "pass"
    if after == before:
        raise NotNeutralisableError("it has no guard, and its result type is open")
    return after.split("\n")


class _GuardRemover(ast.NodeTransformer):
    def apply(self, statement: ast.stmt) -> list[ast.stmt]:
        result = self.visit(statement)
        return result if isinstance(result, list) else [result]

    def visit_Raise(self, node: ast.Raise) -> ast.stmt:
        return ast.copy_location(ast.Pass(), node)

    def visit_Assert(self, node: ast.Assert) -> ast.stmt:
        return ast.copy_location(ast.Pass(), node)

    def visit_If(self, node: ast.If) -> ast.stmt | list[ast.stmt]:
        if not isinstance(node.body[-1], ast.Raise | ast.Return):
            return self.generic_visit(node)  # type: ignore[return-value] # an If stays an If
        kept = [statement for old in node.orelse for statement in self.apply(old)]
        return kept or [ast.copy_location(ast.Pass(), node)]

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:
        return node


def _first(arguments: ast.arguments) -> str:
    named = [*arguments.posonlyargs, *arguments.args]
    return named[0].arg if named else "None"


_Position = tuple[int, int]
"""A place in a text: line from 1, offset in UTF-8 bytes from 0, as `ast` counts."""


def _start(node: ast.stmt | ast.expr) -> _Position:
    lines = [decorator.lineno for decorator in getattr(node, "decorator_list", [])]
    return min([*lines, node.lineno]), node.col_offset


def _end(node: ast.stmt | ast.expr) -> _Position:
    return node.end_lineno or node.lineno, node.end_col_offset or node.col_offset


def _separator(text: str, node: ast.stmt) -> str:
    """Return what stands between two statements where *node* stands: a new line, or `;`."""
    line, offset = _start(node)
    before = text.split("\n")[line - 1].encode()[:offset].decode()
    return "; " if before.strip() else f"\n{before}"


def _cut(text: str, position: _Position) -> tuple[str, str]:
    line, offset = position
    lines = text.split("\n")
    data = lines[line - 1].encode()
    head = "\n".join([*lines[: line - 1], data[:offset].decode()])
    return head, "\n".join([data[offset:].decode(), *lines[line:]])


def _inserted(text: str, position: _Position, new: str) -> str:
    head, tail = _cut(text, position)
    return head + new + tail


def _replaced(text: str, first: ast.stmt | ast.expr, last: ast.stmt | ast.expr, new: str) -> str:
    head, _ = _cut(text, _start(first))
    _, tail = _cut(text, _end(last))
    return head + new + tail

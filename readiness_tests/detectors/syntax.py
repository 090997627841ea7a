"""Questions that several detectors ask of a syntax tree."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from readiness_tests.detectors.source import Function

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_DECLARATIONS = frozenset(
    {"abstractmethod", "abstractproperty", "abstractclassmethod", "abstractstaticmethod"}
    | {"overload", "hookspec"}
)


class Names:
    """The dotted origin of each name that a module, given as its nodes, imports."""

    def __init__(self, nodes: Iterable[ast.AST]) -> None:
        self._origin: dict[str, str] = {}
        for node in nodes:
            if isinstance(node, ast.Import):
                self._origin.update(map(_bound_by_import, node.names))
            elif isinstance(node, ast.ImportFrom):
                module = "." * node.level + (node.module or "")
                bound = {a.asname or a.name: f"{module}.{a.name}" for a in node.names}
                self._origin.update(bound)

    def imported(self, name: str) -> str | None:
        """Return what *name* was imported as, or None if no import binds it."""
        return self._origin.get(name)

    def resolve(self, node: ast.expr | None) -> str:
        """Return the dotted name that *node* stands for, or "" if it is not a plain name.

        `m.patch` after `from unittest import mock as m` is `unittest.mock.patch`. Calls and
        subscripts at the end are looked through: `Protocol[T]` is `typing.Protocol`.
        """
        while isinstance(node, ast.Call | ast.Subscript):
            node = node.func if isinstance(node, ast.Call) else node.value
        if isinstance(node, ast.Name):
            return self._origin.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            parent = self.resolve(node.value)
            return f"{parent}.{node.attr}" if parent else ""
        return ""


def _bound_by_import(alias: ast.alias) -> tuple[str, str]:
    if alias.asname:
        return alias.asname, alias.name
    top = alias.name.partition(".")[0]
    return top, top


def last_part(dotted: str) -> str:
    """Return the part after the last dot."""
    return dotted.rpartition(".")[2]


def text_of(node: ast.expr | None) -> str | None:
    """Return the text that *node* is known to be, looking through `+` and f-strings."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _joined([node.left, node.right])
    if isinstance(node, ast.JoinedStr):
        return _joined(node.values)
    if isinstance(node, ast.FormattedValue):
        return text_of(node.value)
    return None


def _joined(nodes: Sequence[ast.expr]) -> str | None:
    parts = [text_of(node) for node in nodes]
    return "".join(part or "" for part in parts) if None not in parts else None


def texts_in(node: ast.expr | None) -> list[str]:
    """Return the known texts of *node*: one, or those of a list, tuple or set."""
    nodes = node.elts if isinstance(node, ast.List | ast.Tuple | ast.Set) else [node]
    return [text for text in map(text_of, nodes) if text is not None]


def without_docstring(body: Sequence[ast.stmt]) -> list[ast.stmt]:
    """Return *body* without its leading docstring."""
    return list(body[1:] if has_docstring(body) else body)


def has_docstring(body: Sequence[ast.stmt]) -> bool:
    """Return whether the first statement is a docstring."""
    first = body[0] if body else None
    return (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )


@dataclass(frozen=True, slots=True)
class Place:
    """A function and where it stands.

    `owner` is the class whose method it is; `outside` holds the classes, functions, `if`
    and `try` statements around it, outermost first.
    """

    node: Function
    owner: ast.ClassDef | None
    qualname: str
    outside: tuple[ast.AST, ...] = field(repr=False, default=())

    @property
    def parameters(self) -> list[ast.arg]:
        """Every parameter but the `self` or `cls` of a method."""
        arguments = self.node.args
        named = [*arguments.posonlyargs, *arguments.args]
        bound = self.owner is not None and "staticmethod" not in self.decorators
        rest = [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
        return [*named[bound:], *arguments.kwonlyargs, *rest]

    @property
    def decorators(self) -> list[str]:
        """The last part of each decorator's name: `typing.overload` is `overload`."""
        return [last_part(decorator_name(node)) for node in self.node.decorator_list]


def decorator_name(node: ast.expr) -> str:
    """Return the dotted name of a decorator, called or not, or ""."""
    node = node.func if isinstance(node, ast.Call) else node
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""


def places(tree: ast.AST) -> Iterator[Place]:
    """Yield every function in *tree* with the place it stands in."""
    stack: list[tuple[ast.AST, tuple[ast.AST, ...]]] = [(tree, ())]
    while stack:
        node, outside = stack.pop()
        if isinstance(node, Function):
            yield _place(node, outside)
        if isinstance(node, ast.ClassDef | ast.If | ast.Try | Function):
            outside = (*outside, node)
        stack.extend((child, outside) for child in ast.iter_child_nodes(node))


def _place(node: Function, outside: tuple[ast.AST, ...]) -> Place:
    named = [n for n in outside if isinstance(n, ast.ClassDef | Function)]
    owner = named[-1] if named and isinstance(named[-1], ast.ClassDef) else None
    parts = []
    for outer in named:
        parts += [outer.name] if isinstance(outer, ast.ClassDef) else [outer.name, "<locals>"]
    return Place(node, owner, ".".join([*parts, node.name]), outside)


def is_declaration(place: Place, names: Names) -> bool:
    """Return whether the function only declares: abstract, overload, Protocol member, hookspec.

    A function under `if TYPE_CHECKING:` declares, too.
    """
    decorated = {last_part(names.resolve(node)) for node in place.node.decorator_list}
    if decorated & _DECLARATIONS:
        return True
    return is_protocol(place.owner, names) or any(map(_is_for_type_checkers, place.outside))


def is_protocol(owner: ast.ClassDef | None, names: Names) -> bool:
    """Return whether *owner* is itself a Protocol."""
    bases = owner.bases if owner else []
    return any(last_part(names.resolve(base)) == "Protocol" for base in bases)


def _is_for_type_checkers(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name | ast.Attribute)
        and last_part(ast.unparse(node.test)) == "TYPE_CHECKING"
    )

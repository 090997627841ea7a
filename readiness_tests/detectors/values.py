"""Tell the expressions whose value is written in the source from those that depend on something."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from readiness_tests.detectors.syntax import Names, last_part

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from readiness_tests.detectors.scopes import Bindings

_AMOUNTS = frozenset({"float", "Decimal", "Fraction", "decimal.Decimal", "fractions.Fraction"})
_CONTAINERS = frozenset({"frozenset", "set", "list", "tuple", "dict"})
_CONSTRUCTORS = _CONTAINERS | frozenset(
    {
        "Decimal",
        "Fraction",
        "int",
        "float",
        "str",
        "bytes",
        "bool",
        "complex",
        "frozenset",
        "set",
        "list",
        "tuple",
    }
    | {"timedelta", "date", "datetime", "time", "Path", "PurePath", "UUID"}
)
_COMPOUND = (
    ast.UnaryOp | ast.BinOp | ast.BoolOp | ast.Compare | ast.JoinedStr | ast.FormattedValue
    | ast.Tuple | ast.List | ast.Set | ast.Dict | ast.Starred
)  # fmt: skip


class Values:
    """What is known of the names that a function sees: its own and its module's."""

    def __init__(self, names: Names, module: Bindings, local: Bindings | None = None) -> None:
        self._names = names
        self._module = module
        self._local = local or {}

    def within(self, local: Bindings) -> Values:
        """Return the same module as seen from a function that binds *local*."""
        return Values(self._names, self._module, {**self._local, **local})

    def fixed(self, node: ast.expr | None, seen: frozenset[str] = frozenset()) -> str | None:
        """Return the value of *node* as canonical text, or None if it depends on anything.

        An absent expression has the value None. Fixed are literals, what is put together from
        fixed parts by operators, f-strings, containers and value types such as Decimal, names
        bound only to fixed values, and members of enumerations.
        """
        match node:
            case None:
                return "None"
            case ast.Constant():
                return ast.unparse(node)
            case ast.Name(id=name):
                return self._fixed_name(name, seen)
            case ast.Attribute():
                return self._fixed_member(node)
            case ast.Call():
                return self._fixed_call(node, seen)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self._fixed_choice(test, body, orelse, seen)
            case ast.NamedExpr(value=value):
                return self.fixed(value, seen)
        return self._fixed_parts(node, seen) if isinstance(node, _COMPOUND) else None

    def _fixed_parts(self, node: ast.expr, seen: frozenset[str]) -> str | None:
        parts = [part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]
        if any(self.fixed(part, seen) is None for part in parts):
            return None
        if any(isinstance(part, ast.Name) for part in ast.walk(node)):
            return type(node).__name__ + str([self.fixed(part, seen) for part in parts])
        return ast.unparse(node)

    def _fixed_name(self, name: str, seen: frozenset[str]) -> str | None:
        bound = self._local.get(name, self._module.get(name))
        if not bound or name in seen or None in bound:
            return None
        values = {self.fixed(value, seen | {name}) for value in bound}
        return values.pop() if len(values) == 1 else None

    def _fixed_member(self, node: ast.Attribute) -> str | None:
        dotted = self._names.resolve(node)
        root = ast.unparse(node).partition(".")[0]
        if not dotted or root in self._local or root in {"self", "cls"}:
            return None
        owner = last_part(dotted.rpartition(".")[0])
        is_member = node.attr.isupper() and owner[:1].isupper() and not owner.isupper()
        return dotted if is_member else None

    def _fixed_call(self, node: ast.Call, seen: frozenset[str]) -> str | None:
        arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
        values = [self.fixed(argument, seen) for argument in arguments]
        if None in values:
            return None
        if not self._makes_value(node.func, arguments) and not self._asks_value(node.func, seen):
            return None
        refers = any(isinstance(part, ast.Name) for each in arguments for part in ast.walk(each))
        return f"{ast.unparse(node.func)}{values}" if refers else ast.unparse(node)

    def _makes_value(self, function: ast.expr, arguments: Sequence[ast.expr]) -> bool:
        dotted = self._names.resolve(function)
        if not dotted or dotted.partition(".")[0] in self._local:
            return False
        name = last_part(dotted)
        if name in _CONSTRUCTORS:
            return bool(arguments) or name in _CONTAINERS  # time.time() is not a time of day
        is_class = name[:1].isupper() and not name.isupper()
        return is_class and any(map(self.is_amount, arguments))

    def _asks_value(self, function: ast.expr, seen: frozenset[str]) -> bool:
        """Return whether *function* is a method of a literal or of a number made from one."""
        value = function.value if isinstance(function, ast.Attribute) else None
        if isinstance(value, ast.Constant):
            return True
        is_number = isinstance(value, ast.Call) and self._names.resolve(value.func) in _AMOUNTS
        return is_number and self.fixed(value, seen) is not None

    def _fixed_choice(
        self, test: ast.expr, body: ast.expr, orelse: ast.expr, seen: frozenset[str]
    ) -> str | None:
        first, second = self.fixed(body, seen), self.fixed(orelse, seen)
        if first == second or self.fixed(test, seen) is not None:
            return first if second is not None else None
        return None

    def is_amount(self, node: ast.expr | None) -> bool:
        """Return whether a fixed value is or holds a float, Decimal or Fraction but zero."""
        return any(map(self._is_amount, self._parts(node, frozenset())))

    def _is_amount(self, part: ast.AST) -> bool:
        if isinstance(part, ast.Constant):
            return isinstance(part.value, float) and part.value != 0
        is_typed = isinstance(part, ast.Call) and self._names.resolve(part.func) in _AMOUNTS
        return is_typed and any(map(_is_not_zero, ast.walk(part)))

    def is_number(self, node: ast.expr | None) -> bool:
        """Return whether a fixed value is a boolean or a plain number."""
        parts = list(self._parts(node, frozenset()))
        texts = [p for p in parts if isinstance(p, ast.Constant) and isinstance(p.value, str)]
        is_container = any(isinstance(p, ast.List | ast.Tuple | ast.Set | ast.Dict) for p in parts)
        return any(isinstance(p, ast.Constant) for p in parts) and not texts and not is_container

    def _parts(self, node: ast.expr | None, seen: frozenset[str]) -> Iterator[ast.AST]:
        """Yield the nodes that make up a fixed value, also those behind names."""
        for part in ast.walk(node) if node else ():
            yield part
            if isinstance(part, ast.Name) and part.id not in seen:
                for value in self._local.get(part.id, self._module.get(part.id, ())):
                    yield from self._parts(value, seen | {part.id})


def _is_not_zero(part: ast.AST) -> bool:
    if not isinstance(part, ast.Constant):
        return False
    return isinstance(part.value, str | int | float) and bool(str(part.value).strip("0.+-"))

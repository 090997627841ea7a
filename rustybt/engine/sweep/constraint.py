"""Conditions that a combination of parameters has to meet, like ``fast < slow``.

They are read, not executed: comparisons, ``and``, ``or``, ``not``, the four operations, ``//`` and
``%`` on names of parameters, numbers and words. Numbers are compared exactly, as fractions.
"""

from __future__ import annotations

import ast
import operator
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from rustybt.engine.sweep.errors import SweepError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rustybt.strategy.parameters import Parameter

_LONGEST: Final = 1000  # characters; a condition of a person is far shorter
_EXPECTED: Final = "a condition on parameters like fast < slow or slow >= 2 * fast and size > 0"
_COMPARISONS: Final[dict[type[ast.cmpop], Callable[[Any, Any], bool]]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_OPERATIONS: Final[dict[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_SIGNS: Final[dict[type[ast.unaryop], Callable[[Any], Any]]] = {
    ast.Not: operator.not_,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}


class Constraint:
    """A condition in *text* on the parameters that *known* names.

    Raise :class:`~rustybt.engine.sweep.errors.SweepError` for what is no such condition.
    """

    def __init__(self, text: str, known: Mapping[str, Parameter]) -> None:
        self.text = text.strip()
        try:
            if len(text) > _LONGEST:
                raise ValueError(f"it is longer than {_LONGEST} characters")
            self._body = ast.parse(self.text, mode="eval").body
            _read(self._body, known)
        except SyntaxError as error:
            raise self._refused(error.msg) from None
        except (ValueError, RecursionError) as error:
            raise self._refused(str(error)) from None

    def __str__(self) -> str:
        return self.text

    def holds(self, parameters: Mapping[str, Parameter]) -> bool:
        """Tell whether the condition holds; raise if it cannot be told (a division by zero)."""
        try:
            return bool(_value(self._body, parameters))
        except (TypeError, ValueError, ArithmeticError) as error:
            shown = ", ".join(f"{name} = {value}" for name, value in parameters.items())
            raise self._refused(f"{error} with {shown}") from None

    def _refused(self, problem: str) -> SweepError:
        """Return the error that says what is wrong."""
        return SweepError(f"the condition {self.text!r}: {problem}", expected=_EXPECTED)


def _read(node: ast.expr, known: Mapping[str, Parameter]) -> None:
    """Raise ``ValueError`` for anything that a condition is not made of."""
    if isinstance(node, ast.Name):
        if node.id not in known:
            names = ", ".join(known) or "none"
            raise ValueError(f"{node.id!r} is not a parameter (there are: {names})")
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float | str):
        return
    for part in _parts(node):
        _read(part, known)


def _parts(node: ast.expr) -> list[ast.expr]:
    """Return what *node* is made of; raise ``ValueError`` if it is of no known kind."""
    if isinstance(node, ast.BoolOp):
        return node.values
    if isinstance(node, ast.UnaryOp) and type(node.op) in _SIGNS:
        return [node.operand]
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        return [node.left, node.right]
    if isinstance(node, ast.Compare) and all(type(each) in _COMPARISONS for each in node.ops):
        return [node.left, *node.comparators]
    raise ValueError(f"{ast.unparse(node)!r} has no place in it")


def _value(node: ast.expr, parameters: Mapping[str, Parameter]) -> Any:
    """Return what *node*, which has been read, is worth."""
    if isinstance(node, ast.Constant):
        return _exact(node.value)
    if isinstance(node, ast.Name):
        return _exact(parameters[node.id])
    if isinstance(node, ast.BoolOp):
        wanted = all if isinstance(node.op, ast.And) else any
        return wanted(_value(each, parameters) for each in node.values)
    parts = [_value(each, parameters) for each in _parts(node)]
    if isinstance(node, ast.UnaryOp):
        return _SIGNS[type(node.op)](*parts)
    if isinstance(node, ast.BinOp):
        return _OPERATIONS[type(node.op)](*parts)
    return _compared(node, parts)


def _compared(node: ast.expr, parts: list[Any]) -> bool:
    """Return whether a chain of comparisons holds."""
    operators = node.ops if isinstance(node, ast.Compare) else []
    return all(
        _COMPARISONS[type(each)](left, right)
        for each, left, right in zip(operators, parts, parts[1:], strict=False)
    )


def _exact(value: object) -> object:
    """Return a number as a fraction: a float or decimal by the digits that it is printed with."""
    if isinstance(value, bool | str):
        return value
    return Fraction(value if isinstance(value, int | Decimal) else repr(value))

"""Find functions whose answer is written in the source, whatever they are asked.

Three rules, tuned on some forty thousand functions of well-kept packages so that what they find
is worth a look:

`hardcoded-amount`
    Every answer is the same float, Decimal or Fraction other than zero, or a value that holds
    one. No side effect excuses it: nobody asks for an amount that is known already. A method
    without parameters and a property are judged as well; a name for a number is a constant.
`ignores-inputs`
    The function takes parameters, every answer is the same value (True, "ok", [], 0, ...), and it
    does nothing else: it raises nothing, changes nothing and calls nothing but loggers.
`hardcoded-answer`
    A function without parameters whose name promises to find something out (`is_`, `get_`,
    `fetch_`, see CLAIMS) gives the same boolean or number and does nothing else.

Different answers are excused when something that is not written in the source chooses between
them. Never looked at: declarations (abstract methods, overloads, Protocol members, hookspecs),
functions that give nothing (the mock detector finds empty ones), special methods that are given
nothing to judge by (`__repr__`, `__bool__`, `__exit__`), fixtures, pytest's hooks and `visit_X`
methods, whose name is the input. The last two rules leave alone what something else is there to
answer differently: a default that a scanned subclass overrides, an override of a method that a
scanned class implements, anything marked `@override`, a function listed with others in a table
of its module, and one of several definitions of a name under `if` or `try`.
"""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from readiness_tests.detectors.families import Families
from readiness_tests.detectors.scopes import (
    falls_through,
    function_bindings,
    module_bindings,
    own_nodes,
)
from readiness_tests.detectors.source import Function, Source, examine_all, load
from readiness_tests.detectors.syntax import Names, Place, is_declaration, last_part, places
from readiness_tests.detectors.values import Values
from readiness_tests.detectors.vocabulary import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from readiness_tests.detectors.finding import Finding, Scan

CLAIMS = frozenset(
    {"calc", "calculate", "can", "check", "compute", "count", "estimate", "evaluate", "fetch"}
    | {"get", "has", "is", "load", "lookup", "measure", "predict", "query", "read", "validate"}
    | {"verify"}
)
"""First words of names that promise to find something out."""

_INERT = frozenset(
    {"print", "sleep", "log", "debug", "info", "warning", "warn", "error", "exception", "critical"}
)
_CHOOSING = ast.Try | ast.TryStar | ast.For | ast.AsyncFor | ast.Match | ast.With | ast.AsyncWith
_ACTING = ast.Raise | ast.Assert | ast.Await | ast.Global | ast.Nonlocal | ast.YieldFrom
_EXITS = frozenset({"__exit__", "__aexit__"})
_LOADING = ast.Import | ast.ImportFrom


def scan_constants(paths: Iterable[str | Path]) -> Scan:
    """Return the functions in the Python files under *paths* whose answers are hardcoded.

    Raises DetectorError if there is nothing to examine.
    """
    sources, broken = load(paths)
    families = Families(sources)
    return examine_all(sources, broken, lambda source: hardcoded(source, families))


def hardcoded(source: Source, families: Families) -> Iterator[Finding]:
    """Yield a finding for each function of one module whose answers are hardcoded."""
    names = Names(source.nodes)
    module = Values(names, module_bindings(source))
    found = list(places(source.tree))
    tabled = _tabled(source)
    variants = {name for name, count in Counter(p.qualname for p in found).items() if count > 1}
    for place in found:
        answer = None if _is_exempt(place, names) else _answer(place.node, module)
        if answer is None:
            continue
        is_variant = place.qualname in variants and _is_conditional(place)
        excused = is_variant or place.node.name in tabled or _is_polymorphic(place, families)
        rule = _rule(place, answer, excused=excused)
        if rule:
            message = f"{place.qualname} always gives {answer.text}"
            yield source.finding(place.node, rule, message)


@dataclass(frozen=True, slots=True)
class _Answer:
    text: str
    is_amount: bool
    is_number: bool
    acts: bool


def _rule(place: Place, answer: _Answer, *, excused: bool) -> str | None:
    if answer.is_amount:
        return "hardcoded-amount"
    if answer.acts or excused:
        return None
    if place.parameters:
        return "ignores-inputs"
    claims = words(place.node.name)[:1]
    is_property = any("property" in decorator for decorator in place.decorators)
    promises = not CLAIMS.isdisjoint(claims) and not is_property
    is_root = not (place.owner and place.owner.bases)
    return "hardcoded-answer" if promises and answer.is_number and is_root else None


def _tabled(source: Source) -> set[str]:
    """Return the names of functions that stand together in a table of the module."""
    functions = {node.name for node in source.functions()}
    found: set[str] = set()
    for node in own_nodes(source.tree):
        if isinstance(node, ast.Dict | ast.Tuple | ast.List):
            listed = functions & set(_referred(node))
            found |= listed if len(listed) > 1 else set()
    return found


def _referred(node: ast.AST) -> Iterator[str]:
    """Yield the names that *node* refers to as values: not those that it calls."""
    for part in ast.iter_child_nodes(node):
        if isinstance(part, ast.Name | ast.Attribute):
            yield part.id if isinstance(part, ast.Name) else part.attr
        elif isinstance(part, ast.Dict | ast.Tuple | ast.List):
            yield from _referred(part)


def _is_conditional(place: Place) -> bool:
    return bool(place.outside) and isinstance(place.outside[-1], ast.If | ast.Try)


def _is_exempt(place: Place, names: Names) -> bool:
    name = place.node.name
    is_special = name.startswith("__") and name.endswith("__")
    if is_special and (not place.parameters or name in _EXITS):
        return True
    decorated = {last_part(names.resolve(node)) for node in place.node.decorator_list}
    if "fixture" in decorated or name.startswith(("pytest_", "visit_")):
        return True
    return is_declaration(place, names)


def _is_polymorphic(place: Place, families: Families) -> bool:
    if place.owner is None:
        return False
    owner, method = place.owner.name, place.node.name
    return (
        "override" in place.decorators
        or families.is_default(owner, method)
        or families.is_special_case(owner, method)
    )


def _answer(node: Function, module: Values) -> _Answer | None:
    """Return the one answer of a function, or the several that nothing chooses between."""
    values = module.within(function_bindings(node))
    nodes = list(own_nodes(node))
    given = [n.value for n in nodes if isinstance(n, ast.Return | ast.Yield)]
    yields = any(isinstance(n, ast.Yield) for n in nodes)
    if not yields and falls_through(node.body):
        given.append(None)
    answers = {values.fixed(expression) for expression in given}
    texts = [text for text in answers if text is not None]
    if len(texts) < len(answers) or set(texts) <= {"None"}:
        return None
    if len(texts) > 1 and any(_chooses(n, values) for n in nodes):
        return None
    return _Answer(
        text=" or ".join(sorted(texts)),
        is_amount=any(map(values.is_amount, given)),
        is_number=all(map(values.is_number, given)),
        acts=yields or any(_acts(n, values) for n in nodes),
    )


def _chooses(node: ast.AST, values: Values) -> bool:
    if isinstance(node, ast.If | ast.While):
        return values.fixed(node.test) is None
    return isinstance(node, _CHOOSING)


def _acts(node: ast.AST, values: Values) -> bool:
    if isinstance(node, ast.Call):
        called = last_part(ast.unparse(node.func))
        return called not in _INERT and values.fixed(node) is None
    if isinstance(node, ast.Attribute | ast.Subscript):
        return not isinstance(node.ctx, ast.Load)
    return isinstance(node, _ACTING | _LOADING)

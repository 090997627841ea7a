"""Find names that say a thing is not the real one."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from readiness_tests.detectors.finding import Finding
    from readiness_tests.detectors.source import Function, Source

WORDS = frozenset(
    {"mock", "mocks", "mocked", "mocking", "mocker", "fake", "fakes", "faked", "faking"}
    | {"stub", "stubs", "stubbed", "stubbing", "dummy", "dummies"}
)
"""Words that name a stand-in. Not listed: spy (an instrument), double (a number)."""

ABOUT = frozenset({"detect", "find", "forbid", "refuse", "reject", "scan"})
"""A name that starts with one of these speaks about stand-ins and is none: `scan_mocks`."""

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+|[^\W\d_a-zA-Z]+")


def words(name: str) -> list[str]:
    """Return the words of a snake_case or CamelCase name, in lower case.

    >>> words("fake_HTTPMockV2")
    ['fake', 'http', 'mock', 'v', '2']
    """
    return [word.lower() for word in _WORD.findall(name)]


def is_stand_in(name: str) -> bool:
    """Return whether a word of *name* says that it is not the real thing."""
    parts = words(name)
    return not WORDS.isdisjoint(parts) and parts[0] not in ABOUT


def name_findings(source: Source) -> list[Finding]:
    """Return one finding for each name of a stand-in, where the module first has it.

    Looked at are the names of functions, classes, parameters, variables, attributes, imports and
    keyword arguments, read or written, annotated or not. Not looked at are the names of test
    functions and of negative controls (`@check.fails_when`): they state claims and name no object.
    """
    claims = {node.name for node in source.functions() if _states_a_claim(node)}
    seen: dict[str, Finding] = {}
    for node in source.nodes:
        for name in filter(is_stand_in, _names_at(node)):
            finding = source.finding(node, "mock-name", f"{name} is named like a stand-in")
            seen[name] = min(seen.get(name, finding), finding)
    return [finding for name, finding in seen.items() if name not in claims]


def _states_a_claim(node: Function) -> bool:
    controls = [d for d in node.decorator_list if isinstance(d, ast.Attribute)]
    return node.name.startswith("test_") or any(d.attr == "fails_when" for d in controls)


def _names_at(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            yield name
        case ast.arg(arg=name) | ast.keyword(arg=str(name)):
            yield name
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            yield node.name
        case ast.alias(name=name, asname=asname):
            yield asname or name.rpartition(".")[2]
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            yield from names
        case _:
            yield from _names_in_patterns(node)


def _names_in_patterns(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.ExceptHandler(name=str(name)):
            yield name
        case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.MatchMapping(rest=str(name)):
            yield name
        case ast.MatchClass(kwd_attrs=names):
            yield from names

"""Find the functions that refuse bad input: by their name, by a decorator, by their use."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from readiness_tests.detectors.scopes import own_nodes
from readiness_tests.detectors.syntax import (
    Names,
    Place,
    is_declaration,
    last_part,
    places,
    without_docstring,
)
from readiness_tests.detectors.vocabulary import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from readiness_tests.detectors.source import Function, Source

VERBS = frozenset({"validate", "check", "verify", "ensure"})
"""First words of a validator's name; names that start with `is_valid` count, too."""

DECORATORS = frozenset(
    {"field_validator", "model_validator", "validator", "root_validator", "validates"}
)
"""Decorators of pydantic, attrs and SQLAlchemy that make a function a validator."""

WRAPPERS = frozenset({"AfterValidator", "BeforeValidator", "PlainValidator", "WrapValidator"})
"""Annotations of pydantic that take a validator."""

_USERS = {
    "callback": frozenset({"Option", "Argument", "option", "argument"}),
    "validator": frozenset({"field", "attrib", "ib"}),
}
_AFTER_INIT = frozenset({"__post_init__", "__attrs_post_init__", "model_post_init"})


@dataclass(frozen=True, slots=True, order=True)
class Validator:
    """A validator and how it was recognised.

    `path` is relative to the tree that was searched. `how` is `name`, `after init`, or the name
    of the decorator, annotation or argument that makes it one. A lambda's `qualname` is
    `<lambda>`; `line` and `column`, from 1, tell it from others.
    """

    path: str
    line: int
    column: int
    qualname: str
    how: str

    def __str__(self) -> str:
        """Name the validator for people: `rustybt/model/money.py:12 check_currency`."""
        return f"{self.path}:{self.line} {self.qualname}"


def find_validators(sources: Sequence[Source], root: Path) -> list[Validator]:
    """Return the validators in *sources*, whose paths lie below *root*, in order of place."""
    modules = [_Module.of(source, root) for source in sources]
    used = {key: how for module in modules for key, how in module.used()}
    found = {v for module in modules for v in module.validators(used)}
    return sorted(found)


@dataclass(frozen=True, slots=True)
class _Module:
    path: str
    name: str
    source: Source
    names: Names

    @classmethod
    def of(cls, source: Source, root: Path) -> _Module:
        path = Path(source.path).resolve().relative_to(root.resolve())
        parts = path.with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        return cls(path.as_posix(), name, source, Names(source.nodes))

    def validators(self, used: dict[str, str]) -> Iterator[Validator]:
        for place in places(self.source.tree):
            has_body = bool(without_docstring(place.node.body))
            if has_body and not is_declaration(place, self.names):
                how = self._how(place) or used.get(f"{self.name}.{place.qualname}")
                yield from [self._validator(place.node, place.qualname, how)] if how else []
        for node, how in self._inline():
            yield self._validator(node, "<lambda>", how)

    def _validator(self, node: Function | ast.Lambda, qualname: str, how: str) -> Validator:
        return Validator(self.path, node.lineno, node.col_offset + 1, qualname, how)

    def _how(self, place: Place) -> str | None:
        for decorator in place.node.decorator_list:
            name = last_part(self.names.resolve(decorator))
            if name in DECORATORS:
                return name
        if place.node.name in _AFTER_INIT:
            raises = any(isinstance(node, ast.Raise) for node in own_nodes(place.node))
            return "after init" if raises else None
        first = words(place.node.name)[:2]
        is_named = first == ["is", "valid"] or not VERBS.isdisjoint(first[:1])
        return "name" if is_named else None

    def used(self) -> Iterator[tuple[str, str]]:
        """Yield the dotted name of each function that is used as a validator, and by what."""
        for node, how in self._uses():
            dotted = self.names.resolve(node) if isinstance(node, ast.Name | ast.Attribute) else ""
            yield (dotted if "." in dotted else f"{self.name}.{dotted}"), how

    def _inline(self) -> Iterator[tuple[ast.Lambda, str]]:
        yield from ((node, how) for node, how in self._uses() if isinstance(node, ast.Lambda))

    def _uses(self) -> Iterator[tuple[ast.expr, str]]:
        for node in self.source.nodes:
            if isinstance(node, ast.Call):
                yield from self._uses_at(node)

    def _uses_at(self, node: ast.Call) -> Iterator[tuple[ast.expr, str]]:
        user = last_part(self.names.resolve(node.func))
        if user in WRAPPERS:
            yield from ((argument, user) for argument in node.args[:1])
            yield from ((k.value, user) for k in node.keywords if k.arg == "func")
        for keyword in node.keywords:
            if user in _USERS.get(keyword.arg or "", ()):
                yield from ((value, str(keyword.arg)) for value in _each(keyword.value))


def _each(node: ast.expr) -> Iterable[ast.expr]:
    return node.elts if isinstance(node, ast.List | ast.Tuple) else [node]

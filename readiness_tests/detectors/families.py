"""See which classes in a set of files derive from which, and what they define."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING

from readiness_tests.detectors.syntax import Names, is_declaration, last_part, places

if TYPE_CHECKING:
    from collections.abc import Iterable

    from readiness_tests.detectors.source import Source


class Families:
    """Classes by name, as far as the scanned files define them.

    Two classes of one name count as one: the question is only whether some other class is meant
    to answer differently.
    """

    def __init__(self, sources: Iterable[Source]) -> None:
        self._bases: defaultdict[str, set[str]] = defaultdict(set)
        self._methods: defaultdict[str, dict[str, bool]] = defaultdict(dict)
        for source in sources:
            self._learn(source)

    def _learn(self, source: Source) -> None:
        names = Names(source.nodes)
        for node in source.nodes:
            if isinstance(node, ast.ClassDef):
                bases = {last_part(names.resolve(base)) for base in node.bases}
                self._bases[node.name] |= bases
        for place in places(source.tree):
            if place.owner:
                concrete = not is_declaration(place, names)
                self._methods[place.owner.name][place.node.name] = concrete

    @cached_property
    def _ancestors(self) -> dict[str, frozenset[str]]:
        return {name: frozenset(self._above(name)) for name in self._bases}

    def _above(self, name: str) -> set[str]:
        found: set[str] = set()
        new = {name}
        while new:
            found |= new
            new = {base for known in new for base in self._bases.get(known, ())} - found
        return found - {name}

    @cached_property
    def _overridden(self) -> frozenset[tuple[str, str]]:
        return frozenset(
            (ancestor, method)
            for name, methods in self._methods.items()
            for ancestor in self._ancestors[name]
            for method in methods
        )

    def is_default(self, owner: str, method: str) -> bool:
        """Return whether some class that derives from *owner* overrides *method*."""
        return (owner, method) in self._overridden

    def is_special_case(self, owner: str, method: str) -> bool:
        """Return whether *owner* derives from a class that implements *method* otherwise."""
        return any(self._methods.get(base, {}).get(method) for base in self._ancestors[owner])

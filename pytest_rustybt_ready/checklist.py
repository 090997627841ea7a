"""The checklist: what has to be true, how it is shown, and what to do when it is not.

These are the values; :mod:`pytest_rustybt_ready.checklist_file` reads them from TOML.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cached_property
from typing import Literal

import msgspec

from pytest_rustybt_ready.values import Fact, Kind, Stage, Value


class Threshold(Value, frozen=True, kw_only=True):
    """A limit that an observed value is held to.

    ``min`` thresholds are met by values at or above ``limit``, ``max`` by values at or below it,
    ``below`` by values strictly under it.
    """

    sense: Literal["min", "max", "below"]
    limit: Decimal
    unit: str = ""

    def met_by(self, observed: Decimal) -> bool:
        """Tell whether *observed* keeps to the limit."""
        if self.sense == "min":
            return observed >= self.limit
        return observed < self.limit if self.sense == "below" else observed <= self.limit

    def loosened_by(self, limit: Decimal) -> bool:
        """Tell whether *limit* would allow something that this threshold forbids."""
        return limit < self.limit if self.sense == "min" else limit > self.limit

    def __str__(self) -> str:
        sign = {"min": "≥", "max": "≤", "below": "<"}[self.sense]
        unit = self.unit if self.unit.startswith("%") else f" {self.unit}".rstrip()
        return f"{sign} {self.limit:f}{unit}"


class Predicate(Value, frozen=True, kw_only=True):
    """When an item applies: a fact of the deployment has, or has not, a given value.

    A fact that is not known never excuses: the item then applies.
    """

    fact: str
    equals: Fact = True
    negate: bool = False

    def applies(self, facts: Mapping[str, Fact]) -> bool:
        """Tell whether the item applies to a deployment with these *facts*."""
        if self.fact not in facts:
            return True
        return (facts[self.fact] == self.equals) is not self.negate

    def __str__(self) -> str:
        verb = "is not" if self.negate else "is"
        return f"{self.fact} {verb} {_in_words(self.equals)}"


def _in_words(fact: Fact) -> str:
    if fact is None:
        return "unset"
    return str(fact).lower() if isinstance(fact, bool) else str(fact)


class Section(Value, frozen=True, kw_only=True):
    """A chapter of the checklist; its mark is ``ready_<key>``."""

    number: int
    key: str
    title: str
    subsections: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def mark(self) -> str:
        """Return the pytest mark that selects the section."""
        return f"ready_{self.key}"


class Item(Value, frozen=True, kw_only=True):
    """One line of the checklist. Ids are ``section.subsection.position[.sub-item]``.

    An item with sub-items is as good as the worst of them; ``derives`` names the ids, or the
    beginnings of ids, that a derived item rests on. A signature by ``role`` holds for one commit
    only where ``lapses_with_commit``; where ``or_signed``, it stands in for a check that can only
    say "unproven". Items with ``four_eyes`` are signed by different people, none of whom is an
    author of the release, for the results that they saw.
    """

    id: str
    text: str
    kinds: tuple[Kind, ...]
    stage: Stage
    how: str
    fails: tuple[str, ...]
    remedy: str
    max_age_days: int | None = None
    thresholds: dict[str, Threshold] = msgspec.field(default_factory=dict)
    applies: Predicate | None = None
    waivable: bool = True
    optional: bool = False
    role: str = ""
    or_signed: bool = False
    lapses_with_commit: bool = False
    four_eyes: bool = False
    derives: tuple[str, ...] = ()

    @property
    def section_number(self) -> int:
        """Return the number of the section that holds the item."""
        return int(self.id.split(".")[0])

    @property
    def subsection(self) -> str:
        """Return the id of the subsection, such as ``2.2``."""
        return ".".join(self.id.split(".")[:2])

    @property
    def parent(self) -> str | None:
        """Return the id of the item that this sub-item belongs to."""
        parts = self.id.split(".")
        return ".".join(parts[:3]) if len(parts) == 4 else None

    @property
    def automated(self) -> bool:
        """Whether checks have a say in the item."""
        return any(kind.automated for kind in self.kinds)

    @property
    def order(self) -> tuple[int, ...]:
        """Return the id as numbers, for sorting: 4.10 comes after 4.9."""
        return tuple(int(part) for part in self.id.split("."))


class Checklist(Value, frozen=True, kw_only=True, dict=True):
    """All sections and items, in order. ``max_waivers`` caps how many may be waived at once."""

    title: str
    version: str
    sections: tuple[Section, ...]
    items: tuple[Item, ...]
    max_waivers: int = 5

    def find(self, item_id: str) -> Item | None:
        """Return the item called *item_id*, or None."""
        return self._by_id.get(item_id)

    def section(self, key_or_number: str | int) -> Section | None:
        """Return a section by its key or its number, or None."""
        return self._by_key_or_number.get(str(key_or_number))

    def section_of(self, item: Item) -> Section:
        """Return the section that holds *item*; raise KeyError if none does.

        Every item of a checklist that was read from a file has one.
        """
        return self._by_key_or_number[str(item.section_number)]

    def items_of(self, section: Section) -> tuple[Item, ...]:
        """Return the items and sub-items of *section*, in order."""
        return self._by_section.get(section.number, ())

    def children(self, item: Item) -> tuple[Item, ...]:
        """Return the sub-items of *item*."""
        return self._by_parent.get(item.id, ())

    def under(self, prefix: str) -> Iterator[Item]:
        """Yield the items whose id is *prefix* or lies below it: ``2.2`` gives 2.2.1 to 2.2.6."""
        return (i for i in self.items if i.id == prefix or i.id.startswith(f"{prefix}."))

    # The verdict asks these for every item; a cached index answers without a walk. They live in
    # the instance's dict, which takes no part in equality or in the encoded form.

    @cached_property
    def _by_id(self) -> dict[str, Item]:
        return {item.id: item for item in self.items}

    @cached_property
    def _by_key_or_number(self) -> dict[str, Section]:
        numbers = {str(section.number): section for section in self.sections}
        return numbers | {section.key: section for section in self.sections}

    @cached_property
    def _by_section(self) -> dict[int, tuple[Item, ...]]:
        grouped = defaultdict(list)
        for item in self.items:
            grouped[item.section_number].append(item)
        return {number: tuple(items) for number, items in grouped.items()}

    @cached_property
    def _by_parent(self) -> dict[str, tuple[Item, ...]]:
        grouped = defaultdict(list)
        for item in self.items:
            if item.parent is not None:
                grouped[item.parent].append(item)
        return {parent: tuple(items) for parent, items in grouped.items()}

"""What must not stand in a checklist: contradictions, and rules that could never be broken.

Each rule is here because a verdict would otherwise ignore what the file says, or be green with
nothing behind it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from pytest_rustybt_ready.checklist import Item, Section
from pytest_rustybt_ready.values import Kind

KEY = re.compile(r"[a-z][a-z0-9_]*")

Sections = Mapping[str, Section]
Items = Mapping[str, Item]


class Unread(NamedTuple):
    """The sections and items that a file has, but that could not be read: nothing to build on."""

    sections: frozenset[str] = frozenset()
    items: frozenset[str] = frozenset()


NONE = Unread()

# What an item can get wrong on its own: the test, and what is then wrong.
ALONE: tuple[tuple[Callable[[Item], bool], str], ...] = (
    (lambda item: not item.text, "text is empty"),
    (lambda item: not item.how, "how is empty"),
    (lambda item: not item.remedy, "remedy is empty"),
    (lambda item: not all(item.fails), "fails has an empty entry"),
    (lambda item: not item.kinds, "kinds is empty"),
    (lambda item: len({*item.kinds}) < len(item.kinds), "kinds names one kind twice"),
    (lambda item: _ages(item) and item.max_age_days is None, "{what} needs max_age_days"),
    (
        lambda item: item.max_age_days is not None and item.max_age_days < 1,
        "max_age_days is {item.max_age_days}, expected 1 or more",
    ),
    (lambda item: _signable(item) and not item.role, "{what} needs the role that may sign it"),
    (
        lambda item: item.or_signed and (Kind.SIGNED in item.kinds or not item.automated),
        "or_signed is for items that a check decides; a signed item always needs its signature",
    ),
    (
        lambda item: item.lapses_with_commit and not _signable(item),
        "lapses_with_commit is for signatures, and nobody signs this item",
    ),
    (
        lambda item: item.four_eyes and not item.lapses_with_commit,
        "four_eyes is for signatures that lapse with the commit, whose author may not sign",
    ),
    (
        lambda item: (Kind.DERIVED in item.kinds) is not bool(item.derives),
        "derives and the kind 'derived' belong together",
    ),
    (
        lambda item: Kind.DERIVED in item.kinds and len(item.kinds) > 1,
        "a derived item follows from others alone; its other kinds would never be looked at",
    ),
    (
        lambda item: bool(item.derives) and item.applies is not None,
        "a derived item always applies; the items that it rests on may have predicates",
    ),
    (
        lambda item: item.automated and not item.fails,
        "an automated item says in fails how it can fail",
    ),
)


def problems_of(sections: Sections, items: Items, unread: Unread = NONE) -> list[str]:
    """Return everything that is wrong with *sections* and *items* taken together.

    What depends on something *unread* is left undecided.
    """
    known = frozenset(items) | unread.items
    problems = [] if known else ["file: there is no item; a checklist without items proves nothing"]
    problems += _numbering(sections)
    for section in sections.values():
        problems += [f"[section.{section.key}]: {found}" for found in _section(section, known)]
    for item in items.values():
        found = [*_alone(item), *_family(item, items, known), *_derivation(item, items, known)]
        if not unread.sections:
            found += _place(item, sections)
        problems += [f'[item."{item.id}"]: {problem}' for problem in found]
    return problems


def _numbering(sections: Sections) -> Iterator[str]:
    counts = Counter(section.number for section in sections.values())
    yield from (f"section number {n} is used twice" for n, count in counts.items() if count > 1)


def _section(section: Section, known: frozenset[str]) -> Iterator[str]:
    if not KEY.fullmatch(section.key):
        yield f"a key is made of a-z, 0-9 and _, since ready_{section.key} becomes a mark"
    if section.number < 1:
        yield f"number is {section.number}, expected 1 or more"
    if not section.title:
        yield "title is empty"
    if not any(_lies_under(item_id, str(section.number)) for item_id in known):
        yield "it has no item, so it would always be green"
    for name in section.subsections:
        if not re.fullmatch(rf"{section.number}\.[1-9]\d*", name, re.ASCII):
            yield f"subsection {name!r} is not of the form {section.number}.N"


def _place(item: Item, sections: Sections) -> Iterator[str]:
    """Yield what is wrong with where *item* stands."""
    own = [section for section in sections.values() if section.number == item.section_number]
    if not own:
        yield f"there is no section {item.section_number}"
    elif not any(item.subsection in section.subsections for section in own):
        yield f"its section has no subsection {item.subsection}"


def _alone(item: Item) -> Iterator[str]:
    what = "a signed or record item" if _ages(item) and not item.or_signed else "a signature"
    yield from (text.format(item=item, what=what) for is_wrong, text in ALONE if is_wrong(item))


def _ages(item: Item) -> bool:
    return Kind.RECORD in item.kinds or _signable(item)


def _signable(item: Item) -> bool:
    return Kind.SIGNED in item.kinds or item.or_signed


def _family(item: Item, items: Items, known: frozenset[str]) -> Iterator[str]:
    """Yield what is wrong between *item* and its parent, in whose place sub-items decide."""
    if item.parent is None:
        return
    if item.parent not in known:
        yield f"its parent {item.parent} does not exist"
    parent = items.get(item.parent)
    if parent is None:
        return
    if item.waivable and not parent.waivable:
        yield f"it is waivable though {parent.id} is not"
    if parent.applies is not None:
        yield f"{parent.id} has sub-items, so applies belongs to them"
    if _signable(parent) or not parent.automated:
        yield f"{parent.id} has sub-items, so signatures and derivation belong to them"


def _derivation(item: Item, items: Items, known: frozenset[str]) -> Iterator[str]:
    """Yield what would make a derived item stand on nothing, or on itself."""
    for prefix in item.derives if Kind.DERIVED in item.kinds else ():
        below = [item_id for item_id in known if _lies_under(item_id, prefix)]
        if not below:
            yield f"derives: no item lies under {prefix!r}, so it would rest on nothing"
        read = [items[item_id] for item_id in below if item_id in items]
        later = sorted(i.id for i in read if i.derives and i.order >= item.order)
        if later:
            yield f"derives: {prefix!r} includes {later[0]}, which is derived no earlier"


def _lies_under(item_id: str, prefix: str) -> bool:
    return f"{item_id}.".startswith(f"{prefix}.")

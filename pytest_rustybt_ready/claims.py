"""What a test claims by its marks, and what is wrong with the claims."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pytest
from _pytest.unittest import TestCaseFunction

from pytest_rustybt_ready.checklist import Checklist
from pytest_rustybt_ready.marks import MARK, PREFIX, Control, controls_of
from pytest_rustybt_ready.redaction import clean
from pytest_rustybt_ready.values import CheckInfo

NO_CASES = "NOTSET"  # the id that pytest gives to the one case of an empty parameter set


class Claim(NamedTuple):
    """One readiness mark: the section's key, and the items named in it (none: supporting)."""

    section: str
    ids: tuple[object, ...]


def claims_of(item: pytest.Item) -> tuple[Claim, ...]:
    """Return what the marks of *item* claim, the closest mark first."""
    marks = (mark for mark in item.iter_markers() if mark.name.startswith(PREFIX))
    return tuple(Claim(mark.name.removeprefix(PREFIX), mark.args) for mark in marks)


def info_of(item: pytest.Item, check: str, claims: Iterable[Claim]) -> CheckInfo:
    """Return what is known of the check called *check* before it runs."""
    claims = tuple(claims)
    doc = clean((getattr(function_of(item), "__doc__", None) or "").strip())
    ids = dict.fromkeys(str(claimed) for claim in claims for claimed in claim.ids)
    return CheckInfo(
        check=clean(check),
        section=claims[0].section,
        items=tuple(ids),
        claim=doc.splitlines()[0] if doc else "",
        controls=tuple(control.name for control in controls_for(item)),
    )


def controls_for(item: pytest.Item) -> tuple[Control, ...]:
    """Return the negative controls of a check, those for other cases of it left out."""
    case = case_of(item)
    return tuple(c for c in controls_of(function_of(item)) if c.case in (None, case))


def function_of(item: pytest.Item) -> object:
    """Return the function behind *item*, or None where there is none, as for a text file."""
    return item.function if isinstance(item, pytest.Function) else None


def case_of(item: pytest.Item) -> str | None:
    """Return the id of a parametrised case, or None."""
    callspec = getattr(item, "callspec", None)
    return None if callspec is None else str(callspec.id)


def problems_of(item: pytest.Item, checklist: Checklist) -> Iterator[str]:
    """Yield what is wrong with what *item* claims."""
    where, claims = clean(item.nodeid), claims_of(item)
    if not claims and item.get_closest_marker(MARK) is not None:
        yield f"{where}: mark 'readiness' without a section"
    for claim in claims:
        yield from (f"{where}: {problem}" for problem in _claim_problems(claim, checklist))
    if isinstance(item, TestCaseFunction) and controls_of(function_of(item)):
        yield f"{where}: a unittest method cannot have controls; make it a plain function"


def _claim_problems(claim: Claim, checklist: Checklist) -> Iterator[str]:
    section = checklist.section(claim.section)
    if section is None or section.key != claim.section:
        yield f"the checklist has no section {claim.section!r}"
        return
    for claimed in claim.ids:
        item = checklist.find(claimed) if isinstance(claimed, str) else None
        if item is None:
            yield f"unknown checklist item {claimed!r}"
        elif item.section_number != section.number:
            owner = checklist.section_of(item).key
            yield (
                f"item {claimed} belongs to section {owner!r}, "
                f"not to {claim.section!r}: use @ready.{owner}"
            )


def case_problems(items: Iterable[pytest.Item]) -> Iterator[str]:
    """Yield the controls that are limited to a case which none of their check's *items* is."""
    cases: defaultdict[object, set[str | None]] = defaultdict(set)
    first: dict[object, pytest.Item] = {}
    for item in items:
        cases[function_of(item)].add(case_of(item))
        first.setdefault(function_of(item), item)
    for function, found in cases.items():
        for control in controls_of(function):
            if control.case is not None and control.case not in found and NO_CASES not in found:
                known = ", ".join(sorted(case for case in found if case is not None))
                yield (
                    f"{clean(first[function].nodeid)}: control {control.name} is for case "
                    f"{control.case!r}; there is {f'only {known}' if known else 'none'}"
                )

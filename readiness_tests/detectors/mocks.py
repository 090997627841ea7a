"""Find whatever stands in for the real thing, in product and test code."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from readiness_tests.detectors.bodies import body_findings
from readiness_tests.detectors.families import Families
from readiness_tests.detectors.finding import Allowance, Finding, Scan
from readiness_tests.detectors.libraries import library_findings
from readiness_tests.detectors.patches import patch_findings
from readiness_tests.detectors.source import Source, examine_all, load
from readiness_tests.detectors.syntax import Names
from readiness_tests.detectors.vocabulary import name_findings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

_ALLOWANCE = re.compile(r"#\s*allow-mock\b:?\s*(?P<reason>.*)")


def scan_mocks(paths: Iterable[str | Path], *, strict: bool = True) -> Scan:
    """Return every stand-in found in the Python files under *paths*.

    A line may ask for an exception with a comment `# allow-mock: reason`; without a reason, or
    on a line that needs none, the comment is a finding itself. *strict* refuses all exceptions,
    and also finds replaced attributes of live objects (`monkeypatch.setattr`). Raises
    DetectorError if there is nothing to examine.
    """
    allowances: list[Allowance] = []

    def examine(source: Source) -> Sequence[Finding]:
        asked = dict(_allowances(source, accepted=not strict))
        allowances.extend(asked.values())
        return list(_judged(source, stand_ins(source, families, strict=strict), asked))

    sources, broken = load(paths)
    families = Families(sources)
    scan = examine_all(sources, broken, examine)
    return replace(scan, allowances=tuple(sorted(allowances)))


def stand_ins(source: Source, families: Families, *, strict: bool) -> list[Finding]:
    """Return every stand-in in one module, whatever its comments allow."""
    names = Names(source.nodes)
    found = [*library_findings(source, names), *name_findings(source)]
    found += body_findings(source, names, families)
    found += patch_findings(source, names) if strict else []
    return found


def _allowances(source: Source, *, accepted: bool) -> Iterator[tuple[int, Allowance]]:
    for line, (_, comment) in source.comments.items():
        asked = _ALLOWANCE.search(comment)
        if asked:
            reason = asked["reason"].strip()
            yield line, Allowance(source.path, line, reason, accepted and bool(reason))


def _judged(
    source: Source, findings: Sequence[Finding], asked: dict[int, Allowance]
) -> Iterator[Finding]:
    yield from (f for f in findings if not (f.line in asked and asked[f.line].accepted))
    needed = {finding.line for finding in findings}
    for line, allowance in asked.items():
        column = source.comments[line][0]
        if not allowance.reason:
            yield source.at(line, column, "allowance", "allow-mock gives no reason")
        elif line not in needed:
            yield source.at(line, column, "allowance", "allow-mock allows nothing on this line")

"""Find comments that promise without an issue, and suppressions without a code or a reason."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from readiness_tests.detectors.source import Source, examine_all, load

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from readiness_tests.detectors.finding import Finding, Scan

_PROMISE = re.compile(r"\b(TODO|FIXME|HACK|XXX)\b|^#+\s*(?i:todo|fixme|hack|xxx)\b")
_ISSUE = re.compile(r"(?<!^)#\d+\b|\bGH-\d+\b|https?://\S+\d")
_SUPPRESSION = re.compile(
    r"#\s*(?P<tool>noqa|(?:ruff|flake8):\s*noqa|ruff:\s*ignore|(?:type|pyright|ty|mypy):\s*ignore"
    r"|mypy:\s*ignore-errors|pylint:\s*(?:disable|disable-next)|nosec)(?![\w-])"
    r"(?P<codes>\s*[:=]?\s*[A-Z]+[0-9]+(?:[,\s]+[A-Z]+[0-9]+)*(?![\w-])"
    r"|\s*=\s*[\w-]+(?:\s*,\s*[\w-]+)*|\s*\[[\w\s,-]+\])?",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]{2,}")


def scan_comments(paths: Iterable[str | Path]) -> Scan:
    """Return the TODO, FIXME, HACK and XXX comments under *paths* that name no issue.

    An issue is `#123`, `GH-123` or a link with a number. Texts in strings are no comments. Raises
    DetectorError if there is nothing to examine.
    """
    return examine_all(*load(paths), _promises)


def scan_suppressions(paths: Iterable[str | Path]) -> Scan:
    """Return the suppressed lint and type findings under *paths* without a code or a reason.

    Looked at are `noqa`, `type: ignore`, `nosec`, and their like for other tools; the reason is
    what follows the code: `# noqa: S603 - the command is fixed`. Raises DetectorError if there is
    nothing to examine.
    """
    return examine_all(*load(paths), _suppressions)


def _promises(source: Source) -> Iterator[Finding]:
    for line, (column, comment) in source.comments.items():
        promise = _PROMISE.search(comment)
        if promise and not _ISSUE.search(comment):
            word = (promise[1] or promise[0].lstrip("# \t")).upper()
            yield source.at(line, column, "todo", f"{word} names no issue (#123, GH-123 or a link)")


def _suppressions(source: Source) -> Iterator[Finding]:
    for line, (column, comment) in source.comments.items():
        for match in _SUPPRESSION.finditer(comment):
            following = _SUPPRESSION.search(comment, match.end())
            reason = comment[match.end() : following.start() if following else None]
            place = (line, column + match.start())
            if not match["codes"]:
                yield source.at(*place, "suppression", f"{match['tool']} names no code")
            elif not _WORD.search(reason):
                yield source.at(*place, "suppression", f"{match['tool']} gives no reason")

"""Evidence: what a check looked at, what it expected and what it saw."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NoReturn

from _pytest.outcomes import Skipped  # pytest.skip.Exception, which types do not know

from pytest_rustybt_ready.checklist import Item
from pytest_rustybt_ready.expectations import Expectation, Limit
from pytest_rustybt_ready.redaction import Redactor
from pytest_rustybt_ready.values import EvidenceEntry, Provenance

TEXT_LIMIT = 2_000
ATTACHMENT_LIMIT = 16_000


class Unproven(Skipped):
    """Raised when an item cannot be evaluated here; it never satisfies anything."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(f"unproven: {reason}", _use_item_location=True)
        self.reason = reason
        self.remedy = remedy


class Evidence:
    """Collects what one check saw. A check that leaves none is an error."""

    def __init__(
        self,
        *,
        items: Sequence[Item],
        clock: Callable[[], datetime],
        redact: Redactor,
        provenance: Provenance = Provenance.REAL,
    ) -> None:
        self.items = tuple(items)
        self.provenance = provenance
        self._clock = clock
        self._redact = redact
        self._entries: list[EvidenceEntry] = []

    @property
    def entries(self) -> tuple[EvidenceEntry, ...]:
        """Return what was collected so far, in order."""
        return tuple(self._entries)

    def clear(self) -> None:
        """Forget everything, before the same check runs again."""
        self._entries.clear()

    def expect(
        self, name: str, expected: object, *, observed: object, at: datetime | None = None
    ) -> None:
        """Record *expected* and *observed*, and fail the check with an assertion if they differ.

        *expected* is a plain value, compared with ``==``, or an expectation such as
        ``at_least(90)``. *at* is when a recorded value was observed (aware); default now.
        """
        __tracebackhide__ = True
        ok = _met(expected, observed)
        wanted, seen = self._text(expected), self._text(observed)
        self._add("expectation", name, seen, at=at, expected=wanted, ok=ok)
        if not ok:
            raise AssertionError(self._redact(f"{name}: expected {wanted}, observed {seen}"))

    def meets(self, threshold: str, *, observed: object, at: datetime | None = None) -> None:
        """Hold *observed* (a number) to the item's threshold of that name."""
        __tracebackhide__ = True
        self.expect(threshold, self.threshold(threshold), observed=observed, at=at)

    def threshold(self, name: str) -> Limit:
        """Return a threshold of the items under check; raise LookupError for an unknown name."""
        for item in self.items:
            if name in item.thresholds:
                return Limit(item.thresholds[name])
        ids = ", ".join(item.id for item in self.items) or "no item"
        known = sorted({known for item in self.items for known in item.thresholds})
        raise LookupError(f"{ids}: no threshold {name!r} in the checklist; known: {known}")

    def record(self, name: str, value: object, *, at: datetime | None = None) -> None:
        """Note a value that nothing is expected of."""
        self._add("record", name, self._text(value), at=at)

    def attach(self, content: str | bytes | Path, *, name: str = "") -> None:
        """Keep a text, or the content of a file; long ones are cut, with size and digest kept."""
        if isinstance(content, Path):
            name = name or content.name
            content = content.read_bytes()
        data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
        # redacted before it is cut, so that no half of a secret can stay at the edge
        text = self._redact(data.decode("utf-8", "replace"))
        self._entries.append(
            EvidenceEntry(
                kind="attachment",
                name=self._redact(name or "attachment"),
                observed=text[:ATTACHMENT_LIMIT],
                at=self._clock(),
                provenance=self.provenance,
                size=len(data),
                sha256=hashlib.sha256(data).hexdigest(),
                truncated=len(text) > ATTACHMENT_LIMIT,
            )
        )

    def unproven(self, reason: str, *, remedy: str = "") -> NoReturn:
        """End the check as ``unproven``: it could not be evaluated here, for *reason*."""
        raise Unproven(self._redact(reason), self._redact(remedy))

    def _add(
        self,
        kind: str,
        name: str,
        observed: str,
        *,
        at: datetime | None,
        expected: str | None = None,
        ok: bool | None = None,
    ) -> None:
        when = at or self._clock()
        if when.tzinfo is None:
            raise ValueError(f"evidence {name!r}: its time {when} has no zone; give an aware one")
        digest = hashlib.sha256(observed.encode("utf-8", "surrogatepass")).hexdigest()
        cut = len(observed) > TEXT_LIMIT
        self._entries.append(
            EvidenceEntry(
                kind="expectation" if kind == "expectation" else "record",
                name=self._redact(name),
                observed=observed[:TEXT_LIMIT],
                at=when,
                expected=None if expected is None else expected[:TEXT_LIMIT],
                ok=ok,
                provenance=self.provenance,
                size=len(observed) if cut else None,
                sha256=digest if cut else None,
                truncated=cut,
            )
        )

    def _text(self, value: object) -> str:
        return self._redact(describe(value)).encode("utf-8", "replace").decode("utf-8")


def describe(value: object) -> str:
    """Return *value* in words: collections item by item, everything else as its text."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {describe(item)}" for key, item in value.items()) or "nothing"
    if isinstance(value, list | tuple | set | frozenset):
        parts = [describe(item) for item in value]
        ordered = sorted(parts) if isinstance(value, set | frozenset) else parts
        return ", ".join(ordered) or "none"
    return str(value)


def _met(expected: object, observed: object) -> bool:
    if isinstance(expected, Expectation):
        return expected.met_by(observed)
    return bool(expected == observed)

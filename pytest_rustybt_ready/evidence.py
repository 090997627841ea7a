"""Evidence: what a check looked at, what it expected and what it saw."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Literal, NoReturn

from _pytest.outcomes import Skipped  # pytest.skip.Exception, which types do not know

from pytest_rustybt_ready.checklist import Item
from pytest_rustybt_ready.expectations import Expectation, Limit
from pytest_rustybt_ready.redaction import MASK, SECRET_NAME, Redactor, clean
from pytest_rustybt_ready.values import EvidenceEntry, Provenance

TEXT_LIMIT = 2_000
ATTACHMENT_LIMIT = 16_000


class Unproven(Skipped):
    """Raised when an item cannot be evaluated here; it never satisfies anything."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(f"unproven: {reason}", _use_item_location=True)
        self.reason = reason
        self.remedy = remedy


class Awaiting(Unproven):
    """Raised when a signature is missing: all that is wrong is that nobody has signed, or no more.

    Unlike its base it says for certain that the item is not satisfied.
    """

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason, remedy)
        self.msg = f"awaiting: {reason}"


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
        entry = self._add("expectation", name, observed, at=at, expected=expected, ok=ok)
        if not ok:
            seen = f"expected {entry.expected}, observed {entry.observed}"
            raise AssertionError(f"{entry.name}: {seen}")

    def meets(self, threshold: str, *, observed: object, at: datetime | None = None) -> None:
        """Hold *observed* (a number) to the item's threshold of that name."""
        __tracebackhide__ = True
        self.expect(threshold, self.threshold(threshold), observed=observed, at=at)

    def threshold(self, name: str) -> Limit:
        """Return a threshold of the items under check; raise LookupError for an unknown name.

        Where several items under check have it, the name does not say which: that is a LookupError
        too, unless they agree.
        """
        found = {item.id: item.thresholds[name] for item in self.items if name in item.thresholds}
        ids = ", ".join(item.id for item in self.items) or "no item"
        if not found:
            known = sorted({known for item in self.items for known in item.thresholds})
            raise LookupError(f"{ids}: no threshold {name!r} in the checklist; known: {known}")
        first, *others = found.values()
        if any(other != first for other in others):
            raise LookupError(f"{ids}: the threshold {name!r} differs between {', '.join(found)}")
        return Limit(first)

    def record(self, name: str, value: object, *, at: datetime | None = None) -> None:
        """Note a value that nothing is expected of."""
        self._add("record", name, value, at=at)

    def attach(self, content: str | bytes | Path, *, name: str = "") -> None:
        """Keep a text, or the content of a file; long ones are cut, with size and digest kept."""
        if isinstance(content, Path):
            name = name or content.name
            content = content.read_bytes()
        data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
        # redacted before it is cut, so that no half of a secret can stay at the edge
        text, cut = self._redact.head(data.decode("utf-8", "replace"), ATTACHMENT_LIMIT)
        self._entries.append(
            EvidenceEntry(
                kind="attachment",
                name=self._line(name or "attachment"),
                observed=text,
                at=self._clock(),
                provenance=self.provenance,
                size=len(data),
                sha256=hashlib.sha256(data).hexdigest(),
                truncated=cut,
            )
        )

    def unproven(self, reason: str, *, remedy: str = "") -> NoReturn:
        """End the check as ``unproven``: it could not be evaluated here, for *reason*."""
        raise Unproven(self._line(reason), self._line(remedy))

    def awaiting(self, reason: str, *, remedy: str = "") -> NoReturn:
        """End the check as ``awaiting``: a signature is missing, for *reason*."""
        raise Awaiting(self._line(reason), self._line(remedy))

    def _add(
        self,
        kind: Literal["expectation", "record"],
        name: str,
        observed: object,
        *,
        at: datetime | None,
        expected: object = None,
        ok: bool | None = None,
    ) -> EvidenceEntry:
        when = at or self._clock()
        if when.tzinfo is None:
            raise ValueError(f"evidence {name!r}: its time {when} has no zone; give an aware one")
        text = _kept_under(name, observed)
        data = text.encode("utf-8", "surrogatepass")
        seen, cut = self._redact.head(clean(text), TEXT_LIMIT)
        entry = EvidenceEntry(
            kind=kind,
            name=self._line(name),
            observed=seen,
            at=when.astimezone(UTC),
            expected=None if ok is None else self._line(_kept_under(name, expected)),
            ok=ok,
            provenance=self.provenance,
            size=len(data) if cut else None,
            sha256=hashlib.sha256(data).hexdigest() if cut else None,
            truncated=cut,
        )
        self._entries.append(entry)
        return entry

    def _line(self, text: str) -> str:
        return self._redact.head(clean(text), TEXT_LIMIT)[0]


def describe(value: object) -> str:
    """Return *value* in words: collections item by item, everything else as its text.

    What stands under the name of a secret is masked, whatever it looks like.
    """
    if isinstance(value, Mapping):
        parts = (f"{key}: {_kept_under(key, item)}" for key, item in value.items())
        return ", ".join(parts) or "nothing"
    if isinstance(value, list | tuple | set | frozenset):
        parts = (describe(item) for item in value)
        ordered = sorted(parts) if isinstance(value, set | frozenset) else parts
        return ", ".join(ordered) or "none"
    return str(value)


def _kept_under(key: object, value: object) -> str:
    harmless = value is None or isinstance(value, bool | int | float | Decimal)
    return MASK if not harmless and SECRET_NAME.search(str(key)) else describe(value)


def _met(expected: object, observed: object) -> bool:
    if isinstance(expected, Expectation):
        return expected.met_by(observed)
    return bool(expected == observed)

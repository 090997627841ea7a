"""The values that a run produces and a verdict is made from.

Everything here is frozen, and survives a round trip through JSON unchanged: a report can be judged
again a year later from its own bytes.
"""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Annotated, Literal

import msgspec

# A datetime with a zone; a record that holds any other is refused when it is read.
Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class Stage(enum.StrEnum):
    """How far a deployment wants to go; each stage gates on its own items and on all before."""

    DEV = "dev"
    STAGING = "staging"
    PRODUCTION = "production"
    LIVE = "live"

    @property
    def rank(self) -> int:
        """Position in the order dev < staging < production < live, from 0."""
        return STAGES.index(self)

    def reaches(self, other: Stage) -> bool:
        """Tell whether a gate at this stage includes items of *other*."""
        return self.rank >= other.rank


STAGES = tuple(Stage)  # a verdict asks for ranks thousands of times


class Kind(enum.StrEnum):
    """What sort of proof an item needs."""

    CODE = "code"
    ENGINE = "engine"
    HOST = "host"
    RECORD = "record"
    SIGNED = "signed"
    DERIVED = "derived"

    @property
    def automated(self) -> bool:
        """Whether a check, rather than a person or other items, decides."""
        return self not in (Kind.SIGNED, Kind.DERIVED)


class Provenance(enum.StrEnum):
    """Where evidence comes from; only ``real`` counts for records at production."""

    REAL = "real"
    PRACTICE = "practice"
    SIMULATED = "simulated"


class Outcome(enum.StrEnum):
    """How one execution of one check ended."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    UNPROVEN = "unproven"
    AWAITING = "awaiting"
    NOT_RUN = "not run"


class Disposition(enum.StrEnum):
    """What became of an item. Each item has exactly one; only the first four satisfy."""

    PASSED = "passed"
    SIGNED = "signed"
    WAIVED = "waived"
    NOT_APPLICABLE = "not applicable"
    FAILED = "failed"
    ERROR = "error"
    UNPROVEN = "unproven"
    AWAITING = "awaiting"
    NOT_RUN = "not run"

    @property
    def satisfied(self) -> bool:
        """Whether the item is done for."""
        return self in SATISFIED

    @property
    def breaks(self) -> bool:
        """Whether something is known to be wrong, rather than merely not shown to be right."""
        return self in (Disposition.FAILED, Disposition.ERROR)


SATISFIED = frozenset(
    {Disposition.PASSED, Disposition.SIGNED, Disposition.WAIVED, Disposition.NOT_APPLICABLE}
)

# From worst to best: an item with several checks or sub-items is as good as the worst of them.
SEVERITY: tuple[Disposition, ...] = (
    Disposition.FAILED,
    Disposition.ERROR,
    Disposition.NOT_RUN,
    Disposition.UNPROVEN,
    Disposition.AWAITING,
    Disposition.WAIVED,
    Disposition.SIGNED,
    Disposition.PASSED,
    Disposition.NOT_APPLICABLE,
)


class ProofState(enum.StrEnum):
    """Whether an item's checks have been shown to be able to fail."""

    PROVEN = "proven"
    FAILED = "failed"
    NOT_RUN = "not run"
    NO_CONTROL = "no control"
    NOT_NEEDED = "not needed"


class ProofOutcome(enum.StrEnum):
    """How one negative control ended."""

    PROVEN = "proven"
    CANNOT_FAIL = "cannot fail"
    ERROR = "error"


class Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all recorded values: immutable, and strict about what it reads back."""


class EvidenceEntry(Value, frozen=True, kw_only=True):
    """One thing a check looked at.

    ``expected`` is None for a mere record or attachment; ``ok`` is None where nothing was expected.
    Texts are redacted already. ``size`` is the original's size in bytes, ``sha256`` its digest.
    """

    kind: Literal["expectation", "record", "attachment"]
    name: str
    observed: str
    at: Instant
    expected: str | None = None
    ok: bool | None = None
    provenance: Provenance = Provenance.REAL
    size: int | None = None
    sha256: str | None = None
    truncated: bool = False


class CheckInfo(Value, frozen=True, kw_only=True):
    """A check that was collected, whether or not it was then selected and run.

    ``items`` is empty for a supporting check, which belongs to its section as a whole.
    ``controls`` names the negative controls registered with it.
    """

    check: str
    section: str
    items: tuple[str, ...] = ()
    claim: str = ""
    controls: tuple[str, ...] = ()


class CheckResult(Value, frozen=True, kw_only=True):
    """How a check ended, with what it saw. ``seconds`` is the time its call took."""

    check: str
    outcome: Outcome
    started: Instant
    seconds: float = 0.0
    reason: str = ""
    remedy: str = ""
    evidence: tuple[EvidenceEntry, ...] = ()


class ProofResult(Value, frozen=True, kw_only=True):
    """How one negative control of one check ended. ``digest`` covers what the proof depends on."""

    check: str
    control: str
    outcome: ProofOutcome
    at: Instant
    claim: str = ""
    detail: str = ""
    digest: str = ""
    cached: bool = False


class Scope(Value, frozen=True, kw_only=True):
    """What a run was asked to judge: everything, whole sections (by key), or single items."""

    kind: Literal["whole", "sections", "items"] = "whole"
    sections: tuple[str, ...] = ()
    items: tuple[str, ...] = ()


Fact = bool | int | str | None


class Subject(Value, frozen=True, kw_only=True):
    """What was judged: a checkout, and the deployment that runs it.

    ``facts`` feed the applicability predicates; ``digest`` is the deployment's digest before the
    run; ``home`` is where it lies, or empty when the run judged no deployment. ``project`` names
    what the checkout is of, and ``authors`` are the e-mail addresses of those who made the commit.
    """

    name: str
    kind: Literal["checkout", "sandbox", "deployment"] = "checkout"
    home: str = ""
    digest: str = ""
    commit: str = ""
    dirty: bool = False
    tree: str = ""
    host: str = ""
    facts: dict[str, Fact] = msgspec.field(default_factory=dict)
    project: str = ""
    authors: tuple[str, ...] = ()


class RunInfo(Value, frozen=True, kw_only=True):
    """When, how and with what a run was made. ``notes`` tell the reader of anything unusual."""

    id: str
    started: Instant
    finished: Instant
    stage: Stage
    scope: Scope
    command: str = ""
    interrupted: bool = False
    versions: dict[str, str] = msgspec.field(default_factory=dict)
    notes: tuple[str, ...] = ()

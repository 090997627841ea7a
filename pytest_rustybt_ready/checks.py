"""Collect checks, run them, and put what they saw on their reports.

These hooks run in every process that collects and runs tests; results travel to the controlling
process on the reports themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from pytest_rustybt_ready.checklist import Checklist
from pytest_rustybt_ready.claims import case_problems, claims_of, controls_for, info_of, problems_of
from pytest_rustybt_ready.evidence import Awaiting, Evidence, Unproven
from pytest_rustybt_ready.marks import MARK
from pytest_rustybt_ready.proof import (
    EVIDENCE_KEY,
    ProofCache,
    ProofItem,
    first_line,
    proof_digest,
)
from pytest_rustybt_ready.redaction import Redactor, clean
from pytest_rustybt_ready.values import (
    CheckInfo,
    CheckResult,
    Kind,
    Outcome,
    ProofResult,
    Provenance,
    Subject,
    Value,
)

CHECK_KEY = pytest.StashKey[CheckInfo]()
# The worst that a check has shown so far in this run: running it again does not undo that.
WORST_KEY = pytest.StashKey[CheckResult]()
BEFORE_KEY = pytest.StashKey[int]()  # how much evidence there was before the check was called
CALLING_KEY = pytest.StashKey[bool]()  # whether it is being called right now
ATTRIBUTE = "rustybt_ready"
REASON_LIMIT = 600
# What a sandbox shows of items of these kinds is practice.
PRACTISED = frozenset({Kind.HOST, Kind.ENGINE, Kind.RECORD})


class Parcel(Value, frozen=True, kw_only=True):
    """What one report carries: the check, how it or its proof ended, and its siblings.

    ``siblings`` are all checks that claim the same items, told once: the receiver can tell which
    are missing even when the run ends early. ``ended`` says that the check was torn down.
    """

    info: CheckInfo
    siblings: tuple[CheckInfo, ...] = ()
    result: CheckResult | None = None
    proofs: tuple[ProofResult, ...] = ()
    ended: bool = False


class CheckHooks:
    """The hooks that find and run checks."""

    def __init__(
        self,
        *,
        checklist: Checklist,
        prefixes: tuple[str, ...],
        only_checks: bool,
        prove: bool,
        cache: ProofCache,
        inputs_digest: Callable[[], str],
        clock: Callable[[], datetime],
        redactor: Callable[[], Redactor],
        subject: Callable[[], Subject | None],
    ) -> None:
        self.checklist = checklist
        self.checks: dict[str, CheckInfo] = {}
        self.selected: set[str] = set()
        self._prefixes = prefixes
        self._only_checks = only_checks
        self._prove = prove
        self._cache = cache
        self._inputs_digest = inputs_digest
        self._clock = clock
        self._redactor = redactor
        self._subject = subject
        self._cached: dict[str, tuple[ProofResult, ...]] = {}
        self._claims: defaultdict[str, dict[str, CheckInfo]] = defaultdict(dict)
        self._told: set[str] = set()

    # -- collection -------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True)
    def pytest_pycollect_makeitem(self) -> Generator[None, Any, Any]:
        """Add a test for each negative control that has no proof yet."""
        made = yield
        if not isinstance(made, list):
            return made
        return [new for item in made for new in (item, *self._proofs_of(item))]

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self,
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Turn wrong claims into one collection error that names them all."""
        report = yield
        if report.outcome != "passed":
            return report
        items = [item for item in report.result or [] if isinstance(item, pytest.Item)]
        problems = [*self._note(items), *case_problems(items)]
        if problems:
            # pytest will not look into the module's classes any more
            problems += self._note(_inside_classes(report.result))
            report.outcome = "failed"
            report.longrepr = "\n".join(dict.fromkeys(problems))
            report.result = []
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Leave out what nobody asked for."""
        if self._only_checks or self._prefixes:
            kept = [item for item in items if self._asked_for(item)]
            dropped = [item for item in items if not self._asked_for(item)]
            if dropped:
                config.hook.pytest_deselected(items=dropped)
                items[:] = kept

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note which checks were selected, after every plugin had its say: some add marks."""
        problems = self._note(item for item in session.items if CHECK_KEY not in item.stash)
        if problems:
            raise pytest.UsageError("\n".join(problems))
        infos = (item.stash.get(CHECK_KEY, None) for item in session.items)
        self.selected = {info.check for info in infos if info is not None}

    def _asked_for(self, item: pytest.Item) -> bool:
        info = item.stash.get(CHECK_KEY, None)
        if info is None:
            return False
        if not self._prefixes:
            return True
        return any(_under(claim, prefix) for claim in info.items for prefix in self._prefixes)

    def _note(self, items: Iterable[pytest.Item]) -> list[str]:
        """Attach to each of *items* what it claims; return what is wrong with the claims."""
        return [problem for item in items for problem in self._note_one(item)]

    def _note_one(self, item: pytest.Item) -> list[str]:
        problems = list(problems_of(item, self.checklist))
        claims = claims_of(item)
        if problems or not claims:
            return problems
        if item.get_closest_marker(MARK) is None:
            item.add_marker(MARK)
        if isinstance(item, ProofItem):
            item.stash[CHECK_KEY] = info_of(item, item.proves, claims)
            return []
        info = info_of(item, item.nodeid, claims)
        item.stash[CHECK_KEY] = info
        item.user_properties.extend(("ready.item", claim) for claim in info.items)
        self.checks[info.check] = info
        for claim in info.items or (info.section,):
            self._claims[claim][info.check] = info
        return []

    def _proofs_of(self, item: object) -> Iterator[ProofItem]:
        if not isinstance(item, pytest.Function) or isinstance(item, ProofItem):
            return
        for control in controls_for(item):
            digest = proof_digest(item, control, self._inputs_digest())
            check = clean(item.nodeid)
            known = self._cache.find(check, control.name, digest)
            if known is not None:
                self._cached[check] = (*self._cached.get(check, ()), known)
            elif self._prove:
                yield ProofItem.of(item, control, digest)

    # -- running ----------------------------------------------------------------------------

    @pytest.fixture
    def evidence(self, request: pytest.FixtureRequest) -> Evidence:
        """Collect what a check sees, expects, and cannot evaluate."""
        info = request.node.stash.get(CHECK_KEY, None)
        ids = info.items if info else ()
        found = [item for claim in ids if (item := self.checklist.find(claim))]
        subject = self._subject()
        sandbox = subject is not None and subject.kind == "sandbox"
        practised = sandbox and any(PRACTISED.intersection(item.kinds) for item in found)
        evidence = Evidence(
            items=found,
            clock=self._clock,
            redact=self._redactor(),
            provenance=Provenance.PRACTICE if practised else Provenance.REAL,
        )
        request.node.stash[EVIDENCE_KEY] = evidence
        return evidence

    @pytest.fixture
    def proving(self, request: pytest.FixtureRequest) -> bool:
        """Tell whether this is a proof: then every subject must be a throwaway sandbox."""
        return isinstance(request.node, ProofItem)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Tell what the check itself leaves from what its fixtures left before."""
        evidence = item.stash.get(EVIDENCE_KEY, None)
        item.stash[BEFORE_KEY] = len(evidence.entries) if evidence else 0
        item.stash[CALLING_KEY] = True
        try:
            return (yield)
        finally:
            item.stash[CALLING_KEY] = False

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put the check's result on its report, redacted."""
        report = yield
        info = item.stash.get(CHECK_KEY, None)
        if info is not None:
            self._redact(report)
            parcel = self._parcel(item, info, call, report)
            if parcel is not None:
                setattr(report, ATTRIBUTE, msgspec.json.encode(parcel).decode())
        return report

    def _parcel(
        self,
        item: pytest.Item,
        info: CheckInfo,
        call: pytest.CallInfo[None],
        report: pytest.TestReport,
    ) -> Parcel | None:
        """Return what *report* is to carry, if it tells anything of the check or its proof."""
        error = call.excinfo.value if call.excinfo else None
        # reports of subtests come while their test still runs
        part = item.stash.get(CALLING_KEY, False)
        if isinstance(item, ProofItem):
            return self._proof_parcel(item, info, call, report, part=part)
        if error is None and (part or report.when == "setup"):
            return None
        ended = report.when == "teardown"
        if ended and error is None:
            return Parcel(info=info, ended=True)
        result = self._result(item, info, call, report)
        if not part:
            _fail_unless_passed(report, result)
        return Parcel(
            info=info,
            siblings=tuple(self._siblings(info)),
            result=result,
            proofs=self._cached.get(info.check, ()),
            ended=ended,
        )

    def _proof_parcel(
        self,
        item: ProofItem,
        info: CheckInfo,
        call: pytest.CallInfo[None],
        report: pytest.TestReport,
        *,
        part: bool,
    ) -> Parcel | None:
        error = call.excinfo.value if call.excinfo else None
        if part:
            # a subtest of a proof says nothing by itself: the proof as a whole has to fail
            item.parts += [error] if error is not None else []
            report.outcome, report.longrepr = "passed", None
            return None
        if report.when != "call" and error is None:
            return None
        proof = item.result(error, _started(call))
        return Parcel(info=info, proofs=(self._clean(proof),) if proof else ())

    def _siblings(self, info: CheckInfo) -> Iterator[CheckInfo]:
        for claim in info.items or (info.section,):
            if claim not in self._told:
                self._told.add(claim)
                yield from self._claims[claim].values()

    def _result(
        self,
        item: pytest.Item,
        info: CheckInfo,
        call: pytest.CallInfo[None],
        report: pytest.TestReport,
    ) -> CheckResult:
        evidence = item.stash.get(EVIDENCE_KEY, None)
        error = call.excinfo.value if call.excinfo else None
        outcome, reason = _outcome(error, str(report.when))
        if outcome is Outcome.PASSED:
            outcome, reason = _second_thoughts(item, evidence, report)
        result = CheckResult(
            check=info.check,
            outcome=outcome,
            started=_started(call),
            seconds=round(call.duration, 3),
            reason=self._line(reason),
            remedy=self._line(error.remedy) if isinstance(error, Unproven) else "",
            evidence=evidence.entries if evidence else (),
        )
        if outcome is not Outcome.PASSED:
            item.stash.setdefault(WORST_KEY, result)
            return result
        before = item.stash.get(WORST_KEY, None)
        if before is None:
            return result
        return msgspec.structs.replace(result, outcome=before.outcome, reason=before.reason)

    def _clean(self, proof: ProofResult) -> ProofResult:
        detail, claim = self._line(proof.detail), self._line(proof.claim)
        return msgspec.structs.replace(proof, detail=detail, claim=claim)

    def _line(self, text: str) -> str:
        return self._redactor().head(clean(text), REASON_LIMIT)[0]

    def _redact(self, report: pytest.TestReport) -> None:
        redact = self._redactor()
        report.sections = [(name, redact(text)) for name, text in report.sections]
        report.user_properties = [
            (name, redact(value) if isinstance(value, str) else value)
            for name, value in report.user_properties
        ]
        if isinstance(report.longrepr, tuple):
            path, line, reason = report.longrepr
            report.longrepr = (path, line, redact(reason))
            return
        text = report.longreprtext
        # pytest's own representation keeps its colours unless there is something to hide
        if text and redact(text) != text:
            report.longrepr = redact(text)


def _inside_classes(nodes: Iterable[object]) -> Iterator[pytest.Item]:
    """Yield the tests inside of the classes among *nodes*."""
    for node in nodes:
        if isinstance(node, pytest.Class):
            inner = list(node.collect())
            yield from (item for item in inner if isinstance(item, pytest.Item))
            yield from _inside_classes(inner)


def _started(call: pytest.CallInfo[None]) -> datetime:
    return datetime.fromtimestamp(call.start, UTC)


def _outcome(error: BaseException | None, when: str) -> tuple[Outcome, str]:
    if error is None:
        return Outcome.PASSED, ""
    if isinstance(error, Awaiting):
        return Outcome.AWAITING, error.reason
    if isinstance(error, Unproven):
        return Outcome.UNPROVEN, error.reason
    if isinstance(error, pytest.skip.Exception):
        return Outcome.NOT_RUN, f"skipped: {error.msg}"
    if isinstance(error, pytest.xfail.Exception):
        return Outcome.FAILED, f"expected to fail, which does not count: {error.msg}"
    if when == "call" and isinstance(error, AssertionError | pytest.fail.Exception):
        return Outcome.FAILED, first_line(error)
    return Outcome.ERROR, f"{when}: {first_line(error)}"


def _second_thoughts(
    item: pytest.Item, evidence: Evidence | None, report: pytest.TestReport
) -> tuple[Outcome, str]:
    """Return how a check ended that raised nothing."""
    entries = evidence.entries if evidence else ()
    unmet = [entry.name for entry in entries if entry.ok is False]
    if unmet:
        return Outcome.FAILED, f"unmet although the test passed: {', '.join(unmet)}"
    if not entries:
        return Outcome.ERROR, "the check left no evidence"
    if len(entries) <= item.stash.get(BEFORE_KEY, 0):
        return Outcome.ERROR, "the check left no evidence: all there is came from its fixtures"
    if report.failed:
        return Outcome.FAILED, report.longreprtext or "failed by another plugin"
    return Outcome.PASSED, ""


def _fail_unless_passed(report: pytest.TestReport, result: CheckResult) -> None:
    """Show in pytest's own outcome what the verdict will say of a test that passed."""
    if report.outcome == "passed" and result.outcome is not Outcome.PASSED:
        report.outcome = "failed"
        report.longrepr = f"{result.check}: {result.outcome}: {result.reason}"


def _under(item_id: str, prefix: str) -> bool:
    return item_id == prefix or item_id.startswith(f"{prefix}.")

"""Collect checks, run them, and put what they saw on their reports.

These hooks run in every process that collects and runs tests; results travel to the controlling
process on the reports themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from pytest_rustybt_ready.checklist import Checklist
from pytest_rustybt_ready.evidence import Evidence, Unproven
from pytest_rustybt_ready.marks import MARK, PREFIX, Control, controls_of
from pytest_rustybt_ready.proof import (
    EVIDENCE_KEY,
    ProofCache,
    ProofItem,
    first_line,
    proof_digest,
)
from pytest_rustybt_ready.redaction import Redactor
from pytest_rustybt_ready.values import (
    CheckInfo,
    CheckResult,
    Outcome,
    ProofResult,
    Value,
)

CHECK_KEY = pytest.StashKey[CheckInfo]()
ATTRIBUTE = "rustybt_ready"
REASON_LIMIT = 600


class Parcel(Value, frozen=True, kw_only=True):
    """What one report carries: the check, how it or its proof ended, and its siblings.

    ``siblings`` are all checks that claim the same items: the receiver can tell which are missing
    even when the run ends early.
    """

    info: CheckInfo
    siblings: tuple[CheckInfo, ...] = ()
    result: CheckResult | None = None
    proofs: tuple[ProofResult, ...] = ()


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
        self._cached: dict[str, tuple[ProofResult, ...]] = {}
        self._claims: dict[str, list[CheckInfo]] = defaultdict(list)

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
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Turn wrong claims into one collection error that names them all."""
        report = yield
        if report.outcome != "passed" or not isinstance(collector, pytest.Module | pytest.Class):
            return report
        functions = [item for item in report.result or [] if isinstance(item, pytest.Function)]
        problems = [problem for item in functions for problem in self._note(item)]
        if problems:
            report.outcome = "failed"
            report.longrepr = "\n".join(dict.fromkeys(problems))
            report.result = []
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Register every check, then leave out what the options do not ask for."""
        for item in items:
            info = item.stash.get(CHECK_KEY, None)
            if info is not None and not isinstance(item, ProofItem):
                self.checks[info.check] = info
        for info in self.checks.values():
            for claim in info.items or (info.section,):
                self._claims[claim].append(info)
        if self._only_checks or self._prefixes:
            kept = [item for item in items if self._asked_for(item)]
            dropped = [item for item in items if not self._asked_for(item)]
            if dropped:
                config.hook.pytest_deselected(items=dropped)
                items[:] = kept

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note which checks were selected, after every plugin had its say."""
        infos = (item.stash.get(CHECK_KEY, None) for item in session.items)
        self.selected = {info.check for info in infos if info is not None}

    def _asked_for(self, item: pytest.Item) -> bool:
        info = item.stash.get(CHECK_KEY, None)
        if info is None:
            return False
        if not self._prefixes:
            return True
        return any(_under(claim, prefix) for claim in info.items for prefix in self._prefixes)

    def _note(self, item: pytest.Function) -> list[str]:
        """Attach what *item* claims to it; return what is wrong with its claims."""
        claims = list(_claims(item))
        if not claims:
            bare = item.get_closest_marker(MARK) is not None
            return [f"{item.nodeid}: mark 'readiness' without a section"] if bare else []
        if isinstance(item, ProofItem):
            item.stash[CHECK_KEY] = self._info(item, item.proves, claims)
            return []
        item.add_marker(MARK)
        info = self._info(item, item.nodeid, claims)
        item.stash[CHECK_KEY] = info
        item.user_properties.extend(("ready.item", claim) for claim in info.items)
        wrong = [p for key, ids in claims for p in self._problems(item.nodeid, key, ids)]
        return wrong + _control_problems(item)

    def _info(
        self, item: pytest.Function, check: str, claims: list[tuple[str, tuple[str, ...]]]
    ) -> CheckInfo:
        doc = (item.function.__doc__ or "").strip()
        return CheckInfo(
            check=check,
            section=claims[0][0],
            items=tuple(dict.fromkeys(claim for _, ids in claims for claim in ids)),
            claim=doc.splitlines()[0] if doc else "",
            controls=tuple(control.name for control in _controls(item)),
        )

    def _problems(self, where: str, key: str, ids: tuple[str, ...]) -> Iterator[str]:
        section = self.checklist.section(key)
        if section is None:
            yield f"{where}: the checklist has no section {key!r}"
            return
        for claim in ids:
            item = self.checklist.find(claim)
            if item is None:
                yield f"{where}: unknown checklist item {claim!r}"
            elif item.section_number != section.number:
                owner = self.checklist.section_of(item)
                yield (
                    f"{where}: item {claim} belongs to section {owner.key!r}, "
                    f"not to {key!r}: use @ready.{owner.key}"
                )

    def _proofs_of(self, item: object) -> Iterator[ProofItem]:
        if not isinstance(item, pytest.Function) or isinstance(item, ProofItem):
            return
        for control in _controls(item):
            digest = proof_digest(item.function, control, self._inputs_digest())
            known = self._cache.find(item.nodeid, control.name, digest)
            if known is not None:
                self._cached[item.nodeid] = (*self._cached.get(item.nodeid, ()), known)
            elif self._prove:
                yield ProofItem.of(item, control, digest)

    # -- running ----------------------------------------------------------------------------

    @pytest.fixture
    def evidence(self, request: pytest.FixtureRequest) -> Evidence:
        """Collect what a check sees, expects, and cannot evaluate."""
        info = request.node.stash.get(CHECK_KEY, None)
        ids = info.items if info else ()
        found = [item for claim in ids if (item := self.checklist.find(claim))]
        evidence = Evidence(items=found, clock=self._clock, redact=self._redactor())
        request.node.stash[EVIDENCE_KEY] = evidence
        return evidence

    @pytest.fixture
    def proving(self, request: pytest.FixtureRequest) -> bool:
        """Tell whether this is a proof: then every subject must be a throwaway sandbox."""
        return isinstance(request.node, ProofItem)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put the check's result on its report, redacted."""
        report = yield
        info = item.stash.get(CHECK_KEY, None)
        if info is None:
            return report
        self._redact(report)
        error = call.excinfo.value if call.excinfo else None
        at = datetime.fromtimestamp(call.start, UTC)
        if report.when == "call" or error is not None:
            if isinstance(item, ProofItem):
                proof = item.result(error, at)
                parcel = Parcel(info=info, proofs=(self._clean(proof),) if proof else ())
            else:
                result = self._result(item, call, at)
                _fail_without_evidence(report, result)
                parcel = self._parcel(info, result)
            setattr(report, ATTRIBUTE, msgspec.json.encode(parcel).decode())
        return report

    def _parcel(self, info: CheckInfo, result: CheckResult) -> Parcel:
        claims = info.items or (info.section,)
        siblings = {s.check: s for claim in claims for s in self._claims[claim]}
        proofs = self._cached.get(info.check, ())
        return Parcel(info=info, siblings=tuple(siblings.values()), result=result, proofs=proofs)

    def _result(self, item: pytest.Item, call: pytest.CallInfo[None], at: datetime) -> CheckResult:
        evidence = item.stash.get(EVIDENCE_KEY, None)
        entries = evidence.entries if evidence else ()
        error = call.excinfo.value if call.excinfo else None
        outcome, reason = _outcome(error, call.when)
        unmet = [entry.name for entry in entries if entry.ok is False]
        if outcome is Outcome.PASSED and unmet:
            outcome, reason = Outcome.FAILED, f"unmet although the test passed: {', '.join(unmet)}"
        elif outcome is Outcome.PASSED and not entries:
            outcome, reason = Outcome.ERROR, "the check left no evidence"
        return CheckResult(
            check=item.nodeid,
            outcome=outcome,
            started=at,
            seconds=round(call.duration, 3),
            reason=self._redactor()(reason)[:REASON_LIMIT],
            remedy=error.remedy if isinstance(error, Unproven) else "",
            evidence=entries,
        )

    def _clean(self, proof: ProofResult) -> ProofResult:
        detail = self._redactor()(proof.detail)[:REASON_LIMIT]
        return msgspec.structs.replace(proof, detail=detail)

    def _redact(self, report: pytest.TestReport) -> None:
        redact = self._redactor()
        report.sections = [(name, redact(text)) for name, text in report.sections]
        text = report.longreprtext
        # pytest's own representation keeps its colours unless there is something to hide
        if text and redact(text) != text:
            report.longrepr = redact(text)


def _outcome(error: BaseException | None, when: str) -> tuple[Outcome, str]:
    if error is None:
        return Outcome.PASSED, ""
    if isinstance(error, Unproven):
        return Outcome.UNPROVEN, error.reason
    if isinstance(error, pytest.skip.Exception):
        return Outcome.NOT_RUN, f"skipped: {error.msg}"
    if when == "call" and isinstance(error, AssertionError | pytest.fail.Exception):
        return Outcome.FAILED, first_line(error)
    if isinstance(error, pytest.xfail.Exception):
        return Outcome.FAILED, f"expected to fail, which does not count: {error.msg}"
    return Outcome.ERROR, f"{when}: {first_line(error)}"


def _fail_without_evidence(report: pytest.TestReport, result: CheckResult) -> None:
    """Show in pytest's own outcome what the verdict will say of a test that passed."""
    if report.outcome == "passed" and result.outcome is not Outcome.PASSED:
        report.outcome = "failed"
        report.longrepr = f"{result.check}: {result.outcome}: {result.reason}"


def _claims(item: pytest.Function) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield section key and ids of each readiness mark, the closest first."""
    for marker in item.iter_markers():
        if marker.name.startswith(PREFIX):
            yield marker.name.removeprefix(PREFIX), marker.args


def _case(item: pytest.Function) -> str | None:
    callspec = getattr(item, "callspec", None)
    return callspec.id if callspec is not None else None


def _controls(item: pytest.Function) -> list[Control]:
    case = _case(item)
    return [c for c in controls_of(item.function) if c.case in (None, case)]


def _control_problems(item: pytest.Function) -> list[str]:
    """Return a problem for each control that is limited to a case, on a check that has none."""
    if _case(item) is not None:
        return []
    limited = [c for c in controls_of(item.function) if c.case is not None]
    return [
        f"{item.nodeid}: control {c.name} is for case {c.case!r}; there are none" for c in limited
    ]


def _under(item_id: str, prefix: str) -> bool:
    return item_id == prefix or item_id.startswith(f"{prefix}.")


def merge(infos: Mapping[str, CheckInfo], parcel: Parcel) -> dict[str, CheckInfo]:
    """Return *infos* with the checks that *parcel* tells of."""
    told = (parcel.info, *parcel.siblings)
    return dict(infos) | {info.check: info for info in told}

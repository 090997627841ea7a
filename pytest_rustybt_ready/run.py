"""One readiness run: gather what the checks saw, judge it, and write it down.

``Run`` lives in the controlling process only; workers have the hooks that collect and run checks.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import msgspec
import pytest

from pytest_rustybt_ready import checkout, options
from pytest_rustybt_ready.checklist import Checklist
from pytest_rustybt_ready.checks import ATTRIBUTE, CheckHooks, Parcel
from pytest_rustybt_ready.errors import HistoryError, ReadyError
from pytest_rustybt_ready.gaps import GapHooks
from pytest_rustybt_ready.history import FILE as HISTORY_FILE
from pytest_rustybt_ready.history import History, changes
from pytest_rustybt_ready.options import load_checklist, report_folder, state_folder
from pytest_rustybt_ready.proof import FILE as PROOFS_FILE
from pytest_rustybt_ready.proof import ProofCache
from pytest_rustybt_ready.record import Changes, Record
from pytest_rustybt_ready.redaction import clean
from pytest_rustybt_ready.scope import scope_of
from pytest_rustybt_ready.selection import Request, ready_paths
from pytest_rustybt_ready.statements.gather import Bench, Gathered, gather
from pytest_rustybt_ready.subject import (
    SUBJECT_KEY,
    changes_of,
    copy_of,
    find_subject,
    redactor_of,
    subject_of,
)
from pytest_rustybt_ready.values import (
    CheckInfo,
    CheckResult,
    Outcome,
    ProofOutcome,
    ProofResult,
    RunInfo,
    Subject,
)
from pytest_rustybt_ready.verdict import Exit, Inputs, judge

__all__ = ["load_checklist", "now", "report_folder", "start", "state_folder", "subject_of"]

PHASES = ("setup", "call", "teardown")
# Exit statuses of pytest that a verdict replaces; all others say that the run itself went wrong.
JUDGED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)


def now() -> datetime:
    """Return the present instant, in UTC."""
    return datetime.now(UTC)


def start(config: pytest.Config, request: Request) -> None:
    """Register what a readiness run needs in this process."""
    options.check(config)
    checklist = load_checklist(config)
    gaps = GapHooks(config, lambda: redactor_of(config))
    hooks = CheckHooks(
        checklist=checklist,
        prefixes=options.prefixes(config),
        only_checks=request.by_option,
        prove=bool(config.getoption("ready_prove")),
        cache=ProofCache(state_folder(config) / PROOFS_FILE),
        inputs_digest=_once(lambda: _inputs_digest(config, checklist)),
        clock=now,
        redactor=lambda: redactor_of(config),
        subject=lambda: config.stash.get(SUBJECT_KEY, None),
    )
    config.pluginmanager.register(gaps, "rustybt-ready-gaps")
    config.pluginmanager.register(hooks, "rustybt-ready-checks")
    worker_input = getattr(config, "workerinput", None)
    if worker_input is None:
        config.pluginmanager.register(Run(config, request, hooks, gaps), "rustybt-ready-run")
    else:
        subject = msgspec.json.decode(worker_input["ready_subject"], type=Subject)
        config.stash[SUBJECT_KEY] = subject
        config.pluginmanager.register(WorkerHooks(config, hooks, gaps), "rustybt-ready-worker")


class WorkerHooks:
    """What an xdist worker tells its controller when it ends."""

    def __init__(self, config: pytest.Config, hooks: CheckHooks, gaps: GapHooks) -> None:
        self._config = config
        self._hooks = hooks
        self._gaps = gaps

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Hand over which checks were collected and selected, and what was not seen."""
        output: dict[str, object] = getattr(self._config, "workeroutput", {})
        output["ready_checks"] = msgspec.json.encode(list(self._hooks.checks.values())).decode()
        output["ready_selected"] = sorted(self._hooks.selected)
        output["ready_gaps"] = list(self._gaps.gaps)


class Run:
    """The controlling side of a readiness run."""

    def __init__(
        self, config: pytest.Config, request: Request, hooks: CheckHooks, gaps: GapHooks
    ) -> None:
        self.config = config
        self.request = request
        self.hooks = hooks
        self.checklist = hooks.checklist
        self.started = now()
        self.infos: dict[str, CheckInfo] = {}
        self.selected: set[str] = set()
        self.results: list[CheckResult] = []
        self.proofs: list[ProofResult] = []
        self.gaps = gaps.gaps
        self.record: Record | None = None
        self.notes: list[str] = []
        self.report_error = ""
        self._subject: Subject | None = None
        self._collecting = False
        self._stopped = False
        self._ended: set[str] = set()
        self._own_failures = 0

    # -- hooks ------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Find out what is judged, before anything touches it."""
        self._subject = find_subject(self.config)
        # others get a copy: whatever they do to it, the verdict is on what was found
        self.config.stash[SUBJECT_KEY] = copy_of(self._subject)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """Note that this is a run, and not a listing of fixtures or of the cache."""
        self._collecting = True

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: object) -> None:
        """Tell an xdist worker what is judged."""
        worker_input: dict[str, object] = getattr(node, "workerinput")  # noqa: B009 - not typed
        worker_input["ready_subject"] = msgspec.json.encode(subject_of(self.config)).decode()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """Take over what a worker collected, if it lived to tell."""
        output = getattr(node, "workeroutput", None) or {}
        infos = msgspec.json.decode(output.get("ready_checks", "[]"), type=list[CheckInfo])
        self.infos |= {info.check: info for info in infos}
        self.selected.update(output.get("ready_selected", ()))
        self.gaps |= dict.fromkeys(output.get("ready_gaps", ()))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a check's result off its report."""
        text = getattr(report, ATTRIBUTE, None)
        if text is not None:
            self._take(msgspec.json.decode(text, type=Parcel))
            self._own_failures += report.failed
        elif report.when not in PHASES:
            self._crashed(report)

    def pytest_keyboard_interrupt(self) -> None:
        """Note that the run was ended early, whatever exit status it will claim."""
        self._stopped = True

    # innermost: after every plugin has finished, or failed to, and before the terminal sums up
    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(
        self, session: pytest.Session, exitstatus: int | pytest.ExitCode
    ) -> Generator[None, object, object]:
        """Judge, write, remember; then let the verdict decide how the process ends."""
        finished = False
        try:
            result = yield
            finished = True
        finally:
            self._finish(session, exitstatus, finished=finished)
        return result

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the verdict."""
        if self.record is None:
            return
        from pytest_rustybt_ready.report.terminal import write_summary

        write_summary(self.record, terminalreporter)
        for note in self.notes:
            terminalreporter.write_line(note)
        if self.report_error:
            terminalreporter.write_line(self.report_error, red=True)
        else:
            terminalreporter.write_line(f"report: {report_folder(self.config) / 'index.html'}")

    # -- parts ------------------------------------------------------------------------------

    def _finish(
        self, session: pytest.Session, exitstatus: int | pytest.ExitCode, *, finished: bool
    ) -> None:
        self.infos |= self.hooks.checks
        self.selected |= self.hooks.selected
        listing = not self._collecting and exitstatus == pytest.ExitCode.OK
        if self.config.option.collectonly or listing or self._subject is None:
            return
        normal = exitstatus in (*JUDGED, pytest.ExitCode.NO_TESTS_COLLECTED) and finished
        self._stopped |= bool(not normal or session.shouldstop or session.shouldfail)
        self.record = self._make_record(self._subject)
        self._save(self.record)
        if exitstatus in JUDGED:
            others = session.testsfailed - self._own_failures
            session.exitstatus = self._exit(self.record, others=others)

    def _take(self, parcel: Parcel) -> None:
        self.infos |= {info.check: info for info in (parcel.info, *parcel.siblings)}
        self.results += [parcel.result] if parcel.result else []
        self.proofs += parcel.proofs
        if parcel.ended:
            self._ended.add(parcel.info.check)

    def _crashed(self, report: pytest.TestReport) -> None:
        """Note a test whose worker died: it has no result, and never passed."""
        check = clean(report.nodeid)
        self.gaps[f"a worker died while it ran {check}"] = None
        self.results.append(_not_run(check, "its worker process died", now()))

    def _make_record(self, subject: Subject) -> Record:
        finished = now()
        found = self._statements(subject, finished)
        inputs = Inputs(
            checklist=self.checklist,
            stage=options.stage(self.config),
            scope=scope_of(self.config, self.request, self.checklist, self.infos, self.selected),
            facts=subject.facts,
            commit="" if subject.dirty else subject.commit,
            checks=tuple(self.infos[check] for check in sorted(self.infos)),
            results=tuple(sorted(self._results(), key=lambda r: (r.check, r.started))),
            proofs=tuple(sorted(self._known_proofs(), key=lambda p: (p.check, p.control))),
            interrupted=self._stopped,
            broken=changes_of(self.config, subject),
            gaps=tuple(sorted(self.gaps)),
            statements=found.examined.statements,
            refused=found.examined.refused,
            authors=subject.authors,
        )
        record = Record(
            run=self._run_info(inputs, finished),
            subject=subject,
            checklist=inputs.checklist,
            checks=inputs.checks,
            results=inputs.results,
            proofs=inputs.proofs,
            statements=inputs.statements,
            broken=inputs.broken,
            gaps=inputs.gaps,
            verdict=judge(inputs, finished),
            refused=inputs.refused,
            sealed_statements=found.sealed,
            trust=found.trust,
            commits=dict(found.commits),
        )
        changed = self._changes(record)
        run = msgspec.structs.replace(record.run, notes=tuple(self.notes))
        return msgspec.structs.replace(record, run=run, changes=changed).sealed()

    def _statements(self, subject: Subject, at: datetime) -> Gathered:
        """Read what people signed for the deployment; without one there is nothing to read."""
        if not subject.home:
            return Gathered()
        bench = Bench(self.config.rootpath, subject.project, subject.commit, self.checklist)
        seen = self._history().revocations(subject)
        return gather(Path(subject.home, "readiness"), bench, at, seen)

    def _results(self) -> Iterator[CheckResult]:
        """Yield the results; a check that was never torn down has not passed."""
        yield from self.results
        passed = {r.check: r for r in self.results if r.outcome is Outcome.PASSED}
        for check in sorted(passed.keys() - self._ended):
            yield _not_run(check, "the run ended before it was torn down", passed[check].started)

    def _known_proofs(self) -> list[ProofResult]:
        """Return one result for each proof: a fresh one replaces what the cache knew.

        Of several fresh ones the worst counts.
        """

        def confidence(proof: ProofResult) -> tuple[bool, bool]:
            return (not proof.cached, proof.outcome is not ProofOutcome.PROVEN)

        ordered = sorted(self.proofs, key=confidence)
        return list({(proof.check, proof.control): proof for proof in ordered}.values())

    def _run_info(self, inputs: Inputs, finished: datetime) -> RunInfo:
        identity = f"{self.started.isoformat()} {os.getpid()} {inputs.stage}"
        command = shlex.join(["pytest", *map(str, self.config.invocation_params.args)])
        return RunInfo(
            id=hashlib.sha256(identity.encode()).hexdigest()[:16],
            started=self.started,
            finished=finished,
            stage=inputs.stage,
            scope=inputs.scope,
            command=redactor_of(self.config)(clean(command)),
            interrupted=inputs.interrupted,
            versions={
                "python": platform.python_version(),
                "platform": platform.platform(),
                "pytest": pytest.__version__,
                "rustybt": _version("rustybt"),
            },
        )

    def _changes(self, record: Record) -> Changes:
        history = self._history()
        try:
            return changes(history.entries(), record)
        except HistoryError as error:
            self.notes.append(f"history: {error}; {_set_aside(history)}")
        except OSError as error:
            self.notes.append(f"history: {history.path} cannot be read: {error.strerror}")
        return Changes()

    def _history(self) -> History:
        return History(state_folder(self.config) / HISTORY_FILE)

    def _save(self, record: Record) -> None:
        try:
            self._history().append(record)
            ProofCache(state_folder(self.config) / PROOFS_FILE).save(self.proofs)
        except (OSError, HistoryError) as error:
            where, reason = state_folder(self.config), getattr(error, "strerror", None) or error
            self.notes.append(f"history and proofs were not kept: {where}: {reason}")
        from pytest_rustybt_ready.report import write_reports

        try:
            write_reports(record, report_folder(self.config))
        except ReadyError as error:
            self.report_error = str(error)

    def _exit(self, record: Record, *, others: int) -> int:
        """Return the exit code; *others* counts failures that are of no check and no proof."""
        if self.report_error:
            return Exit.REPORT_ERROR
        code = Exit.of(record.verdict.scope_status)
        return Exit.NOT_READY if code is Exit.READY and others else code


def _not_run(check: str, reason: str, started: datetime) -> CheckResult:
    return CheckResult(check=check, outcome=Outcome.NOT_RUN, started=started, reason=reason)


def _set_aside(history: History) -> str:
    try:
        return f"the broken file is kept as {history.set_aside().name}"
    except OSError as error:
        return f"the broken file could not be moved: {error.strerror}"


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


def _inputs_digest(config: pytest.Config, checklist: Checklist) -> str:
    """Return the digest of everything but the check and the control that a proof rests on."""
    roots = [
        *ready_paths(config),
        *(config.rootpath / p for p in config.getini("ready_proof_inputs")),
    ]
    found = [path for root in roots for path in checkout.files(root.parent) if _below(path, root)]
    own = sorted(Path(__file__).parent.rglob("*.py"))
    parts = [
        checkout.files_digest(config.rootpath, sorted(set(found))),
        checkout.files_digest(Path(__file__).parent, own),
        msgspec.json.encode(checklist, order="deterministic").decode(),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _below(path: Path, root: Path) -> bool:
    return path == root or path.is_relative_to(root)


def _once(make: Callable[[], str]) -> Callable[[], str]:
    made: list[str] = []

    def get() -> str:
        if not made:
            made.append(make())
        return made[0]

    return get

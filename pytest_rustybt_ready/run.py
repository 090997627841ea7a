"""One readiness run: gather what the checks saw, judge it, and write it down.

``Run`` lives in the controlling process only; workers have the :class:`CheckHooks` alone.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec
import pytest

from pytest_rustybt_ready import checklist_file, checkout
from pytest_rustybt_ready.checklist import Checklist
from pytest_rustybt_ready.checks import ATTRIBUTE, CheckHooks, Parcel, merge
from pytest_rustybt_ready.errors import ChecklistError, HistoryError, ReadyError
from pytest_rustybt_ready.history import FILE as HISTORY_FILE
from pytest_rustybt_ready.history import History, changes
from pytest_rustybt_ready.proof import FILE as PROOFS_FILE
from pytest_rustybt_ready.proof import ProofCache
from pytest_rustybt_ready.record import Record
from pytest_rustybt_ready.redaction import Redactor, secrets_in
from pytest_rustybt_ready.selection import Request, ready_paths, sections_selected
from pytest_rustybt_ready.values import (
    CheckInfo,
    CheckResult,
    Outcome,
    ProofResult,
    RunInfo,
    Scope,
    Stage,
    Subject,
)
from pytest_rustybt_ready.verdict import Exit, Inputs, judge

SUBJECT_KEY = pytest.StashKey[Subject]()
CHECKLIST_KEY = pytest.StashKey[Checklist]()
REDACTOR_KEY = pytest.StashKey[Redactor]()
PHASES = ("setup", "call", "teardown")
# Exit statuses of pytest that a verdict replaces; all others say that the run itself went wrong.
JUDGED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)


def now() -> datetime:
    """Return the present instant, in UTC."""
    return datetime.now(UTC)


def start(config: pytest.Config, request: Request) -> None:
    """Register what a readiness run needs in this process."""
    checklist = load_checklist(config)
    hooks = CheckHooks(
        checklist=checklist,
        prefixes=_known_prefixes(config, checklist),
        only_checks=request.by_option,
        prove=bool(config.getoption("ready_prove")),
        cache=ProofCache(state_folder(config) / PROOFS_FILE),
        inputs_digest=_once(lambda: _inputs_digest(config, checklist)),
        clock=now,
        redactor=lambda: _redactor(config),
    )
    config.pluginmanager.register(hooks, "rustybt-ready-checks")
    worker_input = getattr(config, "workerinput", None)
    if worker_input is None:
        config.pluginmanager.register(Run(config, request, hooks), "rustybt-ready-run")
    else:
        subject = msgspec.json.decode(worker_input["ready_subject"], type=Subject)
        config.stash[SUBJECT_KEY] = subject
        config.pluginmanager.register(WorkerHooks(config, hooks), "rustybt-ready-worker")


def load_checklist(config: pytest.Config) -> Checklist:
    """Return the checklist of this run, with the deployment's stricter thresholds applied."""
    if CHECKLIST_KEY in config.stash:
        return config.stash[CHECKLIST_KEY]
    named = config.getini("ready_checklist")
    home = config.getoption("deployment")
    try:
        checklist = checklist_file.load(config.rootpath / named) if named else _built_in()
        stricter = Path(home, "readiness", "thresholds.toml") if home else None
        if stricter is not None and stricter.exists():
            checklist = checklist_file.tighten(checklist, stricter)
    except ChecklistError as error:
        raise pytest.UsageError(str(error)) from error
    config.stash[CHECKLIST_KEY] = checklist
    return checklist


def subject_of(config: pytest.Config) -> Subject:
    """Return what this run judges."""
    return config.stash[SUBJECT_KEY]


def state_folder(config: pytest.Config) -> Path:
    """Return the folder for history and cached proofs."""
    return Path(config.rootpath, config.getini("ready_state"))


def report_folder(config: pytest.Config) -> Path:
    """Return the folder for reports."""
    named = config.getoption("ready_report")
    if named:
        return Path(config.invocation_params.dir, named)
    return Path(config.rootpath, config.getini("ready_report"))


class WorkerHooks:
    """What an xdist worker tells its controller when it ends."""

    def __init__(self, config: pytest.Config, hooks: CheckHooks) -> None:
        self._config = config
        self._hooks = hooks

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Hand over which checks were collected and selected."""
        output: dict[str, object] = getattr(self._config, "workeroutput", {})
        output["ready_checks"] = msgspec.json.encode(list(self._hooks.checks.values())).decode()
        output["ready_selected"] = sorted(self._hooks.selected)


class Run:
    """The controlling side of a readiness run."""

    def __init__(self, config: pytest.Config, request: Request, hooks: CheckHooks) -> None:
        self.config = config
        self.request = request
        self.hooks = hooks
        self.checklist = hooks.checklist
        self.started = now()
        self.infos: dict[str, CheckInfo] = {}
        self.selected: set[str] = set()
        self.results: list[CheckResult] = []
        self.proofs: list[ProofResult] = []
        self.record: Record | None = None
        self.notes: list[str] = []
        self.report_error = ""
        self._ordinary_failed = False

    # -- hooks ------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Find out what is judged, before anything touches it."""
        subject = self.config.hook.pytest_ready_subject(config=self.config)
        root = self.config.rootpath
        own = (report_folder(self.config), state_folder(self.config))
        self.config.stash[SUBJECT_KEY] = msgspec.structs.replace(
            subject or Subject(name=root.name),
            commit=checkout.commit(root),
            dirty=checkout.dirty(root),
            tree=checkout.tree_digest(root, ignore=own),
            host=host_fingerprint(),
        )

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

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a check's result off its report."""
        text = getattr(report, ATTRIBUTE, None)
        if text is not None:
            parcel = msgspec.json.decode(text, type=Parcel)
            self.infos = merge(self.infos, parcel)
            self.results += [parcel.result] if parcel.result else []
            self.proofs += parcel.proofs
        elif report.when not in PHASES:
            self._crashed(report)
        elif report.failed:
            self._ordinary_failed = True

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(
        self, session: pytest.Session, exitstatus: int | pytest.ExitCode
    ) -> None:
        """Judge, write, remember; then let the verdict decide how the process ends."""
        self.infos |= self.hooks.checks
        self.selected |= self.hooks.selected
        if self.config.option.collectonly or SUBJECT_KEY not in self.config.stash:
            return
        interrupted = exitstatus not in (*JUDGED, pytest.ExitCode.NO_TESTS_COLLECTED)
        self.record = self._make_record(interrupted=interrupted)
        self._save()
        if exitstatus in JUDGED:
            session.exitstatus = self._exit(self.record)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the verdict."""
        if self.record is not None:
            from pytest_rustybt_ready.report.terminal import write_summary

            write_summary(self.record, terminalreporter)
            for note in self.notes:
                terminalreporter.write_line(note)
            if self.report_error:
                terminalreporter.write_line(self.report_error, red=True)
            else:
                terminalreporter.write_line(f"report: {report_folder(self.config) / 'index.html'}")

    # -- parts ------------------------------------------------------------------------------

    def _crashed(self, report: pytest.TestReport) -> None:
        """Note a check whose worker died: it has no result, and never passed."""
        self.notes.append(f"a worker died while it ran {report.nodeid}")
        result = CheckResult(
            check=report.nodeid,
            outcome=Outcome.NOT_RUN,
            started=now(),
            reason="its worker process died",
        )
        self.results.append(result)

    def _make_record(self, *, interrupted: bool) -> Record:
        finished = now()
        subject = subject_of(self.config)
        broken = self._broken(subject)
        inputs = Inputs(
            checklist=self.checklist,
            stage=Stage(self.config.getoption("ready_stage") or self.config.getini("ready_stage")),
            scope=self._scope(),
            facts=subject.facts,
            checks=tuple(self.infos[check] for check in sorted(self.infos)),
            results=tuple(sorted(self.results, key=lambda r: (r.check, r.started))),
            proofs=tuple(sorted(self._known_proofs(), key=lambda p: (p.check, p.control))),
            interrupted=interrupted,
            broken=broken,
        )
        record = Record(
            run=self._run_info(inputs, finished),
            subject=subject,
            checklist=inputs.checklist,
            checks=inputs.checks,
            results=inputs.results,
            proofs=inputs.proofs,
            statements=inputs.statements,
            broken=broken,
            verdict=judge(inputs, finished),
        )
        return msgspec.structs.replace(record, changes=self._changes(record)).sealed()

    def _known_proofs(self) -> list[ProofResult]:
        """Return one result for each proof: a fresh one replaces what the cache knew."""
        ordered = sorted(self.proofs, key=lambda proof: not proof.cached)
        return list({(proof.check, proof.control): proof for proof in ordered}.values())

    def _run_info(self, inputs: Inputs, finished: datetime) -> RunInfo:
        identity = f"{self.started.isoformat()} {os.getpid()} {inputs.stage}"
        return RunInfo(
            id=hashlib.sha256(identity.encode()).hexdigest()[:16],
            started=self.started,
            finished=finished,
            stage=inputs.stage,
            scope=inputs.scope,
            command=shlex.join(["pytest", *map(str, self.config.invocation_params.args)]),
            interrupted=inputs.interrupted,
            versions={
                "python": platform.python_version(),
                "platform": platform.platform(),
                "pytest": pytest.__version__,
                "rustybt": version("rustybt"),
            },
            notes=tuple(self.notes),
        )

    def _broken(self, subject: Subject) -> tuple[str, ...]:
        """Tell whether the run changed what it judged."""
        after = self.config.hook.pytest_ready_digest(config=self.config, subject=subject)
        if after is None or after == subject.digest:
            return ()
        return ("the deployment changed while it was judged: its digest before and after differ",)

    def _scope(self) -> Scope:
        """Return what the run was asked for, as precisely as it was asked."""
        prefixes = self.config.getoption("ready_item")
        if prefixes:
            under = [item.id for prefix in prefixes for item in self.checklist.under(prefix)]
            return Scope(kind="items", items=tuple(dict.fromkeys(under)))
        if self.request.narrow and (claimed := self._claimed()):
            return Scope(kind="items", items=claimed)
        keys = tuple(section.key for section in self.checklist.sections)
        asked = sections_selected(self.config.option.markexpr or "", keys)
        if self.request.paths and not self._whole_folder():
            collected = {info.section for info in self.infos.values()}
            asked = tuple(key for key in asked if key in collected)
        return Scope() if asked == keys else Scope(kind="sections", sections=asked)

    def _claimed(self) -> tuple[str, ...]:
        """Return the items that the selected checks claim."""
        infos = [self.infos[check] for check in sorted(self.selected) if check in self.infos]
        return tuple(dict.fromkeys(claim for info in infos for claim in info.items))

    def _whole_folder(self) -> bool:
        roots = ready_paths(self.config)
        base = self.config.invocation_params.dir
        return any(Path(base, arg).resolve() in roots for arg in self.config.args)

    def _changes(self, record: Record) -> object:
        history = self._history()
        try:
            entries = history.entries()
        except HistoryError as error:
            kept = history.set_aside()
            self.notes.append(f"history: {error}; the broken file is kept as {kept.name}")
            entries = []
        return changes(entries, record)

    def _history(self) -> History:
        return History(state_folder(self.config) / HISTORY_FILE)

    def _save(self) -> None:
        record = self.record
        if record is None:
            return
        try:
            self._history().append(record)
            ProofCache(state_folder(self.config) / PROOFS_FILE).save(self.proofs)
        except OSError as error:
            where = state_folder(self.config)
            self.notes.append(f"history and proofs were not kept: {where}: {error.strerror}")
        from pytest_rustybt_ready.report import write_reports

        try:
            write_reports(record, report_folder(self.config))
        except ReadyError as error:
            self.report_error = str(error)

    def _exit(self, record: Record) -> int:
        if self.report_error:
            return Exit.REPORT_ERROR
        code = Exit.of(record.verdict.scope_status)
        return Exit.NOT_READY if code is Exit.READY and self._ordinary_failed else code


def host_fingerprint() -> str:
    """Return what identifies this host without naming it: platform, cores, a digest of its name."""
    name = hashlib.sha256(platform.node().encode()).hexdigest()[:12]
    return f"{sys.platform}-{platform.machine()}-{os.cpu_count()}cpu-{name}"


def _built_in() -> Checklist:
    return checklist_file.built_in()


def _known_prefixes(config: pytest.Config, checklist: Checklist) -> tuple[str, ...]:
    prefixes = tuple(config.getoption("ready_item"))
    unknown = [prefix for prefix in prefixes if not any(checklist.under(prefix))]
    if unknown:
        raise pytest.UsageError(
            f"--ready-item: no item of the checklist is {' or '.join(unknown)}; "
            "`rustybt-ready list` shows them all"
        )
    return prefixes


def _inputs_digest(config: pytest.Config, checklist: Checklist) -> str:
    """Return the digest of everything but the check and the control that a proof rests on."""
    roots = [
        *ready_paths(config),
        *(config.rootpath / p for p in config.getini("ready_proof_inputs")),
    ]
    found = [path for root in roots for path in checkout.files(root.parent) if _below(path, root)]
    own = sorted(Path(__file__).parent.rglob("*.py"))
    parts = [
        checkout.files_digest(Path("/"), [path.resolve() for path in sorted(set(found))]),
        checkout.files_digest(Path(__file__).parent, own),
        msgspec.json.encode(checklist, order="deterministic").decode(),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _below(path: Path, root: Path) -> bool:
    return path == root or path.is_relative_to(root)


def _redactor(config: pytest.Config) -> Redactor:
    if REDACTOR_KEY in config.stash:
        return config.stash[REDACTOR_KEY]
    secrets = secrets_in(os.environ)
    subject = config.stash.get(SUBJECT_KEY, None)
    if subject is None:
        return Redactor(secrets)
    for found in config.hook.pytest_ready_secrets(config=config, subject=subject):
        secrets += found
    config.stash[REDACTOR_KEY] = Redactor(secrets)
    return config.stash[REDACTOR_KEY]


def _once(make: Callable[[], str]) -> Callable[[], str]:
    made: list[str] = []

    def get() -> str:
        if not made:
            made.append(make())
        return made[0]

    return get

"""Show that the tests notice when a validator stops refusing anything."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue

from readiness_tests.detectors.finding import DetectorError, Finding, Scan
from readiness_tests.detectors.neutralise import NotNeutralisableError, neutralise, observe
from readiness_tests.detectors.source import Source, load
from readiness_tests.detectors.validators import Validator, find_validators
from readiness_tests.detectors.vocabulary import words
from readiness_tests.detectors.workspace import Run, Workspace, copy_tree, hit_call

Progress = Callable[[str], None]

_PASSED, _NO_TESTS = 0, 5  # pytest's exit codes
_SLOW = 0.5  # seconds that a test takes


@dataclass(frozen=True, slots=True, order=True)
class Outcome:
    """What the tests said to one neutralised validator.

    `noticed_by` is the test that failed, or the module that could not be collected any more; it is
    empty if there was none, and `problem` then says what happened. `tests` counts the tests that
    run this validator.
    """

    validator: Validator
    noticed_by: str
    problem: str
    tests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification(Scan):
    """A scan that also holds what became of each validator."""

    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a verification may use: processes at a time, seconds for each run of the tests."""

    processes: int = 2
    baseline_seconds: float = 1800.0
    seconds: float = 300.0


def verify_validators(
    root: Path,
    packages: Sequence[str | Path],
    tests: Sequence[str] = ("tests",),
    *,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Neutralise each validator in *packages* in turn and see that one of *tests* then fails.

    Everything happens in copies of the tree *root*, in which *packages* and *tests* are paths.
    First the tests run once, unchanged but for a note of which test runs which validator; then,
    for each validator, those tests alone. A test that fails must pass in the untouched copy, or it
    does not count; a module that cannot be imported any more counts as noticed.

    A validator that no test runs or notices, or that cannot be neutralised, is a finding. Raises
    DetectorError if there is no validator, if the tests do not pass to begin with, or if they
    import the packages from anywhere but the copy.
    """
    with tempfile.TemporaryDirectory(prefix="validators-") as folder:
        tree = _Tree.copied(root.resolve(), packages, Path(folder).resolve())
        sources, broken = tree.load()
        validators = find_validators(sources, tree.root)
        if not validators:
            raise DetectorError("nothing to verify: no validator in the given packages")
        trial = _Trial(tree.workspace, limits or Limits(), progress or _keep_quiet)
        outcomes = trial.all(validators, trial.baseline(validators, tests))
    found = [_finding(outcome) for outcome in outcomes if not outcome.noticed_by]
    return Verification(
        files_examined=len(sources) + len(broken),
        functions_examined=sum(len(source.functions()) for source in sources),
        findings=tuple(sorted([*broken, *found])),
        outcomes=tuple(outcomes),
    )


def _keep_quiet(message: str) -> None:
    del message


@dataclass(frozen=True, slots=True)
class _Tree:
    """One copy of the tree, from which all others are made: the original may change meanwhile."""

    root: Path
    packages: tuple[Path, ...]

    @classmethod
    def copied(cls, origin: Path, packages: Sequence[str | Path], folder: Path) -> _Tree:
        paths = [(origin / package).resolve() for package in packages]
        missing = [f"{path}: no such file or folder" for path in paths if not path.exists()]
        outside = [
            f"{path}: not a package below {origin}"
            for path in paths
            if not path.is_relative_to(origin) or path == origin
        ]
        if missing or outside:
            raise DetectorError("; ".join([*missing, *outside]))
        copy_tree(origin, folder / "tree")
        tree = cls(folder / "tree", tuple(path.relative_to(origin) for path in paths))
        ignored = [str(path) for path in tree.packages if not (tree.root / path).exists()]
        if ignored:
            raise DetectorError(f"ignored by git, so not part of the tree: {', '.join(ignored)}")
        return tree

    def load(self) -> tuple[list[Source], list[Finding]]:
        sources, broken = load(self.root / package for package in self.packages)
        root = f"{self.root.as_posix()}/"
        return sources, [replace(f, path=f.path.removeprefix(root)) for f in broken]

    def workspace(self, name: str) -> Workspace:
        names = {package.parts[0].removesuffix(".py") for package in self.packages}
        return Workspace(self.root, self.root.parent / name, sorted(names))


@dataclass(frozen=True, slots=True)
class _Trial:
    new: Callable[[str], Workspace]
    limits: Limits
    tell: Progress

    def baseline(
        self, validators: Sequence[Validator], tests: Sequence[str]
    ) -> Mapping[Validator, list[str]]:
        """Return the tests that run each validator, the likeliest to notice it first."""
        self.tell(f"{len(validators)} validators; running the tests unchanged")
        workspace = self.new("baseline")
        for path in sorted({validator.path for validator in validators}):
            workspace.rewrite(path, _observing(path, validators))
        run = workspace.run(tests, self.limits.baseline_seconds)
        _require_passed(run)
        return _runners(run, validators)

    def all(
        self, validators: Sequence[Validator], runners: Mapping[Validator, list[str]]
    ) -> list[Outcome]:
        """Try every validator and return the outcomes in order."""
        processes = max(1, min(self.limits.processes, 2, len(validators)))
        free: SimpleQueue[_Judge] = SimpleQueue()
        reliable: dict[str, bool] = {}
        for number in range(processes):
            free.put(_Judge(self.new(f"copy-{number}"), self.limits.seconds, reliable))

        def attempt(validator: Validator) -> Outcome:
            judge = free.get()
            try:
                outcome = judge.outcome(validator, runners[validator])
            finally:
                free.put(judge)
            self.tell(f"{validator}: {outcome.noticed_by or outcome.problem}")
            return outcome

        with ThreadPoolExecutor(processes) as pool:
            try:
                return list(pool.map(attempt, validators))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _require_passed(run: Run) -> None:
    if run.exit_code == _PASSED:
        return
    failed = [*run.tests("failed"), *run.tests("uncollected")]
    what = "ran out of time" if run.exit_code is None else ", ".join(failed) or run.last_line
    raise DetectorError(f"the tests do not pass to begin with: {what}")


def _runners(run: Run, validators: Sequence[Validator]) -> Mapping[Validator, list[str]]:
    seconds: defaultdict[str, float] = defaultdict(float)
    for record in run.records:
        if record["kind"] == "passed":
            seconds[_function(str(record["test"]))] += float(str(record["seconds"]))
    order = {test: number for number, test in enumerate(seconds)}
    hits = {
        (validators[int(str(record["validator"]))], _function(str(record["test"])))
        for record in run.records
        if record["kind"] == "hit"
    }
    breadth = Counter(test for _, test in hits)

    def likeliest(validator: Validator) -> list[str]:
        subject = {*words(validator.qualname), *words(validator.path)}
        tests = [test for hit, test in hits if hit == validator and test in seconds]
        # Quick ones first; among them those that speak of it, then those that run little else.
        return sorted(
            tests,
            key=lambda t: (seconds[t] > _SLOW, -len(subject & {*words(t)}), breadth[t], order[t]),
        )

    return {validator: _by_module(likeliest(validator)) for validator in validators}


def _function(test: str) -> str:
    """Return the id of a test without its parameters, which may differ from run to run."""
    module, separator, name = test.partition("::")
    return module + separator + name.partition("[")[0]


def _by_module(tests: Sequence[str]) -> list[str]:
    modules = dict.fromkeys(test.partition("::")[0] for test in tests)
    rank = {module: number for number, module in enumerate(modules)}
    return sorted(tests, key=lambda test: rank[test.partition("::")[0]])


class _InconclusiveError(Exception):
    """A run told nothing about the validator."""


@dataclass(frozen=True, slots=True)
class _Judge:
    workspace: Workspace
    seconds: float
    reliable: dict[str, bool]

    def outcome(self, validator: Validator, tests: Sequence[str]) -> Outcome:
        if not tests:
            return Outcome(validator, "", "no test runs it", 0)
        modules = list(dict.fromkeys(test.partition("::")[0] for test in tests))
        try:
            # What a shared fixture ran counts for its first user only: ask the modules, too.
            noticed_by = self._noticed(validator, tests) or self._noticed(validator, modules)
        except (NotNeutralisableError, _InconclusiveError) as error:
            return Outcome(validator, "", str(error), len(tests))
        problem = "" if noticed_by else f"none of {len(tests)} tests notices that it passes all"
        return Outcome(validator, noticed_by, problem, len(tests))

    def _noticed(self, validator: Validator, tests: Sequence[str]) -> str:
        options: list[str] = ["-x"]
        while True:
            with self.workspace.changed(validator.path, lambda text: neutralise(text, validator)):
                run = self.workspace.run(tests, self.seconds, options=options)
            if run.exit_code is None:
                raise _InconclusiveError(f"no test failed within {self.seconds:g} seconds")
            if run.exit_code in {_PASSED, _NO_TESTS}:
                return ""
            failed = run.tests("failed")
            if not failed:
                return self._uncollected(run, tests)
            if self._is_reliable(_function(failed[0])):
                return failed[0]
            options += [f"--deselect={_function(failed[0])}"]

    def _uncollected(self, run: Run, tests: Sequence[str]) -> str:
        """Return what could not be collected, if it can be collected in the untouched copy."""
        control = self.workspace.run(tests, self.seconds, options=["--collect-only"])
        if control.exit_code != _PASSED:
            raise _InconclusiveError(f"its tests cannot be run alone: {control.last_line}")
        return next(iter(run.tests("uncollected")), f"pytest, which stops: {run.last_line}")

    def _is_reliable(self, test: str) -> bool:
        """Return whether *test* passes on its own in the untouched copy."""
        if test not in self.reliable:
            self.reliable[test] = self.workspace.run([test], self.seconds).exit_code == _PASSED
        return self.reliable[test]


def _observing(path: str, validators: Sequence[Validator]) -> Callable[[str], str]:
    here = [(v, key) for key, v in enumerate(validators) if v.path == path]

    def change(text: str) -> str:
        for validator, key in reversed(here):  # from the end, so that positions stay true
            text = observe(text, validator, hit_call(key))
        return text

    return change


def _finding(outcome: Outcome) -> Finding:
    validator = outcome.validator
    message = f"{validator.qualname}: {outcome.problem}"
    return Finding(validator.path, validator.line, validator.column, "validator", message)

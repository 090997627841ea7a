"""Where the checklist meets the product: what is judged, and the fixtures that checks share.

Imports of the product are lazy: this file is loaded by every pytest run of the checkout.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_rustybt_ready import Evidence, Subject
    from readiness_tests.derivations import Derivations
    from readiness_tests.engine import EngineUnderTest
    from readiness_tests.host import Host
    from readiness_tests.machine import Machine
    from readiness_tests.office import Office
    from readiness_tests.signatures import Signatures
    from readiness_tests.subjects import Checkout, Deployment

SANDBOX_KEY = pytest.StashKey[Path]()


def pytest_ready_subject(config: pytest.Config) -> Subject:
    """Judge the deployment named by ``--deployment``, or else a sandbox made by ``init``."""
    import tempfile

    from pytest_rustybt_ready import Subject, options
    from readiness_tests.facts import facts_of
    from readiness_tests.subjects import run_rustybt
    from rustybt.deployment import home_digest

    named = options.deployment(config)
    if named:
        home, kind, name = named.resolve(), "deployment", named.name
    else:
        folder = Path(tempfile.mkdtemp(prefix="rustybt-ready-"))
        config.stash[SANDBOX_KEY] = folder
        home, kind, name = folder / "home", "sandbox", "sandbox"
        made = run_rustybt("init", str(home))
        if made.returncode != 0:
            raise pytest.UsageError(f"no sandbox could be made: {made.stderr.strip()}")
    return Subject(
        name=name,
        kind="deployment" if kind == "deployment" else "sandbox",
        home=str(home),
        digest=home_digest(home),
        facts=facts_of(home),
    )


def pytest_ready_digest(subject: Subject) -> str:
    """Return the home's digest as it is now."""
    from rustybt.deployment import home_digest

    return home_digest(Path(subject.home))


def pytest_ready_secrets(subject: Subject) -> list[str]:
    """Return what the deployment's vault and settings hold in secret."""
    from readiness_tests.facts import secrets_of

    return secrets_of(Path(subject.home))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the sandbox."""
    folder = config.stash.get(SANDBOX_KEY, None)
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def stage(request: pytest.FixtureRequest) -> str:
    """Return the stage that this run gates at."""
    named = request.config.getoption("ready_stage") or request.config.getini("ready_stage")
    return str(named)


@pytest.fixture(scope="session")
def sandbox_suites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where suite records of sandboxes are kept: all untouched ones share one."""
    return tmp_path_factory.mktemp("sandbox-suites")


@pytest.fixture
def checkout(
    request: pytest.FixtureRequest, proving: bool, tmp_path: Path, sandbox_suites: Path
) -> Checkout:
    """Return the checkout under judgement, or in a proof a sandbox that may be broken."""
    from pytest_rustybt_ready.run import report_folder, state_folder
    from readiness_tests.sandbox import build_checkout
    from readiness_tests.subjects import Checkout
    from readiness_tests.suite import SuiteStore

    root = request.config.rootpath
    if proving:
        sandbox = build_checkout(root, tmp_path / "checkout")
        return Checkout(sandbox, SuiteStore(sandbox_suites), processes=0)
    own = (report_folder(request.config), state_folder(request.config))
    return Checkout(root, SuiteStore(own[1] / "suite"), ignore=own)


@pytest.fixture(scope="session")
def pristine_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home that ``init`` made and nobody uses: proofs get copies of it."""
    from readiness_tests.subjects import run_rustybt

    home = tmp_path_factory.mktemp("pristine") / "home"
    made = run_rustybt("init", str(home))
    assert made.returncode == 0, made.stderr
    return home


@pytest.fixture
def deployment(
    request: pytest.FixtureRequest, proving: bool, tmp_path: Path
) -> Iterator[Deployment]:
    """Return the deployment under judgement, or in a proof a copy of a sandbox's home."""
    from pytest_rustybt_ready.run import subject_of
    from readiness_tests.subjects import Deployment

    if not proving:
        yield Deployment(Path(subject_of(request.config).home))
        return
    pristine: Path = request.getfixturevalue("pristine_home")
    home = tmp_path / "home"
    shutil.copytree(pristine, home, symlinks=True)
    yield Deployment(home)


@pytest.fixture(scope="session")
def pristine_engine(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the engine's sources that nobody edits: proofs get copies of it."""
    from readiness_tests.engine import copy_engine

    return copy_engine(pytestconfig.rootpath, tmp_path_factory.mktemp("pristine-engine"))


@pytest.fixture
def engine(request: pytest.FixtureRequest, proving: bool, tmp_path: Path) -> EngineUnderTest:
    """Return the engine under judgement, or in a proof a copy of it whose sources may be edited."""
    from readiness_tests.engine import EngineUnderTest, copy_engine

    if not proving:
        return EngineUnderTest(request.config.rootpath)
    pristine: Path = request.getfixturevalue("pristine_engine")
    return EngineUnderTest(copy_engine(pristine, tmp_path / "engine"), throwaway=True)


@pytest.fixture
def machine(request: pytest.FixtureRequest, proving: bool, tmp_path: Path) -> Machine:
    """Return the machine at ``--hosts`` or this one, or in a proof a description to be changed."""
    from readiness_tests.machine import described_machine, machine_at

    if proving:
        return described_machine(tmp_path / "machine")
    options = request.config.option
    return machine_at(getattr(options, "hosts", None), getattr(options, "ssh_config", None))


@pytest.fixture(scope="session")
def statements_of_the_deployment(pytestconfig: pytest.Config) -> Signatures:
    """Return what people signed for the deployment under judgement, read once."""
    from pytest_rustybt_ready.options import load_checklist
    from pytest_rustybt_ready.run import now, subject_of
    from pytest_rustybt_ready.statements.gather import Bench
    from readiness_tests.signatures import Signatures

    subject = subject_of(pytestconfig)
    commit = "" if subject.dirty else subject.commit
    checklist = load_checklist(pytestconfig)
    bench = Bench(pytestconfig.rootpath, subject.project, commit, checklist)
    return Signatures(Path(subject.home, "readiness"), bench, subject.authors, now)


@pytest.fixture(scope="session")
def office(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Office:
    """Return people with keys, and a release that they can sign for: all proofs share them."""
    from pytest_rustybt_ready.options import load_checklist
    from readiness_tests.office import found_office

    return found_office(tmp_path_factory.mktemp("office"), load_checklist(pytestconfig))


@pytest.fixture
def signatures(
    request: pytest.FixtureRequest, proving: bool, evidence: Evidence, tmp_path: Path
) -> Signatures:
    """Return what people signed, or in a proof a sandbox where all is signed that the check is on.

    For an item that rests on approvals these are the ones by four eyes.
    """
    if not proving:
        held: Signatures = request.getfixturevalue("statements_of_the_deployment")
        return held
    from readiness_tests.office import Desk

    office: Office = request.getfixturevalue("office")
    (item,) = evidence.items
    approvals = (i for i in office.bench.checklist.items if i.four_eyes)
    return Desk(office, tmp_path / "readiness", (item,) if item.role else approvals)


@pytest.fixture
def derivations(pytestconfig: pytest.Config) -> Derivations:
    """Return the derived items of the checklist in force; a proof may let them rest on others."""
    from pytest_rustybt_ready.options import load_checklist
    from readiness_tests.derivations import Derivations

    return Derivations(load_checklist(pytestconfig))


@pytest.fixture
def host(proving: bool, tmp_path: Path) -> Host:
    """Return the machine that this runs on, or in a proof a description that may be changed."""
    from readiness_tests.host import Host, described_host

    return described_host(tmp_path / "host") if proving else Host()

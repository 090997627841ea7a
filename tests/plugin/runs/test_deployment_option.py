"""``--deployment HOME``, and what a project tells the plugin about what is judged."""

from __future__ import annotations

from typing import Any

import pytest

pytest_plugins = ["pytester"]

HOOKS = """
import hashlib
from pathlib import Path

from pytest_rustybt_ready import Subject


def digest(home):
    return hashlib.sha256(Path(home, "settings").read_bytes()).hexdigest()


def pytest_ready_subject(config):
    home = config.getoption("deployment") or str(config.rootpath / "sandbox")
    kind = "deployment" if config.getoption("deployment") else "sandbox"
    return Subject(name="d", kind=kind, home=home, digest=digest(home), facts={"vault": False})


def pytest_ready_digest(subject):
    return digest(subject.home)


def pytest_ready_secrets(subject):
    return "a-single-secret-text"
"""


@pytest.fixture
def judged(project: Any) -> Any:
    """Return a project with a deployment, a sandbox and passing checks."""
    project.write("conftest.py", HOOKS)
    project.write("home/settings", "safe")
    project.write("sandbox/settings", "safe")
    project.passing("1.1.1", "2.1.1", "2.2.3")
    project.checks("""
        @ready.testing("1.1.2")
        def test_1_1_2(evidence):
            evidence.meets("coverage", observed="93.5")
        """)
    return project


def test_the_deployment_named_is_judged(judged: Any) -> None:
    """The subject that the project's hook returns is in the record, with commit, tree and host."""
    run = judged.run("--deployment", "home")
    subject = run.record.subject
    assert (run.code, subject.kind, subject.home) == (0, "deployment", "home")
    assert subject.tree.startswith("sha256:")
    assert subject.host
    assert run.item("2.2.3") == "not applicable"
    assert run.reason("2.2.3") == "applies only if vault is true"


def test_without_hooks_the_checkout_is_judged(project: Any) -> None:
    """A project without hooks is judged as a checkout; facts that nobody knows excuse nothing."""
    project.passing("1.1.1", "1.1.2", "2.1.1")
    run = project.run()
    assert run.record.subject.kind == "checkout"
    assert run.record.subject.name == project.root.name
    assert run.item("2.2.3") == "not run"


@pytest.mark.parametrize("home", ["", "nowhere", "pytest.ini"])
def test_a_deployment_that_is_not_there_is_refused(judged: Any, home: str) -> None:
    """An empty or wrong name is a usage error; no sandbox is judged in its place."""
    run = judged.run("--deployment", home)
    assert run.code == 4
    assert f"--deployment: there is no folder {home!r}; `python -m rustybt init" in run.output
    assert not run.judged


@pytest.mark.parametrize("option", ["--deployment", "--ready-report"])
def test_a_folder_does_not_pass_for_the_project(
    judged: Any, option: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """As a word of its own a folder elsewhere would move pytest's root: that is refused."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "settings").write_text("safe")
    run = judged.run(option, elsewhere)
    assert run.code == 4
    assert f"write it as one word, {option}={elsewhere}" in run.output
    assert not run.judged
    assert judged.run(option, elsewhere, "--rootdir", judged.root, "-c", "pytest.ini").code == 0
    assert judged.run(f"{option}={elsewhere}").code == 0


def test_a_home_is_found_from_tilde(judged: Any) -> None:
    """No shell expands what follows an equals sign; nobody's folder is refused."""
    run = judged.run("--deployment=~no-such-user/home")
    assert (run.code, run.judged) == (4, False)
    assert "there is no folder '~no-such-user/home'" in run.output


def test_limits_may_be_made_stricter(judged: Any) -> None:
    """The deployment's readiness/thresholds.toml tightens limits, and checks are held to them."""
    judged.write("home/readiness/thresholds.toml", '["1.1.2"]\ncoverage = 95\n')
    run = judged.run("--deployment", "home")
    assert (run.code, run.reason("1.1.2")) == (1, "coverage: expected ≥ 95%, observed 93.5")


@pytest.mark.parametrize("kind", ["looser", "a link to nowhere"])
def test_limits_may_not_be_made_looser(judged: Any, kind: str) -> None:
    """A looser limit, or thresholds that cannot be read, is a usage error."""
    path = judged.write("home/readiness/thresholds.toml", '["1.1.2"]\ncoverage = 50\n')
    if kind != "looser":
        path.unlink()
        path.symlink_to(judged.root / "nowhere")
    run = judged.run("--deployment", "home")
    assert run.code == 4
    assert ("looser than" if kind == "looser" else "cannot be read") in run.output


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("write_text('changed')", "the deployment changed while it was judged"),
        ("unlink()", "the deployment cannot be looked at any more: FileNotFoundError"),
    ],
)
def test_a_run_that_changes_the_deployment_is_broken(judged: Any, harm: str, said: str) -> None:
    """A check that touches what it judges breaks the run, though every check passed."""
    judged.checks(
        f"""
        from pathlib import Path

        @ready.security("2.1.1")
        def test_touches(evidence):
            Path("sandbox/settings").{harm}
            evidence.record("touched", 1)
        """,
        "readiness_tests/test_touching.py",
    )
    run = judged.run()
    assert (run.code, run.status) == (1, "NOT READY")
    assert said in run.blockers
    assert run.item("2.1.1") == "passed"


def test_facts_are_those_found_before_the_run(judged: Any) -> None:
    """A check that changes the facts it was given excuses no item by that."""
    judged.checks(
        """
        from pytest_rustybt_ready.run import subject_of

        @ready.security("2.1.1")
        def test_lies(evidence, request):
            subject_of(request.config).facts["vault"] = False
            evidence.record("lied", 1)
        """,
        "readiness_tests/test_lying.py",
    )
    conftest = judged.root / "conftest.py"
    conftest.write_text(conftest.read_text().replace('"vault": False', '"vault": True'))
    assert judged.run().item("2.2.3") == "passed"


def test_secrets_of_the_deployment_are_masked(judged: Any) -> None:
    """What the project's hook names never appears, not even in the command line of the record."""
    judged.checks(
        """
        @ready.security("2.1.1")
        def test_tells(evidence):
            print("a-single-secret-text")
            evidence.expect("found", [], observed=["a-single-secret-text"])
        """,
        "readiness_tests/test_telling.py",
    )
    run = judged.run("-m", "readiness", "-o", "junit_suite_name=a-single-secret-text")
    report = b"".join(path.read_bytes() for path in run.folder.iterdir())
    assert b"a-single-secret-text" not in report
    assert "a-single-secret-text" not in run.output
    assert run.reason("2.1.1") == "found: expected none, observed [redacted]"
    assert "junit_suite_name=[redacted]" in run.record.run.command

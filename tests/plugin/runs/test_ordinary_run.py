"""A run that did not ask for readiness: no output, no change, nothing heavy imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

pytest_plugins = ["pytester"]

TESTS = """
import pytest

def test_passes(): ...

@pytest.mark.parametrize("x", [1, 2])
def test_fails(x): assert x == 1

@pytest.mark.skip
def test_skipped(): ...

@pytest.fixture
def evidence():
    return "the project's own"

def test_own_fixture(evidence):
    assert evidence == "the project's own"
"""
HEAVY = ("msgspec", "jinja2", "rustybt", "typer", "rich", "tomllib")


def shown(run: Any) -> list[str]:
    """Return the output without times."""
    return [line for line in run.result.outlines if " in 0." not in line]


def test_nothing_is_different(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Output, outcomes and exit code are those of a run without the plugin; nothing is written."""
    project.write("pytest.ini", "[pytest]\naddopts = --strict-markers -p no:cacheprovider\n")
    project.write("tests/test_plain.py", TESTS)
    before = sorted(project.root.rglob("*"))
    # in this process the plugin was imported before its assertions could be rewritten
    words = ("-v", "-rA", "-W", "ignore::pytest.PytestAssertRewriteWarning")
    with_plugin = project.run(*words)
    monkeypatch.setenv("PYTEST_ADDOPTS", "")
    without = project.run(*words, "-p", "no:rustybt_ready")
    assert shown(with_plugin) == shown(without)
    assert with_plugin.code == without.code == 1
    now = {path for path in project.root.rglob("*") if "__pycache__" not in path.parts}
    assert sorted(now) == before


def test_nothing_heavy_is_imported(project: Any) -> None:
    """An ordinary run imports neither msgspec, Jinja2 nor the engine, and few modules of ours."""
    project.write("pytest.ini", "[pytest]\n")
    project.write(
        "tests/test_plain.py",
        """
        import json, sys

        def test_modules():
            with open("modules.json", "w") as file:
                json.dump(sorted(sys.modules), file)
        """,
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "pytest_rustybt_ready.plugin"]
    # measuring coverage would import more
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("COVERAGE", "COV_"))}
    done = subprocess.run(
        command, cwd=project.root, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    modules = json.loads((project.root / "modules.json").read_text())
    roots = {module.split(".")[0] for module in modules}
    assert roots.isdisjoint(HEAVY)
    own = {module.partition(".")[2] for module in modules if module.startswith("pytest_rustybt_")}
    assert own == {"", "hookspecs", "marks", "plugin", "selection"}


def test_a_broken_file_is_pytests_business(project: Any) -> None:
    """Files that cannot be read or parsed give pytest's own errors."""
    project.write("tests/test_plain.py", "from pytest_rustybt_ready import ready\n)\n")
    run = project.run("tests/test_plain.py")
    assert run.code == 2
    assert "SyntaxError" in run.output
    assert not run.judged


def test_options_are_documented(project: Any) -> None:
    """--help names each option and ini key in a section of its own."""
    text = project.run("--help").output
    assert "production readiness:" in text
    for name in (
        "--ready-stage",
        "--ready-report",
        "--ready-item",
        "--ready-prove",
        "--deployment",
    ):
        assert name in text
    for key in ("checklist", "stage", "report", "state", "paths", "proof_inputs"):
        assert f"ready_{key} (" in text

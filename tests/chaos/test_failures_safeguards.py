"""Each failure has a scenario, and each scenario fails when its safeguard is taken out."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import rustybt

HERE = Path(__file__).parent
PACKAGE = Path(rustybt.__file__).parent
TABLE: list[dict[str, Any]] = tomllib.loads((HERE / "failures.toml").read_text("utf-8"))["failure"]
LONG = os.environ.get("RUSTYBT_CHAOS") == "1"
UNMET = 1
"""What pytest ends with when tests ran and failed."""


def run(scenario: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a scenario with the package that lies in *folder*."""
    plain = ("no:randomly", "no:cacheprovider", "no:xdist", "no:benchmark")
    options = [part for name in plain for part in ("-p", name)]
    return subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-q", "-x", *options, str(HERE / scenario)],
        env={
            **{name: value for name, value in os.environ.items() if "PYTEST" not in name},
            "PYTHONPATH": str(folder),
            "CHAOS_PATIENCE": "10",
            "RUSTYBT_CHAOS": "1",
        },
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )


def copy(folder: Path) -> Path:
    """Return a copy of the package."""
    ignored = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(PACKAGE, folder / "rustybt", ignore=ignored))


def test_every_failure_has_a_scenario_that_names_it() -> None:
    """All 46 are in the table; what it names is a test, whose name says which failure it is."""
    assert {each["number"] for each in TABLE} == set(range(1, 47))
    for failure in TABLE:
        name, _, test = failure["scenario"].partition("::")
        test = test.partition("[")[0]
        assert f"\ndef {test}(" in (HERE / name).read_text("utf-8"), failure
        assert f"{failure['number']:02}" in test


@pytest.mark.skipif(not LONG, reason="the long form of the chaos tests: tox -e chaos")
@pytest.mark.parametrize("failure", TABLE, ids=lambda each: f"{each['number']:02}")
def test_a_scenario_fails_without_its_safeguard(failure: dict[str, Any], tmp_path: Path) -> None:
    """It passes with the package as it is (the suite shows that), and not with the edited one."""
    target = copy(tmp_path) / failure["file"]
    text = target.read_text("utf-8")
    assert text.count(failure["old"]) == 1, f"found {text.count(failure['old'])} times"
    target.write_text(text.replace(failure["old"], failure["new"]), "utf-8")
    done = run(failure["scenario"], tmp_path)
    assert done.returncode == UNMET, done.stdout[-2000:] + done.stderr[-500:]
    assert " error" not in done.stdout.splitlines()[-1], done.stdout[-2000:]
    assert "SyntaxError" not in done.stdout

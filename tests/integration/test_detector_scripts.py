"""The detector scripts as a user runs them: arguments, output, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
ALL = ["detect_mocks.py", "detect_hardcoded_values.py", "verify_validations.py"]
EXAMINING = ALL[:2]

HARDCODED = "def fee(order):\n    return 0.001\n"
STAND_IN = "from unittest import mock\nbroker = mock.Mock()\n"
HONEST = "def fee(order):\n    return order.size * 2\n"


def run(script: str, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a script of the checkout in the folder *cwd*."""
    return subprocess.run(
        [sys.executable, str(SCRIPTS / script), *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("script", ALL)
def test_help_tells_what_the_exit_codes_mean(tmp_path: Path, script: str) -> None:
    """`--help` works anywhere and explains itself."""
    done = run(script, "--help", cwd=tmp_path)

    assert done.returncode == 0
    assert "there was nothing to examine" in done.stdout
    assert "--json" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("script", ALL)
def test_a_path_that_does_not_exist_is_named(tmp_path: Path, script: str) -> None:
    """A wrong path is an error of its own, not an empty success."""
    (tmp_path / "good.py").write_text(HONEST)
    options = ["--root", tmp_path] if script.startswith("verify") else []

    done = run(script, *options, "good.py", "missing.py", cwd=tmp_path)

    assert done.returncode == 2
    assert "missing.py: no such file or folder" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("script", ALL)
def test_a_wrong_option_is_refused(tmp_path: Path, script: str) -> None:
    """Bad usage exits with 2."""
    done = run(script, "--no-such-option", cwd=tmp_path)

    assert done.returncode == 2
    assert "--no-such-option" in done.stderr


@pytest.mark.parametrize("script", EXAMINING)
def test_a_folder_without_python_is_nothing_to_examine(tmp_path: Path, script: str) -> None:
    """Nothing found in nothing is no success."""
    (tmp_path / "docs").mkdir()

    done = run(script, "docs", cwd=tmp_path)

    assert done.returncode == 2
    assert "docs: no Python file in this folder" in done.stderr


def test_files_without_functions_are_nothing_to_examine_for_answers(tmp_path: Path) -> None:
    """Where there is no function, none can be judged."""
    (tmp_path / "module.py").write_text("X = 1\n")

    done = run("detect_hardcoded_values.py", "module.py", cwd=tmp_path)

    assert done.returncode == 2
    assert "no function" in done.stderr


@pytest.mark.parametrize(
    ("script", "code", "line"),
    [
        ("detect_mocks.py", STAND_IN, "module.py:1:1 mock-library uses the mock library"),
        ("detect_hardcoded_values.py", HARDCODED, "module.py:1:1 hardcoded-amount fee always"),
    ],
)
def test_findings_are_lines_and_the_exit_code_is_1(
    tmp_path: Path, script: str, code: str, line: str
) -> None:
    """One line a finding on standard output, the counts on standard error."""
    (tmp_path / "module.py").write_text(code)

    done = run(script, "module.py", cwd=tmp_path)

    assert done.returncode == 1
    assert done.stdout.splitlines()[0].startswith(line)
    assert "1 files and" in done.stderr
    assert "findings" in done.stderr


@pytest.mark.parametrize("script", EXAMINING)
def test_honest_code_is_clean(tmp_path: Path, script: str) -> None:
    """No finding: exit code 0, nothing on standard output, the counts on standard error."""
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "module.py").write_text(HONEST)

    done = run(script, "pkg", cwd=tmp_path)

    assert (done.returncode, done.stdout) == (0, "")
    assert "1 files and 1 functions examined, 0 findings" in done.stderr


def test_json_holds_everything(tmp_path: Path) -> None:
    """`--json` writes one document with counts, findings and allowances."""
    (tmp_path / "module.py").write_text("fake = 1  # allow-mock: the venue calls it so\nstub = 2\n")

    lenient = json.loads(run("detect_mocks.py", "--json", "module.py", cwd=tmp_path).stdout)
    strict = json.loads(
        run("detect_mocks.py", "--json", "--strict", "module.py", cwd=tmp_path).stdout
    )

    assert lenient == {
        "detector": "detect_mocks",
        "clean": False,
        "files_examined": 1,
        "functions_examined": 0,
        "findings": [
            {
                "path": "module.py",
                "line": 2,
                "column": 1,
                "rule": "mock-name",
                "message": "stub is named like a stand-in",
                "source_line": "stub = 2",
            }
        ],
        "allowances": [
            {
                "path": "module.py",
                "line": 1,
                "reason": "the venue calls it so",
                "accepted": True,
            }
        ],
    }
    assert [found["line"] for found in strict["findings"]] == [1, 2]
    assert [allowance["accepted"] for allowance in strict["allowances"]] == [False]


def test_names_that_the_terminal_cannot_show_are_escaped(tmp_path: Path) -> None:
    """An odd file name ends no run."""
    (tmp_path / "m\udcff\u00e9.py").write_bytes(b"fake = 1\n")

    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "detect_mocks.py"), "."],
        cwd=tmp_path,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "m\\udcff\\xe9.py:1:1 mock-name" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("script", EXAMINING)
def test_without_paths_this_repository_is_examined(tmp_path: Path, script: str) -> None:
    """From any folder, the whole of the checkout is read; readiness checks judge the result."""
    done = run(script, cwd=tmp_path)

    assert done.returncode == (1 if done.stdout else 0)
    assert int(done.stderr.partition(": ")[2].partition(" files")[0]) > 50


def test_the_detectors_pass_their_own_scans(tmp_path: Path) -> None:
    """What speaks of stand-ins contains none, even when scanned strictly."""
    root = SCRIPTS.parent
    tests = [
        *root.glob("tests/*/test_detect*.py"),
        root / "tests/integration" / Path(__file__).name,
    ]
    own = [root / "readiness_tests" / "detectors", *map(SCRIPTS.joinpath, ALL)]

    strict = run("detect_mocks.py", "--strict", *own, *tests, cwd=tmp_path)
    answers = run("detect_hardcoded_values.py", *own, cwd=tmp_path)

    assert (strict.stdout, strict.returncode) == ("", 0)
    assert (answers.stdout, answers.returncode) == ("", 0)

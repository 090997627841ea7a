"""Mutation runs over a small checkout, made for real."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from readiness_tests.mutants import MutationError
from readiness_tests.mutation import RECORD, measure, measured, on_record
from readiness_tests.sandbox import build_checkout

ROOT = Path(__file__).resolve().parents[2]
UNIT = "tests/unit/test_sandbox_unit.py"
WHEN = datetime(2026, 1, 2, tzinfo=UTC)


def clock() -> datetime:
    """Return a fixed instant."""
    return WHEN


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a sandbox checkout."""
    return build_checkout(ROOT, tmp_path / "checkout")


def command(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command on the checkout at *root*."""
    return subprocess.run(
        [sys.executable, "-m", "readiness_tests.mutation", "--checkout", str(root), *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_run_is_recorded(root: Path) -> None:
    """The command writes the record, nothing else changes, and the record holds for this tree."""
    done = command(root, "--package", "risk")
    assert (done.returncode, done.stdout.split(":")[0]) == (0, "risk"), done.stderr
    assert "risk: 2 of 2 mutants done" in done.stderr
    record = on_record(root, "risk")
    assert record is not None
    assert (record.mutants, record.killed) == (2, 2)
    files = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    status = subprocess.run(
        ["git", "-C", str(root), "status", "--porcelain", "-uall", "--ignored"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert status.stdout == f"?? {RECORD}\n"
    assert RECORD in files


def test_tests_without_assertions_score_low(root: Path, tmp_path: Path) -> None:
    """Tests that assert nothing notice only what breaks; equal checkouts are measured once."""
    text = (root / UNIT).read_text("utf-8")
    (root / UNIT).write_text(text.replace("    assert ", "    "), "utf-8")
    record = measured(root, "accounting", tmp_path / "records")
    assert (record.killed, record.survived) == (1, 1)
    assert record.survivors == ("rustybt.accounting.fees.x_fee__mutmut_1",)
    other = tmp_path / "other"
    shutil.copytree(root, other)
    assert measured(other, "accounting", tmp_path / "records") == record


def test_failing_tests_are_no_record(root: Path) -> None:
    """Where tests fail on the unchanged package the run says why, and nothing is kept."""
    text = (root / UNIT).read_text("utf-8")
    (root / UNIT).write_text(text.replace('Decimal("1.3")', 'Decimal("1.2")'), "utf-8")
    done = command(root, "--package", "model")
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: mutmut over model ended with exit code 1" in done.stderr
    assert "test_rounded" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (root / RECORD).exists()


def test_an_endless_run_is_ended(root: Path) -> None:
    """When time is over everything that was started is ended, and there is no record."""
    (root / UNIT).write_text("import time\n\n\ndef test_slow() -> None:\n    time.sleep(60)\n")
    started = time.monotonic()
    with pytest.raises(MutationError, match="did not end within 1 s"):
        measure(root, "risk", clock=clock, time_limit_s=1)
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing(
    root: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """On Ctrl-C, or when the job is stopped, everything ends and nothing is left or recorded."""
    (root / UNIT).write_text("import time\n\n\ndef test_slow() -> None:\n    time.sleep(60)\n")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "readiness_tests.mutation", "--checkout", str(root)],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    # mutmut is at work once it has made its folder
    while not list(scratch.glob("*/checkout/mutants")):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    assert process.communicate(timeout=30) == ("", "interrupted; nothing was kept\n")
    assert process.returncode == 2
    assert not list(scratch.iterdir())
    assert not (root / RECORD).exists()

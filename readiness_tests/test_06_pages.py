"""Section 6: the pages on backups and restores, whose every command is run."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest

from pytest_rustybt_ready import Evidence, at_least, ready
from readiness_tests.subjects import Checkout, run_rustybt
from readiness_tests.suite.runner import clean_environment

BACKUP, RESTORE = "docs/backup.md", "docs/restore.md"
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.M | re.S)
TIMEOUT_S = 120
STRATEGY = '''
from rustybt.strategy import Strategy


class Swing(Strategy):
    """Goes in and out."""

    def on_bar(self, bar):
        if not self.open_orders(bar.symbol):
            self.order_target_percent(bar.symbol, "0" if self.position(bar.symbol) else "0.05")
'''


class Failed(NamedTuple):
    """Commands on a page that did not succeed, and the last line that they said."""

    commands: str
    said: str


@pytest.fixture(scope="session")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a home that has traded and has a backup; its key is kept beside it."""
    folder = tmp_path_factory.mktemp("traded")
    home, strategy = folder / "home", folder / "strategy.py"
    strategy.write_text(STRATEGY, "utf-8")
    for words in (
        ["init", str(home)],
        ["paper-trade", "--home", str(home), "--strategy", str(strategy), "--broker", "simulated"],
        ["backup", "--home", str(home)],
    ):
        done = run_rustybt(*words)
        assert done.returncode == 0, done.stderr
    settings = (home / ".env").read_text("utf-8")
    found = re.search(r"^RUSTYBT_ENCRYPTION_KEY=(\S+)$", settings, re.M)
    assert found is not None
    (folder / "key").write_text(found[1], "utf-8")
    return folder


def _first_failure(blocks: list[str], traded: Path, scratch: Path) -> Failed | None:
    """Run each block of commands on a home of its own; return the first that fails."""
    for number, block in enumerate(blocks):
        folder = scratch / str(number)
        shutil.copytree(traded, folder)
        done = subprocess.run(
            ["/bin/sh", "-eu", "-c", block],
            env=_environment(folder),
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            return Failed(block, (done.stderr.strip().splitlines() or [""])[-1])
    return None


def _environment(folder: Path) -> dict[str, str]:
    """Return what a person has set who follows a page; ``python`` is this one."""
    (archive,) = (folder / "home" / "backups").iterdir()
    programs = folder / "bin"
    programs.mkdir()
    python = programs / "python"
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n', "utf-8")
    python.chmod(0o700)
    return clean_environment() | {
        "PATH": f"{programs}{os.pathsep}{os.defpath}",
        "RUSTYBT_PYTHON": sys.executable,
        "RUSTYBT_HOME": str(folder / "home"),
        "RUSTYBT_ARCHIVE": str(archive),
        "RUSTYBT_KEY_FILE": str(folder / "key"),
    }


def _judge(page: Path, traded: Path, evidence: Evidence) -> None:
    """Run what stands on *page*; where there is no page, there is no command."""
    blocks = BLOCK.findall(page.read_text("utf-8")) if page.exists() else []
    evidence.expect("blocks of commands", at_least(2), observed=len(blocks))
    with tempfile.TemporaryDirectory() as scratch:
        failed = _first_failure(blocks, traded, Path(scratch))
    evidence.expect("the first that failed", None, observed=failed and list(failed))


@ready.recovery("6.1.1")
def test_the_page_on_backups(checkout: Checkout, traded: Path, evidence: Evidence) -> None:
    """Whoever copies the commands on the page gets backups."""
    _judge(checkout.root / BACKUP, traded, evidence)


@test_the_page_on_backups.fails_when
def the_page_on_backups_names_an_option_that_is_none(checkout: Checkout) -> None:
    """The option is one that the command never had."""
    checkout.edit(BACKUP, "--keep-days 35", "--keep-weeks 5")


@test_the_page_on_backups.fails_when
def the_page_on_backups_is_missing(checkout: Checkout) -> None:
    """There is none."""
    (checkout.root / BACKUP).unlink()


@ready.recovery("6.2.1")
def test_the_page_on_restores(checkout: Checkout, traded: Path, evidence: Evidence) -> None:
    """Whoever copies the commands on the page gets the home back."""
    _judge(checkout.root / RESTORE, traded, evidence)


@test_the_page_on_restores.fails_when
def the_page_on_restores_names_an_option_that_is_none(checkout: Checkout) -> None:
    """The option is one that the command never had."""
    checkout.edit(RESTORE, "--key-file", "--keyfile")


@test_the_page_on_restores.fails_when
def the_page_on_restores_has_no_command(checkout: Checkout) -> None:
    """It talks of restores, and shows none."""
    text = (checkout.root / RESTORE).read_text("utf-8")
    (checkout.root / RESTORE).write_text(BLOCK.sub("", text), "utf-8")

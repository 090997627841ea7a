"""A small project with a checklist of its own, on which real runs of the plugin are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import jinja2  # noqa: F401 - see below
import pytest

# All that a run imports is imported here: a run in this process forgets the modules that it
# imported itself, but not their classes, and the next one would have two of each.
from pytest_rustybt_ready import record, run
from pytest_rustybt_ready.record import Record
from pytest_rustybt_ready.report import html, terminal

LOADED = (run, html, terminal)

CHECKLIST = """
title = "A small checklist"
version = "1.0"

[section.testing]
number = 1
title = "Testing"
subsections = { "1.1" = "Tests" }

[section.security]
number = 2
title = "Security"
subsections = { "2.1" = "Audit", "2.2" = "Credentials" }

[section.performance]
number = 4
title = "Performance"
subsections = { "4.2" = "Hardware" }
"""

# id: kinds, stage, extra TOML
ITEMS: dict[str, tuple[str, str, str]] = {
    "1.1.1": ("code", "dev", ""),
    "1.1.2": ("code", "dev", 'thresholds.coverage = { min = 90, unit = "%" }'),
    "2.1.1": ("code", "dev", ""),
    "2.1.2": ("record", "production", "max_age_days = 30"),
    "2.2.3": ("host", "dev", 'applies = { fact = "vault", equals = true }'),
    "4.2.1": ("host", "staging", ""),
}
HEAD = """
import os

import pytest

from pytest_rustybt_ready import ready
"""


def item_toml(item_id: str, kind: str = "code", stage: str = "dev", extra: str = "") -> str:
    """Return the table of one automated item."""
    return (
        f'[item."{item_id}"]\ntext = "Item {item_id} holds"\nkinds = ["{kind}"]\n'
        f'stage = "{stage}"\nhow = "Look at {item_id}"\nfails = ["it is broken"]\n'
        f'remedy = "Repair {item_id}"\n{extra}\n'
    )


def checklist_toml(items: Mapping[str, tuple[str, str, str]] = ITEMS) -> str:
    """Return a checklist with these items."""
    return CHECKLIST + "\n".join(item_toml(key, *rest) for key, rest in items.items())


@dataclass(frozen=True)
class Run:
    """How one run of pytest ended, and the record that it left."""

    code: int
    result: pytest.RunResult
    folder: Path

    @property
    def record(self) -> Record:
        """Read the record; that verifies it, too."""
        return record.load(self.folder / "readiness.json")

    @property
    def judged(self) -> bool:
        """Whether there is a record."""
        return (self.folder / "readiness.json").exists()

    @property
    def status(self) -> str:
        """Return the status of what the run was asked about."""
        return str(self.record.verdict.scope_status)

    def item(self, item_id: str) -> str:
        """Return an item's disposition."""
        return str(self.record.verdict.of(item_id).disposition)

    def reason(self, item_id: str) -> str:
        """Return the reason for an item's disposition."""
        return self.record.verdict.of(item_id).reason

    @property
    def blockers(self) -> str:
        """Return the reasons of all blockers, one a line."""
        return "\n".join(blocker.reason for blocker in self.record.verdict.blockers)

    @property
    def output(self) -> str:
        """Return what was printed."""
        return str(self.result.stdout) + str(self.result.stderr)

    def counts(self, **expected: int) -> None:
        """Hold pytest's own counts to *expected*."""
        self.result.assert_outcomes(**expected)


class Project:
    """A folder with a checklist, checks and ordinary tests."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.root = pytester.path
        self.ini()
        self.write("checklist.toml", checklist_toml())

    def ini(self, *lines: str) -> None:
        """Write the ini file, with *lines* added."""
        own = ("[pytest]", "addopts = --strict-markers", "ready_checklist = checklist.toml")
        self.write("pytest.ini", "\n".join((*own, *lines)))

    def items(self, **items: tuple[str, str, str]) -> None:
        """Replace the checklist's items; ids are written with underscores."""
        named = {key.strip("_").replace("_", "."): rest for key, rest in items.items()}
        self.write("checklist.toml", checklist_toml(named))

    def write(self, name: str, text: str) -> Path:
        """Write a file."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
        return path

    def checks(self, text: str, name: str = "readiness_tests/test_checks.py") -> Path:
        """Write a file of checks; the imports that all need stand above *text*."""
        return self.write(name, HEAD + dedent(text))

    def passing(self, *ids: str, name: str = "readiness_tests/test_passing.py") -> Path:
        """Write a passing check for each of *ids*."""
        keys = {"1": "testing", "2": "security", "4": "performance"}
        parts = [
            f'@ready.{keys[i[0]]}("{i}")\ndef test_{i.replace(".", "_")}(evidence):\n'
            f'    """Item {i} holds."""\n    evidence.expect("seen", 1, observed=1)\n'
            for i in ids
        ]
        return self.checks("\n\n".join(parts), name)

    def run(self, *args: str, plugins: tuple[object, ...] = ()) -> Run:
        """Run pytest in this process; without arguments, ``-m readiness``."""
        asked = args or ("-m", "readiness")
        result = self.pytester.runpytest_inprocess(*asked, plugins=plugins, no_reraise_ctrlc=True)
        return Run(int(result.ret), result, self.root / "readiness-report")

    def spawn(self, *args: str) -> Run:
        """Run pytest in a process of its own, with the plugins that *args* name by ``-p``."""
        result = self.pytester.runpytest_subprocess(*args)
        return Run(int(result.ret), result, self.root / "readiness-report")


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return an empty project. Only this plugin is loaded in its runs: others would cost time."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p pytest_rustybt_ready.plugin")
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    return Project(pytester)

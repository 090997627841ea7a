"""What a run never got to see: a check that is left out unseen must not look like one passed.

A check that was collected and then not run shows by itself. One that was never collected does not,
where another check claims the same item: so each way to lose sight of a file of checks is noted.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from pytest_rustybt_ready.redaction import Redactor, clean
from pytest_rustybt_ready.selection import holds_checks, ready_paths


class GapHooks:
    """The hooks that notice what is not collected, in every process that collects."""

    def __init__(self, config: pytest.Config, redactor: Callable[[], Redactor]) -> None:
        self.gaps: dict[str, None] = {}
        self._config = config
        self._redactor = redactor
        self._roots = ready_paths(config)

    @pytest.hookimpl(wrapper=True)
    def pytest_ignore_collect(
        self, collection_path: Path
    ) -> Generator[None, bool | None, bool | None]:
        """Note files of checks that an option or a conftest leaves out."""
        ignored = yield
        if ignored:
            for path in self._files(collection_path):
                self._note(path, "was left out of collection")
        return ignored

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note what could not be collected, was skipped as a whole, or gave nothing."""
        if report.failed:
            self.gaps[f"{clean(report.nodeid) or 'the run'} could not be collected"] = None
            return
        path = self._config.rootpath / report.nodeid.split("::", 1)[0]
        if report.skipped and holds_checks(path):
            self._note(path, f"was skipped as a whole: {_reason(report)}")
        elif not report.result and "::" not in report.nodeid and holds_checks(path):
            self._note(path, "holds checks, but none was collected")

    def _files(self, path: Path) -> list[Path]:
        if path.is_file():
            return [path] if holds_checks(path) else []
        # other folders may be huge, as environments are, and checks do not live there
        inside = any(path.is_relative_to(root) for root in self._roots)
        return sorted(p for p in path.rglob("*.py") if holds_checks(p)) if inside else []

    def _note(self, path: Path, what: str) -> None:
        root = self._config.rootpath
        name = path.relative_to(root) if path.is_relative_to(root) else path
        text = self._redactor().head(clean(f"{name} {what}"), 600)[0]
        self.gaps[text] = None


def _reason(report: pytest.CollectReport) -> str:
    """Return why a file was skipped; pytest gives path, line and text."""
    longrepr = report.longrepr
    text = longrepr[2] if isinstance(longrepr, tuple) else report.longreprtext
    return str(text).removeprefix("Skipped: ")

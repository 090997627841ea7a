"""Hooks by which a project tells the plugin about itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_rustybt_ready.values import Subject


@pytest.hookspec(firstresult=True)
def pytest_ready_subject(config: pytest.Config) -> Subject | None:
    """Return what is judged: its name, home, digest and facts. Called once, before any check."""


@pytest.hookspec(firstresult=True)
def pytest_ready_digest(config: pytest.Config, subject: Subject) -> str | None:
    """Return the subject's digest as it is now; one that changed during a run breaks the run."""


@pytest.hookspec
def pytest_ready_secrets(config: pytest.Config, subject: Subject) -> Iterable[str] | None:
    """Return texts that must never appear in evidence or reports."""

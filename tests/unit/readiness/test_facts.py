"""Facts that excuse items: they come from the deployment's settings, and from nowhere else."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from readiness_tests.facts import facts_of
from rustybt.deployment import create_home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a new home."""
    return create_home(tmp_path / "home", "dev", lambda: datetime.now(UTC)).root


@pytest.mark.parametrize("name", ["regulated", "has_clients"])
def test_what_is_not_declared_excuses_nothing(home: Path, name: str) -> None:
    """A new home is taken to be regulated and to have clients, until its settings deny it."""
    assert facts_of(home)[name] is True
    with (home / ".env").open("a", encoding="utf-8") as env:
        env.write(f"\n{name.upper()} = false\n")
    assert facts_of(home)[name] is False


def test_settings_that_cannot_be_read_state_no_fact(home: Path) -> None:
    """One wrong value, and nothing is known that could make an item go away."""
    with (home / ".env").open("a", encoding="utf-8") as env:
        env.write("\nREGULATED = false\nHAS_CLIENTS = perhaps\n")
    assert facts_of(home) == {}

"""``test-broker``: one small thing of each kind is done at a venue, and undone."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from rustybt.adapters.venue.exchange import Access
from rustybt.cli import run
from rustybt.deployment import create_home
from rustybt.exchange.replay import practice_bars
from rustybt.exchange.serving import ccxt_config
from rustybt.system.practice import practising
from rustybt.system.trial import Trial

if TYPE_CHECKING:
    from pathlib import Path

STEPS = [
    "connect",
    "clock skew",
    "balance",
    "price",
    "place a limit order",
    "modify it",
    "cancel it",
    "buy at the market",
    "close the position",
]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Make a deployment."""
    return create_home(tmp_path / "home", "dev", lambda: datetime.now(UTC)).root


def test_the_practice_exchange_passes(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every step goes well on an exchange that is started for the trial."""
    assert run(["test-broker", "--broker", "practice", "--home", str(home), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is True
    assert [step["step"] for step in found["steps"]] == STEPS
    assert all(step["ok"] for step in found["steps"])


def test_a_step_that_fails_fails_the_trial(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What fails is named, nothing that needs it is tried, and the exit code is not 0."""
    given = ["test-broker", "--broker", "practice", "--home", str(home), "--symbol", "NO/USDT"]
    assert run(given) == 1
    shown = capsys.readouterr().out
    assert "FAILED" in shown
    assert "does not trade NO/USDT" in shown
    assert "buy at the market" not in shown


def test_a_venue_without_credentials_is_not_tried(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The credentials that are missing are named."""
    assert run(["test-broker", "--broker", "binance", "--home", str(home)]) == 1
    assert "api_key" in capsys.readouterr().err


def test_nothing_is_left_at_the_venue() -> None:
    """After a trial the account has no open order and holds what it held, but for fees."""
    with practising(practice_bars(date(2025, 3, 1))) as practice:
        steps = asyncio.run(Trial(practice.access(), "OAK/USDT").run())
        venue = practice.exchange.venue
        assert [step.name for step in steps] == STEPS
        assert venue.open_orders("main") == []
        assert len(venue.my_trades("main", "OAK/USDT")) == 2


def test_a_venue_that_cannot_be_reached_fails_to_connect() -> None:
    """Where nobody listens the first step fails, and there is no other."""
    access = Access(
        name="practice", exchange="binance", config=ccxt_config("http://127.0.0.1:9", "k", "s")
    )
    steps = asyncio.run(Trial(access).run())
    assert [(step.name, step.ok) for step in steps] == [("connect", False)]
    assert "cannot be used" in steps[0].found

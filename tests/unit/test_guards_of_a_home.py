"""What guards a deployment's home: settings that are judged, keys that are tried before use."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from rustybt import credentials
from rustybt.cli import run
from rustybt.deployment import create_home, trading_hours
from rustybt.errors import WrongKeyError
from rustybt.security.document import Stored
from rustybt.security.keys import new_key
from rustybt.settings import load_settings

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a new home of the dev environment."""
    return create_home(tmp_path / "home", "dev", lambda: NOON).root


def test_verify_config_passes_a_new_home_and_fails_a_broken_one(home: Path) -> None:
    """The command's exit code tells good settings from those with a problem."""
    assert run(["verify-config", "--home", str(home), "--json"]) == 0
    env = home / ".env"
    env.write_text(env.read_text("utf-8").replace("MAX_LEVERAGE=1", "MAX_LEVERAGE=-1"), "utf-8")
    assert run(["verify-config", "--home", str(home), "--json"]) == 1


def test_a_key_is_tried_on_every_credential_before_the_old_one_goes(home: Path) -> None:
    """A key that does not open the vault is refused where the old key could still be kept."""
    settings = load_settings(home, {})
    credentials._verify(settings, settings.encryption_keys()[0], lambda: NOON)
    with pytest.raises(WrongKeyError):
        credentials._verify(settings, new_key(), lambda: NOON)


def test_instants_in_the_vault_are_read_as_utc() -> None:
    """An instant written with another offset is the same instant, in UTC."""
    written = NOON.astimezone(timezone(timedelta(hours=2)))
    stored = Stored(name="a", field="b", created_at=written, rotated_at=None, token="t")
    assert stored.created_at == NOON
    assert stored.created_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("added", "open_at", "closed_at"),
    [
        ("", "14:30 20:59", "14:29 21:00"),
        ("MARKET_OPEN=10:00\nMARKET_CLOSE=15:30\n", "15:00 20:29", "14:30 14:59 20:30"),
        ("MARKET_OPEN=15:00\nMARKET_CLOSE=10:00\n", "14:30 14:59 20:00 20:59", "15:00 19:59 21:00"),
    ],
)
def test_trading_hours_are_the_calendars_and_no_longer_than_configured(
    home: Path, added: str, open_at: str, closed_at: str
) -> None:
    """Configured hours narrow the sessions of the calendar, over midnight too, and widen none."""
    env = home / ".env"
    text = env.read_text("utf-8").replace("TRADING_CALENDAR=24/7", "TRADING_CALENDAR=NYSE")
    env.write_text(text.replace("TIMEZONE=UTC", f"TIMEZONE=America/New_York\n{added}"), "utf-8")
    gate = trading_hours(load_settings(home, {}), NOON)

    def answers(times: str) -> set[bool]:
        days = (f"2026-01-05T{clock}:00+00:00" for clock in times.split())
        return {gate("ANY", datetime.fromisoformat(day)) for day in days}

    assert answers(open_at) == {True}
    assert answers(closed_at) == {False}
    assert not gate("ANY", datetime(2026, 1, 4, 15, tzinfo=UTC))  # a Sunday

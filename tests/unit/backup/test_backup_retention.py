"""Old backups go only where a newer one holds all their records, or after seven years."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from rustybt.backup.errors import BackupError
from rustybt.backup.making import make_backup
from rustybt.backup.manifest import JournalPart
from rustybt.backup.names import archive_name, archives_in, made_at
from rustybt.backup.retention import AUDIT, Candidate, reason_to_keep
from rustybt.deployment import create_home
from rustybt.journal.places import journal_url
from rustybt.journal.store import Journal
from rustybt.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

START = datetime(2020, 1, 1, tzinfo=UTC)


def on(day: int) -> Callable[[], datetime]:
    """Return a clock that stands at a day since the start."""
    return lambda: START + timedelta(days=day)


def record(home: Path, day: int) -> None:
    """Add a record to the journal."""
    url = journal_url(load_settings(home, {}))
    with Journal.open(url, session="s", clock=on(day)) as journal:
        journal.append("heartbeat", b"{}")
        journal.commit()


def days_of(folder: Path) -> list[int]:
    """Return the days that the backups in *folder* were made on."""
    made = [made_at(path.name) for path in archives_in(folder)]
    return [(time - START).days for time in made if time is not None]


def test_backups_that_a_newer_one_holds_go(tmp_path: Path) -> None:
    """Of a journal that only grows, the backups of the last days stay, and the newest."""
    home = create_home(tmp_path / "home", "dev", on(0)).root
    for day in (0, 1, 5, 8):
        record(home, day)
        made = make_backup(home, {}, on(day), keep_days=3)
    assert days_of(home / "backups") == [5, 8]
    assert [path.name for path in made.pruned.removed] == []
    made = make_backup(home, {}, on(100), keep_days=3)
    assert days_of(home / "backups") == [100]
    assert len(made.pruned.removed) == 2


def test_records_that_no_newer_backup_holds_stay_for_seven_years(tmp_path: Path) -> None:
    """After the journal began anew, the last backup of the old one is all there is of it."""
    home = create_home(tmp_path / "home", "dev", on(0)).root
    record(home, 0)
    make_backup(home, {}, on(0))
    for file in (home / "state").glob("rustybt.db*"):
        file.unlink()
    for day in (10, AUDIT.days):
        record(home, day)
        made = make_backup(home, {}, on(day), keep_days=1)
    assert days_of(home / "backups") == [0, AUDIT.days]
    assert [reason for _, reason in made.pruned.kept] == [
        "it holds records that the newest backup does not",
        "it is recent",
    ]
    record(home, AUDIT.days + 1)
    make_backup(home, {}, on(AUDIT.days + 1), keep_days=1)
    assert days_of(home / "backups") == [AUDIT.days, AUDIT.days + 1]


def test_a_backup_that_cannot_be_opened_stays(tmp_path: Path) -> None:
    """Nobody knows what is in it: of a lost key, damaged, or no backup at all."""
    home = create_home(tmp_path / "home", "dev", on(0)).root
    damaged = home / "backups" / archive_name(START)
    damaged.write_bytes(b"no backup")
    (home / "backups" / "rustybt_backup_20209999_000000.tar.gz").write_bytes(b"of no day")
    made = make_backup(home, {}, on(9), keep_days=1)
    assert damaged.exists()
    assert made.pruned.kept[0] == (damaged, "it cannot be opened with the present key")
    assert len(list((home / "backups").iterdir())) == 3


def test_a_home_that_never_traded_needs_one_backup_only(tmp_path: Path) -> None:
    """A backup without a journal holds nothing of the audit."""
    home = create_home(tmp_path / "home", "dev", on(0)).root
    for day in (0, 5):
        make_backup(home, {}, on(day), keep_days=1)
    assert days_of(home / "backups") == [5]


def test_to_keep_backups_for_no_day_is_refused(tmp_path: Path) -> None:
    """Fewer days than one are an error before anything is done."""
    home = create_home(tmp_path / "home", "dev", on(0)).root
    with pytest.raises(BackupError, match="for 0 days"):
        make_backup(home, {}, on(0), keep_days=0)
    assert archives_in(home / "backups") == []


@pytest.mark.parametrize(("days", "goes"), [(2556, False), (2557, False), (2558, True)])
def test_seven_years_are_counted_to_the_day(days: int, goes: bool, tmp_path: Path) -> None:
    """Records that nothing else holds stay until 2557 days are over."""
    part = JournalPart(path="a", sequence=1, sha256="00")
    candidate = Candidate(tmp_path, START, part)
    reason = reason_to_keep(candidate, START + timedelta(days=days), lambda *_: False)
    assert (reason is None) is goes


def test_two_backups_in_a_second_are_two(tmp_path: Path) -> None:
    """The second one does not take the first one's name: it has that of the next second."""
    home = create_home(tmp_path / "home", "dev", on(0)).root
    made = make_backup(home, {}, on(0))
    before = made.path.read_bytes()
    second = make_backup(home, {}, on(0))
    assert second.path.name == archive_name(START + timedelta(seconds=1))
    assert second.manifest.created == START + timedelta(seconds=1)
    assert made.path.read_bytes() == before

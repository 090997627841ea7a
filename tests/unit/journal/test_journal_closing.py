"""A journal that is closed lets go of its file."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from rustybt.journal.signing import SigningKey
from rustybt.journal.store import Journal

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_a_closed_journal_is_anybodys(tmp_path: Path) -> None:
    """Who needs the file alone, as a change of its mode does, gets it at once."""
    path = tmp_path / "journal.db"
    key = SigningKey.generate()
    with Journal.open(f"sqlite:///{path}", session="S", clock=lambda: NOW, key=key) as journal:
        journal.append("event", b"{}")
        journal.commit()
        journal.sign_head()

    with sqlite3.connect(path, timeout=0) as database:
        assert database.execute("PRAGMA journal_mode=DELETE").fetchone() == ("delete",)
    database.close()

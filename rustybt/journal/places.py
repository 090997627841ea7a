"""Where a deployment keeps its journal and what belongs to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from rustybt.home import Home
    from rustybt.settings import Settings


def journal_url(settings: Settings) -> str:
    """Return the URL of the journal: ``DB_URL``. It may hold a password: never show it."""
    return settings.db_url.get_secret_value()


def heads_file(home: Home) -> Path:
    """Return the file that signed heads are added to."""
    return home.state / "journal-heads.jsonl"


def signing_key_file(home: Home) -> Path:
    """Return the file of the key that signs heads; mode 0600."""
    return home.state / "journal-signing-key"


def public_key_file(home: Home) -> Path:
    """Return the file of the public key, for auditors."""
    return home.state / "journal-signing-key.pub"

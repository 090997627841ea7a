"""The names of backups, which tell when they were made."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_NAME: Final = re.compile(r"rustybt_backup_(\d{8}_\d{6})\.tar\.gz")


def archive_name(at: datetime) -> str:
    """Return the name of a backup that is made *at* (aware)."""
    return f"rustybt_backup_{at.astimezone(UTC):%Y%m%d_%H%M%S}.tar.gz"


def archives_in(folder: Path) -> list[Path]:
    """Return the backups in *folder*, by their names, the oldest first."""
    found = folder.glob("rustybt_backup_*.tar.gz")
    return sorted(path for path in found if made_at(path.name) is not None)


def made_at(name: str) -> datetime | None:
    """Return when the backup *name* was made (UTC); ``None`` if it is no backup's name."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    try:
        return datetime.strptime(found[1], "%Y%m%d_%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None

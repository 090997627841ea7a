"""A folder of log files, one for each day; a disk that fails never stops who writes."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_NAME: Final = re.compile(r"rustybt-(\d{4}-\d{2}-\d{2})\.jsonl")
_RETRY: Final = timedelta(seconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
OWNER_ONLY: Final = 0o600


def file_name(day: date) -> str:
    """Return what the file of a *day* (UTC) is called."""
    return f"rustybt-{day.isoformat()}.jsonl"


def day_of(name: str) -> date | None:
    """Return the day whose file is called *name*, ``None`` if no day's is."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    with suppress(ValueError):
        return date.fromisoformat(found[1])
    return None


class LogFile:
    """Writes lines to the file of the day in *folder*, and keeps the files of *retention* days.

    Days are those of UTC, by *clock*; today counts as one of them. Several processes may write to
    the same folder: each line goes out in one piece. No method raises for what a disk does: a line
    that cannot be written is counted as :attr:`dropped`, :attr:`trouble` says why, and as soon as
    the disk can again a line of JSON says how many are missing.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], datetime], retention: int) -> None:
        if retention < 1:
            raise ValueError(f"logs of {retention} days cannot be kept")
        self._folder = folder
        self._clock = clock
        self._retention = retention
        self._lock = Lock()
        self._file: int | None = None
        self._day: date | None = None
        self._next_try = _EPOCH
        self.dropped = 0
        self.trouble = ""

    def write(self, line: bytes) -> int:
        """Append *line*, which ends with a newline; return how many bytes of it are written."""
        with self._lock:
            now = self._clock().astimezone(UTC)
            try:
                if self._is_resting(now):
                    raise OSError(0, self.trouble)
                file = self._follow(now.date())
                self._catch_up(file, now)
                _append(file, line)
            except OSError as error:
                self._fail(error, now)
                return 0
            return len(line)

    def close(self) -> None:
        """Close the file of the day; a later line opens it again."""
        with self._lock:
            self._shut()

    def _is_resting(self, now: datetime) -> bool:
        """Tell whether the disk failed a moment ago; a clock stepped back is no rest."""
        return bool(self.trouble) and self._next_try - _RETRY <= now < self._next_try

    def _follow(self, day: date) -> int:
        """Make the file of *day* the one that is written to, and return it."""
        if day == self._day and self._file is not None:
            return self._file
        self._shut()
        self._folder.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(self._folder / file_name(day), flags, OWNER_ONLY)
        self._day = day
        self._remove_old(day)
        return self._file

    def _catch_up(self, file: int, now: datetime) -> None:
        """Say how many lines are missing, once the disk takes some again."""
        if not self.dropped:
            return
        _append(
            file,
            b'{"time":"%s","level":"warning","event":"log lines were lost","lost":%d}\n'
            % (now.isoformat().replace("+00:00", "Z").encode(), self.dropped),
        )
        self.dropped = 0
        self.trouble = ""

    def _fail(self, error: OSError, now: datetime) -> None:
        """Count a line that is lost, and leave the disk alone for a moment."""
        self.dropped += 1
        if not self._is_resting(now):
            self.trouble = error.strerror or str(error)
            self._next_try = now + _RETRY
            self._shut()

    def _shut(self) -> None:
        """Close the file if one is open."""
        if self._file is not None:
            with suppress(OSError):
                os.close(self._file)
            self._file = None

    def _remove_old(self, today: date) -> None:
        """Remove the files of days before those that are kept; one that resists stays."""
        oldest = today - timedelta(days=self._retention - 1)
        for path in self._folder.iterdir():
            day = day_of(path.name)
            if day is not None and day < oldest:
                with suppress(OSError):
                    path.unlink()


def _append(file: int, line: bytes) -> None:
    """Write *line* whole; raise if it is not."""
    written = os.write(file, line)
    if written < len(line):
        # The rest would come without its beginning after somebody else's line.
        with suppress(OSError):
            os.write(file, b"\n")
        raise OSError(0, f"only {written} of {len(line)} bytes of a line were written")

"""What can go wrong in the plugin itself.

::

    ReadyError              anything below; the message is all a user needs
    ├── ChecklistError      a checklist or threshold file has problems (all of them listed)
    ├── RecordError         a readiness record cannot be read, or was altered
    ├── HistoryError        the history file's chain is broken
    └── ReportError         the reports cannot be written
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


class ReadyError(Exception):
    """Base of the plugin's own errors."""


class ChecklistError(ReadyError):
    """A checklist file is not usable; ``problems`` lists every reason found."""

    def __init__(self, path: Path | str, problems: Iterable[str]) -> None:
        self.path = path
        self.problems = tuple(problems)
        count = len(self.problems)
        lines = "\n".join(f"  - {problem}" for problem in self.problems)
        super().__init__(f"{path}: {count} problem{'s'[: count > 1]}:\n{lines}")


class RecordError(ReadyError):
    """A readiness record cannot be read, or does not match its own digest."""


class HistoryError(ReadyError):
    """The history's hash chain is broken; the message names the line."""


class ReportError(ReadyError):
    """The reports cannot be written; the message names the folder and what to do."""

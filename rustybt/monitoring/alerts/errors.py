"""What can be wrong with alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rustybt.errors import RustyBTError

if TYPE_CHECKING:
    from collections.abc import Sequence


class AlertsError(RustyBTError):
    """Alerts cannot be configured, kept or acknowledged."""


class AlertRulesError(AlertsError):
    """A file of alert rules that cannot be used; ``problems`` lists everything found."""

    def __init__(self, file: str, problems: Sequence[str]) -> None:
        self.file = file
        self.problems = tuple(problems)
        noun = "problem" if len(problems) == 1 else "problems"
        super().__init__("\n  ".join([f"{len(problems)} {noun} in {file}:", *problems]))
        self.args = (file, self.problems)  # what unpickling passes to __init__

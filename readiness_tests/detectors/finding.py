"""What a detector reports: a scan, its findings, and the allowances it saw."""

from __future__ import annotations

from dataclasses import dataclass


class DetectorError(ValueError):
    """A detector could not look at what it was asked to look at; its text says why.

    Raised for a path that does not exist, for a folder without Python files, for a missing tool:
    everything after which "no findings" would be a lie.
    """


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One place that breaks one rule.

    `line` and `column` count from 1; `source_line` is the line as written, without its
    indentation, or empty where the file could not be read.
    """

    path: str
    line: int
    column: int
    rule: str
    message: str
    source_line: str = ""

    def __str__(self) -> str:
        """Return the line that the scripts print."""
        return f"{self.path}:{self.line}:{self.column} {self.rule} {self.message}"


@dataclass(frozen=True, slots=True, order=True)
class Allowance:
    """An exception asked for in the source, with its reason.

    `accepted` is False when the scan was strict: the finding then stands.
    """

    path: str
    line: int
    reason: str
    accepted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What a detector looked at and what it found there."""

    files_examined: int
    functions_examined: int
    findings: tuple[Finding, ...] = ()
    allowances: tuple[Allowance, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether something was looked at and nothing was found."""
        return self.files_examined > 0 and not self.findings

"""Every exception that RustyBT raises on purpose.

.. code-block:: text

    RustyBTError                    one clear message: problem, expected, remedy
    ├── SettingsError               all problems of a deployment's settings at once
    ├── HomeError                   a deployment's home cannot be created or used
    ├── KeyFileError                an encryption key is malformed, weak, or in the way
    └── VaultError                  the vault of credentials cannot do what was asked
        ├── WrongKeyError           no given key opens it
        ├── EnvironmentMismatchError    it belongs to another environment
        ├── VaultCorruptError       the file is damaged or was tampered with
        └── UnknownCredentialError  it holds no such credential

Other packages add their own branches below :class:`RustyBTError`. The command line prints any of
them as one message on stderr and exits 1; whatever is not in this tree is a defect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class RustyBTError(Exception):
    """Say what was wrong, what was expected and what to do about it.

    *problem* names the thing and the value seen (redacted when it may be secret), *expected* what
    would have been accepted, *remedy* the next step. None of them may hold a secret: messages
    reach logs and reports.
    """

    def __init__(self, problem: str, *, expected: str = "", remedy: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.expected = expected
        self.remedy = remedy

    def __str__(self) -> str:
        expected = f"; expected {self.expected}" if self.expected else ""
        remedy = f"; to fix it: {self.remedy}" if self.remedy else ""
        return f"{self.problem}{expected}{remedy}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsProblem:
    """One thing wrong with the settings.

    *source* is ``"<file>:<line>"``, ``"environment"`` or ``"default"``; *value* is what was seen,
    already redacted when the key may hold a secret.
    """

    source: str
    key: str
    value: str
    problem: str
    expected: str

    def __str__(self) -> str:
        expected = f" (expected {self.expected})" if self.expected else ""
        seen = f"={self.value}" if self.value else ""
        return f"{self.source}: {self.key}{seen}: {self.problem}{expected}"


class SettingsError(RustyBTError):
    """Settings that cannot be used; ``problems`` lists everything found, in file order."""

    def __init__(self, problems: Sequence[SettingsProblem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        noun = "problem" if count == 1 else "problems"
        super().__init__("\n  ".join([f"{count} {noun} in the settings:", *map(str, problems)]))
        self.args = (self.problems,)  # what unpickling passes to __init__


class HomeError(RustyBTError):
    """A deployment's home that cannot be created, or is not one."""


class KeyFileError(RustyBTError):
    """An encryption key that is malformed or weak, or a key file that must not be overwritten."""


class VaultError(RustyBTError):
    """A vault that cannot do what was asked of it."""


class WrongKeyError(VaultError):
    """None of the given keys opens the vault."""


class EnvironmentMismatchError(VaultError):
    """The vault belongs to another environment than the one that asks."""


class VaultCorruptError(VaultError):
    """The vault's file is damaged or was changed by something else than the vault."""


class UnknownCredentialError(VaultError):
    """The vault holds no credential of that name and field."""

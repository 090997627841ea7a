"""Collect everything that is wrong with a value before refusing it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from rustybt.model.errors import InvalidValueError
from rustybt.model.money import DIGITS, ZERO, is_supported

if TYPE_CHECKING:
    from enum import Enum

_NO_OFFSET = timedelta(0)


class Problems(list[str]):
    """The problems of one value, in the order in which they were found.

    A number must be within the limits of :func:`rustybt.model.money.is_supported`. Messages are
    only put together once something is wrong: these checks run for every value.
    """

    def number(self, name: str, value: object) -> bool:
        """Require a finite Decimal; tell whether it is one."""
        if type(value) is Decimal and is_supported(value):
            return True
        self.append(f"{name} must be a finite Decimal of at most {DIGITS} digits, not {value!r}")
        return False

    def positive(self, name: str, value: object) -> bool:
        """Require a finite Decimal above zero; tell whether it is one."""
        if type(value) is Decimal and is_supported(value) and value > ZERO:
            return True
        self.append(f"{name} must be a Decimal above 0 of at most {DIGITS} digits, not {value!r}")
        return False

    def not_negative(self, name: str, value: object) -> bool:
        """Require a finite Decimal of at least zero; tell whether it is one."""
        if type(value) is Decimal and is_supported(value) and value >= ZERO:
            return True
        self.append(
            f"{name} must be a Decimal of at least 0 and at most {DIGITS} digits, not {value!r}"
        )
        return False

    def text(self, name: str, value: object) -> None:
        """Require text that is not empty and has no blank at either end."""
        if not (isinstance(value, str) and value and value == value.strip()):
            self.append(f"{name} must be text without blanks around it, not {value!r}")

    def time(self, name: str, value: object) -> bool:
        """Require an aware UTC datetime; tell whether it is one."""
        if isinstance(value, datetime) and (value.tzinfo is UTC or value.utcoffset() == _NO_OFFSET):
            return True
        self.append(f"{name} must be an aware UTC datetime, not {value!r}")
        return False

    def member(self, name: str, value: object, kind: type[Enum]) -> None:
        """Require a member of the enumeration *kind*, not just its text."""
        if not isinstance(value, kind):
            names = ", ".join(f"{kind.__name__}.{member.name}" for member in kind)
            self.append(f"{name} must be one of {names}, not {value!r}")

    def refuse(self, kind: str, name: object) -> None:
        """Raise one error with everything found about the *kind* called *name*, if anything was."""
        if self:
            raise InvalidValueError(f"{kind} {name!r}", self)

"""What an observed value may be held to, beside equality."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal, InvalidOperation
from typing import Generic, Protocol, TypeVar, runtime_checkable

from pytest_rustybt_ready.checklist import Threshold

T = TypeVar("T")
Number = Decimal | int | float | str


@runtime_checkable
class Expectation(Protocol):
    """Anything that can tell whether an observed value meets it, and say itself in words."""

    def met_by(self, observed: object, /) -> bool:
        """Tell whether *observed* is as expected."""
        ...


class Limit:
    """A :class:`Threshold` that accepts any number, not only decimals."""

    def __init__(self, threshold: Threshold) -> None:
        self.threshold = threshold

    def met_by(self, observed: object, /) -> bool:
        """Compare *observed*, a number or text of one, with the limit; raise ValueError for others.

        NaN and infinities are no measurements: they never meet a limit.
        """
        value = _decimal(observed)
        return value.is_finite() and self.threshold.met_by(value)

    def __str__(self) -> str:
        return str(self.threshold)


class OneOf(Generic[T]):
    """Met by any of a few values."""

    def __init__(self, options: Collection[T]) -> None:
        if not options:
            raise ValueError("one_of needs at least one option")
        self.options = options

    def met_by(self, observed: object, /) -> bool:
        """Tell whether *observed* is one of the options."""
        return observed in self.options

    def __str__(self) -> str:
        return "one of " + ", ".join(str(option) for option in self.options)


class Containing:
    """Met by a text or collection that holds a part."""

    def __init__(self, part: object) -> None:
        if part == "":
            raise ValueError("every text contains the empty one: name a part to look for")
        self.part = part

    def met_by(self, observed: object, /) -> bool:
        """Tell whether *observed* contains the part."""
        if isinstance(observed, str):
            return str(self.part) in observed
        return isinstance(observed, Collection) and self.part in observed

    def __str__(self) -> str:
        return f"containing {self.part}"


def at_least(limit: Number, unit: str = "") -> Limit:
    """Expect a number of *limit* or more."""
    return Limit(Threshold(sense="min", limit=_limit(limit), unit=unit))


def at_most(limit: Number, unit: str = "") -> Limit:
    """Expect a number of *limit* or less."""
    return Limit(Threshold(sense="max", limit=_limit(limit), unit=unit))


def below(limit: Number, unit: str = "") -> Limit:
    """Expect a number under *limit*."""
    return Limit(Threshold(sense="below", limit=_limit(limit), unit=unit))


def one_of(*options: T) -> OneOf[T]:
    """Expect one of *options*."""
    return OneOf(options)


def containing(part: object) -> Containing:
    """Expect a text or collection that holds *part*."""
    return Containing(part)


def _limit(raw: Number) -> Decimal:
    limit = _decimal(raw)
    if not limit.is_finite():
        raise ValueError(f"a limit of {raw} would never or always be met")
    return limit


def _decimal(raw: object) -> Decimal:
    # True is a number to Python, but never what somebody measured
    try:
        return Decimal("" if isinstance(raw, bool) else str(raw))
    except InvalidOperation:
        raise ValueError(f"expected a number, found {raw!r}") from None

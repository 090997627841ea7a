"""The circuit breaker: once tripped it stays so until a person resets it."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from rustybt.model.checks import Problems


class Breaker(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """Whether trading is stopped, since when and why. Every change returns a new breaker.

    *allow_reducing* lets orders through that only reduce a position. The value holds all there is
    to know: whoever keeps it across a restart keeps the breaker tripped.
    """

    tripped: datetime | None = None
    cause: str = ""
    allow_reducing: bool = True

    def __post_init__(self) -> None:
        problems = Problems()
        if self.tripped is None:
            if self.cause:
                problems.append(f"it has the cause {self.cause!r} and is not tripped")
        else:
            problems.time("tripped", self.tripped)
            problems.text("cause", self.cause)
        problems.refuse("circuit", "breaker")

    @property
    def is_tripped(self) -> bool:
        """Whether new risk is refused."""
        return self.tripped is not None

    def trip(self, cause: str, now: datetime) -> Breaker:
        """Return this breaker tripped at *now*; the first cause stays until it is reset."""
        if self.is_tripped:
            return self
        return Breaker(tripped=now, cause=cause, allow_reducing=self.allow_reducing)

    def reset(self, operator: str, reason: str) -> Breaker:
        """Return this breaker ready again because *operator*, a person, says so.

        Raise :class:`~rustybt.model.errors.InvalidValueError` without a name or a reason.
        """
        problems = Problems()
        problems.text("operator", operator)
        problems.text("reason", reason)
        problems.refuse("reset of the", "breaker")
        return Breaker(allow_reducing=self.allow_reducing)

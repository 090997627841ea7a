"""Signed statements: what a named person vouches for, or waives."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pytest_rustybt_ready.values import Value


class Statement(Value, frozen=True, kw_only=True):
    """A verified sign-off or waiver for one item.

    Only statements whose signature, signer and role were verified become values of this type.
    ``digest`` is that of the signed bytes. A waiver also needs ``reason`` and ``measure`` (what is
    done instead meanwhile).
    """

    kind: Literal["sign-off", "waiver"]
    item: str
    signer: str
    role: str
    signed_at: datetime
    expires_at: datetime
    reason: str = ""
    measure: str = ""
    digest: str = ""

    def holds(self, at: datetime) -> bool:
        """Tell whether the statement is in force at *at*."""
        return self.signed_at <= at < self.expires_at

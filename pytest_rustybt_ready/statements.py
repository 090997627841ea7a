"""Signed statements: what a named person vouches for, or waives."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pytest_rustybt_ready.values import Instant, Value

LONGEST_WAIVER = timedelta(days=90)


class Statement(Value, frozen=True, kw_only=True):
    """A verified sign-off or waiver for one item.

    Only statements whose signature, signer and role were verified become values of this type.
    ``digest`` is that of the signed bytes, ``commit`` the commit that the signer saw. A waiver also
    needs ``reason`` and ``measure`` (what is done instead meanwhile).
    """

    kind: Literal["sign-off", "waiver"]
    item: str
    signer: str
    role: str
    signed_at: Instant
    expires_at: Instant
    reason: str = ""
    measure: str = ""
    digest: str = ""
    commit: str = ""

    def holds(self, at: Instant) -> bool:
        """Tell whether the statement is in force at *at*."""
        return self.signed_at <= at < self.expires_at

    @property
    def may_waive(self) -> bool:
        """Whether this is a waiver that says why and what instead, for 90 days at most."""
        said = (self.reason, self.measure, self.signer, self.role)
        lasts = self.expires_at - self.signed_at
        return self.kind == "waiver" and all(t.strip() for t in said) and lasts <= LONGEST_WAIVER

"""Signed statements: what a named person vouches for, or waives.

The values are here. :mod:`~pytest_rustybt_ready.statements.signing` makes statements,
:mod:`~pytest_rustybt_ready.statements.examine` reads them back and refuses what is not sound, and
:mod:`~pytest_rustybt_ready.statements.standing` tells which of them count for an item.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from pytest_rustybt_ready.canonical import digest_bytes
from pytest_rustybt_ready.values import Instant, Value

LONGEST_WAIVER = timedelta(days=90)


class Statement(Value, frozen=True, kw_only=True):
    """A verified sign-off or waiver for one item.

    Only statements whose signature, signer and role were verified become values of this type.
    ``digest`` is that of the signed bytes, ``commit`` the commit that the signer saw, ``results``
    the digest of the results that the signer saw, ``key`` the fingerprint of the signing key, and
    ``evidence`` gives the digest of each file that the signer attached. A waiver also needs
    ``reason`` and ``measure`` (what is done instead meanwhile). ``revoked_at`` is when the
    statement was taken back, if it was.
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
    results: str = ""
    key: str = ""
    evidence: dict[str, str] = msgspec.field(default_factory=dict)
    revoked_at: Instant | None = None

    @property
    def ends_at(self) -> datetime:
        """Return when the statement ends: by its own date, or sooner if it was revoked."""
        return min(self.expires_at, self.revoked_at or self.expires_at)

    @property
    def persons(self) -> frozenset[str]:
        """Return what tells people apart: the e-mail address whatever its case, and the key."""
        return frozenset(filter(None, (self.signer.casefold(), self.key)))

    def holds(self, at: Instant) -> bool:
        """Tell whether the statement is in force at *at*."""
        return self.signed_at <= at < self.ends_at

    @property
    def may_waive(self) -> bool:
        """Whether this is a waiver that says why and what instead, for 90 days at most."""
        said = (self.reason, self.measure, self.signer, self.role)
        lasts = self.expires_at - self.signed_at
        return self.kind == "waiver" and all(t.strip() for t in said) and lasts <= LONGEST_WAIVER


class Refusal(Value, frozen=True, kw_only=True):
    """A statement that does not count, and why. ``item`` is empty where it could not be read."""

    file: str
    reason: str
    item: str = ""


class Sealed(Value, frozen=True, kw_only=True):
    """A statement as it was signed: the exact text, and the armoured SSH signature over it."""

    file: str
    document: str
    signature: str


class Trust(Value, frozen=True, kw_only=True):
    """Whom a deployment trusts, as its ``readiness/`` folder says: the texts of three files.

    A record keeps them, so that its signatures can be verified again offline.
    """

    allowed_signers: str = ""
    roles: str = ""
    revoked_keys: str = ""

    @property
    def digests(self) -> dict[str, str]:
        """Return the digest of each file that is not empty, by its name."""
        texts = {
            "allowed_signers": self.allowed_signers,
            "roles.toml": self.roles,
            "revoked_keys": self.revoked_keys,
        }
        return {name: digest_bytes(text.encode()) for name, text in texts.items() if text}

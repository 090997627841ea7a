"""One byte string per value, and its digest."""

from __future__ import annotations

import hashlib

import msgspec


def to_bytes(value: object) -> bytes:
    """Return *value* as JSON with sorted keys: equal values give equal bytes."""
    return msgspec.json.encode(value, order="sorted")


def digest(value: object) -> str:
    """Return ``sha256:<hex>`` of the canonical bytes of *value*."""
    return digest_bytes(to_bytes(value))


def digest_bytes(data: bytes) -> str:
    """Return ``sha256:<hex>`` of *data*."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"

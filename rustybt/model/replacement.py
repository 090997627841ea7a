"""The event that answers a modification, for those who need no other."""

from __future__ import annotations

from rustybt.model.event import OrderReplaced

__all__ = ["OrderReplaced"]

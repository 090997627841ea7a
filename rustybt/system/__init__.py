"""The composition root: from a deployment's settings to a wired engine."""

from rustybt.system.session import Session, paper_session
from rustybt.system.wiring import engine_settings, open_journal, recovered, risk_limits

__all__ = [
    "Session",
    "engine_settings",
    "open_journal",
    "paper_session",
    "recovered",
    "risk_limits",
]

"""The composition root: from a deployment's settings to a wired engine."""

from rustybt.system.access import venue_access
from rustybt.system.session import Session
from rustybt.system.starting import live_session, paper_session
from rustybt.system.wiring import engine_settings, open_journal, recovered, risk_limits

__all__ = [
    "Session",
    "engine_settings",
    "live_session",
    "open_journal",
    "paper_session",
    "recovered",
    "risk_limits",
    "venue_access",
]

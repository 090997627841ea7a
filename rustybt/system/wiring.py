"""The parts of a session as a deployment's settings want them."""

from __future__ import annotations

import hashlib
import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rustybt.adapters.venue.ccxt_venue import MAX_SKEW_MS
from rustybt.home import Home
from rustybt.journal.errors import JournalError
from rustybt.journal.places import heads_file, journal_url, public_key_file, signing_key_file
from rustybt.journal.signing import SigningKey
from rustybt.journal.store import Journal
from rustybt.model.codec import to_json
from rustybt.risk.limits import RiskLimits
from rustybt.trading.settings import EngineSettings, GuardSettings
from rustybt.trading.summary import restored

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from rustybt.settings import Settings
    from rustybt.trading.state import EngineState

_SILENT_BARS = 3
_LEAST_SILENCE = timedelta(seconds=30)


def risk_limits(settings: Settings) -> RiskLimits:
    """Return the limits that every order of a session has to keep."""
    return RiskLimits(
        max_position_size=settings.max_position_size,
        max_daily_loss=settings.max_daily_loss,
        max_leverage=settings.max_leverage,
        max_open_positions=settings.max_open_positions,
    )


def engine_settings(
    settings: Settings,
    *,
    symbols: Sequence[str],
    interval: timedelta,
    currency: str,
    **changes: Any,
) -> EngineSettings:
    """Return how to trade *symbols* on bars of *interval* in an account in *currency*.

    *changes* are fields of :class:`~rustybt.trading.settings.EngineSettings` to set otherwise.
    """
    guard = GuardSettings(
        daily_loss=settings.max_daily_loss,
        stale_after=longest_silence(interval),
        max_skew=MAX_SKEW_MS,
    )
    fields: dict[str, Any] = {"limits": risk_limits(settings), "guard": guard} | changes
    return EngineSettings(symbols=tuple(symbols), interval=interval, currency=currency, **fields)


def longest_silence(interval: timedelta) -> timedelta:
    """Return how long a symbol with bars of *interval* may be silent."""
    return max(_SILENT_BARS * interval, _LEAST_SILENCE)


def session_name(clock: Callable[[], datetime]) -> str:
    """Return a name that no other session of the deployment has."""
    return f"{clock():%Y%m%dT%H%M%S}-{os.getpid()}"


def open_journal(
    settings: Settings, *, session: str, clock: Callable[[], datetime], readonly: bool = False
) -> Journal:
    """Open the deployment's journal; the key that signs it is made with the first session.

    Raise :class:`~rustybt.journal.errors.JournalError` if it cannot be.
    """
    home = Home(settings.home)
    shared: dict[str, Any] = {
        "session": session,
        "clock": clock,
        "heads": heads_file(home),
        "pool": settings.db_pool_size,
    }
    url = journal_url(settings)
    if readonly:
        return Journal.open(url, readonly=True, **shared)
    path = signing_key_file(home)
    home.state.mkdir(parents=True, exist_ok=True)
    key = SigningKey.load(path) if path.exists() else SigningKey.create(path, public_key_file(home))
    return Journal.open(url, key=key, **shared)


def recovered(journal: Journal) -> EngineState | None:
    """Return what *journal* adds up to; ``None`` if there is nothing in it."""
    return None if journal.last is None else restored(journal)


def digest_of(settings: EngineSettings, source: bytes) -> str:
    """Return what tells one combination of settings and strategy from another."""
    return hashlib.sha256(to_json(settings) + b"\0" + source).hexdigest()[:16]


def state_of(settings: Settings, clock: Callable[[], datetime]) -> EngineState:
    """Return what the deployment's journal adds up to; raise if there is nothing."""
    with open_journal(settings, session="reader", clock=clock, readonly=True) as journal:
        state = recovered(journal)
    if state is None:
        raise JournalError("the journal is empty", remedy="start a session first")
    return state

"""What follows from how things stand: ages, lags, the day's result, which components are well."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from rustybt.model.money import subtract
from rustybt.system.wiring import longest_silence
from rustybt.trading.books import Books
from rustybt.trading.runner import RunnerSettings
from rustybt.trading.settings import FEED
from rustybt.trading.state import Phase

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from rustybt.accounting.state import Position
    from rustybt.api.watch import View

LONGEST_LAG: Final = 2 * RunnerSettings().heartbeat
"""How far the journal may be behind, and how old its last record may be while the engine runs."""
_WALL: Final = "wall"


@dataclass(frozen=True, slots=True)
class Finding:
    """How a component stands, in a word or a few; none of them may hold a secret."""

    ok: bool
    state: str


def session_now(view: View) -> datetime:
    """Return the time by the session's own clock.

    Bars of the past may come fast: then the last event tells the time, not the wall.
    """
    times = [each for each in (view.state.time, told_time(view)) if each is not None]
    if times and view.tally.clock not in ("", _WALL):
        return max(times)
    return view.now


def told_time(view: View) -> datetime | None:
    """Return the time of the last event that a running engine knows."""
    said = (view.told or {}).get("time")
    return None if said is None else datetime.fromisoformat(said)


def feed_ages(view: View) -> dict[str, timedelta]:
    """Return for how long nothing was heard of each symbol whose market is open.

    Of a symbol that was never heard of it is the age of the session.
    """
    now = session_now(view)
    heard = {
        symbol: view.state.heard.get(symbol, view.tally.started)
        for symbol in view.state.symbols
        if symbol not in view.state.gone and (view.hours is None or view.hours(symbol, now))
    }
    return {
        symbol: max(now - time, timedelta()) for symbol, time in heard.items() if time is not None
    }


def journal_lag(view: View) -> timedelta | None:
    """Return how far the journal is behind what a running engine knows; ``None`` if none runs."""
    told = told_time(view)
    if told is None or view.state.time is None:
        return None
    return max(told - view.state.time, timedelta())


def equity(view: View) -> Decimal:
    """Return what the account is worth at the last prices, in its currency."""
    return Books(view.state).equity()


def positions(view: View) -> Mapping[str, Position]:
    """Return what is held, by symbol."""
    return Books(view.state).ledger.positions()


def daily_pnl(view: View) -> Decimal | None:
    """Return what the account has gained since midnight UTC, deposits apart; ``None`` before."""
    begin = view.state.day_start
    return None if begin is None else subtract(equity(view), begin)


def recent_errors(view: View) -> int:
    """Return how many requests failed within the time that the guard looks at."""
    since = session_now(view) - timedelta(seconds=view.state.window)
    return sum(time > since for time in view.state.errors)


def components(view: View) -> dict[str, Finding]:
    """Return how each component stands, by its name."""
    return {
        "engine": _engine(view),
        "journal": _journal(view),
        "broker": _broker(view),
        "feed": _feed(view),
        "breaker": Finding(
            ok=not view.state.breaker.is_tripped,
            state="tripped" if view.state.breaker.is_tripped else "ready",
        ),
    }


def _engine(view: View) -> Finding:
    """Tell whether the engine runs and has recovered."""
    if not view.is_running:
        return Finding(ok=False, state=view.engine)
    if view.state.phase is not Phase.READY:
        return Finding(ok=False, state=f"starting: {view.state.phase}")
    return Finding(ok=True, state="trading" if view.state.enabled else "running, not enabled")


def _journal(view: View) -> Finding:
    """Tell whether the journal can be read and is up to date."""
    if view.problem:
        return Finding(ok=False, state="unreadable")
    lag = journal_lag(view)
    if lag is not None and lag > LONGEST_LAG:
        return Finding(ok=False, state="behind")
    silent = view.tally.clock == _WALL and view.written is not None
    if view.is_running and silent and _since_written(view) > LONGEST_LAG:
        return Finding(ok=False, state="silent")
    return Finding(ok=True, state="written")


def _since_written(view: View) -> timedelta:
    """Return the age of the last record by the wall."""
    return timedelta() if view.written is None else view.now - view.written


def _broker(view: View) -> Finding:
    """Tell whether the venue can be reached and has told how the account stands."""
    if any(component != FEED for component in view.state.lost):
        return Finding(ok=False, state="lost")
    if view.state.snapshot_failures:
        return Finding(ok=False, state="failing")
    return Finding(ok=True, state="connected")


def _feed(view: View) -> Finding:
    """Tell whether data comes in for every symbol whose market is open."""
    if FEED in view.state.lost:
        return Finding(ok=False, state="lost")
    ages = feed_ages(view)
    limit = longest_silence(view.tally.interval or view.interval)
    if any(age > limit for age in ages.values()):
        return Finding(ok=False, state="silent")
    if not view.state.symbols:
        return Finding(ok=False, state="no data")
    return Finding(ok=True, state="fresh" if ages else "market closed")

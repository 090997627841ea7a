"""Ages, lags and the state of components, from views made by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from rustybt.api import figures
from rustybt.api.tally import Tally
from rustybt.api.watch import View
from rustybt.trading.state import EngineState, Phase

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def view(*, told: float | None = 0, clock: str = "wall", hours: Any = None, **state: Any) -> View:
    """Return a view of a session that is well, told *told* seconds behind now, but for *state*."""
    tally = Tally()
    tally.clock, tally.started = clock, NOW - timedelta(hours=1)
    fields: dict[str, Any] = {
        "time": NOW,
        "phase": Phase.READY,
        "symbols": ("ELM/USDT",),
        "heard": {"ELM/USDT": NOW - 5 * SECOND},
    }
    return View(
        now=NOW,
        state=EngineState(**{**fields, **state}),
        tally=tally,
        written=NOW,
        engine="not running" if told is None else "running",
        told=None if told is None else {"time": (NOW - told * SECOND).isoformat()},
        interval=timedelta(minutes=1),
        hours=hours,
    )


def state(name: str, seen: View) -> tuple[bool, str]:
    """Return how a component stands."""
    found = figures.components(seen)[name]
    return found.ok, found.state


def test_a_session_that_is_well_is_well() -> None:
    """No component complains."""
    assert all(each.ok for each in figures.components(view()).values())


@pytest.mark.parametrize(
    ("name", "said", "changes"),
    [
        ("engine", "not running", {"told": None}),
        ("engine", "starting: comparing", {"phase": Phase.COMPARING}),
        ("broker", "lost", {"lost": {"user stream": "gone"}}),
        ("broker", "failing", {"snapshot_failures": 1}),
        ("feed", "lost", {"lost": {"feed": "gone"}}),
        ("feed", "silent", {"heard": {"ELM/USDT": NOW - 181 * SECOND}}),
        ("feed", "silent", {"heard": {}}),
        ("feed", "no data", {"symbols": ()}),
        ("journal", "behind", {"told": 0, "time": NOW - 121 * SECOND}),
    ],
)
def test_what_is_not_well_is_named(name: str, said: str, changes: dict[str, Any]) -> None:
    """That component alone fails, in these words."""
    seen = view(**changes)
    failing = [each for each, found in figures.components(seen).items() if not found.ok]
    assert (failing, state(name, seen)) == ([name], (False, said))


def test_a_tripped_breaker_fails() -> None:
    """A halted engine is not well."""
    tripped = EngineState().breaker.trip("a test", NOW)
    assert state("breaker", view(breaker=tripped)) == (False, "tripped")


def test_a_journal_nobody_writes_is_silent() -> None:
    """A running engine writes signs of life, by the wall at least."""
    old = view()
    silent = View(
        **{each: getattr(old, each) for each in old.__slots__} | {"written": NOW - 121 * SECOND}
    )
    assert state("journal", silent) == (False, "silent")


def test_a_closed_market_is_silent_for_good() -> None:
    """No bar is due while it is closed."""
    seen = view(heard={"ELM/USDT": NOW - timedelta(days=2)}, hours=lambda _symbol, _at: False)
    assert figures.feed_ages(seen) == {}
    assert state("feed", seen) == (True, "market closed")


def test_the_clock_of_the_past_is_its_own() -> None:
    """Bars of the past have the age that they have by the session's clock."""
    seen = view(
        clock="scaled",
        told=None,
        time=NOW - timedelta(days=9),
        heard={"ELM/USDT": NOW - timedelta(days=9)},
    )
    assert figures.feed_ages(seen) == {"ELM/USDT": timedelta()}


def test_the_lag_is_what_the_journal_does_not_know_yet() -> None:
    """Never negative: the journal is read after the engine was asked."""
    assert figures.journal_lag(view(told=0, time=NOW - 3 * SECOND)) == 3 * SECOND
    assert figures.journal_lag(view(told=3)) == timedelta()
    assert figures.journal_lag(view(told=None)) is None


def test_the_days_result_is_known_once_there_is_a_begin() -> None:
    """It is the difference from the account's worth at midnight."""
    assert figures.daily_pnl(view()) is None
    assert figures.daily_pnl(view(day_start=Decimal("1.5"))) == Decimal("-1.5")


def test_recent_errors_grow_old() -> None:
    """Those within the guard's window count, whenever one looks."""
    seen = view(errors=(NOW - 60 * SECOND, NOW - 59 * SECOND, NOW), window=60)
    assert figures.recent_errors(seen) == 2

"""The trading engine in seeded worlds in which requests, streams, clocks and processes fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from rustybt.trading.simulation.faults import Faults
from rustybt.trading.simulation.session import journal_of, run_session, run_sessions

SESSIONS = int(os.environ.get("CHAOS_SESSIONS", "200"))
"""How many sessions to live through; the long run sets the variable."""


def test_no_session_breaks_what_must_hold() -> None:
    """Orders neither lost nor doubled, ledger equal to the venue, chain and fold whole."""
    events = crashes = trades = 0
    for session in run_sessions(1, SESSIONS):
        assert not session.broken, (session.replay, session.broken)
        events += session.events
        crashes += session.crashes
        trades += session.trades
    assert events > 40 * SESSIONS
    assert crashes > SESSIONS // 20
    assert trades > SESSIONS


def test_engines_that_are_killed_all_the_time_lose_nothing() -> None:
    """With a kill at every tenth step, at any point between writing and sending."""
    sessions = [run_session(seed, faults=Faults(crash=0.1)) for seed in range(20)]
    assert sum(session.crashes for session in sessions) > 50
    assert not [session.replay for session in sessions if session.broken]


def test_the_same_seed_gives_the_same_journal() -> None:
    """To the last byte, and another seed gives another one."""
    assert journal_of(7) == journal_of(7)
    assert run_session(7).digest != run_session(8).digest


def test_a_seed_means_the_same_in_every_process() -> None:
    """Nothing in it goes by how this process hashes text."""
    code = (
        "from rustybt.trading.simulation.session import run_session\n"
        "print(run_session(11).digest)"
    )
    for hashing in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": hashing},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == run_session(11).digest


def test_the_command_says_what_it_did() -> None:
    """As JSON, with an exit code of 0 when all held."""
    done = subprocess.run(
        [sys.executable, "-m", "rustybt", "simulate", "--seed", "3", "--sessions", "4", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)
    assert (told["first_seed"], told["sessions"], told["failures"]) == (3, 4, [])
    assert told["events"] == sum(session.events for session in run_sessions(3, 4))

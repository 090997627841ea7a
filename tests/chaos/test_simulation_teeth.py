"""The simulation sees it when a safeguard of the engine is missing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import rustybt

PACKAGE = Path(rustybt.__file__).parent


class Safeguard(NamedTuple):
    """What protects from what, and how to take it out: in *name* replace *old* by *new*."""

    claim: str
    name: str
    old: str
    new: str
    seen: str
    sessions: int = 60


SAFEGUARDS = (
    Safeguard(
        "an ambiguous error is not a rejection",
        "trading/answers.py",
        "event.request is Request.SUBMIT and event.outcome is not Outcome.UNKNOWN",
        "event.request is Request.SUBMIT",
        "nobody knows, but it counts as rejected",
    ),
    Safeguard(
        "not found is believed only after some time",
        "trading/recovery.py",
        "return inquiry.missing >= settings.query_tries and long",
        "return inquiry.missing >= 1",
        "was given up, but the venue has it",
    ),
    Safeguard(
        "a session never uses the ids of another",
        "trading/taking.py",
        "    books.session += 1\n",
        "    books.session = 1\n",
        "the engine raised",
    ),
    Safeguard(
        "start-up asks for what was under way",
        "trading/taking.py",
        "if order.state is not OrderState.NEW\n",
        "if order.state is OrderState.NEW\n",
        "",
    ),
    Safeguard(
        "nothing is sent while trading is disabled",
        "trading/trader.py",
        "if not books.enabled:",
        "if books.enabled is None:",
        "sent while trading was not enabled",
    ),
    Safeguard(
        "nothing is sent once the breaker has tripped",
        "trading/desk.py",
        "manager.breaker = manager.breaker if forced else self.books.breaker",
        "pass",
        "although the breaker had tripped",
    ),
    Safeguard(
        "snapshots that race are looked at twice",
        "trading/recovery.py",
        "return each.kind in _AT_ONCE or before.get(each.key) == str(each)",
        "return True",
        "false alarm",
    ),
    Safeguard(
        "trades that a stream lost are taken from snapshots",
        "trading/answers.py",
        "    for fill in event.fills:\n        if book_fill(books, fill, facts) and",
        "    for fill in ():\n        if book_fill(books, fill, facts) and",
        "false alarm",
    ),
    Safeguard(
        "a question without an answer is asked again",
        "trading/recovery.py",
        "return now - inquiry.asked >= _pause(desk, inquiry, _ANSWER_WITHIN)",
        "return False",
        "what became of it",
    ),
    Safeguard(
        "what the strategy remembers is journaled",
        "trading/hooks.py",
        "self._desk.emit(KeepState(state=text))",
        "self._desk.books.strategy_state = text",
        "does not add up",
        5,
    ),
)


@pytest.mark.parametrize("safeguard", SAFEGUARDS, ids=lambda each: each.claim)
def test_a_missing_safeguard_is_seen(safeguard: Safeguard, tmp_path: Path) -> None:
    """Without it an invariant breaks, and the seed that shows it is printed."""
    copy = tmp_path / "rustybt"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    target = copy / safeguard.name
    text = target.read_text("utf-8")
    assert text.count(safeguard.old) == 1
    target.write_text(text.replace(safeguard.old, safeguard.new), "utf-8")
    arguments = ["simulate", "--seed", "1", "--sessions", str(safeguard.sessions), "--json"]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "rustybt", *arguments],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr[-500:]
    failures = json.loads(done.stdout)["failures"]
    assert any(safeguard.seen in problem for each in failures for problem in each["broken"])
    assert (
        failures[0]["replay"]
        == f"python -m rustybt simulate --seed {failures[0]['seed']} --sessions 1"
    )

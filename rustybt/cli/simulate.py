"""``rustybt simulate``: the trading engine in seeded worlds that go wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rustybt.cli.options import JsonOption
from rustybt.cli.output import emit_json, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rustybt.trading.simulation.session import Session


def simulate(
    seed: Annotated[int, typer.Option(help="The first seed.", min=0)] = 0,
    sessions: Annotated[int, typer.Option(help="How many sessions, a seed each.", min=1)] = 100,
    *,
    json: JsonOption = False,
) -> None:
    """Run the trading engine through simulated sessions in which everything fails that can.

    Exit with 1 if an invariant was broken; what replays the session exactly is printed.
    """
    from rustybt.trading.simulation.session import run_sessions

    done = list(run_sessions(seed, sessions))
    failed = [each for each in done if each.broken]
    if json:
        emit_json({**_totals(done), "failures": [_failure(each) for each in failed]})
    else:
        _print(done, failed)
    if failed:
        raise typer.Exit(1)


def _totals(done: Sequence[Session]) -> dict[str, int]:
    """Return what all sessions came to."""
    names = ("events", "records", "starts", "crashes", "orders", "trades")
    sums = {name: sum(getattr(each, name) for each in done) for name in names}
    return {"first_seed": done[0].seed, "sessions": len(done), **sums}


def _failure(session: Session) -> dict[str, object]:
    """Return a failed session as JSON says it."""
    return {"seed": session.seed, "broken": list(session.broken), "replay": session.replay}


def _print(done: Sequence[Session], failed: Sequence[Session]) -> None:
    """Print sums, and the last steps of the first session that failed."""
    from rustybt.trading.simulation.session import last_steps

    totals = ", ".join(f"{count} {name}" for name, count in _totals(done).items() if count)
    say(f"simulated: {totals}")
    for session in failed:
        say(f"seed {session.seed} broke what must hold; replay it: {session.replay}")
        for problem in session.broken:
            say(f"  {problem}")
    if failed:
        say(f"the last steps of seed {failed[0].seed}:")
        for line in last_steps(failed[0]):
            say(f"  {line}")
    else:
        say("every invariant held in every session")

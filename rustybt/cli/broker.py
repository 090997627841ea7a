"""``test-broker``: whether a venue can be traded on."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Annotated

import typer

from rustybt.cli.options import DEFAULT_HOME, HomeOption, JsonOption, wall_clock
from rustybt.cli.output import emit_json, say, table

if TYPE_CHECKING:
    from rustybt.adapters.venue.exchange import Access
    from rustybt.settings import Settings


def try_(
    broker: Annotated[
        str | None, typer.Option(help="practice, or a venue such as binance [the deployment's].")
    ] = None,
    symbol: Annotated[
        str | None, typer.Option(help="What to trade [BTC/USDT, or the first].")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    *,
    testnet: Annotated[
        bool | None, typer.Option("--testnet/--no-testnet", help="[as the deployment says]")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Connect, compare clocks, place, modify and cancel the smallest order, buy and close.

    Real orders are sent: on a testnet, unless --no-testnet says otherwise in so many words.
    """
    from rustybt.settings import load_settings
    from rustybt.system.trial import Trial

    settings = load_settings(home, os.environ)
    chosen = broker or settings.broker
    with contextlib.ExitStack() as until_done:
        access = _access(settings, chosen, until_done, testnet=testnet, quiet=json)
        steps = asyncio.run(Trial(access, symbol).run())
    ok = all(step.ok for step in steps)
    if json:
        rows = [
            {"step": step.name, "ok": step.ok, "found": step.found, "ms": step.ms} for step in steps
        ]
        emit_json({"broker": chosen, "testnet": access.testnet, "ok": ok, "steps": rows})
    else:
        table(
            ("step", "result", "found", "ms"),
            [
                [step.name, "ok" if step.ok else "FAILED", step.found, str(step.ms)]
                for step in steps
            ],
            title=f"{chosen}{' (testnet)' if access.testnet else ''}",
        )
    if not ok:
        raise typer.Exit(1)


def _access(
    settings: Settings,
    broker: str,
    until_done: contextlib.ExitStack,
    *,
    testnet: bool | None,
    quiet: bool,
) -> Access:
    """Return the account to try; a practice exchange is started for the purpose."""
    from rustybt.exchange.replay import practice_bars
    from rustybt.system import venue_access
    from rustybt.system.practice import practising

    if broker != "practice":
        return venue_access(settings, broker, wall_clock, testnet=testnet)
    if not quiet:
        say("started a practice exchange for this trial")
    return until_done.enter_context(practising(practice_bars(wall_clock().date()))).access()

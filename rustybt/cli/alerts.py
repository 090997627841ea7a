"""``rustybt test-alerts`` and ``rustybt acknowledge-alert``."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from rustybt.cli import FAILED
from rustybt.cli.options import DEFAULT_HOME, HomeOption, JsonOption, wall_clock
from rustybt.cli.output import emit_json, say, table


def try_(home: HomeOption = DEFAULT_HOME, *, json: JsonOption = False) -> None:
    """Send a test alert through every channel; exit 1 if one of them did not take it.

    Each message has a code in it that is shown nowhere else: only who got it can acknowledge it.
    """
    from rustybt.settings import load_settings
    from rustybt.system.alerts import try_alerts

    tried = try_alerts(load_settings(home, os.environ), wall_clock)
    if json:
        emit_json(
            {
                "channels": [
                    {"channel": one.channel, "contact": one.contact, "taken": one.was_taken}
                    for one in tried
                ]
            }
        )
    else:
        rows = [(one.channel, one.contact, _told(was_taken=one.was_taken)) for one in tried]
        table(("channel", "contact", "result"), rows, title="Test alerts")
        say("let each contact return the code:  python -m rustybt acknowledge-alert CODE")
    if not all(one.was_taken for one in tried):
        raise typer.Exit(FAILED)


def _told(*, was_taken: bool) -> str:
    return "taken by the server" if was_taken else "FAILED: not sent"


def acknowledge(
    code: Annotated[str, typer.Argument(help="The code in the test alert that arrived.")],
    home: HomeOption = DEFAULT_HOME,
    *,
    json: JsonOption = False,
) -> None:
    """Record that a test alert arrived: its CODE came back."""
    from rustybt.monitoring.alerts.receipts import Receipts
    from rustybt.settings import load_settings

    settings = load_settings(home, os.environ)
    receipt = Receipts(settings.home).acknowledge(code, wall_clock())
    at = receipt.acknowledged or receipt.sent
    if json:
        emit_json(
            {
                "channel": receipt.channel,
                "contact": receipt.contact,
                "sent": receipt.sent.isoformat(),
                "acknowledged": at.isoformat(),
            }
        )
        return
    say(f"{receipt.contact} got the test alert through {receipt.channel}: {at:%Y-%m-%d %H:%M} UTC")

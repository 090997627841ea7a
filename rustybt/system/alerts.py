"""Alerts of a deployment: their delivery in a session, and tests of every channel."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from rustybt.home import Home
from rustybt.monitoring.alerts.errors import AlertsError
from rustybt.monitoring.alerts.receipts import CODE_LIFE, Receipts
from rustybt.monitoring.alerts.rules import load_alert_rules
from rustybt.trading.commands import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from rustybt.monitoring.alerts.channels import Channel
    from rustybt.monitoring.alerts.delivery import Delivery
    from rustybt.monitoring.alerts.rules import AlertRules
    from rustybt.settings import Settings


def open_delivery(
    settings: Settings,
    *,
    clock: Callable[[], datetime],
    secrets: Iterable[str] = (),
    context: Mapping[str, str] | None = None,
) -> Delivery | None:
    """Return what delivers a session's alerts; ``None`` if ``alerts.yaml`` names no channel.

    Raise :class:`AlertsError` if the file cannot be used: better no session than one that nobody
    would hear of. Nothing is sent before :meth:`Delivery.start`.
    """
    rules = load_alert_rules(settings.home, os.environ)
    if rules is None or not rules.channels:
        return None
    from rustybt.monitoring.alerts.channels import open_channels
    from rustybt.monitoring.alerts.delivery import Delivery
    from rustybt.monitoring.alerts.outbox import Outbox

    channels = open_channels(rules)
    outbox = Outbox(Home(settings.home).alerts / "outbox")
    outbox.forget_channels_but(tuple(channels))
    return Delivery(rules, channels, outbox, clock=clock, secrets=secrets, context=context)


class Tried(NamedTuple):
    """What became of a test alert to a channel: the server took it, or did not."""

    channel: str
    contact: str
    was_taken: bool


def try_alerts(settings: Settings, clock: Callable[[], datetime]) -> tuple[Tried, ...]:
    """Send a test alert with a code of its own through every channel, one after the other.

    Raise :class:`AlertsError` if there is no channel or the file cannot be used.
    """
    rules = _rules(settings)
    from rustybt.monitoring.alerts.channels import open_channels

    channels = open_channels(rules)
    receipts = Receipts(settings.home)
    return tuple(_try(name, rules, channels[name], receipts, clock) for name in rules.channels)


def _try(
    name: str,
    rules: AlertRules,
    channel: Channel,
    receipts: Receipts,
    clock: Callable[[], datetime],
) -> Tried:
    """Send a test alert through one channel."""
    told = rules.channels[name]
    code = receipts.issue(name, told, clock())
    text = (
        f"This is a test of the channel {name} to {told.contact}.\n\n"
        f"Code: {code}\n\n"
        f"To confirm within {CODE_LIFE.days} days that it arrived:\n"
        f"python -m rustybt acknowledge-alert {code}"
    )
    was_taken = channel.send("RustyBT test alert", text, Severity.INFO)
    if not was_taken:
        receipts.withdraw(code)
    return Tried(name, told.contact, was_taken)


def _rules(settings: Settings) -> AlertRules:
    """Return the rules of a deployment that can tell somebody."""
    rules = load_alert_rules(settings.home, os.environ)
    file = Home(settings.home).alerts_file
    if rules is None:
        raise AlertsError(f"there is no {file}", remedy="write one, as `init` does in a new home")
    if not rules.channels:
        raise AlertsError(
            f"{file} names no channel", remedy="take the # from one, and put your address there"
        )
    return rules

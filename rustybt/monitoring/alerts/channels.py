"""How messages leave: through Apprise, which speaks e-mail, Slack, SMS services, webhooks..."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Protocol

from rustybt.monitoring.alerts.errors import AlertRulesError, AlertsError
from rustybt.trading.commands import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rustybt.monitoring.alerts.rules import AlertRules

_TYPES: Final = {
    Severity.INFO: "info",
    Severity.WARNING: "warning",
    Severity.CRITICAL: "failure",
}


class Channel(Protocol):
    """What takes messages to somebody."""

    def send(self, title: str, body: str, severity: Severity) -> bool:
        """Send a message, which may take seconds; tell whether it was taken. Never raise."""
        ...


class AppriseChannel:
    """Sends to the Apprise address *url*, which is in none of its errors, nor in its ``repr``.

    Raise ``ValueError`` if it is no address, or lacks what its service needs.
    """

    def __init__(self, url: str) -> None:
        apprise = _library()
        self._sender: Any = apprise.Apprise()
        if not self._sender.add(url) or len(self._sender) != 1:
            raise ValueError("it is no address of one service that Apprise knows, or not complete")

    def send(self, title: str, body: str, severity: Severity) -> bool:
        """Send a message; tell whether the service took it."""
        try:
            return bool(self._sender.notify(title=title, body=body, notify_type=_TYPES[severity]))
        except Exception:  # noqa: BLE001 - whatever a service's plugin raises: it was not sent
            return False


def open_channels(rules: AlertRules) -> Mapping[str, Channel]:
    """Return the channels that *rules* name; connect to none of them yet.

    Raise :class:`AlertRulesError` for addresses that are none, all at once and without quoting
    them, and :class:`AlertsError` if Apprise is missing.
    """
    opened: dict[str, Channel] = {}
    problems = []
    for name, one in rules.channels.items():
        try:
            opened[name] = AppriseChannel(one.url.get_secret_value())
        except ValueError as error:
            problems.append(f"channels.{name}.url: {error}")
    if problems:
        raise AlertRulesError("alerts.yaml", problems)
    return opened


def _library() -> Any:
    """Return Apprise, told to keep to itself what it logs: addresses are among it."""
    try:
        import apprise
    except ImportError as error:
        raise AlertsError(
            "alerts are sent with Apprise, which is not installed",
            remedy="pip install 'rustybt[alerts]'",
        ) from error
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.disabled = True
    return apprise

"""The log of a session, and what must not be in it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rustybt.deployment import open_vault
from rustybt.errors import RustyBTError
from rustybt.monitoring.logfile import LogFile
from rustybt.monitoring.logging import make_logger
from rustybt.monitoring.scribe import Scribe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from rustybt.settings import Settings
    from rustybt.trading.commands import Alert
    from rustybt.trading.ports import Notifier


def session_log(
    settings: Settings,
    session: str,
    clock: Callable[[], datetime],
    secrets: Iterable[str] = (),
) -> Scribe:
    """Return the log of *session*: JSON in LOG_DIR, or with LOG_FORMAT=console lines on stderr."""
    file = None
    if settings.log_format == "json":
        file = LogFile(settings.log_dir, clock=clock, retention=settings.log_retention_days)
    log = make_logger(level=settings.log_level, clock=clock, secrets=secrets, file=file)
    return Scribe(log.bind(session=session))


def known_secrets(settings: Settings, clock: Callable[[], datetime]) -> list[str]:
    """Return every secret of the deployment: of its settings, and of its vault if that opens."""
    found = list(_of_settings(settings))
    with suppress(RustyBTError):  # whoever needs the vault says so; a simulation needs none
        vault = open_vault(settings, clock)
        found += [
            vault.get(entry.name, entry.field).get_secret_value() for entry in vault.entries()
        ]
    return found


def _of_settings(settings: Settings) -> Iterator[str]:
    """Yield the secrets that stand in the settings."""
    yield from (key.get_secret_value() for key in settings.encryption_keys())
    if settings.api_auth_token is not None:
        yield settings.api_auth_token.get_secret_value()
    if (password := urlsplit(settings.db_url.get_secret_value()).password) is not None:
        yield password
    for venue in settings.venues:
        yield from (value.get_secret_value() for value in venue.plaintext().values())


class Notifiers:
    """Hands alerts on to each of *further*; one that fails is no reason to skip the next."""

    def __init__(self, *further: Notifier) -> None:
        self._further = further

    def notify(self, alert: Alert, time: datetime) -> None:
        """Take an alert; *time* is that of the session. Raise the first error once all had it."""
        problems: list[Exception] = []
        for notifier in self._further:
            try:
                notifier.notify(alert, time)
            except Exception as error:  # noqa: BLE001 - it is raised when all have been told
                problems.append(error)
        if problems:
            raise problems[0]

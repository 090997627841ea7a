"""What a session logs: that it began and how it ended, and every alert between."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rustybt.monitoring.logfile import LogFile
from rustybt.monitoring.logging import make_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from structlog.typing import FilteringBoundLogger

    from rustybt.settings import Settings
    from rustybt.trading.commands import Alert
    from rustybt.trading.ports import Notifier


def session_log(
    settings: Settings,
    session: str,
    clock: Callable[[], datetime],
    secrets: Iterable[str] = (),
) -> FilteringBoundLogger:
    """Return the log of *session*: JSON in LOG_DIR, or with LOG_FORMAT=console lines on stderr."""
    file = None
    if settings.log_format == "json":
        file = LogFile(settings.log_dir, clock=clock, retention=settings.log_retention_days)
    log = make_logger(level=settings.log_level, clock=clock, secrets=secrets, file=file)
    return log.bind(session=session)


class LoggedNotifier:
    """Writes alerts to *log*, and hands them on to each of *further*."""

    def __init__(self, log: FilteringBoundLogger, *further: Notifier) -> None:
        self._log = log
        self._further = further

    def notify(self, alert: Alert, time: datetime) -> None:
        """Take an alert; *time* is that of the session, which need not be the wall's."""
        write = getattr(self._log, str(alert.severity))
        write(alert.message, kind=alert.kind, at=time, details=alert.details)
        for notifier in self._further:
            notifier.notify(alert, time)

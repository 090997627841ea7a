"""The log of an engine: one JSON object a line, in UTC, without secrets.

A logger is made by :func:`make_logger` and handed to whoever writes; nothing is global. What is
bound to it (``log.bind(session=...)``) stands in each of its lines.
"""

from __future__ import annotations

import sys
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final, TextIO

import msgspec

from rustybt.security.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from pydantic import SecretStr
    from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

    from rustybt.monitoring.logfile import LogFile

LEVELS: Final = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}
_FIRST: Final = ("time", "level", "event")


def make_logger(
    *,
    level: str,
    clock: Callable[[], datetime],
    secrets: Iterable[str | SecretStr] = (),
    file: LogFile | None = None,
    console: TextIO | None = None,
) -> FilteringBoundLogger:
    """Return a logger that writes JSON to *file*, or lines for people to *console*.

    *level* is the name of the least severe level that is written, one of :data:`LEVELS`. *secrets*
    never appear, at whatever depth, nor does what looks like one. Raise :class:`ValueError` for a
    level that is none.
    """
    import structlog

    if level not in LEVELS:
        raise ValueError(f"{level!r} is no log level: expected one of {', '.join(LEVELS)}")
    before: list[Processor] = [
        structlog.processors.add_log_level,
        _Timestamp(clock),
        structlog.processors.format_exc_info,
        _Redaction(Redactor(secrets)),
    ]
    target: WrappedLogger
    if file is not None:
        last: Processor = structlog.processors.JSONRenderer(serializer=_as_json)
        target = _Lines(file)
    else:
        stream = sys.stderr if console is None else console
        last = structlog.dev.ConsoleRenderer(
            colors=stream.isatty(),
            timestamp_key="time",
            exception_formatter=structlog.dev.plain_traceback,
        )
        target = structlog.WriteLogger(stream)
    wrapped: FilteringBoundLogger = structlog.wrap_logger(
        target,
        processors=[*before, last],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        context_class=dict,
    )
    return wrapped


class _Lines:
    """What structlog calls with a finished line, by the name of its level."""

    def __init__(self, file: LogFile) -> None:
        self._file = file

    def msg(self, line: bytes) -> None:
        """Write *line*."""
        self._file.write(line + b"\n")

    debug = info = warning = error = critical = msg


class _Timestamp:
    """Puts the time first, to the microsecond."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        now = self._clock().astimezone(UTC)
        event["time"] = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
        return event


class _Redaction:
    """Takes secrets out of everything that a line says."""

    def __init__(self, redactor: Redactor) -> None:
        self._redact = redactor

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        redacted: EventDict = self._redact(dict(event))
        return redacted


def _as_json(event: Any, **_: object) -> bytes:
    """Return *event* as one line of JSON; what JSON cannot say is said by its text."""
    ordered = {name: event[name] for name in _FIRST if name in event}
    ordered |= {str(name): value for name, value in event.items() if name not in ordered}
    return msgspec.json.encode(ordered, enc_hook=str)

"""Alerts from the engine to people: told once, not too often, again until they arrive."""

from __future__ import annotations

import secrets
import threading
from collections import deque
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from rustybt.monitoring.alerts.outbox import Message, Outbox
from rustybt.security.redaction import Redactor
from rustybt.trading.commands import Alert, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from rustybt.monitoring.alerts.channels import Channel
    from rustybt.monitoring.alerts.rules import AlertRules, Rate

FIRST_PAUSE: Final = timedelta(seconds=1)
LONGEST_PAUSE: Final = timedelta(minutes=5)
REMEMBERED: Final = 1000
_LISTED: Final = 50
_BLOCKED_S: Final = 5.0
_ORDER: Final = tuple(Severity)


class Courier:
    """Takes what waits in *outbox* for the channel *name* there, at most as often as *rate* says.

    What an earlier process left there comes as one message, so that one that is started again and
    again floods nobody. It sleeps nowhere: :meth:`attempt` does what is due at a time, and says
    when to come again.
    """

    def __init__(self, name: str, channel: Channel, outbox: Outbox, rate: Rate) -> None:
        self.name = name
        self._channel = channel
        self._outbox = outbox
        self._rate = rate
        self._left = {one.id for one in outbox.waiting(name)}
        self._sent: deque[datetime] = deque(maxlen=rate.messages)
        self._pause = FIRST_PAUSE
        self._resting_until: datetime | None = None

    def attempt(self, now: datetime) -> float | None:
        """Deliver what may be delivered *now*; return in how many seconds to go on.

        ``None``: nothing waits. A failure is tried again after a pause that doubles. Of more
        messages than are allowed the last one that is tells all that wait.
        """
        while waiting := self._outbox.waiting(self.name):
            again = self._not_before(now)
            if again > now:
                return (again - now).total_seconds()
            batch = self._batch(waiting, now)
            if not self._channel.send(*_composed(batch)):
                self._resting_until = now + self._pause
                self._pause = min(2 * self._pause, LONGEST_PAUSE)
                continue
            self._outbox.delivered(batch, self.name)
            self._sent.append(now)
            self._pause, self._resting_until = FIRST_PAUSE, None
        return None

    def _batch(self, waiting: list[Message], now: datetime) -> list[Message]:
        """Return what the next message tells: everything if it is the last one for a while."""
        left = [one for one in waiting if one.id in self._left]
        return waiting if self._is_last(now) else left or waiting[:1]

    def _not_before(self, now: datetime) -> datetime:
        """Return when the next message may be sent."""
        self._drop_old(now)
        rested = self._resting_until or now
        if len(self._sent) < self._rate.messages:
            return rested
        return max(rested, self._sent[0] + timedelta(seconds=self._rate.seconds))

    def _is_last(self, now: datetime) -> bool:
        """Tell whether no message may follow the next one for a while."""
        self._drop_old(now)
        return len(self._sent) + 1 >= self._rate.messages

    def _drop_old(self, now: datetime) -> None:
        span = timedelta(seconds=self._rate.seconds)
        while self._sent and self._sent[0] + span <= now:
            self._sent.popleft()


class Delivery:
    """A :class:`~rustybt.trading.ports.Notifier` that tells people through *channels*.

    :meth:`notify` returns when the alert is on the disk; a thread for each channel takes it from
    there. *clock* is the wall's, *secrets* are in no message, *context* (the session, the broker)
    is in all; the last *remembered* alerts are not told again too soon. Use it as a context
    manager, or call :meth:`start` and :meth:`close`.
    """

    def __init__(
        self,
        rules: AlertRules,
        channels: Mapping[str, Channel],
        outbox: Outbox,
        *,
        clock: Callable[[], datetime],
        secrets: Iterable[str] = (),
        context: Mapping[str, str] | None = None,
        remembered: int = REMEMBERED,
    ) -> None:
        self._rules = rules
        self._outbox = outbox
        self._clock = clock
        self._redact = Redactor([*secrets, *rules.secrets()])
        self._context = dict(context or {})
        self._remembered = remembered
        self._told: dict[tuple[str, str], datetime] = {}
        self._news = threading.Condition()
        self._is_closing = threading.Event()
        self._puts = 0
        self._couriers = [
            Courier(name, channel, outbox, rules.rate) for name, channel in channels.items()
        ]
        self._threads = [
            threading.Thread(target=self._run, args=(one,), name=f"alerts {one.name}", daemon=True)
            for one in self._couriers
        ]
        self.repeated = 0

    def __enter__(self) -> Delivery:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def secrets(self) -> tuple[str, ...]:
        """Return what is in the channels' addresses, to be kept out of logs."""
        return self._rules.secrets()

    def start(self) -> None:
        """Begin to deliver, first what an earlier process left."""
        for thread in self._threads:
            thread.start()

    def notify(self, alert: Alert, time: datetime) -> None:
        """Put *alert*, of the session's *time*, on its way if a rule wants it.

        Raise what :meth:`Outbox.put` raises.
        """
        rule = self._rules.rule_for(alert)
        if rule is None:
            return
        severity = rule.severity or alert.severity
        names = self._rules.channels_for(severity)
        now = self._clock()
        if not names or self._is_repeated(alert, now, timedelta(seconds=rule.repeat_after)):
            return
        details = {**self._context, **alert.details}
        self._outbox.put(
            Message(
                id=f"{now:%Y%m%dT%H%M%S%f}-{self._puts:06}-{secrets.token_hex(4)}",
                at=time,
                kind=alert.kind,
                severity=severity,
                text=self._redact.text(alert.message),
                details=tuple((key, self._redact.text(value)) for key, value in details.items()),
                pending=names,
            )
        )
        self._told[alert.kind, alert.message] = now
        with self._news:
            self._puts += 1
            self._news.notify_all()

    def close(self, patience: float = 5.0) -> bool:
        """Try once more, wait for what is being sent, but not longer than *patience* seconds.

        Return whether all is delivered; what is not stays in the outbox for the next session.
        """
        self._is_closing.set()
        with self._news:
            self._news.notify_all()
        share = patience / max(len(self._threads), 1)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(share)
        self._outbox.close()
        return not any(self._outbox.waiting(one.name) for one in self._couriers)

    def _is_repeated(self, alert: Alert, now: datetime, span: timedelta) -> bool:
        """Tell whether people know: the same was told less than *span* ago."""
        key = (alert.kind, alert.message)
        before = self._told.get(key)
        if before is not None and before <= now < before + span:
            self.repeated += 1
            return True
        while len(self._told) >= self._remembered:
            del self._told[next(iter(self._told))]
        self._told.pop(key, None)
        return False

    def _run(self, courier: Courier) -> None:
        """Deliver whatever comes for one channel, until the end."""
        while True:
            closing, seen = self._is_closing.is_set(), self._puts
            pause = self._attempt(courier)
            if closing:
                return
            with self._news:
                self._news.wait_for(partial(self._has_news, seen), pause)

    def _has_news(self, seen: int) -> bool:
        """Tell whether there is more to do than when *seen* alerts had come."""
        return self._puts != seen or self._is_closing.is_set()

    def _attempt(self, courier: Courier) -> float | None:
        """Return when to go on: a disk or another process that is in the way is tried again."""
        try:
            if not self._outbox.claim():
                return _BLOCKED_S
            return courier.attempt(self._clock())
        except OSError:
            return _BLOCKED_S


def _composed(messages: Sequence[Message]) -> tuple[str, str, Severity]:
    """Return title, text and severity of one message that tells *messages*."""
    worst = max((one.severity for one in messages), key=_ORDER.index)
    if len(messages) == 1:
        (only,) = messages
        return f"RustyBT {worst}: {only.kind}", "\n".join(_lines(only)), worst
    told = [f"{one.at:%Y-%m-%d %H:%M:%S} {one.severity} {one.kind}: {one.text}" for one in messages]
    if len(told) > _LISTED:
        told = [*told[:_LISTED], f"and {len(told) - _LISTED} more, which the journal has"]
    return f"RustyBT {worst}: {len(messages)} alerts", "\n".join(told), worst


def _lines(message: Message) -> list[str]:
    """Return what there is to tell about a message."""
    told = [message.text, "", f"time: {message.at:%Y-%m-%d %H:%M:%S} UTC"]
    return [*told, *(f"{key}: {value}" for key, value in message.details)]

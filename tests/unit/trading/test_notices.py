"""Alerts on their way: whoever takes them may raise or hang, and stops nobody."""

import threading
from datetime import UTC, datetime

from rustybt.trading.commands import Alert, Severity
from rustybt.trading.notices import Notices

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def alert(message: str) -> Alert:
    """Return an alert that says *message*."""
    return Alert(kind="test", severity=Severity.INFO, message=message)


class Listener:
    """Keeps what it hears; raises or waits where it is told to."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.gate = threading.Event()
        self.begun = threading.Event()
        self.gate.set()

    def notify(self, alert: Alert, time: datetime) -> None:
        """Take an alert."""
        assert time == NOW
        self.begun.set()
        self.gate.wait(30)
        if alert.message == "bad":
            raise RuntimeError("no")
        self.heard.append(alert.message)


def test_alerts_arrive_in_order_and_all_before_the_end() -> None:
    """What was told before the end is told when it comes."""
    listener = Listener()
    notices = Notices(listener)
    for number in range(50):
        notices.notify(alert(str(number)), NOW)
    notices.close()

    assert listener.heard == [str(number) for number in range(50)]
    assert notices.lost == 0


def test_one_that_raises_loses_one_alert() -> None:
    """The next arrives, and the loss is counted."""
    listener = Listener()
    notices = Notices(listener)
    for message in ("one", "bad", "two"):
        notices.notify(alert(message), NOW)
    notices.close()

    assert listener.heard == ["one", "two"]
    assert notices.lost == 1


def test_one_that_hangs_keeps_nobody() -> None:
    """To tell returns at once, what finds no room is counted, the end is not waited for long."""
    listener = Listener()
    listener.gate.clear()
    notices = Notices(listener, waiting=2)
    notices.notify(alert("first"), NOW)
    assert listener.begun.wait(30)
    for number in range(5):
        notices.notify(alert(str(number)), NOW)

    assert notices.lost == 3
    notices.close(patience=0.01)
    assert listener.heard == []
    listener.gate.set()


def test_nothing_told_needs_no_thread() -> None:
    """The end of what never began is quick."""
    before = threading.active_count()
    Notices(Listener()).close()

    assert threading.active_count() == before

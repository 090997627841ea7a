"""Claims about the way of an alert from the engine to a receiver on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from readiness_tests.sinks import HttpSink
from rustybt.monitoring.alerts.channels import AppriseChannel, open_channels
from rustybt.monitoring.alerts.delivery import LONGEST_PAUSE, Courier, Delivery
from rustybt.monitoring.alerts.errors import AlertsError
from rustybt.monitoring.alerts.outbox import Message, Outbox
from rustybt.monitoring.alerts.rules import AlertRules, Rate, parse_alert_rules
from rustybt.trading.commands import Alert, Severity

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECRET = "canary-canary-canary"
RULES = """
channels:
  one: {{url: '{one}', contact: Ada}}
  two: {{url: '{two}', contact: Bob, severities: [critical]}}
rules:
  stop: {{kinds: [breaker], severity: critical, repeat_after: 60}}
  refusal: {{kinds: [rejection], repeat_after: 0}}
rate: {{messages: 3, seconds: 600}}
"""


@pytest.fixture
def one() -> Iterator[HttpSink]:
    """A receiver."""
    with HttpSink() as sink:
        yield sink


@pytest.fixture
def two() -> Iterator[HttpSink]:
    """Another receiver."""
    with HttpSink() as sink:
        yield sink


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    """An outbox of its own."""
    return Outbox(tmp_path / "outbox")


def rules_of(one: HttpSink, two: HttpSink) -> AlertRules:
    """Return rules with both receivers as channels."""
    return parse_alert_rules(RULES.format(one=one.url, two=two.url), "alerts.yaml", {})


def message(number: int, *pending: str, severity: Severity = Severity.WARNING) -> Message:
    """Return a message; their ids are in order."""
    return Message(
        id=f"{number:05}",
        at=NOW,
        kind="rejection",
        severity=severity,
        text=f"number {number}",
        pending=pending or ("one",),
    )


def alert(kind: str, text: str, **details: str) -> Alert:
    """Return an alert as the engine makes them."""
    return Alert(kind=kind, severity=Severity.WARNING, message=text, details=details)


def test_a_courier_keeps_to_the_rate_and_drops_nothing(outbox: Outbox, one: HttpSink) -> None:
    """The last message that is allowed tells all that wait; later ones wait for the next."""
    courier = Courier("one", AppriseChannel(one.url), outbox, Rate(messages=3, seconds=600))
    for number in range(60):
        outbox.put(message(number, severity=Severity.CRITICAL if number == 9 else Severity.INFO))
    assert courier.attempt(NOW) is None
    assert one.titles() == [
        "RustyBT info: rejection",
        "RustyBT info: rejection",
        "RustyBT critical: 58 alerts",
    ]
    assert "number 9" in one.texts()[2]
    assert "and 8 more" in one.texts()[2]
    outbox.put(message(60))
    assert courier.attempt(NOW + timedelta(seconds=100)) == 500
    assert len(one.received) == 3
    assert courier.attempt(NOW + timedelta(seconds=600)) is None
    assert len(one.received) == 4
    assert not outbox.waiting("one")


def test_a_courier_tries_again_after_pauses_that_double(outbox: Outbox, one: HttpSink) -> None:
    """A receiver that refuses is left alone for longer and longer, and gets the message once."""
    one.status = 500
    courier = Courier("one", AppriseChannel(one.url), outbox, Rate())
    outbox.put(message(1))
    now, pauses = NOW, []
    for _ in range(10):
        pause = courier.attempt(now)
        assert pause is not None
        assert courier.attempt(now) == pause  # nothing is tried before its time
        pauses.append(pause)
        now += timedelta(seconds=pause)
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, LONGEST_PAUSE.total_seconds()]
    assert one.tried == 10
    one.status = 200
    assert courier.attempt(now) is None
    assert one.texts() == ["number 1\n\ntime: 2026-03-02 12:00:00 UTC"]
    one.status = 500
    outbox.put(message(2))
    assert courier.attempt(now) == 1


def test_alerts_reach_whom_the_rules_name_once(
    tmp_path: Path, one: HttpSink, two: HttpSink
) -> None:
    """By severity, without repetition, without secrets, and with what the session is."""
    rules = rules_of(one, two)
    delivery = Delivery(
        rules,
        open_channels(rules),
        Outbox(tmp_path),
        clock=lambda: NOW,
        secrets=[SECRET],
        context={"broker": "practice"},
    )
    assert set(rules.secrets()) <= set(delivery.secrets())
    with delivery:
        delivery.notify(alert("breaker", f"loss {SECRET}", key=f"is {SECRET}"), NOW)
        delivery.notify(alert("breaker", f"loss {SECRET}"), NOW)
        delivery.notify(alert("rejection", "no funds"), NOW)
        delivery.notify(alert("unheard", "of"), NOW)
        assert one.wait(2)
        assert two.wait(1)
    assert delivery.repeated == 1
    assert one.titles() == ["RustyBT critical: breaker", "RustyBT warning: rejection"]
    assert two.titles() == ["RustyBT critical: breaker"]
    assert two.received[0]["type"] == "failure"
    assert "broker: practice" in two.texts()[0]
    assert SECRET not in json.dumps([*one.received, *two.received])
    assert not list(tmp_path.iterdir())


def test_the_same_alert_is_told_again_later(tmp_path: Path, one: HttpSink, two: HttpSink) -> None:
    """Within the time of its rule it is not; what is remembered does not grow for ever."""
    rules = rules_of(one, two)
    now = [NOW]
    outbox = Outbox(tmp_path)
    delivery = Delivery(rules, {}, outbox, clock=lambda: now[0], remembered=2)
    for seconds, waiting in ((0, 1), (59, 1), (60, 2), (-3600, 3)):
        now[0] = NOW + timedelta(seconds=seconds)
        delivery.notify(alert("breaker", "loss"), NOW)
        assert len(outbox.waiting("one")) == waiting
    for number in range(2):
        delivery.notify(alert("rejection", f"{number}"), NOW)
    delivery.notify(alert("breaker", "loss"), NOW)
    assert delivery.repeated == 1
    assert len(outbox.waiting("one")) == 6


def test_a_receiver_that_hangs_holds_nobody_up(
    tmp_path: Path, one: HttpSink, two: HttpSink
) -> None:
    """The engine's side returns, other channels get theirs, and what is left is kept."""
    one.goes_on.clear()
    rules = rules_of(one, two)
    delivery = Delivery(rules, open_channels(rules), Outbox(tmp_path), clock=lambda: NOW)
    delivery.start()
    for text in ("first", "second"):
        delivery.notify(alert("breaker", text), NOW)
    assert two.wait(2)
    assert one.wait(1, tried=True)
    assert not delivery.close(patience=0)
    assert len(Outbox(tmp_path).waiting("one")) == 2
    one.goes_on.set()


def test_what_one_process_accepted_the_next_delivers(
    tmp_path: Path, one: HttpSink, two: HttpSink
) -> None:
    """Nothing is sent while another process has the claim; channels that are gone are forgotten."""
    rules = rules_of(one, two)
    first = Outbox(tmp_path)
    assert first.claim()
    assert first.claim()
    later = Outbox(tmp_path)
    assert not later.claim()
    first.put(message(1, "one", "gone"))
    first.put(message(2, "gone"))
    blocked = Delivery(rules, open_channels(rules), later, clock=lambda: NOW)
    blocked.start()
    assert blocked.close()
    assert not one.tried
    first.close()
    first.close()
    with Delivery(rules, open_channels(rules), later, clock=lambda: NOW):
        assert one.wait(1)
    later.forget_channels_but(["one", "two"])
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_gone_ends_no_thread(tmp_path: Path, one: HttpSink, two: HttpSink) -> None:
    """Delivery goes on trying, and says at the end that something is left."""
    rules = rules_of(one, two)
    outbox = Outbox(tmp_path / "outbox")
    outbox.put(message(1))
    (tmp_path / "outbox").rename(tmp_path / "away")
    delivery = Delivery(rules, open_channels(rules), outbox, clock=lambda: NOW)
    delivery.start()
    assert not delivery.close()
    with pytest.raises(OSError, match="outbox"):
        delivery.notify(alert("breaker", "loss"), NOW)


def test_an_outbox_sets_aside_what_it_cannot_read(tmp_path: Path) -> None:
    """A damaged file stops nothing and is kept; a half-written one counts for nothing."""
    for name, text in (("a", "{"), ("b", "[]"), ("c", '{"at": 3}'), ("d", '{"at": "x"}')):
        (tmp_path / f"{name}.json").write_text(text)
    (tmp_path / ".e.json.x.tmp").write_text("{")
    outbox = Outbox(tmp_path)
    outbox.put(message(7))
    again = Outbox(tmp_path)
    assert [one.id for one in again.waiting("one")] == ["00007"]
    assert again.waiting("one") == [message(7)]
    assert len(list(tmp_path.glob("*.unreadable"))) == 4


def test_an_outbox_has_an_end(tmp_path: Path) -> None:
    """A disk is not filled with alerts that nobody gets; the refusal says so."""
    outbox = Outbox(tmp_path, capacity=2)
    outbox.put(message(0))
    outbox.put(message(1))
    with pytest.raises(AlertsError, match="2 alerts wait"):
        outbox.put(message(2))
    assert len(list(tmp_path.iterdir())) == 2


def test_delivery_of_nothing_ends_at_once(tmp_path: Path) -> None:
    """A session that never began can be closed."""
    delivery = Delivery(AlertRules(), {}, Outbox(tmp_path), clock=lambda: NOW)
    before = threading.active_count()
    assert delivery.close()
    assert threading.active_count() == before


def test_a_channel_that_cannot_connect_says_so_and_nothing_else(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """No exception, no output: the library's own words may hold the address."""
    with HttpSink() as sink:
        url = f"{sink.url}&+key={SECRET}"
    channel = AppriseChannel(url)
    assert not channel.send("title", "text", Severity.INFO)
    assert not caplog.records
    assert capfd.readouterr() == ("", "")
    assert SECRET not in repr(channel)

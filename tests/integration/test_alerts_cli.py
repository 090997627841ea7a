"""Test alerts to a mail server and an HTTP server on loopback; alerts of a session; crashes."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP

from readiness_tests.sinks import HttpSink
from rustybt.cli import run
from rustybt.deployment import create_home
from rustybt.home import Home
from rustybt.monitoring.alerts.channels import open_channels
from rustybt.monitoring.alerts.delivery import Delivery
from rustybt.monitoring.alerts.errors import AlertsError
from rustybt.monitoring.alerts.outbox import Outbox
from rustybt.monitoring.alerts.receipts import CODE_LIFE, Receipts
from rustybt.monitoring.alerts.rules import AlertRules, Channel, parse_alert_rules
from rustybt.settings.alert_rules import ALERT_RULES

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
PASSWORD = "canary-password-canary"
CODE = re.compile(r"Code: (\w+)")
ACCEPTS_AND_DIES = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from rustybt.monitoring.alerts.delivery import Delivery
from rustybt.monitoring.alerts.outbox import Outbox
from rustybt.monitoring.alerts.rules import parse_alert_rules
from rustybt.trading.commands import Alert, Severity
rules = parse_alert_rules(sys.argv[2], "alerts.yaml", {})
now = datetime.now(UTC)
delivery = Delivery(rules, {}, Outbox(Path(sys.argv[1])), clock=lambda: now)
for number in range(5):
    delivery.notify(Alert(kind="rejection", severity=Severity.WARNING, message=f"<{number}>"), now)
os.kill(os.getpid(), signal.SIGKILL)
"""
FAILS = '''
from rustybt.strategy import Strategy


class Fails(Strategy):
    """Raises at its first bar."""

    def on_bar(self, bar):
        raise ValueError("the strategy is broken")
'''


class Mailbox:
    """A mail server that keeps what it is sent."""

    def __init__(self) -> None:
        self.received: list[Any] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self.port = 0

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, _server: object, _session: object, envelope: Any
    ) -> str:
        """Keep a mail."""
        self.received.append((envelope.rcpt_tos, message_from_bytes(envelope.content)))
        return "250 kept"

    def __enter__(self) -> Mailbox:
        def listen() -> SMTP:
            return SMTP(self, hostname="localhost")

        serving = self._loop.create_server(listen, "127.0.0.1", 0)
        self._server = self._loop.run_until_complete(serving)
        self.port = self._server.sockets[0].getsockname()[1]
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        """Stop to listen, and let the connections end."""
        self._server.close()
        others = [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]
        for each in others:
            each.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def text(self, number: int) -> str:
        """Return the text of a mail."""
        parts = [part.get_payload(decode=True) for part in self.received[number][1].walk()]
        return "\n".join(part.decode() for part in parts if part)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Make a deployment."""
    return create_home(tmp_path / "home", "dev", lambda: datetime.now(UTC))


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    """Start a receiver."""
    with HttpSink() as started:
        yield started


def told(home: Home, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Return exit code and output of a command."""
    capsys.readouterr()
    code = run([*words, "--home", str(home.root)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def channels(home: Home, **urls: str) -> None:
    """Name channels in the deployment's file, besides the rules that it has."""
    lines = [f"  {name}: {{url: '{url}', contact: {name}}}\n" for name, url in urls.items()]
    home.alerts_file.write_text(ALERT_RULES.replace("channels:\n", "channels:\n" + "".join(lines)))


def test_codes_go_out_by_mail_and_webhook_and_come_back(
    home: Home, sink: HttpSink, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each channel gets a code of its own, shown nowhere else; returning it is recorded once."""
    with Mailbox() as mailbox:
        mail = (
            f"mailto://127.0.0.1:{mailbox.port}?from=a@example.org&to=b@example.org&mode=insecure"
        )
        channels(home, mail=mail, hook=sink.url)
        code, out, err = told(home, capsys, "test-alerts", "--json")
    assert (code, err) == (0, "")
    assert [one["taken"] for one in json.loads(out)["channels"]] == [True, True]
    assert mailbox.received[0][0] == ["b@example.org"]
    (mailed,), (posted,) = CODE.findall(mailbox.text(0))[:1], CODE.findall(sink.texts()[0])
    assert mailed != posted
    kept = (home.alerts / "receipts.json").read_text()
    assert not {mailed, posted} & set(re.findall(r"\w+", out + kept))
    assert sink.url not in kept

    code, out, _ = told(home, capsys, "acknowledge-alert", mailed.lower(), "--json")
    assert code == 0
    assert json.loads(out)["channel"] == "mail"
    first = [one.acknowledged for one in Receipts(home.root).all()]
    code, out, _ = told(home, capsys, "acknowledge-alert", mailed)
    assert (code, out.startswith("mail got the test alert through mail")) == (0, True)
    assert [one.acknowledged for one in Receipts(home.root).all()] == first
    assert [one is None for one in first] == [False, True]
    code, _, err = told(home, capsys, "acknowledge-alert", "NONSENSE22")
    assert code == 1
    assert "no test alert had that code" in err


def test_one_channel_that_fails_fails_the_test(
    home: Home, sink: HttpSink, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table says which; nothing that is printed or kept has its secrets."""
    with HttpSink() as gone:
        dead = gone.url.replace("json://", f"json://user:{PASSWORD}@")
    channels(home, dead=dead, hook=sink.url)
    code, out, err = told(home, capsys, "test-alerts")
    assert code == 1
    assert re.search(r"dead .*FAILED: not sent", out)
    assert re.search(r"hook .*taken by the server", out)
    kept = "".join(path.read_text() for path in home.alerts.iterdir())
    assert PASSWORD not in out + err + kept
    assert [one.channel for one in Receipts(home.root).all()] == ["hook"]


def test_without_channels_nothing_can_be_tested(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    """No file, or no channel in it, is an error, never success."""
    code, _, err = told(home, capsys, "test-alerts")
    assert (code, "names no channel" in err) == (1, True)
    code, _, err = told(home, capsys, "acknowledge-alert", "NONSENSE22")
    assert (code, "no test alert" in err) == (1, True)
    home.alerts_file.unlink()
    code, _, err = told(home, capsys, "test-alerts")
    assert (code, "there is no" in err) == (1, True)


def test_a_session_tells_people_through_the_channels(
    home: Home, sink: HttpSink, capsys: pytest.CaptureFixture[str]
) -> None:
    """What trips the breaker arrives once, with the session, and the address is in no log."""
    url = sink.url.replace("json://", f"json://user:{PASSWORD}@")
    channels(home, desk=url)
    strategy = home.root.parent / "fails.py"
    strategy.write_text(FAILS)
    words = ("paper-trade", "--strategy", str(strategy), "--broker", "simulated")
    told(home, capsys, *words)
    assert sink.wait(2)
    assert sink.titles().count("RustyBT critical: strategy_error") == 1
    assert any("the strategy is broken" in text and "session: " in text for text in sink.texts())
    logs = "".join(path.read_text() for path in home.logs.iterdir())
    assert PASSWORD not in logs


def test_a_session_whose_receiver_is_down_ends_as_ever_and_the_next_delivers(
    home: Home, sink: HttpSink, capsys: pytest.CaptureFixture[str]
) -> None:
    """The outcome is the same as without alerts; what waits goes out with the next session."""
    strategy = home.root.parent / "fails.py"
    strategy.write_text(FAILS)
    words = ("paper-trade", "--strategy", str(strategy), "--broker", "simulated")
    sink.status = 503
    channels(home, desk=sink.url)
    code, _, _ = told(home, capsys, *words)
    assert not sink.received
    left = len(list((home.alerts / "outbox").iterdir()))
    assert left
    assert "alerts wait for delivery" in "".join(p.read_text() for p in home.logs.iterdir())
    sink.status = 200
    again, _, _ = told(home, capsys, *words)
    assert code == again
    assert sink.wait(1)
    assert "strategy_error: " in sink.texts()[0]


def test_alert_rules_that_are_wrong_stop_a_session_before_it_begins(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    """One clear error; the account is free again."""
    strategy = home.root.parent / "fails.py"
    strategy.write_text(FAILS)
    home.alerts_file.write_text("channels: {desk: {url: 'nonsense://x', contact: A}}\n")
    words = ("paper-trade", "--strategy", str(strategy), "--broker", "simulated")
    for _ in range(2):
        code, _, err = told(home, capsys, *words)
        assert code == 1
        assert "channels.desk.url: it is no address" in err


def test_a_process_that_is_killed_after_it_accepted_alerts_loses_none(
    tmp_path: Path, sink: HttpSink
) -> None:
    """Each of them arrives, in order and once, in one message from the process that comes after."""
    text = f"channels: {{one: {{url: '{sink.url}', contact: A}}}}\n"
    text += "rules: {r: {kinds: [rejection]}}"
    command = [sys.executable, "-c", ACCEPTS_AND_DIES, str(tmp_path), text]
    died = subprocess.run(command, check=False)
    assert died.returncode == -signal.SIGKILL
    rules = parse_alert_rules(text, "alerts.yaml", {})
    with Delivery(rules, open_channels(rules), Outbox(tmp_path), clock=lambda: NOW):
        assert sink.wait(1)
    assert sink.titles() == ["RustyBT warning: 5 alerts"]
    assert sorted(re.findall(r"<\d>", sink.texts()[0])) == [f"<{number}>" for number in range(5)]
    assert not list(tmp_path.iterdir())


def channel(url: str = "json://one", contact: str = "Ada") -> Channel:
    """Return a channel."""
    return AlertRules.model_validate(
        {"channels": {"a": {"url": url, "contact": contact}}}
    ).channels["a"]


def test_receipts_count_for_the_address_that_was_tested(tmp_path: Path) -> None:
    """Another address or contact under the same name has not been tested."""
    receipts = Receipts(tmp_path)
    assert receipts.newest("a", channel()) is None
    receipts.issue("a", channel(), NOW)
    code = receipts.issue("a", channel(), NOW + timedelta(days=1))
    assert receipts.acknowledged("a", channel()) is None
    receipts.acknowledge(f"{code[:5]}-{code[5:]}", NOW + timedelta(days=2))
    newest, confirmed = receipts.newest("a", channel()), receipts.acknowledged("a", channel())
    assert newest == confirmed
    assert confirmed is not None
    assert confirmed.acknowledged == NOW + timedelta(days=2)
    for other in (channel("json://two"), channel(contact="Bob")):
        assert receipts.newest("a", other) is None
        assert receipts.acknowledged("a", other) is None
    assert receipts.newest("b", channel()) is None


def test_codes_do_not_live_for_ever(tmp_path: Path) -> None:
    """One that comes back too late, or before it was sent, is refused and nothing changes."""
    receipts = Receipts(tmp_path)
    code = receipts.issue("a", channel(), NOW)
    before = receipts.all()
    for late in (NOW + CODE_LIFE + timedelta(seconds=1), NOW - timedelta(seconds=1)):
        with pytest.raises(AlertsError, match="within 7 days"):
            receipts.acknowledge(code, late)
    assert receipts.all() == before
    assert receipts.acknowledge(code, NOW + CODE_LIFE).acknowledged == NOW + CODE_LIFE


def test_a_damaged_record_of_receipts_is_an_error(tmp_path: Path) -> None:
    """It is neither empty nor overwritten."""
    receipts = Receipts(tmp_path)
    receipts.issue("a", channel(), NOW)
    file = tmp_path / "state" / "alerts" / "receipts.json"
    file.write_text(file.read_text()[:-3])
    with pytest.raises(AlertsError, match="is damaged"):
        receipts.issue("a", channel(), NOW)

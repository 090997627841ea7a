"""Claims about alerts.yaml: what it may say, and how it is refused."""

from __future__ import annotations

import pickle
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

import rustybt.trading
from rustybt.deployment import create_home
from rustybt.errors import HomeError
from rustybt.monitoring.alerts.channels import open_channels
from rustybt.monitoring.alerts.errors import AlertRulesError
from rustybt.monitoring.alerts.rules import load_alert_rules, parse_alert_rules
from rustybt.settings import load_settings
from rustybt.settings.alert_rules import ALERT_RULES
from rustybt.trading.commands import Alert, Severity

SECRET = "hunter2-hunter2"
CHANNEL = "channels:\n  desk:\n    url: {url}\n    contact: Desk\n"


def refused(text: str, **variables: str) -> str:
    """Return why *text* is refused."""
    with pytest.raises(AlertRulesError) as error:
        parse_alert_rules(text, "alerts.yaml", variables)
    return str(error.value)


def alert(kind: str, message: str = "") -> Alert:
    """Return an alert of *kind*."""
    return Alert(kind=kind, severity=Severity.WARNING, message=message)


def test_a_new_home_has_a_rule_for_every_event() -> None:
    """The scaffold has no channel, and matches the five events and every breaker."""
    rules = parse_alert_rules(ALERT_RULES, "alerts.yaml", {})
    assert not rules.channels
    names = dict(rules.rules.items())
    for kind, message, name in (
        ("connection_lost", "practice is not connected", "broker-connection"),
        ("breaker", "trading stopped: daily loss: 0.06", "daily-loss"),
        ("breaker", "trading stopped: clock skew: 9000 ms", "breaker"),
        ("rejection", "order 1 was rejected", "order-rejection"),
        ("strategy_error", "ValueError", "system-error"),
        ("session_failed", "the disk is full", "system-error"),
    ):
        assert rules.rule_for(alert(kind, message)) is names[name]
    assert rules.rule_for(alert("something_else")) is None


def test_the_examples_of_a_new_home_are_addresses() -> None:
    """With the # taken away each example is one that the library knows."""
    text = ALERT_RULES.replace("  # ", "  ").replace("  Every other", "  # Every other")
    variables = {
        "ALERT_MAIL_PASSWORD": "p",
        "ALERT_SLACK_TOKEN": "/".join(("T" * 9, "B" * 9, "x" * 24)),
        "ALERT_TWILIO_SID": "AC" + "a" * 32,
        "ALERT_TWILIO_TOKEN": "b" * 32,
    }
    rules = parse_alert_rules(text, "alerts.yaml", variables)
    assert list(open_channels(rules)) == ["mail", "slack", "phone"]
    assert rules.channels_for(Severity.INFO) == ("mail",)
    assert rules.channels_for(Severity.CRITICAL) == ("mail", "slack", "phone")


def test_all_problems_are_told_at_once_without_addresses() -> None:
    """Each problem names its place; no address is quoted, not even by repr or pickle."""
    told = refused(
        f"channels:\n  desk: {{url: 'json://{SECRET}', severities: [loud]}}\n"
        f"  json://{SECRET}: {{}}\n"
        "  away: {url: '${ALERT_AWAY}', contact: A}\n"
        "  odd: {url: '${HOME}', contact: A}\n"
        "rules:\n  r: {kinds: [], repeat_after: x}\n  s: 3\nbogus: 1\n"
    )
    assert SECRET not in told
    for place in (
        "channels.desk.contact",
        "channels.desk.severities",
        "channels.(something)",
        "channels.away.url: ALERT_AWAY is set neither",
        "channels.odd.url: a variable's name",
        "rules.r.kinds",
        "rules.r.repeat_after",
        "rules.s",
        "bogus",
    ):
        assert place in told
    error = AlertRulesError("alerts.yaml", ["one"])
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert str(again) == str(error) == "1 problem in alerts.yaml:\n  one"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: &x 1\nb: *x\n", "line 2: aliases"),
        ("rules: {}\nrules: {}\n", "line 2: this key"),
        ("channels: [{a: 1, a: 2}]", "line 1: this key"),
        ("[" * 30, "nested"),
        ("x: {", "is not YAML"),
        ("- 1", "no mapping"),
        ("x: 2024-99-99", "none"),
        ("x: !!python/object:os.system {}", "is not YAML"),
        ("? [1, 2]\n: 3", "is not YAML"),
        ("1: 2", "1:"),
        ("channels: 1", "channels"),
        ("channels: {a: 1}", "channels.a"),
    ],
)
def test_what_is_no_such_document_is_refused(text: str, why: str) -> None:
    """One clear error for whatever a file may hold."""
    assert why in refused(text)


def test_a_rule_that_reaches_nobody_is_refused() -> None:
    """A severity that a rule sets needs a channel."""
    text = CHANNEL.format(url="json://a") + "    severities: [info]\n"
    told = refused(text + "rules:\n  r: {kinds: [breaker], severity: critical}\n")
    assert "rules.r: no channel takes alerts of severity critical" in told


def test_addresses_that_are_none_are_refused_without_being_quoted() -> None:
    """The library is asked for each; all are told at once."""
    text = f"channels:\n  a: {{url: 'nonsense://{SECRET}', contact: A}}\n"
    rules = parse_alert_rules(text + f"  b: {{url: '{SECRET}', contact: B}}\n", "alerts.yaml", {})
    with pytest.raises(AlertRulesError, match=r"2 problems") as error:
        open_channels(rules)
    assert SECRET not in f"{error.value} {error.value!r} {rules!r}"
    assert SECRET in rules.secrets()


def test_variables_come_from_the_environment_or_the_env_file(tmp_path: Path) -> None:
    """The environment wins; .env takes such a line, and no other unknown one."""
    home = create_home(tmp_path / "home", "dev", lambda: datetime(2026, 3, 2, tzinfo=UTC))
    with home.env_file.open("a") as file:
        file.write("ALERT_HOST=written.example.org\n")
    load_settings(home.root, {})
    home.alerts_file.write_text(CHANNEL.format(url="json://${ALERT_HOST}"))
    for environ, host in (({}, "written"), ({"ALERT_HOST": "given.example.org"}, "given")):
        rules = load_alert_rules(home.root, environ)
        assert rules is not None
        url = rules.channels["desk"].url.get_secret_value()
        assert url == f"json://{host}.example.org"


def test_files_that_are_missing_or_no_text(tmp_path: Path) -> None:
    """No file is no rules; one of other bytes is an error."""
    assert load_alert_rules(tmp_path, {}) is None
    (tmp_path / "config").mkdir()
    file = tmp_path / "config" / "alerts.yaml"
    file.write_bytes(b"")
    rules = load_alert_rules(tmp_path, {})
    assert rules is not None
    assert not rules.rules
    file.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(HomeError, match="UTF-8"):
        load_alert_rules(tmp_path, {})


def test_a_new_home_has_a_rule_for_every_kind_of_alert() -> None:
    """What the engine tells of by a name that stands in its sources is heard by somebody."""
    sources = Path(rustybt.trading.__file__).parent.glob("*.py")
    text = "\n".join(path.read_text("utf-8") for path in sources)
    kinds = set(re.findall(r'(?:\.alert|faults\.append)\(\s*\(?"([a-z_]+)"', text))
    assert {"breaker", "missing_bar", "overfill"} <= kinds
    rules = parse_alert_rules(ALERT_RULES, "alerts.yaml", {})
    unheard = {
        kind
        for kind in kinds
        if rules.rule_for(Alert(kind=kind, severity=Severity.WARNING, message="", details={}))
        is None
    }
    assert not unheard

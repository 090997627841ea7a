"""Section 5.2: what must be told to people reaches them, and they have said so."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import urlsplit

import pytest

from pytest_rustybt_ready import Evidence, ready
from readiness_tests.controls import set_section
from readiness_tests.subjects import Deployment, utc_now
from rustybt.errors import RustyBTError
from rustybt.monitoring.alerts.channels import open_channels
from rustybt.monitoring.alerts.receipts import CODE_LIFE, Receipts
from rustybt.monitoring.alerts.rules import AlertRules, Channel, load_alert_rules
from rustybt.settings.values import is_loopback
from rustybt.trading.commands import Severity

ON_THIS_HOST = {"dbus", "gnome", "glib", "kde", "macosx", "qt", "syslog", "windows"}
"""Schemes of services that show messages where nobody may be looking."""
DAY = timedelta(days=1)

# -- 5.2.1 channels --------------------------------------------------------------------------


@pytest.fixture
def told(deployment: Deployment, proving: bool) -> Deployment:
    """Return the deployment, in a proof with channels that were tested and acknowledged."""
    if proving:
        set_section(deployment, "channels", CHANNELS_OF_A_PROOF)
        with deployment.home.env_file.open("a", encoding="utf-8") as file:
            file.write("ALERT_MAIL_PASSWORD=nobody-knows-this-one\n")
        _confirm(deployment, utc_now() - DAY)
    return deployment


CHANNELS_OF_A_PROOF = {
    "mail": {
        "url": "mailtos://user:${ALERT_MAIL_PASSWORD}@example.com?to=operations@example.com",
        "contact": "Operations",
        "severities": ["info", "warning"],
    },
    "phone": {
        "url": "twilio://AC" + "a" * 32 + ":" + "b" * 32 + "@15555550100/15555550111",
        "contact": "On-call engineer",
        "severities": ["warning", "critical"],
    },
}


@ready.monitoring("5.2.1")
def test_each_severity_has_a_channel(told: Deployment, evidence: Evidence) -> None:
    """Each channel's address is complete, and leads away from this host for each severity."""
    rules = _rules(told, evidence)
    for severity in Severity:
        real = [name for name in rules.channels_for(severity) if _is_real(rules.channels[name])]
        evidence.record(f"channels for {severity}", real)
        evidence.meets("channels", observed=len(real))


@test_each_severity_has_a_channel.fails_when
def no_channel_is_configured(told: Deployment) -> None:
    """The file names none."""
    set_section(told, "channels", {})


@test_each_severity_has_a_channel.fails_when
def a_severity_has_no_channel(told: Deployment) -> None:
    """What is critical goes to nobody."""
    set_section(told, "channels", {"mail": CHANNELS_OF_A_PROOF["mail"]})


@test_each_severity_has_a_channel.fails_when
def the_credentials_of_a_channel_are_missing(told: Deployment) -> None:
    """The password is set nowhere."""
    env = told.home.env_file
    env.write_text(env.read_text("utf-8").replace("ALERT_MAIL_PASSWORD=", "# "), "utf-8")


@test_each_severity_has_a_channel.fails_when
def the_only_channel_ends_on_this_host(told: Deployment) -> None:
    """Something on loopback takes it all."""
    channel = {"url": "json://127.0.0.1:9/hook", "contact": "Operations"}
    set_section(told, "channels", {"mail": channel})


def _rules(deployment: Deployment, evidence: Evidence) -> AlertRules:
    """Return the deployment's rules with channels that open; nothing is sent."""
    problem, rules = "none", None
    try:
        rules = load_alert_rules(deployment.root, deployment.environ)
        open_channels(rules or AlertRules())
    except RustyBTError as error:
        problem = str(error)
    evidence.expect("problem of the alert configuration", "none", observed=problem)
    return rules or AlertRules()


def _is_real(channel: Channel) -> bool:
    """Tell whether what goes there leaves this host."""
    url = channel.url.get_secret_value()
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:  # what is no host name to others may be one to its service
        host = ""
    is_here = url.partition(":")[0].lower() in ON_THIS_HOST
    return not is_here and not (host and is_loopback(host))


# -- 5.2.2 contacts, 5.2.4 test alerts -------------------------------------------------------


@ready.monitoring("5.2.2")
def test_each_contact_has_answered(told: Deployment, evidence: Evidence) -> None:
    """The code of a test came back from each channel's contact, at the address it has now."""
    rules, receipts = _rules(told, evidence), Receipts(told.root)
    evidence.expect("there are contacts", True, observed=bool(rules.channels))
    for name, channel in rules.channels.items():
        found = receipts.acknowledged(name, channel)
        at = None if found is None else found.acknowledged
        evidence.expect(f"{name}: {channel.contact} has answered", True, observed=at is not None)
        evidence.meets("acknowledgement_age", observed=_age(at))


@test_each_contact_has_answered.fails_when
def a_contact_never_answered(told: Deployment) -> None:
    """Somebody new is on call."""
    channel = CHANNELS_OF_A_PROOF["phone"] | {"contact": "Somebody new"}
    set_section(told, "channels", CHANNELS_OF_A_PROOF | {"phone": channel})


@test_each_contact_has_answered.fails_when
def an_acknowledgement_is_too_old(told: Deployment) -> None:
    """The last test was six weeks ago."""
    _forget(told)
    _confirm(told, utc_now() - 42 * DAY)


@test_each_contact_has_answered.fails_when
def an_address_was_changed_since(told: Deployment) -> None:
    """Another telephone was never tried."""
    url = CHANNELS_OF_A_PROOF["phone"]["url"]
    assert isinstance(url, str)
    channel = CHANNELS_OF_A_PROOF["phone"] | {"url": url.replace("0111", "0199")}
    set_section(told, "channels", CHANNELS_OF_A_PROOF | {"phone": channel})


@ready.monitoring("5.2.4")
def test_the_newest_test_alert_was_received(told: Deployment, evidence: Evidence) -> None:
    """The code of the newest test of each channel came back, and not long ago."""
    rules, receipts = _rules(told, evidence), Receipts(told.root)
    newest = {name: receipts.newest(name, one) for name, one in rules.channels.items()}
    sent = {name: one for name, one in newest.items() if one is not None}
    evidence.expect("channels tested", sorted(newest) or ["at least one"], observed=sorted(sent))
    for name, one in sent.items():
        evidence.record(f"{name}: sent", one.sent)
        evidence.expect(f"{name}: came back", True, observed=one.acknowledged is not None)
        evidence.meets("acknowledgement_age", observed=_age(one.acknowledged))


@test_the_newest_test_alert_was_received.fails_when
def nobody_returned_the_code(told: Deployment) -> None:
    """A test was sent again, and no answer came."""
    rules = load_alert_rules(told.root, {})
    assert rules is not None
    Receipts(told.root).issue("phone", rules.channels["phone"], utc_now())


@test_the_newest_test_alert_was_received.fails_when
def the_code_was_a_wrong_one(told: Deployment) -> None:
    """Somebody returned a code that is not in the message."""
    nobody_returned_the_code(told)
    done = told.rustybt("acknowledge-alert", "AAAAAAAAAA")
    assert done.returncode in (0, 1), done.stderr


@test_the_newest_test_alert_was_received.fails_when
def the_code_was_an_old_one(told: Deployment) -> None:
    """All that came back is the code of a test of six weeks ago."""
    _forget(told)
    _confirm(told, utc_now() - 42 * DAY)


def _confirm(deployment: Deployment, at: datetime) -> None:
    """Let every channel of a sandbox have been tested and acknowledged at a time."""
    rules = load_alert_rules(deployment.root, {})
    assert rules is not None
    receipts = Receipts(deployment.root)
    for name, channel in rules.channels.items():
        code = receipts.issue(name, channel, at)
        receipts.acknowledge(code, at + min(CODE_LIFE, timedelta(minutes=1)))


def _forget(deployment: Deployment) -> None:
    """Remove the receipts of a sandbox."""
    (deployment.home.alerts / "receipts.json").unlink()


def _age(at: datetime | None) -> float:
    """Return how many days ago a time is; longer than anything if there is none."""
    return float("inf") if at is None else round((utc_now() - at) / DAY, 2)

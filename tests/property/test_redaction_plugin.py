"""A planted secret never survives in evidence, at any depth of any value."""

from __future__ import annotations

import string
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pytest_rustybt_ready.evidence import Evidence, Unproven
from pytest_rustybt_ready.redaction import MASK, Redactor
from pytest_rustybt_ready.values import EvidenceEntry

AT = datetime(2026, 3, 14, tzinfo=UTC)
# A secret has a digit, which neither the mask nor the text around it has.
secrets = st.text(string.ascii_letters + "+/=\"'\\&<> \n-_.é", min_size=5, max_size=40).map(
    lambda text: f"7{text.strip()}7x"
)
around = st.text(string.ascii_letters + " \"'{}[]()=:,;&?/\\\n<>\u202e\x00", max_size=12)
PLANT = object()
leaves = st.just(PLANT) | st.none() | st.booleans() | around
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3)
    | st.tuples(inner, inner)
    | st.dictionaries(around, inner, max_size=3),
    max_leaves=6,
)


def planted(value: Any, text: str) -> Any:
    """Return *value* with *text* wherever something was to be planted."""
    if value is PLANT:
        return text
    if isinstance(value, dict):
        return {key: planted(inner, text) for key, inner in value.items()} | {text: text}
    if isinstance(value, list | tuple):
        return type(value)(planted(inner, text) for inner in value)
    return value


@given(secrets, values, around, around, st.integers(0, 20_000))
def test_a_planted_secret_never_survives(
    secret: str, value: Any, before: str, after: str, far: int
) -> None:
    """Names, values, attachments, messages and reasons show the mask in place of the secret."""
    evidence = Evidence(items=(), clock=lambda: AT, redact=Redactor([secret]))
    text = before + secret + after
    evidence.record(text, planted(value, text))
    evidence.record("deep", [[{"a": (text, {secret: secret})}]])
    evidence.record("kept as bytes", secret.encode())
    evidence.attach(text, name=text)
    evidence.attach("-" * far + text + "-" * 10)
    said: list[str] = []
    acts: list[Callable[[], None]] = [
        lambda: evidence.expect(text, text, observed=planted(value, text) or None),
        lambda: evidence.expect("not empty", "", observed={"x": text}),
        lambda: evidence.unproven(text, remedy=text),
    ]
    for act in acts:
        try:
            act()
        except AssertionError as error:
            said.append(str(error))
        except Unproven as error:
            said += [error.reason, error.remedy, str(error.msg)]
    kept = [part for e in evidence.entries for part in (e.name, e.observed, e.expected or "")]
    assert not [part for part in (*kept, *said) if secret in part]
    assert any(MASK in part for part in kept)
    for entry in evidence.entries:
        assert msgspec.json.decode(msgspec.json.encode(entry), type=EvidenceEntry) == entry


@given(st.lists(secrets, max_size=3), around, st.integers(0, 60))
def test_a_cut_never_shows_a_part(known: list[str], text: str, limit: int) -> None:
    """The head of a text is the beginning of the whole text redacted, or less."""
    redact = Redactor(known)
    whole = "".join(text + secret for secret in known) + text
    head, cut = redact.head(whole, limit)
    assert redact(whole).startswith(head)
    assert cut is (len(redact(whole)) > limit)
    assert not [secret for secret in known if secret in head]

"""The plugin's redaction: by known value, by name, by form."""

from __future__ import annotations

import base64
import json
import os
import time
from urllib.parse import quote

import pytest

from pytest_rustybt_ready.redaction import MARGIN, MASK, Redactor, clean, forms_of, secrets_in

PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\nEFAASCBKcwggSjAgEAAoIBAQ\n"
SECRETS = (
    "s3cr3t-value",
    "quo\"ted 'both' \\",
    "line one of a secret\nline two of a secret",
    "pässwörd&<x>",
)


@pytest.mark.parametrize("secret", SECRETS)
def test_known_secrets_are_masked_in_every_form(secret: str) -> None:
    """As it is, escaped, quoted or encoded: a known secret is not readable in the text."""
    data = secret.encode()
    forms = {
        secret,
        repr(secret),
        json.dumps(secret),
        json.dumps(secret, ensure_ascii=False),
        quote(secret),
        quote(secret, safe=""),
        data.hex(),
        base64.b64encode(data).decode(),
        base64.urlsafe_b64encode(data).decode(),
    }
    redact = Redactor([secret])
    for form in forms:
        found = redact(f"before {form} after")
        assert MASK in found
        assert form.strip("\"'") not in found
        assert found.startswith("before ")
        assert found.endswith(" after")


def test_lines_of_a_secret_are_secret() -> None:
    """Of a secret of several lines, each long one is masked by itself."""
    assert Redactor(SECRETS)("x line two of a secret y") == f"x {MASK} y"


def test_the_longer_of_two_secrets_wins() -> None:
    """A secret that is part of another leaves nothing of the longer one."""
    assert Redactor(["secret-one", "secret-one-and-two"])("a secret-one-and-two b") == f"a {MASK} b"


def test_short_texts_are_no_secrets() -> None:
    """Masking one or two letters would mask everything."""
    assert Redactor(["", "a", "abcde", "      "])("abcde a") == "abcde a"
    assert list(forms_of("")) == []


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("api_key=abcd1234", f"api_key={MASK}"),
        ("BINANCE_API_SECRET: abcd1234 rest", f"BINANCE_API_SECRET: {MASK} rest"),
        ('{"password": "correct horse battery", "x": 1}', f'{{"password": {MASK}, "x": 1}}'),
        ('"secret": "with \\" quote" end', f'"secret": {MASK} end'),
        ('"secret": "never closed', f'"secret": {MASK}'),
        ("https://x/y?signature=deadbeef&a=1", f"https://x/y?signature={MASK}&a=1"),
        ("X-MBX-APIKEY: abc", f"X-MBX-APIKEY: {MASK}"),
        ("Authorization: Bearer abcdefgh.ijkl", f"Authorization: Bearer {MASK}"),
        ("postgres://user:hunter2@host/db", f"postgres://user:{MASK}@host/db"),
        ("gAAAAA" + "x" * 60, MASK),
        ("key " + "A" * 43 + "= end", f"key {MASK} end"),
        (f"before {PEM}-----END PRIVATE KEY----- after", f"before {MASK} after"),
        (f"before {PEM}cut off", f"before {MASK}"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, masked: str) -> None:
    """By the name before it or by its form, also where its value is not known."""
    assert Redactor()(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "mode of the secret: expected 0600, observed 0644",
        "tests/unit/test_secret_scan.py: 3 passed",
        "keys: 12",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "see https://host/path and a@b",
        "token = 1",
        "",
    ],
)
def test_plain_text_stays(text: str) -> None:
    """What only speaks of secrets is left as it is."""
    assert Redactor()(text) == text


def test_masking_twice_changes_nothing() -> None:
    """What is masked is not masked again in another way."""
    redact = Redactor(SECRETS)
    for text in ("api_key=abcd1234 s3cr3t-value", "postgres://u:pass@h", "Bearer abcdefghij", PEM):
        assert redact(redact(text)) == redact(text)


def test_no_half_of_a_secret_stays_at_the_edge() -> None:
    """Wherever a long text is cut, the secret that lies across the cut does not show."""
    secret = "0123456789abcdefghij"
    redact = Redactor([secret])
    limit = 100
    for start in (limit - 10, limit + MARGIN - 10, limit + MARGIN - 1):
        text = "-" * start + secret + "-" * 20_000
        found, cut = redact.head(text, limit)
        assert cut
        assert len(found) <= limit
        assert "012" not in found
    # masks are shorter than secrets: what moves up from the end of the window is dropped
    long = "s" * 3_000
    found, cut = Redactor([long]).head((long + "-") * 40, 5_000)
    assert cut
    assert "ss" not in found


def test_short_texts_are_read_whole() -> None:
    """A text within the limit is not cut; one cut by its mask is told to be whole."""
    assert Redactor().head("short", 5) == ("short", False)
    assert Redactor().head("longer", 5) == ("longe", True)
    assert Redactor(["longer"]).head("longer", 20) == (MASK, False)


@pytest.mark.parametrize(
    "part", ["x", "a.", "token", "token ", 'password="', "://a:b", "secret:       \t", "bearer "]
)
def test_hostile_text_is_read_once(part: str) -> None:
    """Time grows with the length of the text, not with its square."""
    text = part * (200_000 // len(part))
    start = time.process_time()
    Redactor(["some-known-secret"])(text)
    assert time.process_time() - start < 5


def test_secrets_of_the_environment() -> None:
    """Variables whose name says so hold secrets; others do not."""
    environ = {"API_KEY": "a", "DB_PASSWORD": "b", "MY_TOKEN": "c", "SECRETS_DIR": "d", "HOME": "e"}
    assert secrets_in(environ) == ["a", "b", "c"]


def test_clean_text_can_be_written() -> None:
    """What UTF-8 cannot say is spelled out; everything else stays."""
    assert clean("ä\ud800\n") == "ä\\ud800\n"
    assert clean(os.fsdecode(b"\xff.py")) == "\\udcff.py"

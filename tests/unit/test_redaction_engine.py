"""Secrets are taken out by name, by value, by place and by shape."""

import base64
import hashlib
import json
import secrets
import time
from collections import deque
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretBytes, SecretStr

from rustybt.security.redaction import MASK, Redactor, redact

PEM = "PRIVATE KEY"
SECRET = hashlib.sha256(b"canary").hexdigest()[:32]


class Pair(NamedTuple):
    number: int
    text: str


@pytest.mark.parametrize(
    "name",
    [
        *("api_key", "apiKey", "API-KEY", "X-MBX-APIKEY", "secret", "api_secret", "clientSecret"),
        *("password", "passwd", "pwd", "passphrase", "OK-ACCESS-PASSPHRASE", "token", "listenKey"),
        *("auth_token", "signature", "Authorization", "Cookie", "private_key", "encryption_key"),
        *("RUSTYBT_ENCRYPTION_KEY", "credentials", "mnemonic", "API-Sign", "sign", "X-BAPI-SIGN"),
    ],
)
def test_what_goes_by_a_secret_name_is_masked(name: str) -> None:
    """Whatever the value, at the top or deep down, as text or as a pair."""
    assert redact({name: "short"}) == {name: MASK}
    assert redact([{"a": ({name: {"x": [1]}},)}]) == [{"a": ({name: MASK},)}]
    assert redact([(name, "short"), [name, 1]]) == [(name, MASK), [name, MASK]]
    assert redact({name.encode(): b"short"}) == {name.encode(): MASK}


@pytest.mark.parametrize(
    "name",
    ["symbol", "key_fingerprint", "token_count", "api_key_age_days", "key", "design", "author"],
)
def test_harmless_names_are_left_alone(name: str) -> None:
    """A report without its figures would be of no use."""
    assert redact({name: "BTC"}) == {name: "BTC"}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"GET https://api.example/order?symbol=BTC&signature={SECRET}&x=1", "symbol=BTC"),
        (f"binance GET /api/v3/account?timestamp=1&signature={SECRET} 401", "timestamp=1"),
        (f"apiKey={SECRET}&timestamp=1", "timestamp=1"),
        (f"X-MBX-APIKEY: {SECRET}, Accept: json", "Accept: json"),
        (f"Authorization: Bearer {SECRET}", "Authorization"),
        (f"authorization: Basic {base64.b64encode(SECRET.encode()).decode()}", "authorization"),
        (f"curl -H 'Bearer {SECRET}' host", "host"),
        (f"postgresql://user:{SECRET}@db.example/x", "db.example/x"),
        (f"https://user:{SECRET}@api.example/", "api.example"),
        (f"Client(api_key='{SECRET} tail', timeout=3)", "timeout=3"),
        (f'{{"secret": "{SECRET} \\" tail", "n": 1}}', '"n": 1'),
        (json.dumps({"a": json.dumps({"password": f'{SECRET} " tail', "n": 1})}), "n"),
        (json.dumps([json.dumps({"a": json.dumps({"token": SECRET, "n": 1})})]), "n"),
        (f"Client(password=b'{SECRET} tail', timeout=3)", "timeout=3"),
        (f"password => {SECRET}", "password"),
        (f"passphrase: '{SECRET} never closed", "passphrase"),
        (f"signature%3D{SECRET}", "signature"),
        (f"https://hooks.slack.com/services/T0/B0/{SECRET}", "hooks.slack.com"),
        (f"-----BEGIN {PEM}-----\n{SECRET}\n-----END {PEM}----- after", "after"),
        (f"before -----BEGIN EC {PEM}-----\n{SECRET}\ncut off", "before"),
        (f"{{'secret': SecretStr('{SECRET}'), 'n': 1}}", "secret"),
    ],
)
def test_places_where_secrets_stand_in_text(text: str, kept: str) -> None:
    """Signed URLs, headers, userinfo, reprs, JSON in JSON, PEM: the value goes, the rest stays."""
    result = redact(text)
    assert SECRET not in result
    assert "tail" not in result
    assert kept in result
    assert MASK in result


def test_shapes_that_secrets_have() -> None:
    """Fernet keys and tokens and JSON web tokens are masked wherever they stand."""
    key = Fernet.generate_key()
    token = Fernet(key).encrypt(b"x").decode()
    web_token = "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxIn0." + "c2lnbmF0dXJl" * 3
    text = f"a {key.decode()} b {token} c {web_token} d"
    assert redact(text) == f"a {MASK} b {MASK} c {MASK} d"


def test_hashes_and_identifiers_stay() -> None:
    """Commits, digests, order ids and times are what reports are made of."""
    text = f"commit {'ab12' * 10} digest {'0f' * 32} order 550e8400-e29b-41d4-a716-446655440000"
    assert redact(text) == text


@pytest.mark.parametrize("secret", [SECRET, f"with space & <{SECRET}> \"'\\ü\n%"])
def test_known_secrets_are_masked_however_they_are_written(secret: str) -> None:
    """Plain, in a URL in either case, in JSON, in a repr, in HTML."""
    forms = [
        secret,
        quote(secret, safe=""),
        quote(secret, safe="").replace("%C3", "%c3").replace("%BC", "%bc"),
        json.dumps(secret),
        json.dumps(secret, ensure_ascii=False),
        repr(secret),
    ]
    for form in forms:
        assert SECRET not in str(redact(f"note {form} end", [secret]))


def test_known_secrets_may_be_wrapped() -> None:
    """A vault's values come as SecretStr; the long lines of a multi-line one count singly."""
    lines = [secrets.token_hex(20) for _ in range(3)]
    redactor = Redactor([SecretStr("\n".join(lines)), SecretStr(SECRET)])
    assert redactor(f"{lines[1]} {SECRET}") == f"{MASK} {MASK}"
    assert "2 known" in repr(redactor)
    assert SECRET not in repr(redactor)


def test_the_longer_of_two_secrets_is_masked_whole() -> None:
    """A secret that begins another one does not leave the other's end behind."""
    assert redact("abcdefgh", ["abcd", "abcdefgh"]) == MASK


def test_very_short_secrets_are_left_to_the_other_nets() -> None:
    """Masking every `a` would hide everything and help nobody."""
    assert redact("abc", ["", "a", "abc"]) == "abc"


def test_kinds_are_kept() -> None:
    """Numbers, times, containers come back as what they were."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    value = {
        "n": [1, 2.5, Decimal("0.10"), None, True, now],
        "set": {"a", f"b {SECRET}"},
        "frozen": frozenset({1}),
        "tuple": (1, (2,)),
        "bytes": b"raw " + SECRET.encode(),
        1: "one",
    }
    assert redact(value, [SECRET]) == {
        "n": [1, 2.5, Decimal("0.10"), None, True, now],
        "set": {"a", f"b {MASK}"},
        "frozen": frozenset({1}),
        "tuple": (1, (2,)),
        "bytes": b"raw " + MASK.encode(),
        1: "one",
    }


def test_numbers_that_are_a_known_secret_are_masked() -> None:
    """A numeric password does not pass for a price."""
    assert redact([123456, Decimal("123456.7")], ["123456"]) == [MASK, Decimal("123456.7")]


def test_secrets_in_keys_are_masked_and_no_entry_is_lost() -> None:
    """Two keys that differ in their secrets only stay two entries."""
    other = secrets.token_hex(12)
    assert redact({SECRET: 1, other: 2, "x": 3}, [SECRET, other]) == {
        MASK: 1,
        f"{MASK}+": 2,
        "x": 3,
    }


def test_other_objects_become_text() -> None:
    """Exceptions with signed URLs, wrapped secrets, named tuples, paths, queues."""
    url = f"https://x/?signature={SECRET}"
    assert redact(ValueError(url)) == f"ValueError: https://x/?signature={MASK}"
    assert redact([SecretStr(SECRET), SecretBytes(SECRET.encode())]) == [MASK, MASK]
    assert redact(Path("/x") / SECRET, [SECRET]) == f"PosixPath('/x/{MASK}')"
    assert redact(Pair(1, SECRET), [SECRET]) == (1, MASK)
    assert redact(deque([SECRET]), [SECRET]) == [MASK]
    assert redact(range(3)) == "range(0, 3)"


def test_cycles_and_sharing_end() -> None:
    """A structure that holds itself is cut; one that doubles at each level costs no more."""
    loop: list[object] = [1]
    loop.append(loop)
    assert redact(loop) == [1, MASK]
    bush: object = SECRET
    for _ in range(40):
        bush = [bush, bush]
    began = time.process_time()
    shown = redact(bush, [SECRET])
    assert time.process_time() - began < 1
    while isinstance(shown, list):
        shown = shown[0]
    assert shown == MASK


def test_what_is_nested_too_deep_is_masked_whole() -> None:
    """No recursion limit is hit, and nothing passes below the depth that is looked at."""
    deep: object = SECRET
    for _ in range(5000):
        deep = [deep]
    assert SECRET not in repr(redact(deep))


@pytest.mark.parametrize(
    "text", ["secret" * 20_000, "token=" * 20_000, '"' * 100_000, "\\" * 100_000, "://:" * 30_000]
)
def test_hostile_text_costs_linear_time(text: str) -> None:
    """No pattern backtracks over long input."""
    began = time.process_time()
    redact(text)
    assert time.process_time() - began < 2

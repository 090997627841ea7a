"""Keep secrets out of evidence, messages and reports."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, quote_plus

MASK = "[redacted]"
SHORTEST_SECRET = 6
SHORTEST_LINE = 16  # of a secret of several lines: a shorter one would mask ordinary words
MARGIN = 4_096  # characters read beyond a cut, so that no half of a secret stays at the edge

SECRET_NAME = re.compile(
    r"(?i)(?:^|[_\-.])(?:api_?key|secret|token|passw(?:or)?d|passphrase|private_?key|"
    r"credentials?|encryption_?key|auth|signature)(?:$|[_\-.])"
)

# Every repetition is bounded or cannot match in two ways: hostile text of any length is read once.
# The secret word ends the name: `api_secret: x` hides x, `test_secret_scan: x` does not.
_NAMES = (
    r"(?:(?:api|access|private|secret|encryption)[_-]?key|secret|token|passw(?:or)?d|"
    r"passphrase|signature)"
)
_VALUE = r"\"(?:[^\"\\\n]|\\.)*\"?|'(?:[^'\\\n]|\\.)*'?|[^\s\"'&,;]{4,}"
_WORDS = ("key", "secret", "token", "passw", "passphrase", "signature")
# A pattern, what it leaves, and words without one of which (in small letters) it cannot match:
# looking for those first is what makes much text cheap.
_PATTERNS: tuple[tuple[re.Pattern[str], str, tuple[str, ...]], ...] = (
    # a whole PEM block, also when it is cut off
    (
        re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]*-----|\Z)", re.S),
        MASK,
        ("private key",),
    ),
    # name = value, name: value, "name": "value", also in the query of a URL; but not the message
    # of an unmet expectation, "name: expected 1, observed 2", whose values are masked already
    (
        re.compile(rf"(?i)({_NAMES}[\"']?\s{{0,8}}[=:]\s{{0,8}})(?!expected )(?:{_VALUE})"),
        rf"\1{MASK}",
        _WORDS,
    ),
    (re.compile(r"(?i)\b(X-MBX-APIKEY\s{0,8}[=:]\s{0,8})\S+"), rf"\1{MASK}", ("x-mbx",)),
    (
        re.compile(r"(?i)\b((?:bearer|basic)\s{1,8})[A-Za-z0-9._~+/=\-]{8,}"),
        rf"\1{MASK}",
        ("bearer", "basic"),
    ),
    (re.compile(r"(://[^/\s:@]{1,256}:)[^/\s@]{1,1024}(@)"), rf"\1{MASK}\2", ("://",)),
    # a Fernet token, and 32 bytes of base64 as Fernet keys are written
    (re.compile(r"\bgAAAAA[A-Za-z0-9_\-]{40,}={0,2}"), MASK, ("gaaaaa",)),
    (re.compile(r"(?<![A-Za-z0-9_\-])[A-Za-z0-9_\-]{43}=(?![A-Za-z0-9_=])"), MASK, ("=",)),
)


class Redactor:
    """Masks known secret values, and what looks like a secret by its form or its name."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {form for secret in secrets for form in forms_of(secret)}
        # longest first: a secret may be part of another
        ordered = sorted(known, key=lambda form: (-len(form), form))
        self._known = re.compile("|".join(map(re.escape, ordered))) if ordered else None
        self._margin = max([MARGIN, *(2 * len(form) for form in ordered[:1])])

    def __call__(self, text: str) -> str:
        """Return *text* with every secret replaced by a mask."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        small = text.lower()
        for pattern, replacement, hints in _PATTERNS:
            if any(hint in small for hint in hints):
                text = pattern.sub(replacement, text)
        return text

    def head(self, text: str, limit: int) -> tuple[str, bool]:
        """Return the first *limit* characters of the redacted text, and whether any were cut.

        What lies far beyond the cut is not read, so the time does not grow with the text.
        """
        window = limit + self._margin
        if len(text) <= window:
            whole = self(text)
            return whole[:limit], len(whole) > limit
        # the end of the window may hold the beginning of a secret: it is never shown
        return self(text[:window])[: -self._margin][:limit], True


def forms_of(secret: str) -> Iterator[str]:
    """Yield *secret* as it may appear: as it is, escaped, quoted, encoded, and line by line."""
    forms = {secret, secret.strip(), repr(secret)[1:-1], html.escape(secret)}
    forms |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    data = secret.encode("utf-8", "surrogateescape")
    forms |= {quote(data, safe=""), quote(data), quote_plus(data), data.hex()}
    forms |= {base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()}
    if len(secret.strip()) >= SHORTEST_SECRET:
        yield from (form for form in forms if len(form) >= SHORTEST_SECRET)
    lines = secret.splitlines()
    if len(lines) > 1:
        yield from (line for line in lines if len(line.strip()) >= SHORTEST_LINE)


def secrets_in(environ: Mapping[str, str]) -> list[str]:
    """Return the values of environment variables whose name says that they are secret."""
    return [value for name, value in environ.items() if SECRET_NAME.search(name)]


def clean(text: str) -> str:
    """Return *text* with what UTF-8 cannot say, such as bytes of odd file names, spelled out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")

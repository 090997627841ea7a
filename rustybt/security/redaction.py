"""Take secrets out of whatever is about to be shown: logs, alerts, reports, errors.

Four nets, one behind the other: the name that a value goes by, the secrets that are known, the
places where secrets stand in text (signed URLs, headers), and the shapes that secrets have. When
in doubt the nets take too much.
"""

from __future__ import annotations

import html
import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote, quote_plus
from uuid import UUID

from pydantic import SecretBytes, SecretStr

MASK = "***"
# Shorter ones would blank out half of any text. Venues' keys are far longer.
MIN_SECRET_LENGTH = 4
# No log line is nested so deep; what lies deeper is masked as a whole.
MAX_DEPTH = 50
_MIN_LINE_LENGTH = 16

_NAMES = (
    r"api[-_ ]?key|api[-_ ]?sign|mbx[-_]?apikey|secret|token|passw(?:or)?d|passphrase|signature"
    r"|listen[-_]?key|private[-_ ]?key|(?:encryption|access|fernet|signing)[-_ ]?key|access[-_]sign"
)
_SECRET_NAME = re.compile(
    rf"(?i){_NAMES}|credential|authori[sz]ation|cookie|mnemonic|bearer|^pwd$|(?:^|[-_])sign$"
)
_HARMLESS_NAME = re.compile(r"(?i)fingerprint|(?:_count|_since|_at|_age|_days|_length)$")

# The opening quote may be escaped, where JSON stands inside JSON, or come after a constructor's
# name or the b of bytes, in a repr.
_VALUE = (
    r"(?:[\w.]{1,64}\(|[a-z]{1,2}(?=[\"']))?"
    r"(?:\"(?:[^\"\\]|\\.)*\"?|'(?:[^'\\]|\\.)*'?"
    r"|(?P<quote>\\+[\"'])(?:(?!(?<!\\)(?P=quote)).)*(?P=quote)?|[^\s&\"',;}\])]+)"
)

# The first group of a pattern, where it has one, stays in front of the mask.
_PATTERNS: tuple[re.Pattern[str], ...] = (
    re.compile(r"-----BEGIN [A-Z0-9 ]{1,64}-----.*?(?:-----END [A-Z0-9 ]{1,64}-----|\Z)", re.S),
    re.compile(r"(?i)(authori[sz]ation\\*[\"']?\s{0,3}[:=]\s{0,3}\\*[\"']?)[^\"'\\\r\n,;}]+"),
    re.compile(r"(?i)(\b(?:bearer|basic)\s{1,3})[A-Za-z0-9._~+/=-]{4,}"),
    re.compile(r"(?i)(://[^\s/:@?#]{0,256}:)[^\s/?#@]{1,256}(?=@)"),
    re.compile(
        rf"(?is)((?:{_NAMES})[\w-]{{0,32}}\\*[\"']?\s{{0,3}}(?:=>|=|:|%3D)\s{{0,3}}){_VALUE}"
    ),
    re.compile(r"gAAAAA[A-Za-z0-9_-]{60,}={0,2}"),
    re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{43}=(?![A-Za-z0-9_=-])"),
    re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
    re.compile(r"(?i)(https://hooks\.slack\.com/services/)[\w/]+"),
)


def redact(value: object, secrets: Iterable[str | SecretStr] = ()) -> Any:
    """Return *value* without its secrets; *secrets* are known ones, masked wherever they stand.

    Text stays text; mappings, lists, tuples and sets keep their kind at any depth down to 50,
    below which all is masked; numbers, times and ``None`` stay what they are unless they are a
    known secret. Exceptions and any other objects become text. Known secrets of fewer than 4
    characters are left alone. Build a `Redactor` to redact many values.
    """
    return Redactor(secrets)(value)


class Redactor:
    """A callable that redacts, prepared once for the *secrets* that are known."""

    def __init__(self, secrets: Iterable[str | SecretStr] = ()) -> None:
        plain = {_plain(secret) for secret in secrets}
        self._known = frozenset(text for text in plain if len(text) >= MIN_SECRET_LENGTH)
        forms = {form for text in self._known for form in _forms(text)}
        # Longest first: of two secrets one of which begins the other, the longer is masked whole.
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(longest_first)) if forms else None

    def __repr__(self) -> str:
        return f"Redactor({len(self._known)} known secrets)"

    def __call__(self, value: object) -> Any:
        """Return *value* without its secrets; see `redact`."""
        return _Walk(self).visit(value, 0)

    def text(self, text: str) -> str:
        """Return *text* without its secrets."""
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        for pattern in _PATTERNS:
            text = pattern.sub(_masked, text)
        return text

    def is_known(self, value: object) -> bool:
        """Tell whether *value*, written out, is a known secret."""
        return str(value) in self._known


def _plain(secret: str | SecretStr) -> str:
    return secret.get_secret_value() if isinstance(secret, SecretStr) else secret


def _forms(secret: str) -> set[str]:
    """Return patterns for the ways *secret* is written: plain, in JSON, HTML, a repr, a URL."""
    written = {
        secret,
        html.escape(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        *(line for line in secret.splitlines() if len(line) >= _MIN_LINE_LENGTH),
    }
    in_url = {quote(secret, safe="", errors="replace"), quote_plus(secret, errors="replace")}
    return {re.escape(text) for text in written} | {_either_case(text) for text in in_url}


def _either_case(encoded: str) -> str:
    """Return a pattern for URL-encoded text: its escapes may be in upper or lower case."""
    return re.sub(r"%([0-9A-F]{2})", r"%(?i:\1)", re.escape(encoded))


def _masked(found: re.Match[str]) -> str:
    """Mask a match behind its first group, within the quotes that the value had."""
    kept = found[1] if found.re.groups else ""
    quote_mark = re.match(r"\\*[\"']", found[0][len(kept) :])
    mark = quote_mark[0] if quote_mark else ""
    return f"{kept}{mark}{MASK}{mark}"


def _is_secret_name(name: object) -> bool:
    if isinstance(name, bytes):
        name = name.decode("utf-8", "replace")
    if not isinstance(name, str) or _HARMLESS_NAME.search(name):
        return False
    return _SECRET_NAME.search(name) is not None


class _Walk:
    """One pass over one structure; shared parts are visited once, cycles are cut."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._done: dict[int, Any] = {}

    def visit(self, value: object, depth: int) -> Any:
        for kind, handle in _HANDLERS:
            if isinstance(value, kind):
                return handle(self, value, depth)
        return self._redactor.text(repr(value))

    def text(self, value: str, _depth: int) -> str:
        return self._redactor.text(value)

    def raw(self, value: bytes, _depth: int) -> bytes:
        return self._redactor.text(value.decode("utf-8", "backslashreplace")).encode()

    def secret(self, _value: object, _depth: int) -> str:
        return MASK

    def scalar(self, value: object, _depth: int) -> object:
        return MASK if self._redactor.is_known(value) else value

    def exception(self, value: BaseException, _depth: int) -> str:
        return self._redactor.text(f"{type(value).__name__}: {value}")

    def container(self, value: Any, depth: int) -> Any:
        if depth >= MAX_DEPTH:
            return MASK
        if id(value) not in self._done:
            self._done[id(value)] = MASK  # what a part that refers back to the whole shows
            rebuild = self._mapping if isinstance(value, Mapping) else self._collection
            self._done[id(value)] = rebuild(value, depth + 1)
        return self._done[id(value)]

    def _mapping(self, value: Mapping[object, object], depth: int) -> dict[Any, Any]:
        result: dict[Any, Any] = {}
        for key, item in value.items():
            shown = self.visit(key, depth)
            while shown in result:  # two keys that differ in their secrets only
                shown = f"{shown}+"
            result[shown] = MASK if _is_secret_name(key) else self.visit(item, depth)
        return result

    def _collection(self, value: Iterable[object], depth: int) -> Any:
        items = list(value)
        # A header or a query parameter as a pair: name and value.
        if isinstance(value, list | tuple) and len(items) == 2 and _is_secret_name(items[0]):
            items[1] = MASK
        visited = [self.visit(item, depth) for item in items]
        for kind in (tuple, set, frozenset):
            if isinstance(value, kind):
                return kind(visited)
        return visited


_Handler = Callable[[_Walk, Any, int], Any]
_HANDLERS: tuple[tuple[type | tuple[type, ...], _Handler], ...] = (
    (str, _Walk.text),
    ((bool, int, float, Decimal, date, time, timedelta, UUID, type(None)), _Walk.scalar),
    ((bytes, bytearray), _Walk.raw),
    ((SecretStr, SecretBytes), _Walk.secret),
    (BaseException, _Walk.exception),
    ((Mapping, list, tuple, set, frozenset, deque), _Walk.container),
)

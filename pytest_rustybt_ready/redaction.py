"""Keep secrets out of evidence, messages and reports."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

MASK = "[redacted]"
SHORTEST_SECRET = 6

SECRET_NAME = re.compile(
    r"(?i)(?:^|[_\-.])(?:api_?key|secret|token|passw(?:or)?d|passphrase|private_?key|"
    r"credentials?|encryption_?key|auth|signature)(?:$|[_\-.])"
)

_NAMES = (
    r"[\w.\-]*(?:api[_-]?key|secret|token|passw(?:or)?d|passphrase|private[_-]?key|"
    r"encryption[_-]?key|signature)[\w.\-]*"
)
_PATTERNS = (
    # a whole PEM block, also when it is cut off
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*-----|\Z)", re.S), MASK),
    # name = value, name: value, "name": "value", also in the query of a URL
    (re.compile(rf"(?i)\b({_NAMES}[\"']?\s*[=:]\s*[\"']?)([^\s\"'&,;]{{4,}})"), rf"\1{MASK}"),
    (re.compile(r"(?i)\b(X-MBX-APIKEY\s*[=:]\s*)\S+"), rf"\1{MASK}"),
    (re.compile(r"(?i)\b((?:bearer|basic)\s+)[A-Za-z0-9._~+/=\-]{8,}"), rf"\1{MASK}"),
    (re.compile(r"(://[^/\s:@]+:)[^/\s@]+(@)"), rf"\1{MASK}\2"),
    # a Fernet token, and 32 bytes of base64 as Fernet keys are written
    (re.compile(r"\bgAAAAA[A-Za-z0-9_\-]{40,}={0,2}"), MASK),
    (re.compile(r"(?<![A-Za-z0-9_\-])[A-Za-z0-9_\-]{43}=(?![A-Za-z0-9_=])"), MASK),
)


class Redactor:
    """Masks known secret values, and what looks like a secret by its form or its name."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # longest first: a secret may be part of another
        known = {secret for secret in secrets if len(secret) >= SHORTEST_SECRET}
        self._secrets = sorted(known, key=lambda secret: (-len(secret), secret))

    def __call__(self, text: str) -> str:
        """Return *text* with every secret replaced by a mask."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text


def secrets_in(environ: Mapping[str, str]) -> list[str]:
    """Return the values of environment variables whose name says that they are secret."""
    return [value for name, value in environ.items() if SECRET_NAME.search(name)]

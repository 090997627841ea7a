"""Make text that a run collected safe and short enough to show.

What a check saw may hold anything: markup, terminal escapes, bytes that were no text. Every report
passes such text through :func:`visible` before it applies the escaping of its own format.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal

# What XML 1.0 forbids (https://www.w3.org/TR/xml/#charsets), the C1 controls, and the marks that
# make a reader see characters in another order than they are stored in.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff"
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
_SPACE = re.compile(r"\s+")


def visible(text: str) -> str:
    r"""Return *text* with controls, lone surrogates and bidi marks spelled out, as ``\x1b``."""
    return _HIDDEN.sub(_spelled, text.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(text: str) -> str:
    """Return *text* made visible, with each run of white space as one space."""
    return _SPACE.sub(" ", visible(text)).strip()


def shorten(text: str, limit: int) -> str:
    """Return at most *limit* characters of *text*, the last of them ``…`` if any were dropped."""
    if len(text) <= limit:
        return text
    return text[: max(limit - 1, 0)] + "…"


def count(number: int, noun: str) -> str:
    """Return ``1 item`` or ``2 items``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def moment(at: datetime) -> str:
    """Return *at* for people, to the minute, in UTC (all recorded times are)."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def percent(part: int, whole: int) -> str:
    """Return *part* of *whole* with one decimal, cut rather than rounded: 100.0 % means all."""
    if not whole:
        return "0.0 %"
    tenths = part * 1000 // whole
    return f"{Decimal(tenths) / 10:.1f} %"


def size(octets: int) -> str:
    """Return a number of bytes for people: ``812 B``, ``10.0 MB`` (powers of 1000)."""
    if octets < 1000:
        return f"{octets} B"
    amount, unit = Decimal(octets) / 1000, "kB"
    if amount >= 1000:
        amount, unit = amount / 1000, "MB"
    return f"{amount:.1f} {unit}"


def _spelled(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"

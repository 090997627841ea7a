"""What the catalog knows about a series: a small file that carries its own checksum."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from rustybt.data.errors import CatalogCorruptError, CatalogError
from rustybt.data.interval import Interval
from rustybt.malformed import MALFORMED

if TYPE_CHECKING:
    from pathlib import Path

FORMAT: Final = 1
Span = tuple[datetime, datetime]


class Version(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One state of a series. *number* counts from 1 and never goes back.

    *sha256* is that of the Parquet file, which is named by it; *covered* are the spans of time for
    which the source was asked, start included and end not, ascending and apart.
    """

    number: int
    sha256: str
    size: int
    rows: int
    first: datetime
    last: datetime
    source: str
    written: datetime
    covered: tuple[Span, ...]

    @property
    def file(self) -> str:
        """The name of the Parquet file."""
        return f"{self.sha256}.parquet"


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A series and the versions of it that are kept, the newest last."""

    symbol: str
    interval: Interval
    calendar: str
    versions: tuple[Version, ...]
    format: int = FORMAT

    @property
    def newest(self) -> Version:
        """The version that is read when none is named."""
        return self.versions[-1]


def encode(manifest: Manifest) -> bytes:
    """Return *manifest* as JSON, its SHA-256 in the line before it."""
    body = msgspec.json.encode(manifest)
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def load(path: Path) -> Manifest:
    """Read a manifest; raise ``CatalogCorruptError`` naming *path* if it is not as it was written.

    Raise ``CatalogError`` if a newer release wrote it.
    """
    try:
        checksum, _, body = path.read_bytes().partition(b"\n")
    except OSError as error:
        raise CatalogCorruptError(f"cannot read {path}: {error.strerror}") from error
    if hashlib.sha256(body).hexdigest().encode() != checksum:
        raise CatalogCorruptError(
            f"{path} is damaged: its checksum does not match",
            remedy="restore it from a backup, or delete the series' folder and fetch it again",
        )
    try:
        found = msgspec.json.decode(body, type=_Header).format
        if found == FORMAT:
            return msgspec.json.decode(body, type=Manifest)
    except MALFORMED as error:
        raise CatalogCorruptError(f"{path} is no manifest of a series: {error}") from error
    raise CatalogError(
        f"{path} has format {found}",
        expected=f"format {FORMAT}",
        remedy="use the release of rustybt that wrote it, or a newer one",
    )


class _Header(msgspec.Struct):
    format: int


def union(spans: tuple[Span, ...], span: Span) -> tuple[Span, ...]:
    """Return *spans* with *span* added, ascending, those that touch joined."""
    joined: list[Span] = []
    for start, end in sorted((*spans, span)):
        if start >= end:
            continue
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)


def missing(spans: tuple[Span, ...], wanted: Span) -> tuple[Span, ...]:
    """Return what *spans*, ascending and apart, leave out of *wanted*."""
    left: list[Span] = []
    position, end = wanted
    for start, stop in spans:
        if start >= end:
            break
        if start > position:
            left.append((position, start))
        position = max(position, stop)
    return (*left, (position, end)) if position < end else tuple(left)

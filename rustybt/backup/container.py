"""The file of a backup: a ``tar.gz`` of plain files that ends in a checksum over every byte.

The checksum stands in an empty last part of the gzip file (RFC 1952 allows several parts, and extra
fields in each), which other tools pass over. Whatever is cut off, added or changed anywhere in the
file is noticed by it before anything is unpacked; who changed a file on purpose can make it anew,
and is noticed by the manifest's code of authentication.

Headers are those of POSIX ustar, for files only, and of one form (no owner, no time): a header that
is not byte for byte as written here is refused, so links, devices, sparse files and extended
headers never reach any code that could follow them.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import zlib
from typing import IO, TYPE_CHECKING, Final, NamedTuple

from rustybt.backup.errors import BackupError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CHUNK: Final = 1024 * 1024
"""How many bytes are in memory at a time."""

_LEVEL: Final = 6
_GZIP: Final = 31  # zlib's number for a gzip part with the largest window
_BLOCK: Final = tarfile.BLOCKSIZE
_END: Final = bytes(2 * _BLOCK)
_USTAR_SIZE: Final = 8**11 - 1

# A gzip header with an extra field RB of 32 bytes, then nothing, deflated.
_SEAL_HEAD: Final = bytes.fromhex("1f8b0804 00000000 00ff 2400 5242 2000")
_SEAL_TAIL: Final = bytes.fromhex("03000000000000000000")
SEAL_BYTES: Final = len(_SEAL_HEAD) + hashlib.sha256().digest_size + len(_SEAL_TAIL)


class Entry(NamedTuple):
    """A file in an archive: its *name* and its *size* in bytes."""

    name: str
    size: int


class ArchiveWriter:
    """Writes an archive into *file*, which is open for writing and empty."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self._deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)

    def add(self, entry: Entry, chunks: Iterator[bytes]) -> None:
        """Add a file of *chunks*, which have to add up to its size.

        Raise `BackupError` if they do not, or if no archive can hold such a name.
        """
        self._put(_header(entry))
        written = 0
        for chunk in chunks:
            written += len(chunk)
            self._put(chunk)
        if written != entry.size:
            raise BackupError(
                f"{entry.name} has {written} bytes", expected=f"{entry.size}, as a moment before"
            )
        self._put(bytes(-written % _BLOCK))

    def finish(self) -> None:
        """Write the end and the checksum."""
        self._put(_END)
        self._write(self._deflate.flush())
        self._file.write(_seal(self._hash.digest()))

    def _put(self, data: bytes) -> None:
        self._write(self._deflate.compress(data))

    def _write(self, data: bytes) -> None:
        self._hash.update(data)
        self._file.write(data)


class ArchiveReader:
    """Reads an archive from *file*, which stays open; *path* is what messages call it.

    Raise `BackupError` if a byte of it is not as it was written.
    """

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file, self.path = file, path
        self._left = _unsealed_size(file, path)
        self._inflate = zlib.decompressobj(_GZIP)

    def entry(self) -> Entry | None:
        """Return the next file, None behind the last one. What it holds is to be read first."""
        block = self._exactly(_BLOCK)
        if block == bytes(_BLOCK):
            self._finish()
            return None
        return self._parsed(block)

    def content(self, entry: Entry) -> Iterator[bytes]:
        """Yield what *entry*, which was returned last, holds; at most `CHUNK` bytes at a time."""
        left = entry.size
        while left:
            chunk = self._exactly(min(left, CHUNK))
            left -= len(chunk)
            yield chunk
        if any(self._exactly(-entry.size % _BLOCK)):
            raise self.refusal(f"there is something behind {entry.name!r}")

    def refusal(self, problem: str) -> BackupError:
        """Return the error that tells of *problem* with this archive."""
        return damaged(self.path, problem)

    def _parsed(self, block: bytes) -> Entry:
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError) as error:
            raise self.refusal(f"a header in it is malformed: {error}") from error
        entry = Entry(info.name, info.size)
        if not info.isreg():
            raise self.refusal(f"{info.name!r} in it is a {_kind(info)}, and no file")
        if info.size < 0 or _header(entry) != block:
            raise self.refusal(f"the header of {info.name!r} in it is not one that backups have")
        return entry

    def _finish(self) -> None:
        rest = self._inflated(_BLOCK + 1)
        if len(rest) != _BLOCK or any(rest) or self._beyond():
            raise self.refusal("there is something behind its end")

    def _beyond(self) -> bool:
        """Tell whether the compressed data end elsewhere than the file does."""
        return not self._inflate.eof or bool(self._inflate.unused_data) or self._left > 0

    def _exactly(self, size: int) -> bytes:
        data = self._inflated(size)
        if len(data) != size:
            raise self.refusal("it ends too early")
        return data

    def _inflated(self, size: int) -> bytes:
        """Return the next *size* bytes, fewer only at the end."""
        parts = []
        while size and not self._inflate.eof:
            waiting = self._inflate.unconsumed_tail or self._compressed()
            try:
                part = self._inflate.decompress(waiting, size)
            except zlib.error as error:
                raise self.refusal(f"it does not unpack: {error}") from error
            if not waiting and not part:
                break
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _compressed(self) -> bytes:
        data = self._file.read(min(CHUNK, self._left))
        self._left -= len(data)
        return data


def file_chunks(path: Path, size: int) -> Iterator[bytes]:
    """Yield the first *size* bytes of the file at *path*, fewer if there are no more."""
    with path.open("rb") as file:
        while size and (chunk := file.read(min(size, CHUNK))):
            size -= len(chunk)
            yield chunk


def damaged(path: Path, problem: str) -> BackupError:
    """Return the error that tells of *problem* with the archive at *path*."""
    return BackupError(
        f"{path} cannot be believed: {problem}",
        expected="a backup as it was written",
        remedy="take another backup, or the copy of this one that is kept elsewhere",
    )


def _unsealed_size(file: IO[bytes], path: Path) -> int:
    """Return how many bytes stand before the checksum, once they were compared with it."""
    size = file.seek(0, os.SEEK_END) - SEAL_BYTES
    if size < 0:
        raise damaged(path, "it is cut off, or no backup")
    file.seek(size)
    seal = file.read()
    file.seek(0)
    if not (seal.startswith(_SEAL_HEAD) and seal.endswith(_SEAL_TAIL)):
        raise damaged(path, "it is cut off, or no backup: it does not end in a checksum")
    if seal != _seal(_hashed(file.read, size)):
        raise damaged(path, "it was changed: its checksum is another")
    file.seek(0)
    return size


def _hashed(read: Callable[[int], bytes], size: int) -> bytes:
    digest = hashlib.sha256()
    while size and (chunk := read(min(size, CHUNK))):
        digest.update(chunk)
        size -= len(chunk)
    return digest.digest()


def _seal(digest: bytes) -> bytes:
    return _SEAL_HEAD + digest + _SEAL_TAIL


def _header(entry: Entry) -> bytes:
    info = tarfile.TarInfo(entry.name)
    info.size, info.mode = entry.size, 0o600
    # Sizes from 8 GiB on are beyond ustar, and names of over 100 bytes make GNU add a header.
    large = entry.size > _USTAR_SIZE
    try:
        header = info.tobuf(
            tarfile.GNU_FORMAT if large else tarfile.USTAR_FORMAT, "utf-8", "strict"
        )
    except (ValueError, UnicodeEncodeError) as error:
        header, reason = b"", str(error)
    else:
        reason = "name is too long"
    if len(header) != _BLOCK:
        raise BackupError(
            f"no archive can hold {entry.name!r}: {reason}",
            expected="a name of at most 255 bytes of UTF-8, its last part of at most 100",
            remedy="rename the file, or move it out of the home",
        )
    return header


_KINDS: Final = {
    tarfile.SYMTYPE: "symbolic link",
    tarfile.LNKTYPE: "hard link",
    tarfile.DIRTYPE: "folder",
    tarfile.CHRTYPE: "device",
    tarfile.BLKTYPE: "device",
    tarfile.FIFOTYPE: "pipe",
}


def _kind(info: tarfile.TarInfo) -> str:
    return _KINDS.get(info.type, f"member of the type {info.type!r}")

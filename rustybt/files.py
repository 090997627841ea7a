"""Files that are whole or absent: atomic writes, private modes, a lock for writers, digests.

A reader never needs the lock: whatever it opens was complete when it was renamed into place.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rustybt.errors import HomeError

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700

# Long enough for a slow disk's fsync, short enough that a stuck writer is noticed.
LOCK_SECONDS = 10.0
_LOCK_POLL_SECONDS = 0.02


def expanded(path: Path) -> Path:
    """Return *path* with a leading ``~`` or ``~user`` replaced by that user's folder.

    Raises `HomeError` where nobody has that name, or the system knows no folder of theirs.
    """
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise HomeError(
            f"{path}: nobody of that name has a home folder here",
            remedy="write the path in full, or as ./~name if the folder is called that",
        ) from error


def write_atomic(path: Path, data: bytes, *, mode: int = PRIVATE_FILE) -> None:
    """Replace *path* by *data* so that a crash at any instant leaves the old file or the new one.

    The bytes go to a temporary file beside it, are flushed to the disk, and are renamed into
    place; then the folder is flushed, so that the rename itself survives a power cut. The file has
    permission bits *mode* from its first instant and keeps the owner of the one it replaces (root
    must not take a service's file away from it). Links are followed, not replaced. Raises
    ``OSError`` when the disk refuses; the old file is then untouched.
    """
    target = path.resolve()
    temporary = _write_beside(target, data, mode)
    try:
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush_folder(target.parent)


def create_exclusively(path: Path, data: bytes, *, mode: int = PRIVATE_FILE) -> None:
    """Write *data* to a *path* that must not exist yet; raise ``FileExistsError`` if it does.

    As with `write_atomic`, the file appears whole: it is linked into place, which cannot overwrite.
    """
    temporary = _write_beside(path, data, mode)
    try:
        os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    flush_folder(path.parent)


def _write_beside(target: Path, data: bytes, mode: int) -> Path:
    """Write *data* to a new temporary file in the folder of *target*, flushed to the disk."""
    descriptor, name = tempfile.mkstemp(
        prefix=f".{target.name}.", suffix=_TEMPORARY, dir=target.parent
    )
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            _keep_owner(target, file.fileno())
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)


_TEMPORARY = ".tmp"


def _keep_owner(target: Path, descriptor: int) -> None:
    """Give the open file the owner of the existing *target*, where that differs."""
    try:
        old = target.stat()
    except FileNotFoundError:
        return
    new = os.fstat(descriptor)
    if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
        os.fchown(descriptor, old.st_uid, old.st_gid)


def sweep_temporaries(path: Path) -> None:
    """Remove what killed writers of *path* left beside it. Call it under the folder's lock."""
    target = path.resolve()
    for stale in target.parent.glob(f".{target.name}.*{_TEMPORARY}"):
        stale.unlink(missing_ok=True)


def flush_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, so that a rename inside it survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(folder: Path, *, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the writers' lock of *folder*; raise `HomeError` if it is not free within *seconds*.

    The lock is on the folder itself, so it leaves no file behind, and the kernel drops it when the
    process dies, so it is never stale. It is not reentrant.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise HomeError(f"cannot use the folder {folder}: {error.strerror}") from error
    try:
        _acquire(descriptor, folder, seconds)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, folder: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise HomeError(
                    f"{folder} is locked by another process for more than {seconds:g} s",
                    remedy="wait for that rustybt command to end, or end it, and try again",
                ) from None
            time.sleep(_LOCK_POLL_SECONDS)
        else:
            return


def read_bounded(path: Path, limit: int) -> bytes:
    """Read a regular file of at most *limit* bytes; raise `HomeError` for anything else.

    A named pipe or a device would block or never end, so only regular files are read.
    """
    try:
        # Non-blocking: opening a pipe that nobody writes to would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise HomeError(f"cannot read {path}: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise HomeError(f"cannot read {path}: it is not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    finally:
        os.close(descriptor)
    if len(data) > limit:
        raise HomeError(f"cannot read {path}: it is too large", expected=f"at most {limit} bytes")
    return data


def tree_digest(root: Path) -> str:
    """Return the SHA-256 over everything below *root*: relative paths, types, modes, contents.

    Nothing is ignored, links are recorded and not followed, times are not looked at. Equal digests
    before and after show that nothing was added, removed, changed or re-permitted. Raises
    ``OSError`` if something cannot be read.
    """
    digest = hashlib.sha256()
    for path in _everything(root):
        for part in _facts(root, path):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _everything(root: Path) -> list[Path]:
    """Return *root* and all below it in a fixed order; raise if a folder cannot be read."""
    paths = [root]
    for folder, folders, files in os.walk(root, onerror=_raise):
        paths += [Path(folder, name) for name in (*folders, *files)]
    return sorted(paths)


def _raise(error: OSError) -> None:
    raise error


def _facts(root: Path, path: Path) -> tuple[bytes, bytes, bytes]:
    """Return relative path, type with permission bits, and content of one entry."""
    mode = path.lstat().st_mode
    content = b""
    if stat.S_ISLNK(mode):
        content = os.fsencode(path.readlink())
    elif stat.S_ISREG(mode):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").digest()
    return os.fsencode(path.relative_to(root)), f"{mode:o}".encode(), content

"""Keep backups elsewhere: in a folder, or wherever fsspec reaches, read back after writing."""

from __future__ import annotations

import contextlib
import hashlib
import posixpath
import shutil
import tempfile
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

from rustybt.backup.container import CHUNK
from rustybt.backup.errors import BackupError, OffsiteError
from rustybt.backup.names import made_at

if TYPE_CHECKING:
    from collections.abc import Iterator

_OBJECTS: Final = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
"""The libraries for stores of objects, which have no folders, by scheme."""


class Copied(NamedTuple):
    """A copy elsewhere: its *name* at *place*, which is a URL without what may be secret."""

    name: str
    place: str
    size: int
    sha256: str


class Offsite:
    """The place that *url* names: a folder's path, or a URL that fsspec knows.

    Access to a store is what its own library takes from the environment (``AWS_ACCESS_KEY_ID``,
    ``AWS_SECRET_ACCESS_KEY``, ``AWS_ENDPOINT_URL`` for S3). Raise `OffsiteError` if there is no
    library for such a URL.
    """

    def __init__(self, url: str) -> None:
        self.place = shown_url(url)
        self._scheme = url.partition("://")[0]
        with self._told("cannot be reached"):
            core = import_module("fsspec.core")
            opened: tuple[Any, str] = core.url_to_fs(url)
        self._system, root = opened
        self._root = root.rstrip("/")

    def copy(self, archive: Path) -> Copied:
        """Copy *archive* there and read the copy back; raise `OffsiteError` if it is another.

        Nothing stands there under the archive's name before it is whole.
        """
        target = self._path(archive.name)
        digest, size = _digest_of(archive), archive.stat().st_size
        with self._told("takes no copy"):
            if self._scheme not in _OBJECTS:  # making a folder there would make a bucket
                self._system.makedirs(self._root, exist_ok=True)
            if not self._system.exists(target):
                beside = self._path(f".{archive.name}.tmp")
                self._system.put_file(str(archive), beside)
                self._system.mv(beside, target)
        if self._digest(target) != digest:
            raise OffsiteError(
                f"the copy of {archive.name} in {self.place} is not the archive",
                expected=f"the SHA-256 {digest}",
                remedy="move that copy away and copy again with backup --offsite",
            )
        return Copied(archive.name, self.place, size, digest)

    def names(self) -> list[str]:
        """Return the names of the backups there, the oldest first."""
        with self._told("cannot be listed"):
            self._system.invalidate_cache()
            if not self._system.exists(self._root):
                return []
            found = [posixpath.basename(path) for path in self._system.ls(self._root, detail=False)]
        return sorted(name for name in found if made_at(name) is not None)

    def fetch(self, name: str, into: Path) -> Path:
        """Download the backup *name* to the folder *into* and return where it is."""
        target = into / name
        with (
            self._told("does not deliver"),
            self._open(self._path(name)) as source,
            target.open("xb") as file,
        ):
            shutil.copyfileobj(source, file, CHUNK)
        return target

    def _digest(self, path: str) -> str:
        with self._told("does not deliver"), self._open(path) as file:
            digest = hashlib.sha256()
            while chunk := file.read(CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    def _open(self, path: str) -> IO[bytes]:
        opened: IO[bytes] = self._system.open(path, "rb")
        return opened

    def _path(self, name: str) -> str:
        return posixpath.join(self._root, name)

    @contextlib.contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Raise whatever a store's library raises as an `OffsiteError`, without its text.

        That may hold a signed URL or a key; the system's own words do not.
        """
        try:
            yield
        except ImportError as error:
            raise self._without_library(error) from error
        except Exception as error:
            said = error.strerror if isinstance(error, OSError) else None
            reason = said if said and "://" not in said else type(error).__name__
            raise OffsiteError(
                f"the store {self.place} {what}: {reason}",
                remedy="see that it is there, and that the environment holds access to it",
            ) from error

    def _without_library(self, error: ImportError) -> OffsiteError:
        library = _OBJECTS.get(self._scheme, error.name or "fsspec")
        return OffsiteError(
            f"a copy in {self.place} needs the library {library}",
            remedy=f"pip install {library}",
        )


@contextlib.contextmanager
def local_archive(named: str) -> Iterator[Path]:
    """Yield the file of the backup that *named* tells: a path, or a URL, whose file is fetched."""
    folder, separator, name = named.rpartition("/")
    if "://" not in named:
        yield Path(named).expanduser()
        return
    if not separator or made_at(name) is None:
        raise BackupError(
            f"{shown_url(named)} names no backup",
            expected="a URL that ends in rustybt_backup_YYYYMMDD_HHMMSS.tar.gz",
        )
    with tempfile.TemporaryDirectory() as into:
        yield Offsite(folder).fetch(name, Path(into))


def shown_url(url: str) -> str:
    """Return *url* without user, password, query and fragment."""
    if "://" not in url:
        return url
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def _digest_of(archive: Path) -> str:
    with archive.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

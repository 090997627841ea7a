"""Restore archives that lie, reach outside, do not end, or were damaged; tell what became of it."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import resource
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from pydantic import SecretStr

from rustybt.backup.making import make_backup
from rustybt.backup.manifest import Manifest, Member
from rustybt.cli import run
from rustybt.deployment import create_home
from rustybt.files import tree_digest
from rustybt.security.keys import key_fingerprint
from rustybt.settings import load_settings

NOW = datetime(2026, 3, 2, tzinfo=UTC)
HOME = Path("deployment", "home")
MOST_BYTES = 16 * 1024 * 1024
"""No file may grow beyond this: whoever unpacks without end is stopped there."""
BOMB_BYTES = 4 * MOST_BYTES
File = tuple[Member, bytes, bytes]
"""What the manifest tells of a file, its header, and what it holds."""
EMPTY = hashlib.sha256(b"").hexdigest()
_SEAL_HEAD = bytes.fromhex("1f8b0804 00000000 00ff 2400 5242 2000")
_SEAL_TAIL = bytes.fromhex("03000000000000000000")


def main(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what restoring each hostile archive did, and what restoring a good one does.

    *places* is how many places of the good one are cut off and flipped, each in a copy of its own.
    """
    home = create_home(HOME, "dev", lambda: NOW)
    good = make_backup(home.root, {}, lambda: NOW).path.resolve()
    key = load_settings(home.root, {}).encryption_keys()[0]
    restored = _restored_elsewhere(good, key)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_BYTES, resource.RLIM_INFINITY))
    attacks = {}
    real = _real(good)
    damaged = _damaged(good.read_bytes(), arguments["places"])
    for name, data in (*_hostile(key, real), *damaged):
        attacks[name] = _attack(data)
    return {"restored": restored, "attacks": attacks}


def _restored_elsewhere(good: Path, key: SecretStr) -> dict[str, Any]:
    """Restore into a home that is not there, by other processes."""
    Path("clean").mkdir()
    environment = {**os.environ, "RUSTYBT_ENCRYPTION_KEY": key.get_secret_value()}
    codes = {}
    for command in (["restore", str(good)], ["verify-restore"]):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "rustybt", *command, "--home", "clean/home"],
            env=environment,
            capture_output=True,
            check=False,
        )
        codes[command[0]] = done.returncode
    return codes


def _attack(data: bytes) -> dict[str, Any]:
    """Restore the archive *data* in the place of the home."""
    archive = Path("archive.tar.gz")
    archive.write_bytes(data)
    before, around = tree_digest(HOME), _around()
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        code = run(["restore", str(archive.resolve()), "--home", str(HOME)])
    return {
        "code": code,
        "said": said.getvalue(),
        "home_changed": tree_digest(HOME) != before,
        "outside": sorted(_around() - around),
    }


def _around() -> set[str]:
    """Return what is beside the home and above it, but not in it."""
    return {str(path) for path in (*Path().iterdir(), *HOME.parent.iterdir())}


def _real(good: Path) -> list[File]:
    """Return the files of a good archive."""
    with tarfile.open(good) as archive:
        files = {info.name: _content(archive, info) for info in archive}
    manifest = msgspec.json.decode(files.pop("manifest.json"), type=Manifest)
    return [
        (member, _header(name, size=len(data)), data)
        for member, (name, data) in zip(manifest.members, files.items(), strict=True)
    ]


def _content(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(info)
    return b"" if file is None else file.read()


def _hostile(key: SecretStr, real: list[File]) -> Iterator[tuple[str, bytes]]:
    """Yield archives that somebody made who has the key, with one file more than the good one."""

    def packed(member: Member, header: bytes, data: bytes) -> bytes:
        return _packed(key, [*real, (member, header, data)])

    outside = str(Path("outside").resolve())
    for name, path in (
        ("a path upwards", "../../../outside"),
        ("a path upwards, in the middle", "config/../../../../outside"),
        ("a path from the root", outside),
    ):
        yield name, packed(_member(path), _header(f"home/{path}"), b"")
    for name, kind in (
        ("a symbolic link", tarfile.SYMTYPE),
        ("a hard link", tarfile.LNKTYPE),
        ("a device", tarfile.CHRTYPE),
        ("a pipe", tarfile.FIFOTYPE),
    ):
        header = _header("home/config/link", type=kind, linkname=outside)
        yield name, packed(_member("config/link"), header, b"")
    zeros = bytes(BOMB_BYTES)
    endless = _header("home/data/endless", size=1 << 50)
    yield "more than any disk holds", packed(_member("data/endless", 1 << 50), endless, zeros)
    longer = _header("home/data/longer", size=len(zeros))
    yield "more than the manifest tells", packed(_member("data/longer"), longer, zeros)


def _member(path: str, size: int = 0) -> Member:
    return Member(path=path, kind="home", size=size, sha256=EMPTY, mode=0o600)


def _header(name: str, **fields: Any) -> bytes:
    info = tarfile.TarInfo(name)
    info.mode = 0o600
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.GNU_FORMAT if info.size >= 8**11 else tarfile.USTAR_FORMAT)


def _packed(key: SecretStr, files: list[File]) -> bytes:
    """Return an archive of *files*, each with a header of its own, that *key* vouches for."""
    told = Manifest(
        created=NOW,
        versions={},
        environment="dev",
        key=key_fingerprint(key),
        journal=None,
        members=tuple(member for member, _, _ in files),
    ).vouched(key)
    parts = [(_header("manifest.json", size=len(told)), told)]
    parts += [(header, data) for _, header, data in files]
    tar = b"".join(header + data + bytes(-len(data) % 512) for header, data in parts)
    return _sealed(gzip.compress(tar + bytes(1024), 1))


def _sealed(body: bytes) -> bytes:
    return body + _SEAL_HEAD + hashlib.sha256(body).digest() + _SEAL_TAIL


def _damaged(good: bytes, places: int) -> Iterator[tuple[str, bytes]]:
    """Yield copies of a good archive that are cut off, or have a bit flipped, all over it."""
    few = range(0, len(good), len(good) // places)
    for at in sorted({*range(10), *few, *range(len(good) - 6, len(good))}):
        yield f"cut off at {at}", good[:at]
        yield f"flipped at {at}", good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]
    yield "something behind it", good + b"\0"

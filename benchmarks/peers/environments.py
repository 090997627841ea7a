"""One environment per engine, outside of the tree; each is made once and kept."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.peers.peers import Peer

PYTHONS: Final = ("3.11", "3.12", "3.13")
"""What all engines run on; the first that is found is taken, the one that runs this before all."""
SHOWN: Final = ("numpy", "pandas", "polars", "numba")
READY: Final = "installed.json"
_SECONDS: Final = 900


class NotInstalledError(Exception):
    """An engine that could not be installed; the message is the installer's last line."""


@dataclass(frozen=True)
class Environment:
    """A place where an engine is installed: its interpreter and the versions found there."""

    python: Path
    python_version: str
    versions: dict[str, str]


def default_cache() -> Path:
    """Return the folder of the environments."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rustybt-peers"


def environment_of(peer: Peer, cache: Path, source: Path, commit: str) -> Environment:
    """Return the environment of *peer*, making it if need be.

    Ours is installed from *commit* of the checkout *source*. Raise `NotInstalledError` with the
    reason if it cannot be installed.
    """
    version, python = find_python()
    folder = folder_of(peer, cache, version, commit)
    if not (folder / READY).is_file():
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as tree:
            packages = peer.packages or (_export(source, commit, Path(tree)),)
            _make(folder, python)
            _install(folder, packages)
        (folder / READY).write_text(json.dumps(_versions(folder)), "utf-8")
    versions = json.loads((folder / READY).read_text("utf-8"))
    return Environment(_interpreter(folder), version, versions)


def folder_of(peer: Peer, cache: Path, python_version: str, commit: str) -> Path:
    """Return the folder of an environment in *cache*: another one for other releases."""
    words = json.dumps([python_version, commit if peer.is_ours else peer.packages])
    key = hashlib.sha256(words.encode()).hexdigest()[:12]
    return cache / f"{'rustybt' if peer.is_ours else peer.name}-{key}"


def find_python() -> tuple[str, Path]:
    """Return the version and the path of an interpreter that all engines run on."""
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if own in PYTHONS:
        return own, Path(sys.executable)
    folders = sorted(Path.home().glob(".pyenv/versions/*/bin"), reverse=True)
    for version in PYTHONS:
        places = [shutil.which(f"python{version}"), *(str(f / f"python{version}") for f in folders)]
        for place in filter(None, places):
            if Path(place).is_file() and _runs((place, "-c", "import venv")):
                return version, Path(place)
    raise NotInstalledError(f"no Python {', '.join(PYTHONS)} was found")


def _make(folder: Path, python: Path) -> None:
    """Make an empty environment."""
    uv = shutil.which("uv")
    if uv is not None:
        _do((uv, "venv", "--quiet", "--python", str(python), str(folder)))
    else:
        _do((str(python), "-m", "venv", str(folder)))


def _install(folder: Path, packages: Sequence[str]) -> None:
    """Install *packages* and compile them, so that no measurement has to."""
    uv, python = shutil.which("uv"), str(_interpreter(folder))
    if uv is not None:
        _do((uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, *packages))
    else:
        _do((python, "-m", "pip", "install", "--quiet", *packages))


def _export(source: Path, commit: str, target: Path) -> str:
    """Write the files of *commit* into *target*: what is not committed is not measured."""
    archive = target / "tree.tar"
    _do(("git", "-C", str(source), "archive", "--output", str(archive), commit))
    with tarfile.open(archive) as tar:
        tar.extractall(target, filter="data")
    archive.unlink()
    return str(target)


def _versions(folder: Path) -> dict[str, str]:
    """Return the versions of what is installed."""
    code = (
        "import json, importlib.metadata as m;"
        "print(json.dumps({d.name.lower(): d.version for d in m.distributions()}))"
    )
    found: dict[str, str] = json.loads(_do((str(_interpreter(folder)), "-c", code)))
    return found


def _interpreter(folder: Path) -> Path:
    return folder / "bin" / "python"


def _do(command: Sequence[str]) -> str:
    """Run *command* and return what it printed; raise with its last line if it fails."""
    try:
        done = subprocess.run(  # noqa: S603 - installers, with names from this folder
            command, capture_output=True, text=True, check=False, timeout=_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalledError(f"{Path(command[0]).name}: {type(error).__name__}") from error
    if done.returncode != 0:
        raise NotInstalledError(last_line(done.stderr) or f"exit code {done.returncode}")
    return done.stdout


def _runs(command: Sequence[str]) -> bool:
    """Tell whether *command* ends well."""
    try:
        _do(command)
    except NotInstalledError:
        return False
    return True


def last_line(text: str) -> str:
    """Return the last line of *text* that says anything, without the names of folders."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    words = lines[-1].split() if lines else []
    return " ".join(Path(word).name if word.startswith("/") else word for word in words)[:200]

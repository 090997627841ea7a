"""What stands in a source checkout: commit, changes, and one digest for all of its files."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable
from pathlib import Path


def git(root: Path, *args: str) -> str | None:
    """Return what ``git ARGS`` prints in *root*, or None where there is no git or no repository."""
    command = ("git", "-C", str(root), *args)
    try:
        done = subprocess.run(command, capture_output=True, check=True)  # noqa: S603 - fixed words
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.decode("utf-8", "surrogateescape")


def commit(root: Path) -> str:
    """Return the checked-out commit, or an empty text outside of a repository."""
    return (git(root, "rev-parse", "--verify", "HEAD") or "").strip()


def dirty(root: Path) -> bool:
    """Tell whether tracked or new files differ from the commit."""
    return bool((git(root, "status", "--porcelain") or "").strip())


def files(root: Path, *, ignore: Iterable[Path] = ()) -> list[Path]:
    """Return the files of the tree, sorted: tracked and new ones, not those that git ignores."""
    ignored = tuple(path.resolve() for path in ignore)
    listed = git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if listed is None:
        found = (p for p in root.rglob("*") if not _hidden(p.relative_to(root)))
    else:
        found = (root / name for name in listed.split("\0") if name)
    regular = {path for path in found if path.is_file() or path.is_symlink()}
    return sorted(p for p in regular if not any(_inside(p, folder) for folder in ignored))


def tree_digest(root: Path, *, ignore: Iterable[Path] = ()) -> str:
    """Return the digest of names, modes and contents of the tree's files."""
    return files_digest(root, files(root, ignore=ignore))


def files_digest(root: Path, paths: Iterable[Path]) -> str:
    """Return one digest for *paths*, which lie below *root*."""
    total = hashlib.sha256()
    for path in paths:
        executable = "x" if path.stat().st_mode & 0o100 else "-"
        name = path.relative_to(root).as_posix().encode("utf-8", "surrogateescape")
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(b"%s\0%s\0%s\n" % (name, executable.encode(), content.encode()))
    return f"sha256:{total.hexdigest()}"


def _hidden(relative: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in relative.parts)


def _inside(path: Path, folder: Path) -> bool:
    return path.absolute().is_relative_to(folder)

"""What stands in a source checkout: commit, changes, and one digest for all of its files."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tomllib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def git(root: Path, *args: str) -> str | None:
    """Return what ``git ARGS`` prints in *root*, or None where there is no git or no repository."""
    command = ("git", "-C", str(root), *args)
    # a git hook exports GIT_DIR and the like: they would name another repository than root's
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(  # noqa: S603 - fixed words
            command, capture_output=True, check=True, env=env
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.decode("utf-8", "surrogateescape")


def commit(root: Path) -> str:
    """Return the checked-out commit, or an empty text outside of a repository."""
    return (git(root, "rev-parse", "--verify", "HEAD") or "").strip()


def commit_date(root: Path, commit: str) -> datetime | None:
    """Return when *commit* was committed, or None if the repository does not know it."""
    if not COMMIT.fullmatch(commit):
        return None
    shown = git(root, "show", "--no-patch", "--format=%ct", f"{commit}^{{commit}}")
    return datetime.fromtimestamp(int(shown.strip()), UTC) if shown else None


def authors(root: Path, commit: str) -> tuple[str, ...]:
    """Return the e-mail addresses of those who wrote and committed *commit*, in lower case.

    They are taken as they stand in the commit and as ``.mailmap`` resolves them; trailers that
    name co-authors count.
    """
    if not COMMIT.fullmatch(commit):
        return ()
    form = "--format=%ae%n%aE%n%ce%n%cE%n%(trailers:key=Co-authored-by,valueonly)"
    shown = git(root, "show", "--no-patch", form, commit) or ""
    found = (line.rpartition("<")[2].rstrip("> ").casefold() for line in shown.splitlines())
    return tuple(sorted({address for address in found if address}))


def project(root: Path) -> str:
    """Return the project's name from ``pyproject.toml``, or else the folder's."""
    try:
        named = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["name"]
    except (OSError, ValueError, KeyError, TypeError):
        return root.resolve().name
    return str(named)


def dirty(root: Path, *, ignore: Iterable[Path] = ()) -> bool:
    """Tell whether tracked or new files differ from the commit, but for those in *ignore*."""
    status = git(root, "status", "--porcelain", "-z", "--untracked-files=all", "--no-renames")
    if not status:
        return False
    ignored = tuple(path.resolve() for path in ignore)
    top = git(root, "rev-parse", "--show-toplevel") or str(root)
    base = Path(top.removesuffix("\n")).resolve()
    changed = (base / line[3:] for line in status.split("\0") if line)
    return any(not _inside(path, ignored) for path in changed)


def files(root: Path, *, ignore: Iterable[Path] = ()) -> list[Path]:
    """Return the files of the tree, sorted: tracked and new ones, not those that git ignores."""
    ignored = tuple(path.resolve() for path in ignore)
    listed = git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if listed is None:
        found = (p for p in root.rglob("*") if not _hidden(p.relative_to(root)))
    else:
        found = (root / name for name in listed.split("\0") if name)
    regular = {path for path in found if path.is_file() or path.is_symlink()}
    base = root.resolve()
    return sorted(p for p in regular if not _inside(base / p.relative_to(root), ignored))


def tree_digest(root: Path, *, ignore: Iterable[Path] = ()) -> str:
    """Return the digest of names, modes and contents of the tree's files."""
    return files_digest(root, files(root, ignore=ignore))


def files_digest(root: Path, paths: Iterable[Path]) -> str:
    """Return one digest for *paths*, which lie below *root*."""
    base, total = root.absolute(), hashlib.sha256()
    for path in paths:
        name = os.path.relpath(path.absolute(), base).encode("utf-8", "surrogateescape")
        total.update(b"%s\0%s\n" % (name, _content(path)))
    return f"sha256:{total.hexdigest()}"


def _content(path: Path) -> bytes:
    """Return kind and digest of what stands at *path*; it may change or go while we look."""
    try:
        if path.is_symlink():
            # where it points, not what is there: that may be a folder, or nothing
            kind, data = b"l", os.fsencode(path.readlink())
        else:
            kind = b"x" if path.stat().st_mode & 0o100 else b"-"
            data = path.read_bytes()
    except OSError as error:
        kind, data = b"?", str(error.errno).encode()
    return b"%s\0%s" % (kind, hashlib.sha256(data).hexdigest().encode())


def _hidden(relative: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in relative.parts)


def _inside(path: Path, folders: Iterable[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)

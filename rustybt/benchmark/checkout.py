"""Which commit was measured."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple


class Checkout(NamedTuple):
    """The *commit* of a checkout; *dirty* if files differ from it, new ones included."""

    commit: str
    dirty: bool


def checkout_of(folder: Path) -> Checkout | None:
    """Return the checkout in which *folder* holds a Python package that is part of it.

    ``None`` where there is none, or no git: an installed package has no commit, even if it lies in
    somebody's checkout.
    """
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    status = _git(folder, "status", "--porcelain", ":/")
    return None if commit is None or status is None else Checkout(commit, bool(status))


def _git(folder: Path, *words: str) -> str | None:
    """Return what git says in *folder*; ``None`` if it fails or is not there."""
    try:
        done = subprocess.run(  # noqa: S603 - fixed words
            ("git", *words),  # noqa: S607 - whichever git the user has
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None

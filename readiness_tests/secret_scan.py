"""Find secrets in files and in the whole history of a repository, with detect-secrets."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from detect_secrets.core.scan import scan_file
from detect_secrets.settings import default_settings

from pytest_rustybt_ready import checkout as tree
from readiness_tests.subjects import Checkout

BASELINE = ".secrets.baseline"
# Digests of locked packages are long and random, and no secrets.
IGNORED_LINES = re.compile(r"--hash=sha256:[0-9a-f]{64}")
LARGEST_BLOB = 2_000_000


class Secret(NamedTuple):
    """What looks like a secret; ``digest`` is detect-secrets' own, as a baseline holds it."""

    name: str
    line: int
    kind: str
    digest: str


@dataclass(frozen=True)
class Leaks:
    """What a scan found that no audit has excused; ``scanned`` counts files or blobs."""

    scanned: int
    found: tuple[str, ...]
    unaudited: tuple[str, ...] = ()


def scan_files(checkout: Checkout) -> Leaks:
    """Scan every file of the tree, but for the baseline itself."""
    files = [path for path in checkout.files() if path.name != BASELINE and path.is_file()]
    names = [path.relative_to(checkout.root).as_posix() for path in files]
    excused, unaudited = _baseline(checkout.root / BASELINE)
    found = _detect(checkout.root, names)
    return Leaks(len(files), tuple(_unexcused(found, excused)), unaudited)


def scan_history(checkout: Checkout) -> Leaks:
    """Scan every version of every file in every commit that the repository holds."""
    excused, _ = _baseline(checkout.root / BASELINE)
    with tempfile.TemporaryDirectory(prefix="rustybt-history-") as name:
        folder = Path(name)
        names = list(_export_blobs(checkout.root, folder))
        found = _detect(folder, names)
    return Leaks(len(names), tuple(_unexcused(found, excused)))


def env_files_in_history(root: Path) -> list[str]:
    """Return each ``.env`` file that any commit ever added, with the commit."""
    listed = tree.git(root, "log", "--all", "--diff-filter=A", "--name-only", "--format=%h") or ""
    found, commit = [], ""
    for line in filter(None, listed.splitlines()):
        if "/" not in line and len(line) <= 12 and all(c in "0123456789abcdef" for c in line):
            commit = line
        elif Path(line).name == ".env" or Path(line).suffix in (".key", ".pem"):
            found.append(f"{line} in {commit}")
    return found


def _detect(root: Path, names: list[str]) -> list[Secret]:
    """Return what detect-secrets finds in files of *root*; it must also find a planted key."""
    with tempfile.TemporaryDirectory(prefix="rustybt-canary-") as folder, default_settings():
        canary = Path(folder, "canary.txt")
        canary.write_text(f"access_key = '{planted_key()}'\n", "utf-8")
        if not list(scan_file(str(canary))):
            raise RuntimeError("detect-secrets did not find the key planted to test it")
        return [secret for name in names for secret in _secrets(root, name)]


def _secrets(root: Path, name: str) -> Iterator[Secret]:
    lines: list[str] | None = None
    for found in scan_file(str(root / name)):
        if lines is None:
            lines = (root / name).read_text("utf-8", "replace").splitlines()
        if not IGNORED_LINES.search(lines[found.line_number - 1]):
            yield Secret(name, found.line_number, found.type, found.secret_hash)


def planted_key() -> str:
    """Return what looks like a cloud access key, and is none; this file does not show it whole."""
    return "AKIA" + "Q7ZM4KX2" + "T9PB3WDN"


def _unexcused(found: list[Secret], excused: set[object]) -> Iterator[str]:
    for secret in sorted(set(found)):
        if secret.digest not in excused:
            yield f"{secret.name}:{secret.line} {secret.kind}"


def _baseline(path: Path) -> tuple[set[object], tuple[str, ...]]:
    """Return the digests that an audit called harmless, and the entries nobody has audited."""
    if not path.exists():
        return set(), ()
    results = json.loads(path.read_text("utf-8"))["results"]
    entries = [(name, entry) for name, listed in results.items() for entry in listed]
    excused = {entry["hashed_secret"] for _, entry in entries if entry.get("is_secret") is False}
    unaudited = [f"{n}:{e['line_number']}" for n, e in entries if e.get("is_secret") is not False]
    return excused, tuple(unaudited)


def _export_blobs(root: Path, folder: Path) -> Iterable[str]:
    """Write every blob of the history to *folder*, under its id and its file's name."""
    listed = tree.git(root, "rev-list", "--objects", "--all") or ""
    blobs = dict(line.split(" ", 1) for line in listed.splitlines() if " " in line)
    with subprocess.Popen(
        ["git", "-C", str(root), "cat-file", "--batch"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for blob, name in blobs.items():
            process.stdin.write(f"{blob}\n".encode())
            process.stdin.flush()
            _, kind, size = process.stdout.readline().split()
            data = process.stdout.read(int(size))
            process.stdout.read(1)
            if kind == b"blob" and len(data) <= LARGEST_BLOB and Path(name).name != BASELINE:
                exported = f"{blob[:12]}-{Path(name).name}"
                (folder / exported).write_bytes(data)
                yield exported

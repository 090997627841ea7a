"""Find secrets in files and in the whole history of a repository, with detect-secrets."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from detect_secrets.core.scan import scan_file
from detect_secrets.settings import default_settings

from pytest_rustybt_ready import checkout as tree
from readiness_tests.subjects import Checkout
from readiness_tests.suite import SuiteStore

BASELINE = ".secrets.baseline"
# Fewer files than this are scanned sooner than a process has started.
WORTH_A_PROCESS = 100
# Digests of locked packages, and the commits and machines that records name, are long and random,
# and no secrets.
IGNORED_LINES = re.compile(
    r'--hash=sha256:[0-9a-f]{64}|^ *"(commit": "[0-9a-f]{40}|digest": "[0-9a-f]{16})",?$'
)


class Secret(NamedTuple):
    """What looks like a secret; ``digest`` is detect-secrets' own, as a baseline holds it."""

    name: str
    line: int
    kind: str
    digest: str


@dataclass(frozen=True)
class Leaks:
    """What a scan found that no audit has excused; ``scanned`` counts files or lines."""

    scanned: int
    found: tuple[str, ...]
    unaudited: tuple[str, ...] = ()


def scan_files(checkout: Checkout) -> Leaks:
    """Scan every file of the tree, but for the baseline itself."""
    names, found = _in_files(checkout)
    excused, unaudited = _baseline(checkout.root / BASELINE)
    return Leaks(len(names), tuple(_unexcused(found, excused)), unaudited)


def scan_history(checkout: Checkout) -> Leaks:
    """Scan every line that any commit of the repository ever added, merges included."""
    lines, found = _in_history(checkout)
    excused, _ = _baseline(checkout.root / BASELINE)
    return Leaks(lines, tuple(_unexcused(found, excused)))


def _in_files(checkout: Checkout) -> tuple[list[str], list[Secret]]:
    files = [path for path in checkout.files() if path.name != BASELINE and path.is_file()]
    names = [path.relative_to(checkout.root).as_posix() for path in files]
    return names, _detect(checkout.root, names)


def _in_history(checkout: Checkout) -> tuple[int, list[Secret]]:
    with tempfile.TemporaryDirectory(prefix="rustybt-history-") as name:
        origins = _export_added_lines(checkout.root, Path(name))
        found = _detect(Path(name), list(origins))
    named = [f._replace(name=origins[f.name][f.line - 1]) for f in found]
    return sum(len(origin) for origin in origins.values()), named


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
        if len(names) < WORTH_A_PROCESS:
            return _in_order(root, names)
    return _in_processes(root, names)


def _in_order(root: Path, names: Sequence[str]) -> list[Secret]:
    return [secret for name in names for secret in _secrets(root, name)]


def _in_processes(root: Path, names: Sequence[str]) -> list[Secret]:
    """Scan in a process per core: a line costs some 0.2 ms, and a history has many."""
    count = os.cpu_count() or 1
    # sizes fall off steeply; dealt out like cards, each process gets its share of large files
    names = sorted(names, key=lambda name: -(root / name).stat().st_size)
    hands = [names[start::count] for start in range(count)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context) as pool:
        found = pool.map(_scan_hand, [root] * count, hands)
        return [secret for secrets in found for secret in secrets]


def _scan_hand(root: Path, names: Sequence[str]) -> list[Secret]:
    with default_settings():
        return _in_order(root, names)


def _secrets(root: Path, name: str) -> Iterator[Secret]:
    lines: list[str] | None = None
    for found in scan_file(str(root / name)):
        if lines is None:
            lines = (root / name).read_text("utf-8", "replace").split("\n")
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


def _export_added_lines(root: Path, folder: Path) -> dict[str, list[str]]:
    """Write the lines ever added to each file to a file of their own in *folder*.

    Return, by the name of that file, where each of its lines comes from: file and commit.
    """
    words = ["--all", "--patch", "--unified=0", "--no-color", "--no-ext-diff", "--no-textconv"]
    words += ["--diff-merges=separate", "--no-renames", "--format=commit %h"]
    added: dict[str, list[tuple[str, str]]] = {}
    for path, commit, text in _added_lines(tree.git(root, "log", *words) or ""):
        if Path(path).name != BASELINE:
            added.setdefault(path, []).append((f"{path} in {commit}", text))
    origins = {}
    for number, (path, lines) in enumerate(sorted(added.items())):
        # the name's ending tells detect-secrets what kind of file it is
        name = f"{number}{Path(path).suffix}"
        text = "".join(f"{line}\n" for _, line in lines)
        (folder / name).write_text(text, "utf-8", "surrogateescape")
        origins[name] = [origin for origin, _ in lines]
    return origins


def _added_lines(patches: str) -> Iterator[tuple[str, str, str]]:
    """Yield file, commit and text of each added line of ``git log --patch``."""
    commit = path = ""
    in_header = True  # where a line that begins with +++ names a file and is not an added one
    for line in patches.split("\n"):
        if line.startswith("commit "):
            commit, in_header = line.removeprefix("commit "), True
        elif line.startswith("diff --git "):
            in_header = True
        elif line.startswith("@@"):
            in_header = False
        elif in_header and line.startswith("+++ "):
            path = line.removeprefix("+++ ").removeprefix("b/").rstrip("\t")
        elif not in_header and line.startswith("+"):
            yield path, commit, line[1:]


def main() -> int:
    """Add what is found and not in the baseline yet to it, for a person to audit.

    Run as ``python -m readiness_tests.secret_scan``, then look at each entry that has no
    ``is_secret``: write ``"is_secret": false`` only for what is none.
    """
    checkout = Checkout(Path.cwd(), SuiteStore(Path.cwd() / ".readiness" / "suite"))
    path = checkout.root / BASELINE
    document = json.loads(path.read_text("utf-8")) if path.exists() else {"results": {}}
    known = {e["hashed_secret"] for entries in document["results"].values() for e in entries}
    found = {s.digest: s for s in (*_in_history(checkout)[1], *_in_files(checkout)[1])}
    fresh = [secret for digest, secret in sorted(found.items()) if digest not in known]
    for secret in fresh:
        name = secret.name.split(" in ")[0]
        entry = {"hashed_secret": secret.digest, "line_number": secret.line, "type": secret.kind}
        document["results"].setdefault(name, []).append({"filename": name} | entry)
        print(f"{secret.name}:{secret.line} {secret.kind}")  # noqa: T201 - this is a command
    if fresh:
        path.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", "utf-8")
    return 1 if fresh else 0


if __name__ == "__main__":
    sys.exit(main())

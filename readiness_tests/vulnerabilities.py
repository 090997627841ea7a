"""Ask for known vulnerabilities of locked dependencies, and believe no answer that was not tested.

Where the answers come from, the first that is given: the environment variable
``READY_VULNERABILITY_SERVICE`` (``pypi``, ``osv``, the URL of an OSV mirror's query endpoint, or a
folder), a folder ``vulnerabilities`` in the checkout, PyPI. A folder is a local database: one JSON
file in the OSV format per vulnerability, as OSV exports them.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import Version

from readiness_tests.subjects import Checkout

VARIABLE = "READY_VULNERABILITY_SERVICE"
FOLDER = "vulnerabilities"
# Several advisories name this release: a service that does not know it knows nothing.
CANARY = "jinja2==2.10"


class ServiceError(Exception):
    """The service gave no answer that can be believed; the message says why."""


@dataclass(frozen=True)
class Audit:
    """What a believed service said: ``found`` and ``unknown`` are ``name version`` texts."""

    source: str
    dated: datetime | None
    dependencies: int
    found: tuple[str, ...]
    unknown: tuple[str, ...]


def audit(checkout: Checkout, locks: Sequence[Path]) -> Audit:
    """Audit the pinned requirements in *locks*; raise ServiceError if no answer can be believed."""
    scratch = tempfile.TemporaryDirectory(prefix="rustybt-audit-")
    with _service(checkout) as (source, options, dated), scratch as folder:
        canary = Path(folder, "canary.txt")
        canary.write_text(f"{CANARY}\n", "utf-8")
        if not _vulnerable(_pip_audit(checkout, [canary], options)):
            raise ServiceError(f"{source} does not know that {CANARY} is vulnerable")
        answers = _pip_audit(checkout, locks, options)
    return Audit(
        source=source,
        dated=dated,
        dependencies=len(answers),
        found=tuple(_vulnerable(answers)),
        unknown=tuple(f"{a['name']}: {a['skip_reason']}" for a in answers if "skip_reason" in a),
    )


@contextmanager
def _service(checkout: Checkout) -> Iterator[tuple[str, list[str], datetime | None]]:
    """Yield the source's name, pip-audit's options for it, and its date if it is a local one."""
    local = checkout.root / FOLDER
    named = os.environ.get(VARIABLE) or (str(local) if local.is_dir() else "pypi")
    if named in ("pypi", "osv"):
        yield named, ["--vulnerability-service", named], None
    elif "://" in named:
        yield named, ["--vulnerability-service", "osv", "--osv-url", named], None
    else:
        database = Database(Path(named))
        with database.served() as url:
            name = f"local database {database.folder.name}"
            yield name, ["--vulnerability-service", "osv", "--osv-url", url], database.dated


def _pip_audit(
    checkout: Checkout, locks: Sequence[Path], options: list[str]
) -> list[dict[str, Any]]:
    files = [word for lock in locks for word in ("--requirement", str(lock))]
    how = ["--no-deps", "--disable-pip", "--format=json", "--progress-spinner=off", "--timeout=20"]
    done = checkout.tool("pip_audit", *files, *how, *options)
    try:
        answer: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError) as error:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise ServiceError(f"pip-audit: {lines[-1] if lines else 'no answer'}") from error
    return answer


def _vulnerable(answers: list[dict[str, Any]]) -> list[str]:
    return [
        f"{answer['name']} {answer['version']}: {', '.join(v['id'] for v in answer['vulns'])}"
        for answer in answers
        if answer.get("vulns")
    ]


class Database:
    """A folder of OSV records, served on loopback the way OSV's own service answers queries."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            files = sorted(folder.rglob("*.json"))
            self.records = [json.loads(file.read_text("utf-8")) for file in files]
        except (OSError, ValueError) as error:
            raise ServiceError(f"{folder}: not a readable database: {error}") from error
        if not self.records:
            raise ServiceError(f"{folder}: there is no vulnerability in this database")

    @property
    def dated(self) -> datetime:
        """Return when the newest record was last modified."""
        return max(datetime.fromisoformat(record["modified"]) for record in self.records)

    def query(self, name: str, version: str) -> list[dict[str, Any]]:
        """Return the records that affect this version of this package."""
        return [record for record in self.records if _affects(record, name, version)]

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve the database while the context lasts; yield the URL to query."""
        database = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                asked = json.loads(self.rfile.read(length))
                found = database.query(asked["package"]["name"], asked["version"])
                body = json.dumps({"vulns": found} if found else {}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
                del format, args

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            yield f"http://127.0.0.1:{server.server_port}/v1/query"
            server.shutdown()
            thread.join()


def _affects(record: dict[str, Any], name: str, version: str) -> bool:
    wanted = canonicalize_name(name)
    return any(
        canonicalize_name(affected["package"]["name"]) == wanted
        and affected["package"]["ecosystem"] == "PyPI"
        and (version in affected.get("versions", ()) or _in_ranges(affected, Version(version)))
        for affected in record.get("affected", ())
    )


def _in_ranges(affected: dict[str, Any], version: Version) -> bool:
    """Walk each range's events in order: introduced switches on, fixed switches off."""
    for span in affected.get("ranges", ()):
        inside = False
        for event in span["events"] if span["type"] == "ECOSYSTEM" else ():
            if "introduced" in event:
                inside = inside or version >= Version(event["introduced"])
            elif _after(event, version):
                inside = False
        if inside:
            return True
    return False


def _after(event: dict[str, str], version: Version) -> bool:
    """Tell whether *version* lies beyond the end of a range that *event* describes."""
    if "fixed" in event:
        return version >= Version(event["fixed"])
    return "last_affected" in event and version > Version(event["last_affected"])

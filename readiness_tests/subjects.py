"""What the checks look at: a source checkout, and a deployment's home."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pytest_rustybt_ready import checkout as tree
from readiness_tests.suite import SuiteRecord, SuiteStore
from readiness_tests.suite.runner import Suite, clean_environment
from readiness_tests.validators import ValidatorRecord, validator_record
from rustybt.deployment import Home, open_vault
from rustybt.security.vault import Vault
from rustybt.settings import Settings, load_settings

PRODUCT = ("rustybt", "pytest_rustybt_ready")
TOOL_TIMEOUT_S = 600
USES_A_DATABASE = re.compile(r"^\s*(?:import|from)\s+(sqlalchemy|sqlite3|psycopg|alembic)\b", re.M)
"""What a module imports that talks to a database itself."""


@dataclass(frozen=True)
class Checkout:
    """A source checkout at ``root``; ``store`` keeps the records of its ordinary suite."""

    root: Path
    store: SuiteStore
    processes: int = 2
    ignore: tuple[Path, ...] = ()

    def suite(self, runs: int = 1) -> SuiteRecord:
        """Return the record of the ordinary suite on this tree, with at least *runs* runs."""
        suite = Suite(self.root, processes=self.processes)
        return self.store.record(suite, runs=runs, ignore=self.ignore)

    def validators(self) -> ValidatorRecord:
        """Return what became of each validator of this tree when it was neutralised."""
        return validator_record(
            self.root, self.product, self.store.folder / "validators", self.ignore
        )

    def tool(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a Python tool (``python -m WORDS``) on the checkout and return how it ended."""
        return subprocess.run(
            [sys.executable, "-m", *words],
            cwd=self.root,
            env=clean_environment(),
            capture_output=True,
            text=True,
            timeout=TOOL_TIMEOUT_S,
            check=False,
        )

    @property
    def product(self) -> list[str]:
        """Return the names of the product's packages that this checkout holds."""
        return [name for name in PRODUCT if (self.root / name).is_dir()]

    def sources(self, *folders: str) -> list[Path]:
        """Return the Python files of the tree, of all of it or below *folders* only."""
        files = [path for path in self.files() if path.suffix == ".py"]
        wanted = [self.root / name for name in folders] or [self.root]
        return [path for path in files if any(path.is_relative_to(f) for f in wanted)]

    def files(self) -> list[Path]:
        """Return the files of the tree that git knows, or would take."""
        return tree.files(self.root, ignore=self.ignore)

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace *old* by *new* in a file; raise ValueError if *old* is not there (controls)."""
        path = self.root / name
        text = path.read_text("utf-8")
        if old not in text:
            raise ValueError(f"{name}: nothing to replace: {old!r}")
        path.write_text(text.replace(old, new), "utf-8")

    def write(self, name: str, text: str) -> Path:
        """Write a file into the checkout (controls)."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path


@dataclass
class Deployment:
    """A deployment's home, looked at through the engine's own classes."""

    root: Path
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Home:
        """Return the layout of the home."""
        return Home(self.root)

    @property
    def settings(self) -> Settings:
        """Return the settings in force, read afresh."""
        return load_settings(self.root, dict(self.environ))

    @property
    def vault(self) -> Vault:
        """Open the vault with the deployment's own keys."""
        return open_vault(self.settings, utc_now)

    def secrets(self) -> dict[str, str]:
        """Return every stored secret in clear, by place; keep them out of evidence."""
        vault = self.vault
        return {
            f"{entry.name}.{entry.field}": vault.get(entry.name, entry.field).get_secret_value()
            for entry in vault.entries()
        }

    def rustybt(
        self, *words: str, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run ``python -m rustybt WORDS`` as an operator of this deployment would."""
        return run_rustybt(*words, environ={"RUSTYBT_HOME": str(self.root)} | dict(environ or {}))


def run_rustybt(
    *words: str, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m rustybt WORDS`` and return how it ended."""
    command: Sequence[str] = (sys.executable, "-m", "rustybt", *words)
    return subprocess.run(
        command,
        env=clean_environment() | dict(environ or {}),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=TOOL_TIMEOUT_S,
        check=False,
    )


def utc_now() -> datetime:
    """Return the present instant, in UTC."""
    return datetime.now(UTC)


def mode_of(path: Path) -> str:
    """Return the permission bits of *path* in octal, such as ``0600``."""
    return f"{path.stat().st_mode & 0o7777:04o}"


def owner_of(path: Path) -> int:
    """Return the user id that owns *path*."""
    return path.stat().st_uid


def service_user() -> int:
    """Return the user id that the engine would run as: the one that judges."""
    return os.getuid()

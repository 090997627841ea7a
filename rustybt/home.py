"""Where things are in a deployment's home."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Home:
    """The layout of the folder *root*. Building one touches no file and promises none."""

    root: Path

    @property
    def env_file(self) -> Path:
        """The settings and, unless it has a file of its own, the encryption key; mode 0600."""
        return self.root / ".env"

    @property
    def key_file(self) -> Path:
        """The encryption key where it is kept apart from the settings; mode 0600."""
        return self.root / "encryption.key"

    @property
    def config(self) -> Path:
        """What operators write: alert rules, contacts, strategies' parameters."""
        return self.root / "config"

    @property
    def alerts_file(self) -> Path:
        """Whom to tell of what; it may name addresses in full, so its mode is 0600."""
        return self.config / "alerts.yaml"

    @property
    def data(self) -> Path:
        """Files that market data is read from."""
        return self.root / "data"

    @property
    def practice_file(self) -> Path:
        """Invented bars to practise on."""
        return self.data / "practice.csv"

    @property
    def state(self) -> Path:
        """What the engine writes: vault, journal, catalog."""
        return self.root / "state"

    @property
    def vault_file(self) -> Path:
        """The encrypted credentials; mode 0600."""
        return self.state / "vault.json"

    @property
    def alerts(self) -> Path:
        """Alerts that are on their way, and receipts of test alerts."""
        return self.state / "alerts"

    @property
    def catalog(self) -> Path:
        """Bars that were fetched and found sound."""
        return self.state / "catalog"

    @property
    def logs(self) -> Path:
        """Log files, unless ``LOG_DIR`` names another folder."""
        return self.root / "logs"

    @property
    def backups(self) -> Path:
        """Local backups, unless ``BACKUP_DIR`` names another folder."""
        return self.root / "backups"

    @property
    def readiness(self) -> Path:
        """Records that readiness checks read: drills, benchmarks, signed statements."""
        return self.root / "readiness"

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that a home consists of, each of mode 0700."""
        return (self.config, self.data, self.state, self.logs, self.backups, self.readiness)

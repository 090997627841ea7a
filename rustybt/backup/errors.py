"""What can be wrong with a backup."""

from __future__ import annotations

from rustybt.errors import RustyBTError


class BackupError(RustyBTError):
    """A backup that cannot be made, believed, copied or restored."""


class OffsiteError(BackupError):
    """The copy elsewhere cannot be made or read; what is kept on this host is not affected."""

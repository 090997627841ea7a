"""What makes backups happen: scripts, a line for cron, units and a timer for systemd."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Final

from rustybt.files import PRIVATE_FILE, create_exclusively

if TYPE_CHECKING:
    from pathlib import Path

    from rustybt.home import Home

KEEP_DAYS: Final = 35
SCRIPT: Final = 0o700
BACKUP_SCRIPT: Final = "backup-rustybt.sh"
RESTORE_SCRIPT: Final = "restore-rustybt.sh"

_BACKUP: Final = """\
#!/bin/sh
# Back up the deployment that this script is in: ./backup-rustybt.sh [--to DIR] [--offsite URL]
# Earlier backups go once a newer one holds all that they do, and {keep} days have passed.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
exec "${{RUSTYBT_PYTHON:-{python}}}" -m rustybt backup --home "$here" --keep-days {keep} "$@"
"""
_RESTORE: Final = """\
#!/bin/sh
# Restore the deployment that this script is in: ./restore-rustybt.sh ARCHIVE [--key-file FILE]
# What is here is kept beside, under a name that ends in .before- and the time.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
exec "${{RUSTYBT_PYTHON:-{python}}}" -m rustybt restore --home "$here" "$@"
"""
_CRON: Final = """\
# A backup each day at 02:15, by the user whose crontab this line is added to (crontab -e).
15 2 * * * {home}/backup-rustybt.sh >> {home}/logs/backup.log 2>&1
"""
_SERVICE: Final = """\
# Copy this and rustybt-backup.timer to /etc/systemd/system, then run
# systemctl enable --now rustybt-backup.timer
[Unit]
Description=Back up the RustyBT deployment in {home}

[Service]
Type=oneshot
User={user}
UMask=0077
ExecStart="{home}/backup-rustybt.sh"
NoNewPrivileges=yes
PrivateTmp=yes
ProtectSystem=full
"""
_TIMER: Final = """\
[Unit]
Description=Back up the RustyBT deployment in {home} each day

[Timer]
OnCalendar=*-*-* 02:15:00
RandomizedDelaySec=10min
Persistent=true

[Install]
WantedBy=timers.target
"""
_REPLICATE: Final = """\
# Copies the journal to OFFSITE_URL while the engine runs. Copy this to /etc/systemd/system, then
# run systemctl enable --now rustybt-replicate.service
[Unit]
Description=Copy the journal of the RustyBT deployment in {home} elsewhere
Wants=network-online.target
After=network-online.target

[Service]
User={user}
UMask=0077
ExecStart="{python}" -m rustybt replicate --home "{home}"
Restart=always
RestartSec=5
NoNewPrivileges=yes
PrivateTmp=yes
ProtectSystem=full

[Install]
WantedBy=multi-user.target
"""


def write_schedule(home: Home, root: Path, user: str) -> None:
    """Write into *home*, which is going to be at *root*, what makes its backups happen each day.

    The units run as *user*. Raise ``OSError`` if the disk refuses.
    """
    python = sys.executable
    for name, text in ((BACKUP_SCRIPT, _BACKUP), (RESTORE_SCRIPT, _RESTORE)):
        script = text.format(python=_in_quotes(python), keep=KEEP_DAYS)
        create_exclusively(home.root / name, script.encode(), mode=SCRIPT)
    cron = _CRON.format(home=shlex.quote(str(root)).replace("%", "\\%"))
    create_exclusively(home.config / "rustybt-backup.cron", cron.encode(), mode=PRIVATE_FILE)
    for name, text in (
        ("rustybt-backup.service", _SERVICE),
        ("rustybt-backup.timer", _TIMER),
        ("rustybt-replicate.service", _REPLICATE),
    ):
        unit = text.format(home=_in_unit(str(root)), python=_in_unit(python), user=user)
        create_exclusively(home.config / name, unit.encode(), mode=PRIVATE_FILE)


def _in_quotes(text: str) -> str:
    """Return *text* as it stands between double quotes of a shell, within ``${...:-...}``."""
    return "".join(f"\\{letter}" if letter in '\\"$`}' else letter for letter in text)


def _in_unit(text: str) -> str:
    """Return *text* as it stands between double quotes of a unit of systemd."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return escaped.replace("%", "%%").replace("$", "$$")

"""Which machine a figure was measured on, in words that name nobody."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import asdict

_CPU_INFO: Final = Path("/proc/cpuinfo")
_GIB: Final = 1 << 30


class Host(Struct, frozen=True, kw_only=True):
    """A machine: its processor's model, how many *cores*, memory in GiB, system and Python.

    There is no host name, no address and no path in it, so a record can be published.
    """

    cpu: str
    cores: int
    memory_gib: int
    system: str
    machine: str
    python: str

    @property
    def digest(self) -> str:
        """The first 16 digits of a SHA-256 over all fields: equal for equal machines."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def as_record(self) -> dict[str, object]:
        """Return the fields and the digest, ready for JSON."""
        return {**asdict(self), "digest": self.digest}


def this_host() -> Host:
    """Return the machine that this process runs on."""
    return Host(
        cpu=cpu_model(_CPU_INFO),
        cores=os.cpu_count() or 1,
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB),
        system=_system(),
        machine=platform.machine(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
    )


def cpu_model(listing: Path) -> str:
    """Return the processor's name from Linux's *listing*; elsewhere what the platform knows."""
    try:
        lines = listing.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        name, colon, value = line.partition(":")
        if colon and name.strip() == "model name" and value.strip():
            return " ".join(value.split())
    return platform.processor() or platform.machine() or "unknown"


def _system() -> str:
    """Return the name and version of the operating system."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return f"{platform.system()} {platform.release()}"
    return f"{platform.system()}, {release.get('PRETTY_NAME', 'unknown')}"

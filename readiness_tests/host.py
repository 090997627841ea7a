"""The machine that the engine runs on, as the kernel describes it below ``/proc`` and ``/sys``.

The root of these folders is given, so that a control can describe another machine in files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

GB = 10**9
KIB = 1024
MIB = 1024 * KIB
CONTROL_GROUPS = "sys/fs/cgroup"


def capacity_of(folder: Path) -> int:
    """Return the size in bytes of the file system that holds *folder*."""
    found = os.statvfs(folder)
    return found.f_blocks * found.f_frsize


@dataclass(frozen=True)
class Host:
    """The machine whose ``/proc`` and ``/sys`` lie below *root*.

    *capacity* tells how many bytes the file system of a folder has: no file of the kernel says it.
    """

    root: Path = Path("/")
    capacity: Callable[[Path], int] = capacity_of

    def cores(self) -> Decimal:
        """Return how many processors the process may use; a container's limit may be a fraction."""
        status = (self.root / "proc/self/status").read_text("utf-8")
        allowed = re.search(r"^Cpus_allowed_list:\s*(\S+)", status, re.M)
        if allowed is None:
            raise ValueError(f"{self.root}/proc/self/status does not name the allowed processors")
        return min([Decimal(_count(allowed[1])), *self._quotas()])

    def memory(self) -> int:
        """Return how many bytes of memory the process may use."""
        text = (self.root / "proc/meminfo").read_text("utf-8")
        total = re.search(r"^MemTotal:\s*(\d+) kB", text, re.M)
        if total is None:
            raise ValueError(f"{self.root}/proc/meminfo does not name the total memory")
        limits = (
            self._values("memory", "memory.limit_in_bytes"),
            self._values("", "memory.max"),
        )
        known = [int(text) for values in limits for text in values if text.isdecimal()]
        return min([int(total[1]) * KIB, *known])

    def rotates(self, folder: Path) -> bool | None:
        """Tell whether the disk below *folder* is a rotating one; None if that is not known.

        A virtio disk is said to rotate unless somebody told the kernel otherwise: that is no news
        of what lies below it.
        """
        for device in self._devices(folder):
            for place in (device, device.parent):  # the queue is the disk's, not the partition's
                queue = place / "queue/rotational"
                if queue.is_file():
                    rotates = queue.read_text("ascii").strip() != "0"
                    return None if rotates and _is_virtual(place) else rotates
        return None

    def _quotas(self) -> Iterator[Decimal]:
        """Yield each limit on processor time, in processors."""
        for text in self._values("", "cpu.max"):
            quota, period = text.split()
            if quota.isdecimal():
                yield Decimal(quota) / Decimal(period)
        periods = list(self._values("cpu", "cpu.cfs_period_us"))
        for quota, period in zip(self._values("cpu", "cpu.cfs_quota_us"), periods, strict=True):
            if quota.isdecimal():
                yield Decimal(quota) / Decimal(period)

    def _values(self, controller: str, name: str) -> Iterator[str]:
        """Yield what the file *name* says in the process's control group and in each above it.

        *controller* is empty for the second version of control groups, which has one tree.
        """
        for folder in self._groups(controller):
            path = folder / name
            if path.is_file():
                yield path.read_text("ascii").strip()

    def _groups(self, controller: str) -> Iterator[Path]:
        """Yield the folders of the process's control group, innermost first."""
        lines = (self.root / "proc/self/cgroup").read_text("utf-8").splitlines()
        for _, controllers, path in (line.split(":", 2) for line in lines):
            if controller not in controllers.split(","):
                continue
            trees = (controllers, controller) if controller else ("", "unified")
            for tree in dict.fromkeys(trees):
                base = self.root / CONTROL_GROUPS / tree
                parts = Path(path.strip("/")).parts
                for depth in range(len(parts), -1, -1):
                    yield base.joinpath(*parts[:depth])

    def _devices(self, folder: Path) -> Iterator[Path]:
        """Yield where the kernel may describe the device that *folder* is mounted from."""
        best, number, source = -1, "", ""
        for line in (self.root / "proc/self/mountinfo").read_text("utf-8").splitlines():
            before, _, after = line.partition(" - ")
            fields = before.split()
            mounted = Path(_unescaped(fields[4]))
            if folder.is_relative_to(mounted) and len(mounted.parts) >= best:
                best, number, source = len(mounted.parts), fields[2], after.split()[1]
        yield (self.root / "sys/dev/block" / number).resolve()
        if source.startswith("/dev/"):
            name = (self.root / source.lstrip("/")).resolve().name
            yield (self.root / "sys/class/block" / name).resolve()


def _is_virtual(device: Path) -> bool:
    """Tell whether *device* is a disk that another machine makes up."""
    return any(re.fullmatch(r"virtio\d+", part) for part in device.parts)


def _count(ranges: str) -> int:
    """Return how many numbers are in a list such as ``0-3,8``."""
    total = 0
    for part in ranges.split(","):
        first, _, last = part.partition("-")
        total += int(last or first) - int(first) + 1
    return total


def _unescaped(path: str) -> str:
    """Return a path of ``mountinfo``, in which blanks and the like are octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), path)


# -- descriptions, for proofs ----------------------------------------------------------------

DISK = "sys/devices/pci0/block/nvme0n1"
DESCRIPTION = {
    "proc/self/status": "Name:\tpython\nCpus_allowed_list:\t0-3\n",
    "proc/self/cgroup": "0::/rustybt.service\n",
    "proc/self/mountinfo": "22 1 259:1 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p1 rw\n",
    "proc/meminfo": "MemTotal:       16303428 kB\nMemFree:         9000000 kB\n",
    f"{CONTROL_GROUPS}/rustybt.service/cpu.max": "max 100000\n",
    f"{CONTROL_GROUPS}/rustybt.service/memory.max": "max\n",
    f"{DISK}/queue/rotational": "0\n",
    f"{DISK}/nvme0n1p1/partition": "1\n",
    "capacity": f"{250 * GB}\n",
}


def described_host(folder: Path) -> Host:
    """Return a machine with room enough, described by files in *folder* that may be changed."""
    for name, text in DESCRIPTION.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    numbers = folder / "sys/dev/block"
    numbers.mkdir(parents=True)
    (numbers / "259:1").symlink_to("../../devices/pci0/block/nvme0n1/nvme0n1p1")
    return Host(folder, capacity=lambda _: int((folder / "capacity").read_text("ascii")))

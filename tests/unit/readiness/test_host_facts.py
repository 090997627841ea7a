"""What a machine is, from how its kernel describes it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from readiness_tests.host import CONTROL_GROUPS, DISK, GB, Host, capacity_of, described_host

HOME = Path("/srv/rustybt")
V1_GROUPS = "4:memory:/box/1\n1:cpu,cpuacct:/box\n0::/\n"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """Return a machine with four cores, 16 GB and a solid-state disk."""
    return described_host(tmp_path)


def put(host: Host, name: str, text: str) -> None:
    """Let the machine's description say *text* in the file *name*."""
    path = host.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def test_a_machine_without_limits(host: Host) -> None:
    """All allowed processors, all memory and the disk of the partition count."""
    assert host.cores() == 4
    assert host.memory() == 16_303_428 * 1024
    assert host.capacity(HOME) == 250 * GB
    assert host.rotates(HOME) is False


def test_the_machine_that_runs_this() -> None:
    """The real machine can be read."""
    host = Host()
    assert host.cores() > 0
    assert host.memory() > GB // 10
    assert host.capacity(Path.home()) == capacity_of(Path.home()) > 0
    assert host.rotates(Path.home()) in (True, False, None)


def test_processors_that_are_not_allowed_do_not_count(host: Host) -> None:
    """The list of allowed processors has ranges and single numbers."""
    put(host, "proc/self/status", "Cpus_allowed_list:\t0-2,7,9-10\n")
    assert host.cores() == 6


@pytest.mark.parametrize("group", ["", "rustybt.service/"])
def test_a_container_limits_both(host: Host, group: str) -> None:
    """The limits of the own control group and of those above it count."""
    put(host, f"{CONTROL_GROUPS}/{group}cpu.max", "150000 100000\n")
    put(host, f"{CONTROL_GROUPS}/{group}memory.max", f"{4 * GB}\n")
    assert host.cores() == Decimal("1.5")
    assert host.memory() == 4 * GB


def test_the_tightest_limit_counts(host: Host) -> None:
    """A group may promise more than the one above it has."""
    put(host, f"{CONTROL_GROUPS}/cpu.max", "100000 100000\n")
    put(host, f"{CONTROL_GROUPS}/rustybt.service/cpu.max", "300000 100000\n")
    assert host.cores() == 1


def test_the_first_version_of_control_groups(host: Host) -> None:
    """Each controller has a tree of its own; -1 and huge numbers are no limits."""
    put(host, "proc/self/cgroup", V1_GROUPS)
    put(host, f"{CONTROL_GROUPS}/cpu,cpuacct/cpu.cfs_quota_us", "-1\n")
    put(host, f"{CONTROL_GROUPS}/cpu,cpuacct/cpu.cfs_period_us", "100000\n")
    put(host, f"{CONTROL_GROUPS}/cpu,cpuacct/box/cpu.cfs_quota_us", "250000\n")
    put(host, f"{CONTROL_GROUPS}/cpu,cpuacct/box/cpu.cfs_period_us", "100000\n")
    put(host, f"{CONTROL_GROUPS}/memory/box/memory.limit_in_bytes", f"{6 * GB}\n")
    put(host, f"{CONTROL_GROUPS}/memory/memory.limit_in_bytes", f"{2**63 - 4096}\n")
    assert host.cores() == Decimal("2.5")
    assert host.memory() == 6 * GB


def test_a_rotating_disk_is_told(host: Host) -> None:
    """The queue of the disk says so, whatever the partition."""
    put(host, f"{DISK}/queue/rotational", "1\n")
    assert host.rotates(HOME) is True


@pytest.mark.parametrize(("said", "rotates"), [("1", None), ("0", False)])
def test_a_virtual_disk_is_not_believed_to_rotate(
    host: Host, said: str, rotates: bool | None
) -> None:
    """The kernel's word for a disk that another machine makes up is a guess, unless it denies."""
    put(host, "proc/self/mountinfo", "22 1 253:1 / / rw - ext4 /dev/vda1 rw\n")
    disk = "sys/devices/pci0000:00/0000:00:02.0/virtio1/block/vda"
    put(host, f"{disk}/queue/rotational", f"{said}\n")
    put(host, f"{disk}/vda1/partition", "1\n")
    place = host.root / "sys/dev/block/253:1"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(host.root / disk / "vda1")
    assert host.rotates(HOME) is rotates


def test_the_innermost_mount_counts(host: Host) -> None:
    """A disk that is mounted below the root holds what lies below it; blanks are escaped."""
    outer = (host.root / "proc/self/mountinfo").read_text("utf-8")
    inner = "40 22 0:50 / /srv/my\\040data rw - btrfs /dev/sda2 rw\n"
    put(host, "proc/self/mountinfo", inner + outer)
    put(host, "sys/class/block/sda2/queue/rotational", "1\n")
    assert host.rotates(Path("/srv/my data/home")) is True
    assert host.rotates(Path("/srv/my")) is False


def test_a_device_that_nobody_describes_is_not_guessed(host: Host) -> None:
    """The file system of a container says nothing about the disk."""
    put(host, "proc/self/mountinfo", "22 1 0:31 / / rw - overlay overlay rw\n")
    assert host.rotates(HOME) is None


@pytest.mark.parametrize("name", ["proc/self/status", "proc/meminfo"])
def test_a_description_without_the_fact_is_refused(host: Host, name: str) -> None:
    """Nothing is assumed where the kernel does not say it."""
    put(host, name, "Name: x\n")
    with pytest.raises(ValueError, match=f"{name} does not name"):
        host.cores() if "status" in name else host.memory()

"""Where a figure was measured: the machine in words that name nobody, and the commit."""

import json
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from rustybt.benchmark import Host, this_host
from rustybt.benchmark.checkout import checkout_of
from rustybt.benchmark.host import cpu_model

HOST = Host(
    cpu="A Processor 3000",
    cores=4,
    memory_gib=16,
    system="Linux, Something 12",
    machine="x86_64",
    python="CPython 3.11.7",
)


def git(folder: Path, *words: str) -> None:
    name = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    subprocess.run(("git", *name, *words), cwd=folder, check=True, capture_output=True)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Return a package that is committed in a checkout."""
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "__init__.py").write_text("", "utf-8")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "first")
    return folder


def test_the_digest_is_of_all_fields() -> None:
    """Equal machines have equal digests, and any other field makes another one."""
    assert HOST.digest == replace(HOST).digest
    others = [
        replace(HOST, cpu="B"),
        replace(HOST, cores=5),
        replace(HOST, memory_gib=32),
        replace(HOST, system="Linux, Something 13"),
        replace(HOST, machine="arm64"),
        replace(HOST, python="CPython 3.12.0"),
    ]
    assert len({HOST.digest, *(other.digest for other in others)}) == 7


def test_the_record_of_a_host_has_its_fields_and_digest() -> None:
    """A record names what the digest is of, so that it can be worked out again."""
    assert HOST.as_record() == {
        "cpu": "A Processor 3000",
        "cores": 4,
        "memory_gib": 16,
        "system": "Linux, Something 12",
        "machine": "x86_64",
        "python": "CPython 3.11.7",
        "digest": HOST.digest,
    }


def test_this_host_is_the_same_every_time_and_has_no_paths() -> None:
    """The machine's words do not change from call to call and hold no folder."""
    host = this_host()
    assert host == this_host()
    assert host.cores > 0
    assert host.memory_gib > 0
    assert str(Path.home()) not in json.dumps(host.as_record())


def test_the_processor_is_read_from_the_listing(tmp_path: Path) -> None:
    """The first model name counts, with single blanks."""
    listing = tmp_path / "cpuinfo"
    listing.write_text("processor : 0\nmodel name\t:  A   CPU \nmodel name : B\n", "utf-8")
    assert cpu_model(listing) == "A CPU"


@pytest.mark.parametrize("text", ["", "model name :\n", "Hardware : none\n"])
def test_a_processor_without_a_name_has_what_the_platform_says(tmp_path: Path, text: str) -> None:
    """A listing that says nothing, or is not there, is no error."""
    listing = tmp_path / "cpuinfo"
    listing.write_text(text, "utf-8")
    assert cpu_model(listing) == cpu_model(tmp_path / "missing") != ""


def test_a_clean_checkout_has_its_commit(package: Path) -> None:
    """What is committed is named by its commit."""
    found = checkout_of(package)
    assert found is not None
    assert len(found.commit) == 40
    assert not found.dirty


def test_a_new_file_anywhere_makes_a_checkout_dirty(package: Path) -> None:
    """A file that is not in the commit is a difference, wherever it lies."""
    (package.parent / "new.txt").write_text("x", "utf-8")
    found = checkout_of(package)
    assert found is not None
    assert found.dirty


def test_an_installed_package_in_a_checkout_has_no_commit(package: Path) -> None:
    """A package that the checkout does not know was not measured at its commit."""
    installed = package.parent / "lib" / "other"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("", "utf-8")
    assert checkout_of(installed) is None


def test_no_checkout_has_no_commit(tmp_path: Path) -> None:
    """Neither has a folder without git, nor one that is not there."""
    (tmp_path / "__init__.py").write_text("", "utf-8")
    assert checkout_of(tmp_path) is None
    assert checkout_of(tmp_path / "missing") is None

"""Copies elsewhere: in an S3 store over the network, and in folders; and the journal's copy."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import boto3  # type: ignore[import-untyped]  # has no types
import pytest
from s3fs import S3FileSystem  # type: ignore[import-untyped]  # has no types

from rustybt.backup.errors import BackupError, OffsiteError
from rustybt.backup.offsite import Offsite, local_archive, shown_url
from rustybt.cli import run
from rustybt.deployment import create_home
from rustybt.home import Home
from rustybt.journal.places import journal_url
from rustybt.journal.store import Journal
from rustybt.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "rustybt_backup_20260101_000000.tar.gz"
SECRET = "a-secret-of-the-store"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Make a deployment with a journal of ten records."""
    root = create_home(tmp_path / "home", "dev", lambda: datetime.now(UTC)).root
    record(root, 10)
    return root


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve S3 on loopback, in a process of its own, at a port that is free."""
    folder = str(tmp_path_factory.mktemp("s3"))
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
        stderr=subprocess.STDOUT,
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": os.defpath, "HOME": folder, "PYTHONUNBUFFERED": "1"},
    )
    assert server.stdout is not None
    said: list[str] = []
    rest = threading.Thread(target=server.stdout.read)  # a full pipe would stop the server
    try:
        found = None
        while found is None:
            said.append(server.stdout.readline())
            assert said[-1], "".join(said)
            found = re.search(r"http://127\.0\.0\.1:\d+", said[-1])
        rest.start()
        yield found[0]
    finally:
        server.kill()
        server.wait()
        if rest.is_alive():
            rest.join()
        server.stdout.close()


@pytest.fixture
def store(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return access to the store, with one empty bucket; it is in the environment, too."""
    reset = Request(f"{endpoint}/moto-api/reset", method="POST")  # noqa: S310 - the one above
    urlopen(reset).close()  # noqa: S310 - as above
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("s3")
    client.create_bucket(Bucket="backups")
    yield client
    client.close()
    S3FileSystem.clear_instance_cache()  # another test's store has another address


def record(home: Path, count: int) -> None:
    """Add records to the journal."""
    url = journal_url(load_settings(home, {}))
    with Journal.open(url, session="s", clock=lambda: datetime.now(UTC)) as journal:
        for _ in range(count):
            journal.append("heartbeat", b"{}")
        journal.commit()


def answer(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    """Return the JSON document that a command prints."""
    capsys.readouterr()
    found = run([*map(str, arguments), "--json"])
    captured = capsys.readouterr()
    assert found == 0, captured.err or captured.out
    return json.loads(captured.out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Return what a command that cannot be done says."""
    capsys.readouterr()
    assert run(list(map(str, arguments))) == 1
    return capsys.readouterr().err


def test_a_backup_is_copied_to_s3_and_restored_from_there(
    home: Path, tmp_path: Path, store: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is read back after writing; a damaged or missing copy is found out by verify-backup."""
    with (home / ".env").open("a") as file:
        file.write("OFFSITE_URL=s3://backups/mine\n")
    assert "no backup in s3://backups/mine" in refused(
        capsys, "verify-backup", "--offsite", "--home", home
    )
    made = answer(capsys, "backup", "--home", home)
    assert made["offsite"] == "s3://backups/mine"
    found = answer(capsys, "verify-backup", "--offsite", "--home", home)
    assert found["journal"] == made["journal"]
    name = Path(made["path"]).name
    listed = store.list_objects_v2(Bucket="backups")["Contents"]
    assert [each["Key"] for each in listed] == [f"mine/{name}"]
    key = load_settings(home, {}).encryption_keys()[0].get_secret_value()
    (tmp_path / "key").write_text(key)
    done = answer(capsys, "restore", f"s3://backups/mine/{name}", "--home", tmp_path / "new",
                  "--key-file", tmp_path / "key")  # fmt: skip
    assert done["journal"] == made["journal"]
    assert answer(capsys, "verify-restore", "--home", tmp_path / "new")["ok"] is True
    store.put_object(Bucket="backups", Key=f"mine/{name}", Body=b"another")
    assert "cannot be believed" in refused(capsys, "verify-backup", "--offsite", "--home", home)
    with pytest.raises(OffsiteError, match="is not the archive"):
        Offsite("s3://backups/mine").copy(Path(made["path"]))


def test_a_store_that_is_away_keeps_the_local_backup(
    home: Path, store: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command fails and says so; the backup on this host is there, no secret is shown."""
    del store
    said = refused(capsys, "backup", "--home", home, "--offsite", "s3://no-such-bucket/x")
    assert "the store s3://no-such-bucket/x" in said
    assert SECRET not in said
    assert len(list((home / "backups").iterdir())) == 1


def test_the_journal_is_copied_to_s3_while_it_grows(
    home: Path, tmp_path: Path, store: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """A restore with the copy goes on to its end, beyond the backup."""
    made = answer(capsys, "backup", "--home", home)
    record(home, 7)
    shipped = answer(capsys, "replicate", "--once", "--home", home, "--to", "s3://backups/journal")
    assert shipped["shipped"] == 17
    assert shipped["problem"] is None
    assert len(store.list_objects_v2(Bucket="backups")["Contents"]) == 1
    done = answer(capsys, "restore", made["path"], "--home", home,
                  "--replica", "s3://backups/journal")  # fmt: skip
    assert done["journal"]["sequence"] == 10
    settings = load_settings(home, {})
    with Journal.open(
        journal_url(settings), session="r", clock=lambda: datetime.now(UTC), readonly=True
    ) as journal:
        assert journal.committed.sequence == 17
    assert tmp_path.exists()


def test_another_journals_copy_is_refused(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A restore does not take a journal that the backup's is not the beginning of."""
    made = answer(capsys, "backup", "--home", home)
    other = create_home(tmp_path / "other", "dev", lambda: datetime.now(UTC)).root
    record(other, 20)
    (tmp_path / "copy").mkdir()
    answer(capsys, "replicate", "--once", "--home", other, "--to", tmp_path / "copy")
    said = refused(capsys, "restore", made["path"], "--home", home, "--replica", tmp_path / "copy")
    assert "does not hold record 10 of the backup" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "home", "other"]


def test_replicate_runs_until_it_is_told_to_end(home: Path, tmp_path: Path) -> None:
    """Each attempt tells how much was at risk; on SIGTERM it copies once more, and ends well."""
    (tmp_path / "copy").mkdir()
    command = [sys.executable, "-m", "rustybt", "replicate", "--home", str(home)]
    process = subprocess.Popen(
        [*command, "--to", str(tmp_path / "copy"), "--every", "0.1", "--json"],
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": os.defpath, "HOME": str(tmp_path)},
    )
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    assert first["shipped"] == 10
    assert first["rpo_seconds"] is None
    record(home, 5)
    second = json.loads(process.stdout.readline())
    while second["shipped"] < 15:
        second = json.loads(process.stdout.readline())
    assert second["rpo_seconds"] > 0
    assert second["worst_seconds"] >= second["rpo_seconds"]
    record(home, 1)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate()
    assert process.returncode == 0
    last = json.loads(out.splitlines()[-1])
    assert last["shipped"] == 16
    assert json.loads((home / "state" / "replication.json").read_text()) == last


def test_what_replicate_cannot_do_is_told(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No place, a place that is away, a journal that is not there: each in a line, with code 1."""
    assert "no place to copy the journal to" in refused(capsys, "replicate", "--home", home)
    said = refused(capsys, "replicate", "--once", "--home", home, "--to", tmp_path / "none")
    assert "fails: FileNotFoundError: there is no such folder: is its disk mounted?" in said
    new = create_home(tmp_path / "new", "dev", lambda: datetime.now(UTC)).root
    (tmp_path / "copy").mkdir()
    said = refused(capsys, "replicate", "--once", "--home", new, "--to", tmp_path / "copy")
    assert "there is no journal" in said
    with (home / ".env").open("a") as file:
        file.write(f"OFFSITE_URL=file://{tmp_path}\n")
    (tmp_path / "journal").mkdir()
    assert run(["replicate", "--once", "--home", str(home)]) == 0
    assert "copied to record 10" in capsys.readouterr().out
    Home(home).state.joinpath("replication.json").unlink()
    Home(home).state.joinpath("replication.json").mkdir()
    assert "cannot write" in refused(capsys, "replicate", "--once", "--home", home)


def test_a_folder_elsewhere_takes_copies(tmp_path: Path) -> None:
    """A copy is made once; names are those of backups only, the oldest first."""
    archive = tmp_path / NAME
    archive.write_bytes(b"data")
    there = Offsite(str(tmp_path / "there"))
    assert there.names() == []
    first = there.copy(archive)
    assert there.copy(archive) == first
    (tmp_path / "there" / "other").write_text("")
    assert there.names() == [NAME]
    (tmp_path / "into").mkdir()
    assert there.fetch(NAME, tmp_path / "into").read_bytes() == b"data"
    with local_archive(f"file://{tmp_path}/there/{NAME}") as path:
        assert path.read_bytes() == b"data"
    with pytest.raises(BackupError, match="names no backup"), local_archive("file:///x/y"):
        pass


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nothing://x/y", "cannot be reached: ValueError"),
        ("gs://bucket/x", "pip install gcsfs"),
        ("sftp://user:secret@host/x", "pip install"),
    ],
)
def test_a_place_that_nobody_knows_is_told(url: str, said: str) -> None:
    """A scheme without a library names it; a password in the URL is not shown."""
    with pytest.raises(OffsiteError) as caught:
        Offsite(url)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


def test_urls_are_shown_without_what_is_secret() -> None:
    """Neither user nor password, nor a signature in the query."""
    assert shown_url("s3://a:b@bucket/x?sig=1#2") == "s3://bucket/x"
    assert shown_url("/a/folder") == "/a/folder"

"""Backups from the command line: of an engine that trades, restored, found to be the same."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import tarfile
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rustybt.cli import run
from rustybt.deployment import create_home, open_vault
from rustybt.errors import RustyBTError
from rustybt.files import tree_digest
from rustybt.home import Home
from rustybt.journal.places import journal_url
from rustybt.journal.store import Journal
from rustybt.model.bar import Bar
from rustybt.model.instrument import Instrument
from rustybt.settings import ENCRYPTION_KEY, load_settings
from rustybt.strategy import Strategy
from rustybt.system import Session, paper_session
from rustybt.system.wiring import state_of
from rustybt.trading.settings import GuardSettings

if TYPE_CHECKING:
    from collections.abc import Callable

START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CANARY = "canary-3f9d1c77"
BTC = Instrument(
    symbol="BTC/USDT", base="BTC", quote="USDT", tick=Decimal("0.01"), lot=Decimal("0.001")
)


class Holding(Strategy):
    """Buys a little on each bar, and counts."""

    def on_bar(self, bar: Any) -> None:
        """Order."""
        self.state["bars"] = self.state.get("bars", 0) + 1
        self.buy(bar.symbol, "0.125")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Make a deployment."""
    return create_home(tmp_path / "home", "dev", lambda: START).root


def session(home: Path, minutes: int, *, lasting: bool) -> Session:
    """Return a paper session over *minutes* bars, and one that nobody will live to see."""
    times = [START + number * MINUTE for number in range(minutes)]
    times += [START + timedelta(days=36_500)] * lasting
    price = Decimal(100)
    bars = [
        Bar("BTC/USDT", time, time + MINUTE, price, price, price, price, Decimal(10))
        for time in times
    ]
    return paper_session(
        load_settings(home, {}),
        Holding(),
        source=b"",
        bars=bars,
        instruments={"BTC/USDT": BTC},
        cash={"USDT": Decimal(10_000)},
        speed=6000.0 if lasting else None,
        guard=GuardSettings(),
        reconcile_every=timedelta(days=1),
    )


def trade(home: Path, minutes: int) -> None:
    """Run a session to its end."""
    wired = session(home, minutes, lasting=False)
    try:
        assert wired.run(enabled_by="test", reason="a test").code == 0
    finally:
        wired.close()


def while_it_trades(home: Path, work: Callable[[], Any]) -> Any:
    """Return what *work* does in a thread while an engine runs that holds something."""

    async def both() -> Any:
        wired = session(home, 3, lasting=True)
        running = asyncio.ensure_future(wired.run_async(enabled_by="test", reason="a test"))
        try:
            while not running.done():
                await asyncio.sleep(0.01)
                with contextlib.suppress(RustyBTError):
                    if wired.runner.engine.ledger.quantities():
                        break
            found = await asyncio.to_thread(work)
            wired.runner.abort("the test is over", 0)
            await running
            return found
        finally:
            wired.close()

    return asyncio.run(both())


def answer(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> Any:
    """Return the JSON document that a command prints."""
    capsys.readouterr()
    found = run([*map(str, arguments), "--json"])
    captured = capsys.readouterr()
    assert found == code, captured.err or captured.out
    return json.loads(captured.out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Return the one line that a command which cannot be done prints."""
    capsys.readouterr()
    assert run(list(map(str, arguments))) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("rustybt: ")
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    return captured.err


def key_of(home: Path, folder: Path) -> Path:
    """Write the encryption key of *home* to a file of its own, as an operator keeps it."""
    path = folder / "kept.key"
    ring = load_settings(home, {}).encryption_keys()
    path.write_text("\n".join(key.get_secret_value() for key in ring))
    return path


def test_a_backup_of_a_running_engine_is_restored_elsewhere(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is made while the engine holds a position; on another host all adds up to the same."""

    def work() -> tuple[Any, str]:
        made = answer(capsys, "backup", "--home", home)
        assert run(["restore", made["path"], "--home", str(home)]) == 1
        return made, capsys.readouterr().err

    made, message = while_it_trades(home, work)
    assert "an engine runs in" in message
    assert made["verified"] is True
    assert made["journal"]["sequence"] > 0
    other = tmp_path / "other"
    key = key_of(home, tmp_path)
    done = answer(capsys, "restore", made["path"], "--home", other, "--key-file", key)
    assert done["kept"] is None
    assert done["journal"] == made["journal"]
    proof = answer(capsys, "verify-restore", "--home", other)
    assert proof["ok"] is True
    assert proof["records"] == made["journal"]["sequence"]
    assert Decimal(proof["state"]["positions"]["BTC/USDT"]["quantity"]) >= Decimal("0.125")
    assert len((other / "readiness" / "restores.jsonl").read_text().splitlines()) == 1


def test_a_session_goes_on_from_what_was_restored(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """State of the strategy, positions and trades are those of the backup; trading goes on."""
    trade(home, 5)
    before = state_of(load_settings(home, {}), lambda: START)
    made = answer(capsys, "backup", "--home", home)
    trade(home, 8)
    assert state_of(load_settings(home, {}), lambda: START).trades > before.trades
    done = answer(capsys, "restore", made["path"], "--home", home)
    assert state_of(load_settings(home, {}), lambda: START) == before
    assert state_of(load_settings(Path(done["kept"]), {}), lambda: START).trades > before.trades
    assert answer(capsys, "verify-restore", "--home", home)["ok"] is True
    trade(home, 8)
    assert run(["verify-audit", "--home", str(home)]) == 0
    after = answer(capsys, "verify-restore", "--home", home)
    assert after["ok"] is True
    assert "state/journal-heads.jsonl" in after["changed"]


def test_a_backup_while_the_journal_is_written(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Records that are committed all the while are in it whole, to one of them, or not at all."""
    trade(home, 3)
    settings, ending, written = load_settings(home, {}), threading.Event(), threading.Event()

    def write() -> None:
        with Journal.open(journal_url(settings), session="w", clock=lambda: START) as journal:
            while not ending.is_set():
                for _ in range(50):
                    journal.append("heartbeat", b'{"a":1}')
                journal.commit()
                written.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert written.wait(60)
        sequences = [
            answer(capsys, "backup", "--home", home, "--to", home / f"backups-{number}")["journal"]
            for number in range(3)
        ]
    finally:
        ending.set()
        writer.join()
    with Journal.open(
        journal_url(settings), session="r", clock=lambda: START, readonly=True
    ) as journal:
        for found in sequences:
            record = next(journal.records(found["sequence"] - 1, upto=found["sequence"]))
            assert record.own.hex() == found["sha256"]


def test_no_secret_stands_in_clear_in_a_backup(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Keys in .env, in config and in a strategy's file are encrypted, and are there again."""
    trade(home, 3)
    with (home / ".env").open("a") as file:
        file.write(f"BINANCE_API_KEY={CANARY}\nAPI_AUTH_TOKEN={CANARY * 3}\n")
    for place in ("config/alerts.yaml", "strategy.py", "state/other.json", "encryption.key.old"):
        (home / place).write_text(CANARY)
    keys = [key.get_secret_value() for key in load_settings(home, {}).encryption_keys()]
    signing = (home / "state" / "journal-signing-key").read_bytes()
    path = Path(answer(capsys, "backup", "--home", home)["path"])
    assert path.stat().st_mode & 0o777 == 0o600
    secrets = [CANARY.encode(), signing, *(key.encode() for key in keys)]
    with tarfile.open(path) as archive:
        for member in archive:
            file_in = archive.extractfile(member)
            assert file_in is not None
            data = file_in.read()
            assert not [secret for secret in secrets if secret in data], member.name
    other = tmp_path / "other"
    assert run(["restore", str(path), "--home", str(other), "--key-file",
                str(key_of(home, tmp_path))]) == 0  # fmt: skip
    assert (other / "config" / "alerts.yaml").read_text() == CANARY
    assert (other / ".env").read_bytes() == (home / ".env").read_bytes()
    assert (other / "state" / "journal-signing-key").read_bytes() == signing


def test_an_archive_that_was_damaged_changes_nothing(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cut off or flipped anywhere, it is refused in one line, and the home stays as it was."""
    path = Path(answer(capsys, "backup", "--home", home)["path"])
    data = path.read_bytes()
    bad = path.with_name("bad.tar.gz")
    before = tree_digest(home / "state")
    places = range(0, len(data), max(len(data) // 8, 1))
    for at in places:
        for changed in (data[:at], data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]):
            bad.write_bytes(changed)
            assert "cannot be believed" in refused(capsys, "restore", bad, "--home", home)
            assert str(bad) in refused(capsys, "verify-backup", bad, "--home", home)
    assert tree_digest(home / "state") == before
    assert sorted(path.name for path in home.parent.iterdir()) == [home.name]


def test_a_backup_of_another_key_is_refused(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the key nothing is unpacked; the message names the key by its fingerprint only."""
    made = answer(capsys, "backup", "--home", home)
    other = create_home(tmp_path / "other", "dev", lambda: START)
    key = load_settings(other.root, {}).encryption_keys()[0].get_secret_value()
    said = refused(capsys, "restore", made["path"], "--home", other.root)
    assert made["key_fingerprint"] in said
    assert key not in said
    assert "no encryption key" in refused(
        capsys, "restore", made["path"], "--home", tmp_path / "none"
    )


def test_a_backup_can_be_looked_into(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The newest one is taken where none is named; a home without one says so."""
    assert "there is no backup in" in refused(capsys, "verify-backup", "--home", home)
    assert "no place elsewhere" in refused(capsys, "verify-backup", "--offsite", "--home", home)
    made = answer(capsys, "backup", "--home", home)
    found = answer(capsys, "verify-backup", "--home", home)
    assert found["archive"] == made["path"]
    assert found["files"] == made["files"]
    assert run(["verify-backup", "--home", str(home)]) == 0
    assert "can be restored" in capsys.readouterr().out


def test_a_changed_restore_is_noticed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is missing or another one fails verify-restore, and each is named."""
    assert "nothing was restored" in refused(capsys, "verify-restore", "--home", home)
    trade(home, 3)
    made = answer(capsys, "backup", "--home", home)
    assert run(["restore", made["path"], "--home", str(home)]) == 0
    (home / "data" / "practice.csv").unlink()
    with (home / ".env").open("a") as file:
        file.write("# more\n")
    proof = answer(capsys, "verify-restore", "--home", home, code=1)
    assert proof["problems"] == [
        ".env is not the file that was restored",
        "data/practice.csv is missing",
    ]
    Home(home).vault_file.write_text("{}")
    proof = answer(capsys, "verify-restore", "--home", home, code=1)
    assert any("vault" in problem for problem in proof["problems"])
    assert run(["verify-restore", "--home", str(home)]) == 1
    assert "practice.csv is missing" in capsys.readouterr().err
    (home / "state" / "restored.json").write_text("{")
    assert "is damaged" in refused(capsys, "verify-restore", "--home", home)


def test_a_journal_that_was_changed_makes_no_backup(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What could not be believed after a restore is not kept as a backup; nothing is left."""
    trade(home, 3)
    database = home / "state" / "rustybt.db"
    data = database.read_bytes()
    database.write_bytes(data.replace(b'"quantity"', b'"quantitY"', 1))
    assert "the journal is not as it was written" in refused(capsys, "backup", "--home", home)
    assert list((home / "backups").iterdir()) == []


def test_a_journal_outside_of_the_home_comes_back(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its records are in the archive as segments; the restore fills an empty database with them."""
    database = tmp_path / "elsewhere.db"
    env = home / ".env"
    env.write_text(env.read_text().replace("sqlite:///state/rustybt.db", f"sqlite:///{database}"))
    trade(home, 4)
    before = state_of(load_settings(home, {}), lambda: START)
    made = answer(capsys, "backup", "--home", home)
    assert answer(capsys, "verify-backup", "--home", home)["journal"] == made["journal"]
    assert run(["restore", made["path"], "--home", str(home)]) == 0  # the records are there
    for file in tmp_path.glob("elsewhere.db*"):
        file.unlink()
    assert run(["restore", made["path"], "--home", str(tmp_path / "new"),
                "--key-file", str(key_of(home, tmp_path))]) == 0  # fmt: skip
    assert state_of(load_settings(home, {}), lambda: START) == before
    assert answer(capsys, "verify-restore", "--home", tmp_path / "new")["ok"] is True


def test_the_scripts_of_a_home_work(home: Path, tmp_path: Path) -> None:
    """backup-rustybt.sh makes a backup, restore-rustybt.sh restores it, with no other argument."""
    moved = tmp_path / 'a home\'s "$HOME" $(id)'
    home.rename(moved)
    environ = {"PATH": os.defpath, "HOME": str(tmp_path)}
    options: Any = {"env": environ, "capture_output": True, "text": True, "check": True}
    subprocess.run([moved / "backup-rustybt.sh"], **options)
    (archive,) = (moved / "backups").iterdir()
    done = subprocess.run(
        [moved / "restore-rustybt.sh", f"backups/{archive.name}"], cwd=moved, **options
    )
    assert "restored" in done.stdout
    assert (moved / "backups" / archive.name).exists()
    assert len([path for path in tmp_path.iterdir() if ".before-" in path.name]) == 1


def test_the_units_and_the_line_for_cron_name_the_home(tmp_path: Path) -> None:
    """They name the home as it is going to be, with what is special in units escaped."""
    home = create_home(tmp_path / "100% mine", "dev", lambda: START)
    service = (home.config / "rustybt-backup.service").read_text()
    assert f'ExecStart="{tmp_path}/100%% mine/backup-rustybt.sh"' in service
    assert "OnCalendar=" in (home.config / "rustybt-backup.timer").read_text()
    assert "replicate --home" in (home.config / "rustybt-replicate.service").read_text()
    cron = (home.config / "rustybt-backup.cron").read_text()
    assert f"'{tmp_path}/100\\% mine'/backup-rustybt.sh" in cron


def test_links_pipes_and_what_lies_about(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Links to files are read; what no backup can hold is named; temporary files are not taken."""
    (tmp_path / "real.yaml").write_text("real")
    (home / "config" / "linked.yaml").symlink_to(tmp_path / "real.yaml")
    (home / "config" / "dangling").symlink_to(tmp_path / "none")
    (home / "config" / "folder").symlink_to(tmp_path)
    (home / "state" / ".vault.json.1.tmp").write_text("left")
    os.mkfifo(home / "config" / "pipe")
    made = answer(capsys, "backup", "--home", home)
    assert [line.partition(":")[0] for line in made["left_out"]] == [
        "config/folder", "config/dangling", "config/pipe",
    ]  # fmt: skip
    key = key_of(home, tmp_path)
    other = tmp_path / "other"
    assert run(["restore", made["path"], "--home", str(other), "--key-file", str(key)]) == 0
    assert (other / "config" / "linked.yaml").read_text() == "real"
    assert not (other / "config" / "linked.yaml").is_symlink()
    assert not (other / "state" / ".vault.json.1.tmp").exists()
    assert run(["backup", "--home", str(home), "--to", str(tmp_path / "to")]) == 0
    assert "left out: config/pipe" in capsys.readouterr().err


def test_a_disk_that_refuses_is_told(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file in the way of the folder is one clear error, on both ways."""
    (tmp_path / "file").write_text("")
    assert "cannot write a backup" in refused(
        capsys, "backup", "--home", home, "--to", tmp_path / "file" / "to"
    )
    made = answer(capsys, "backup", "--home", home)
    assert "cannot restore to" in refused(
        capsys, "restore", made["path"], "--home", tmp_path / "file" / "h",
        "--key-file", key_of(home, tmp_path),
    )  # fmt: skip
    assert "cannot read" in refused(capsys, "restore", tmp_path / "no.tar.gz", "--home", home)
    assert "cannot read" in refused(capsys, "restore", tmp_path, "--home", home)


def test_the_vault_opens_after_a_restore_with_a_key_from_outside(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Where the key is only in the environment, a backup holds none and is opened with that."""
    settings = load_settings(home, {})
    key = settings.encryption_keys()[0].get_secret_value()
    env = home / ".env"
    env.write_text(env.read_text().replace(f"RUSTYBT_ENCRYPTION_KEY={key}\n", ""))
    monkeypatch.setenv(ENCRYPTION_KEY, key)
    made = answer(capsys, "backup", "--home", home)
    shutil.rmtree(home / "state")
    assert run(["restore", made["path"], "--home", str(home)]) == 0
    assert open_vault(load_settings(home, os.environ), lambda: START).names() == ("practice",)

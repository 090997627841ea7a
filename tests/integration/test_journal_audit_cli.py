"""``verify-audit`` and ``export-audit`` as an auditor runs them."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rustybt.cli import run
from rustybt.deployment import create_home
from rustybt.files import tree_digest
from rustybt.home import Home
from rustybt.journal import canonical
from rustybt.journal.places import heads_file, public_key_file, signing_key_file
from rustybt.journal.signing import SigningKey
from rustybt.journal.store import Journal

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a deployment whose journal has five records and a signed head."""
    made = create_home(tmp_path / "home", "dev", lambda: NOW)
    key = SigningKey.create(signing_key_file(made), public_key_file(made))
    with Journal.open(
        f"sqlite:///{made.state}/rustybt.db",
        session="s-1",
        clock=lambda: NOW,
        key=key,
        heads=heads_file(made),
    ) as journal:
        for number in range(5):
            time = NOW + timedelta(days=number)
            journal.append("fill", canonical({"n": number, "price": "0.1000"}), time)
        journal.commit()
        journal.sign_head()
    return made


def damage(home: Home, statement: str) -> None:
    database = sqlite3.connect(home.state / "rustybt.db", isolation_level=None)
    database.execute(statement)
    database.close()


Printed = pytest.CaptureFixture[str]


def test_a_whole_journal_is_verified_and_left_alone(home: Home, capsys: Printed) -> None:
    """Exit 0 says how many records are whole and who signed the head; nothing is changed."""
    before = tree_digest(home.root)
    assert run(["verify-audit", "--home", str(home.root)]) == 0
    said = capsys.readouterr().out
    assert "5 records from 2026-03-01 12:00:00+00:00 to 2026-03-05 12:00:00+00:00 are whole" in said
    fingerprint = SigningKey.load(signing_key_file(home)).public.fingerprint
    assert f"1 signed heads agree, the last of record 5 (signed by {fingerprint})" in said
    assert run(["verify-audit", "--home", str(home.root), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["ok"], document["records"], document["signed"]) == (True, 5, 5)
    assert (document["keys"], document["first_bad"]) == ([fingerprint], None)
    assert tree_digest(home.root) == before


def test_the_first_bad_record_is_named(home: Home, capsys: Printed) -> None:
    """Exit 1 names it with its time, its kind and what is wrong."""
    damage(home, "UPDATE journal SET payload = x'7b7d' WHERE sequence = 3")
    assert run(["verify-audit", "--home", str(home.root)]) == 1
    printed = capsys.readouterr()
    assert "record 3 (2026-03-03T12:00:00+00:00, fill): it was changed" in printed.err
    assert "the 2 records before it are whole" in printed.out
    assert run(["verify-audit", "--home", str(home.root), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is False
    assert document["first_bad"] == {
        "sequence": 3,
        "time": "2026-03-03T12:00:00+00:00",
        "kind": "fill",
        "problem": "it was changed: its hash is not the one of what it says",
    }


def test_a_cut_end_is_found(home: Home, capsys: Printed) -> None:
    """The head in the file tells, even if those in the database are gone with the records."""
    damage(home, "DELETE FROM journal WHERE sequence > 3")
    damage(home, "DELETE FROM journal_head")
    assert run(["verify-audit", "--home", str(home.root)]) == 1
    assert "record 4: the end is cut off" in capsys.readouterr().err


def test_nothing_to_look_at_is_never_fine(home: Home, tmp_path: Path, capsys: Printed) -> None:
    """An empty, a missing and an unreadable journal exit 2, and so does a missing home or key."""
    empty = f"sqlite:///{tmp_path}/empty.db"
    Journal.open(empty, session="s-1", clock=lambda: NOW).close()
    other = tmp_path / "other.db"
    other.write_bytes(b"no database" * 1000)
    for arguments, said in (
        (["--db", empty], "nothing to verify: the journal is empty"),
        (["--db", f"sqlite:///{tmp_path}/none.db"], "there is no journal at"),
        (["--db", f"sqlite:///{other}"], "file is not a database"),
        (["--db", "mysql://me:hush@host/x"], "not the URL"),
        (["--home", f"{tmp_path}/none"], "none"),
        (["--home", str(home.root), "--public-key", str(other)], "other.db"),
    ):
        assert run(["verify-audit", *arguments]) == 2
        printed = capsys.readouterr()
        assert said in printed.err
        assert "hush" not in printed.err
        assert printed.out == ""
        assert run(["verify-audit", *arguments, "--json"]) == 2
        document = json.loads(capsys.readouterr().out)
        assert document["ok"] is False
        assert said in document["error"]


def test_what_was_not_checked_is_said(home: Home, capsys: Printed) -> None:
    """Without heads a cut end, without a key a forged head would be missed: both are told."""
    public_key_file(home).unlink()
    assert run(["verify-audit", "--home", str(home.root)]) == 0
    assert "(signatures not checked)" in capsys.readouterr().out
    damage(home, "DELETE FROM journal_head")
    assert run(["verify-audit", "--db", f"sqlite:///{home.state}/rustybt.db"]) == 0
    assert "records cut from the end would not be missed" in capsys.readouterr().out


def test_an_export_is_json_lines_of_a_time(home: Home, tmp_path: Path, capsys: Printed) -> None:
    """Each record is a line; decimals are the text they were; the file is new and whole."""
    out = tmp_path / "audit.jsonl"
    where = ["--home", str(home.root), "--out", str(out)]
    assert run(["export-audit", *where, "--since", "2026-03-02", "--until", "2026-03-04"]) == 0
    assert capsys.readouterr().out == f"wrote 2 records, 2 to 3, to {out}\n"
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["payload"] for line in lines] == [
        {"n": 1, "price": "0.1000"},
        {"n": 2, "price": "0.1000"},
    ]
    assert run(["export-audit", *where]) == 1
    assert "exists and is left as it is" in capsys.readouterr().err
    out.unlink()
    assert run(["export-audit", *where, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "path": str(out),
        "records": 5,
        "first": 1,
        "last": 5,
    }


def test_an_export_of_nothing_fails(home: Home, tmp_path: Path, capsys: Printed) -> None:
    """No record of that time, or a damaged one, gives an error and no file."""
    out = tmp_path / "audit.jsonl"
    where = ["--home", str(home.root), "--out", str(out)]
    assert run(["export-audit", *where, "--since", "2027-01-01T00:00:00"]) == 1
    assert "nothing to export" in capsys.readouterr().err
    damage(home, "DELETE FROM journal WHERE sequence = 4")
    assert run(["export-audit", *where]) == 1
    assert "the journal is damaged at record 4" in capsys.readouterr().err
    assert not out.exists()


def test_the_commands_are_there() -> None:
    """As a process of its own, too, the exit code tells."""
    command = [sys.executable, "-m", "rustybt", "verify-audit", "--db", "sqlite:////none/at/all.db"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "rustybt: there is no journal at /none/at/all.db\n"

"""What people signed for a deployment decides in a run, until it lapses."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pytest_rustybt_ready import cli

pytest_plugins = ["pytester"]

HOOK = """
from pytest_rustybt_ready import Subject


def pytest_ready_subject(config):
    return Subject(name="d", kind="deployment", home=str(config.rootpath / "home"))
"""
# a git hook names its own repository in the environment
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
SIGNED = 'role = "security-reviewer"\nmax_age_days = 60\nlapses_with_commit = true'
TRAINED = 'role = "security-reviewer"\nmax_age_days = 60'


def git(root: Path, *args: str) -> None:
    """Run git as Grace, a long time ago."""
    who = ("-c", "user.name=Grace", "-c", "user.email=grace@example.org", "-c", "commit.gpgsign=no")
    when = {"GIT_AUTHOR_DATE": "2026-01-01T00:00Z", "GIT_COMMITTER_DATE": "2026-01-01T00:00Z"}
    command = ("git", "-C", str(root), *who, *args)
    subprocess.run(command, env=CLEAN | when, check=True, capture_output=True)


@pytest.fixture
def signed(project: Any) -> Any:
    """Return a project with a commit, a deployment that trusts Ada, and two items to sign."""
    project.write("conftest.py", HOOK)
    project.items(
        _1_1_1=("code", "dev", ""),
        _4_2_1=("host", "dev", ""),
        _2_1_1=("signed", "dev", SIGNED),
        _2_1_2=("signed", "dev", TRAINED),
    )
    project.passing("1.1.1", "4.2.1")
    project.write(".gitignore", "home\n__pycache__\nreadiness-report\n.readiness\n.pytest_cache\n")
    git(project.root, "init", "-q")
    git(project.root, "add", "-A")
    git(project.root, "commit", "-q", "-m", "a release")
    make_key = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f")
    folder = project.write("home/readiness/roles.toml", ROLES).parent
    subprocess.run([*make_key, folder.parent / "key"], check=True)
    public = (folder.parent / "key.pub").read_text()
    (folder / "allowed_signers").write_text(f"ada@example.org {public}")
    return project


ROLES = '[roles]\nsecurity-reviewer = ["ada@example.org"]\n'


def sign(project: Any, item: str) -> int:
    """Sign *item* by the command."""
    where = ["--deployment", "home", "--key", "home/key", "--checklist", "checklist.toml"]
    who = ["--as", "ada@example.org", "--role", "security-reviewer", "--expires", "30d"]
    return cli.run(["sign", item, *who, *where])


def test_from_awaiting_to_signed_to_lapsed(signed: Any) -> None:
    """Nothing signed: the run says how. Signed: READY. One commit later: lapsed, and named."""
    run = signed.run()
    assert run.code == 6
    assert run.item("2.1.1") == "awaiting"
    assert "fix: rustybt-ready sign 2.1.1 --as EMAIL --role security-reviewer" in run.output
    assert [sign(signed, item) for item in ("2.1.1", "2.1.2")] == [0, 0]
    run = signed.run()
    assert (run.code, run.item("2.1.1"), run.item("2.1.2")) == (0, "signed", "signed")
    assert "signature or waiver ends with the next commit: 2.1.1" in run.output
    record = run.record
    assert len(record.sealed_statements) == 2
    assert set(record.trust.digests) == {"allowed_signers", "roles.toml"}
    assert record.verdict.valid_until == min(s.expires_at for s in record.statements)
    assert record.changes.fixed == ("2.1.1", "2.1.2")
    assert cli.run(["verify", "readiness-report/readiness.json"]) == 0
    assert cli.run(["verify", "readiness-report/readiness.json", "--at", "2036-01-01"]) == 6
    signed.write("more.txt", "a change")
    git(signed.root, "add", "-A")
    git(signed.root, "commit", "-q", "-m", "one more")
    run = signed.run()
    assert (run.code, run.item("2.1.1"), run.item("2.1.2")) == (6, "awaiting", "signed")
    assert "its signature was for another commit" in run.reason("2.1.1")
    assert run.record.changes.newly_stale == ("2.1.1",)


def test_a_tampered_statement_is_named(signed: Any) -> None:
    """A statement with a changed byte counts for nothing, and the run says so."""
    assert sign(signed, "2.1.2") == 0
    (path,) = (signed.root / "home/readiness/statements").glob("*.json")
    path.write_text(path.read_text().replace('"item": "2.1.2"', '"item": "2.1.1"'))
    run = signed.run()
    assert (run.code, run.item("2.1.1"), run.item("2.1.2")) == (6, "awaiting", "awaiting")
    assert f"refused: 2.1.1 {path.name}: it was changed" in run.output


def test_a_revocation_that_an_earlier_run_has_seen_is_missed(signed: Any) -> None:
    """Taken away before anybody signed again, the history of runs still knows of it."""
    assert sign(signed, "2.1.2") == 0
    assert signed.run().item("2.1.2") == "signed"
    where = ["--deployment", "home", "--key", "home/key", "--checklist", "checklist.toml"]
    who = ["--as", "ada@example.org", "--role", "security-reviewer", "--reason", "a mistake"]
    assert cli.run(["revoke", "2.1.2", *who, *where]) == 0
    run = signed.run()
    assert (run.code, run.item("2.1.2")) == (6, "awaiting")
    assert run.record.trusted["revocations"].endswith(" (1)")
    (path,) = (signed.root / "home/readiness/statements").glob("*-revocation-*.json")
    path.unlink()
    run = signed.run()
    assert (run.code, run.item("2.1.2")) == (6, "awaiting")
    assert "a revocation was taken away" in run.reason("2.1.2")
    assert "named by the run of" in run.reason("2.1.2")
    # the history does not forget by being asked
    assert signed.run().item("2.1.2") == "awaiting"
    assert cli.run(["history"]) == 0


def test_trust_that_cannot_be_read_is_named(signed: Any) -> None:
    """Where allowed_signers cannot be read, statements are refused, and the run goes on."""
    assert sign(signed, "2.1.2") == 0
    (signed.root / "home/readiness/allowed_signers").write_bytes(b"\xff\xfe")
    run = signed.run()
    assert run.item("2.1.2") == "awaiting"
    assert "cannot be read" in run.output

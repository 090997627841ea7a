"""``rustybt-ready sign``, ``waive``, ``revoke``, ``statements``: as people use them."""

from __future__ import annotations

import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pytest_rustybt_ready import cli
from pytest_rustybt_ready.statements import signing

Out = pytest.CaptureFixture[str]


def run(desk: Any, *arguments: str, key: str = "") -> int:
    """Run a command on the deployment and the checkout of *desk*."""
    where = ["--deployment", str(desk.home), "--checkout", str(desk.bench.root)]
    signed = ["--key", str(desk.keys[key])] if key else []
    return cli.run([*arguments, *where, *signed])


MAIN = "from pytest_rustybt_ready.cli import main; main()"
SIGN = ("sign", "2.1.6", "--as", "ada@example.org", "--role", "security-reviewer")


def test_sign_then_look_then_revoke(desk: Any, tmp_path: Path, capfd: Out) -> None:
    """The round: nothing is signed, something is, it is verified, it is taken back."""
    assert run(desk, "statements", "check") == 0
    command = "2.1.6     awaiting   rustybt-ready sign 2.1.6 --as EMAIL --role security-reviewer"
    assert command in capfd.readouterr().out
    report = tmp_path / "report.pdf"
    report.write_text("nothing found")
    assert run(desk, *SIGN, "--evidence", str(report), "--expires", "30d", key="ada") == 0
    assert "sign-off of 2.1.6: " in capfd.readouterr().out
    assert run(desk, "statements", "list") == 0
    out = capfd.readouterr().out
    assert "2.1.6     in force   sign-off by ada@example.org as security-reviewer" in out
    assert out.rstrip().endswith("1 sound, 0 refused")
    assert run(desk, "statements", "check") == 0
    assert "2.1.6     awaiting" not in capfd.readouterr().out
    revoke = ("revoke", "2.1.6", "--as", "ada@example.org", "--role", "security-reviewer")
    assert run(desk, *revoke, "--reason", "wrong report", key="ada") == 0
    assert run(desk, "statements", "list") == 0
    assert "2.1.6     revoked" in capfd.readouterr().out


def test_waive(desk: Any, capfd: Out) -> None:
    """A waiver says why and what instead."""
    waive = ("waive", "1.1.2", "--as", "dan@example.org", "--role", "risk-manager")
    assert run(desk, *waive, "--reason", "late", "--measure", "by hand", key="dan") == 0
    assert run(desk, "statements", "list") == 0
    assert "1.1.2     in force   waiver by dan@example.org" in capfd.readouterr().out


def test_refused_statements_are_named(desk: Any, capfd: Out) -> None:
    """`statements check` ends with code 1 and says which file and why."""
    assert run(desk, *SIGN, key="ada") == 0
    (path,) = desk.statements.glob("*.json")
    path.write_text(path.read_text().replace("ada", "eve"))
    assert run(desk, "statements", "check") == 1
    assert f"2.1.6     refused    {path.name}: it was changed" in capfd.readouterr().out


def test_a_statement_of_an_earlier_commit_is_shown_as_lapsed(desk: Any, capfd: Out) -> None:
    """The list tells what a new commit has ended."""
    assert run(desk, *SIGN, "--commit", desk.earlier, key="ada") == 0
    assert run(desk, "statements", "list") == 0
    assert "2.1.6     lapsed" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "key", "reason"),
    [
        (SIGN, "stranger", "the statement would not count, so it was not kept"),
        ((*SIGN, "--expires", "soon"), "ada", "--expires 'soon': expected a number of days"),
        ((*SIGN, "--evidence", "nowhere.pdf"), "ada", "nowhere.pdf: cannot be read"),
        ((*SIGN, "--evidence", "a b.pdf"), "ada", "rename it"),
        ((*SIGN, "--results", "nowhere.json"), "ada", "nowhere.json: cannot be read"),
        (("sign", "2.1.66", *SIGN[2:]), "ada", "is not an item"),
        (("revoke", "2.1.6", *SIGN[2:], "--reason", "x"), "ada", "means 0 statements"),
    ],
)
def test_what_cannot_be_signed(
    desk: Any, capfd: Out, arguments: tuple[str, ...], key: str, reason: str
) -> None:
    """One clear error, and nothing is written."""
    assert run(desk, *arguments, key=key) in (4, 7)
    assert reason in capfd.readouterr().err
    assert not any(desk.statements.iterdir())


def test_a_key_that_cannot_sign(desk: Any, tmp_path: Path, capfd: Out) -> None:
    """What is no key is named."""
    (tmp_path / "key").write_text("no key\n")
    assert run(desk, *SIGN, "--key", str(tmp_path / "key")) == 4
    assert "ssh-keygen could not sign with it" in capfd.readouterr().err


def test_a_key_that_only_the_agent_holds(desk: Any, tmp_path: Path) -> None:
    """With the private key in the agent alone, the public key names it."""
    key = tmp_path / "key"
    key.write_bytes(desk.keys["ada"].read_bytes())
    key.chmod(0o600)
    key.with_suffix(".pub").write_bytes(desk.keys["ada"].with_suffix(".pub").read_bytes())
    where = ["--deployment", str(desk.home), "--checkout", str(desk.bench.root)]
    sign = [*SIGN, *where, "--key", str(key.with_suffix(".pub"))]
    command = shlex.join([sys.executable, "-c", MAIN, *sign])
    script = f"ssh-add -q {shlex.quote(str(key))} && rm {shlex.quote(str(key))} && {command}"
    done = subprocess.run(["ssh-agent", "sh", "-c", script], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not key.exists()
    (statement,) = desk.read(datetime.now(UTC)).examined.statements
    assert statement.signer == "ada@example.org"


def test_no_deployment_and_no_commit(desk: Any, tmp_path: Path, capfd: Out) -> None:
    """What is signed for must be there."""
    where = ["--deployment", str(tmp_path), "--checkout", str(desk.bench.root)]
    assert cli.run(["statements", "list", *where]) == 4
    assert "it has no readiness/" in capfd.readouterr().err
    where = ["--deployment", str(desk.home), "--checkout", str(tmp_path)]
    assert cli.run([*SIGN, *where, "--key", str(desk.keys["ada"])]) == 4
    assert "no commit is checked out there" in capfd.readouterr().err


def test_the_default_key(desk: Any, tmp_path: Path) -> None:
    """The first usual key of ~/.ssh is taken; without one the error says what to do."""
    with pytest.raises(signing.SigningError, match="make one with ssh-keygen, or use --key"):
        signing.default_key(tmp_path)
    (tmp_path / ".ssh").mkdir()
    for name in ("id_rsa", "id_ed25519"):
        (tmp_path / ".ssh" / name).write_text("k")
    assert signing.default_key(tmp_path).name == "id_ed25519"


def test_a_folder_that_cannot_be_written(desk: Any) -> None:
    """A statement that cannot be kept is an error, not a traceback."""
    (desk.folder / "evidence").write_text("in the way")
    with pytest.raises(signing.SigningError, match="cannot be written to"):
        desk.sign("ada", "2.1.6", "security-reviewer")


def test_a_statement_that_cannot_be_read(desk: Any) -> None:
    """A folder or binary in place of a statement is refused by name."""
    (desk.statements / "x.json").mkdir()
    (desk.statements / "y.json").write_bytes(b"\xff\xfe")
    found = desk.read().examined.refused
    assert [(r.file, r.reason.split(":")[0]) for r in found] == [
        ("x.json", "it cannot be read"),
        ("y.json", "it cannot be read"),
    ]

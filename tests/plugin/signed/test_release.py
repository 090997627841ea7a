"""What a repository says of a release: its authors, dates and project."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pytest_rustybt_ready import checklist_file, checkout
from pytest_rustybt_ready.errors import ChecklistError
from pytest_rustybt_ready.statements import Trust
from pytest_rustybt_ready.statements.document import Document, Predicate, render, resource
from pytest_rustybt_ready.statements.ssh import Keyring, SignatureError, keyring, seal_of, sign

# a git hook names its own repository in the environment
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def release(tmp_path: Path) -> tuple[Path, str]:
    """Return a repository and its commit: by Ada, committed by Bob, with Cyd's help."""
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / ".mailmap").write_text("Ada <ada@example.org> <ada@old.example>\n")
    who = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "ada@old.example", "GIT_COMMITTER_NAME": "B"}
    when = {"GIT_COMMITTER_EMAIL": "Bob@Example.org", "GIT_COMMITTER_DATE": AT.isoformat()}
    message = "a release\n\nCo-authored-by: Cyd <cyd@example.org>\n"
    for args in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", message)):
        command = ("git", "-C", str(tmp_path), "-c", "commit.gpgsign=no", *args)
        subprocess.run(command, env=CLEAN | who | when, check=True, capture_output=True)
    return tmp_path, checkout.commit(tmp_path)


def test_all_who_made_a_commit_are_its_authors(release: tuple[Path, str]) -> None:
    """Author, committer and co-author, by the address in the commit and by the mailmap's."""
    assert checkout.authors(*release) == (
        "ada@example.org", "ada@old.example", "bob@example.org", "cyd@example.org",
    )  # fmt: skip


def test_the_date_of_a_commit(release: tuple[Path, str]) -> None:
    """When it was committed; unknown commits and anything but a full hash have none."""
    root, commit = release
    assert checkout.commit_date(root, commit) == AT
    assert checkout.commit_date(root, "0" * 40) is None
    assert checkout.commit_date(root, "HEAD") is None
    assert checkout.authors(root, "HEAD") == ()


def test_a_project_is_named_by_its_metadata(tmp_path: Path) -> None:
    """The name in pyproject.toml; without one that can be read, the folder's."""
    assert checkout.project(tmp_path) == tmp_path.name
    for text in ("[tool]", "[project", "project = 3", '[project]\nversion = "1"'):
        (tmp_path / "pyproject.toml").write_text(text)
        assert checkout.project(tmp_path) == tmp_path.name
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "venture"')
    assert checkout.project(tmp_path) == "venture"


def test_four_eyes_need_a_commit_to_look_at() -> None:
    """An item that asks for four eyes lapses with the commit, or the author would be unknown."""
    approvals = [item.id for item in checklist_file.built_in().items if item.four_eyes]
    assert approvals == ["10.1.1", "10.1.2", "10.1.3", "10.1.4"]
    text = """
        title = "t"
        version = "1"
        [section.security]
        number = 2
        title = "S"
        subsections = { "2.1" = "A" }
        [item."2.1.1"]
        text = "t"
        kinds = ["signed"]
        stage = "dev"
        how = "h"
        fails = []
        remedy = "r"
        role = "lead"
        max_age_days = 9
        four_eyes = true
        """
    with pytest.raises(ChecklistError, match="four_eyes is for signatures that lapse"):
        checklist_file.parse(text, source="t")


def test_a_signature_that_holds_and_one_that_does_not(tmp_path: Path) -> None:
    """The keyring verifies what ssh-keygen signed, in its namespace, for its holder."""
    command = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key"))
    subprocess.run(command, check=True)
    public = (tmp_path / "key.pub").read_text()
    seal = sign(b"data", key=tmp_path / "key", namespace="n")
    with keyring(Trust(allowed_signers=f"# us\n\nada@x.org {public}bob@x.org nonsense\n")) as keys:
        assert not fault(keys, b"data", seal)
        assert "over other bytes" in fault(keys, b"date", seal)
        assert keys.holders(seal_of(seal).key) == {"ada@x.org": None}
    with keyring(Trust(allowed_signers="ada@x.org ssh-ed25519 AAAA!\n")) as keys:
        assert "is unknown" in fault(keys, b"data", seal)


def fault(keys: Keyring, data: bytes, seal: str) -> str:
    """Return what is wrong with a seal of Ada's."""
    return keys.fault_of(data, seal, signer="ada@x.org", namespace="n", at=(AT,))


def test_without_openssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no ssh-keygen the error says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SignatureError, match=r"there is no ssh-keygen here; install OpenSSH"):
        sign(b"data", key=tmp_path / "key", namespace="n")


def test_the_signed_text_is_an_in_toto_statement() -> None:
    """The form that other tools know: type, subjects with digests, predicate."""
    import json

    document = Document(
        subject=(resource("commit", "ab" * 20), resource("item", "cd" * 32)),
        predicate=Predicate(
            action="sign-off",
            item="2.1.6",
            project="venture",
            signer="ada@example.org",
            role="security-reviewer",
            signed_at=AT,
            expires_at=AT.replace(month=5),
        ),
    )
    plain = json.loads(render(document))
    assert plain["_type"] == "https://in-toto.io/Statement/v1"
    assert plain["predicateType"] == "urn:rustybt-ready:statement:1"
    assert plain["subject"][0] == {"name": "commit", "digest": {"gitCommit": "ab" * 20}}
    assert plain["subject"][1] == {"name": "item", "digest": {"sha256": "cd" * 32}}
    assert plain["predicate"]["signed_at"] == "2026-03-01T12:00:00Z"

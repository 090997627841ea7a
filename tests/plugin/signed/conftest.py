"""A repository, a deployment that trusts six people, and their real SSH keys."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pytest_rustybt_ready import checklist_file
from pytest_rustybt_ready.checklist import Checklist
from pytest_rustybt_ready.statements.gather import Bench, Gathered, gather
from pytest_rustybt_ready.statements.signing import Said, Signer, make
from pytest_rustybt_ready.statements.ssh import STATEMENTS, sign

DAY = timedelta(days=1)
COMMITTED = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
PEOPLE = {
    "ada": ("security-reviewer", "technical-lead", "results-signer"),
    "bob": ("senior-developer",),
    "cyd": ("qa",),
    "dan": ("risk-manager", "training-lead"),
    "eve": ("technical-lead", "security-reviewer"),
    "mallory": (),
}
RESULTS = "sha256:" + "5a" * 32


def address(name: str) -> str:
    """Return somebody's e-mail address."""
    return f"{name}@example.org"


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a fresh key for each of the people, and one of a stranger's."""
    folder = tmp_path_factory.mktemp("keys")
    for name in (*PEOPLE, "stranger"):
        command = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f")
        subprocess.run([*command, folder / name], check=True)
    return {name: folder / name for name in (*PEOPLE, "stranger")}


@pytest.fixture(scope="session")
def checkout_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with two commits, of 1 and of 2 March, by Grace."""
    root = tmp_path_factory.mktemp("checkout")
    (root / "pyproject.toml").write_text('[project]\nname = "venture"\n')
    git(root, "init", "-q")
    for n in range(2):
        (root / "file.txt").write_text(f"{n}\n")
        git(root, "add", "-A")
        git(root, "commit", "-q", "-m", f"commit {n}", at=COMMITTED + n * DAY)
    return root


def git(root: Path, *args: str, at: datetime = COMMITTED) -> str:
    """Run git as Grace at *at*, whatever this machine is configured to."""
    who = ("-c", "user.name=Grace", "-c", "user.email=grace@example.org", "-c", "commit.gpgsign=no")
    env = {
        "PATH": "/usr/bin:/bin:/usr/local/bin",
        "GIT_AUTHOR_DATE": at.isoformat(),
        "GIT_COMMITTER_DATE": at.isoformat(),
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
    }
    command = ("git", "-C", str(root), *who, *args)
    return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout


class Desk:
    """A deployment's ``readiness/`` folder, with what tests do to it."""

    def __init__(self, home: Path, root: Path, keys: dict[str, Path]) -> None:
        self.home, self.keys = home, keys
        self.folder = home / "readiness"
        self.statements = self.folder / "statements"
        self.statements.mkdir(parents=True)
        first, second = git(root, "log", "--reverse", "--format=%H").split()
        self.earlier, self.commit = first, second
        self.bench = Bench(root, "venture", second, checklist_file.built_in())
        self.signers()
        self.roles()

    @property
    def checklist(self) -> Checklist:
        """Return the checklist that is signed for."""
        return self.bench.checklist

    def signers(self, options: str = "", **instead: str) -> None:
        """Write ``allowed_signers``; *options* are for Ada, *instead* replaces a name's key."""
        lines = []
        for name in PEOPLE:
            public = self.keys[instead.get(name, name)].with_suffix(".pub").read_text()
            lines.append(f"{address(name)} {options if name == 'ada' else ''} {public}")
        (self.folder / "allowed_signers").write_text("# people\n" + "".join(lines))

    def roles(self, *, more: str = "", **changed: tuple[str, ...]) -> None:
        """Write ``roles.toml`` with the roles of PEOPLE, but for those *changed*."""
        held: dict[str, list[str]] = {}
        for name, roles in (PEOPLE | changed).items():
            for role in roles:
                held.setdefault(role, []).append(address(name))
        lines = [f"{role} = {json.dumps(people)}" for role, people in held.items()]
        text = "[roles]\n" + "\n".join(lines) + '\n[authority]\nwaive = ["risk-manager"]\n'
        (self.folder / "roles.toml").write_text(text + more)

    def sign(self, name: str, item: str, role: str, at: datetime = NOW, **more: Any) -> Path:
        """Sign *item* as *name* in *role*; *more* is for Said, or the commit and the key."""
        bench = self.bench._replace(commit=more.pop("commit", self.commit))
        key = more.pop("key", self.keys[name])
        values: dict[str, Any] = {"action": "sign-off", "lasts": 60 * DAY}
        said = Said(**(values | more))
        found = self.checklist.find(item)
        assert found is not None
        return make(self.folder, bench, found, Signer(address(name), role, key, at), said)

    def waive(self, name: str = "dan", item: str = "1.1.2", **more: Any) -> Path:
        """Waive *item* as *name*."""
        said: dict[str, Any] = {
            "action": "waiver",
            "lasts": 30 * DAY,
            "reason": "late",
            "measure": "by hand",
        }
        return self.sign(name, item, "risk-manager", **(said | more))

    def forge(
        self,
        path: Path,
        change: Callable[[dict[str, Any]], None],
        key: str = "ada",
        namespace: str = STATEMENTS,
    ) -> Path:
        """Change what stands in *path* and sign it again, as somebody with that key can."""
        document = json.loads(path.read_bytes())
        change(document)
        text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        path.write_text(text)
        seal = sign(text.encode(), key=self.keys[key], namespace=namespace)
        path.with_name(f"{path.name}.sig").write_text(seal)
        return path

    def read(self, at: datetime = NOW, **bench: Any) -> Gathered:
        """Read the folder as a run would."""
        return gather(self.folder, self.bench._replace(**bench), at)

    def reasons(self, at: datetime = NOW, **bench: Any) -> str:
        """Return why statements were refused; there is at least one, and none counts."""
        found = self.read(at, **bench).examined
        assert found.refused
        assert not found.statements
        return "\n".join(refusal.reason for refusal in found.refused)


@pytest.fixture
def desk(tmp_path: Path, checkout_root: Path, keys: dict[str, Path]) -> Desk:
    """Return a deployment without any statement."""
    return Desk(tmp_path / "home", checkout_root, keys)

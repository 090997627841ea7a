"""A throwaway office of people with real keys, who sign on a sandbox: for proofs only."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pytest_rustybt_ready import checkout
from pytest_rustybt_ready.checklist import Checklist, Item
from pytest_rustybt_ready.statements.examine import EVIDENCE_FOLDER, FOLDER, Examined
from pytest_rustybt_ready.statements.gather import Bench, gather
from pytest_rustybt_ready.statements.signing import Said, Signer, make
from pytest_rustybt_ready.statements.ssh import STATEMENTS, sign
from pytest_rustybt_ready.statements.standing import evidence_asked
from readiness_tests import sandbox
from readiness_tests.signatures import Signatures

DAY = timedelta(days=1)
LASTS = 60 * DAY
# The release is older than any signature may be, so that signatures can be too old for an item.
RELEASED = timedelta(days=800)
AUTHOR, ANYBODY, STRANGER = "author", "anybody", "stranger"
DOMAIN = "example.org"
RESULTS = "sha256:" + "5a" * 32

Change = Callable[[dict[str, Any]], None]


def address(person: str) -> str:
    """Return somebody's e-mail address."""
    return f"{person}@{DOMAIN}"


@dataclass(frozen=True)
class Office:
    """A repository with two commits by the author, and who may sign for it.

    For each role of the checklist there is a person called like it. The author and ``anybody`` hold
    every role; the stranger has a key and nothing else.
    """

    bench: Bench
    earlier: str
    keys: Path

    def key(self, person: str) -> Path:
        """Return the private key of *person*."""
        return self.keys / person

    def open(self, folder: Path) -> Path:
        """Write into *folder* whom a deployment trusts here; return it."""
        folder.mkdir(parents=True)
        people = [path for path in sorted(self.keys.glob("*.pub")) if path.stem != STRANGER]
        lines = [f"{address(path.stem)} {path.read_text('ascii')}" for path in people]
        (folder / "allowed_signers").write_text("".join(lines), "ascii")
        held = {role: [role, AUTHOR, ANYBODY] for role in roles_of(self.bench.checklist)}
        roles = (f"{r} = {json.dumps([*map(address, who)])}\n" for r, who in held.items())
        (folder / "roles.toml").write_text("[roles]\n" + "".join(roles), "ascii")
        return folder


def roles_of(checklist: Checklist) -> tuple[str, ...]:
    """Return the roles that *checklist* asks for."""
    return tuple(sorted({item.role for item in checklist.items if item.role}))


def found_office(folder: Path, checklist: Checklist) -> Office:
    """Make a repository and keys in *folder*."""
    keys, root = folder / "keys", folder / "release"
    keys.mkdir(parents=True)
    root.mkdir()
    for person in (*roles_of(checklist), AUTHOR, ANYBODY, STRANGER):
        command = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", person, "-f")
        subprocess.run((*command, str(keys / person)), check=True)
    (root / "pyproject.toml").write_text('[project]\nname = "sandbox"\n', "ascii")
    sandbox.git(root, "init", "-q")
    earlier, latest = _commit(root, 0), _commit(root, 1)
    bench = Bench(root, checkout.project(root), latest, checklist)
    return Office(bench, earlier, keys)


def _commit(root: Path, number: int) -> str:
    (root / "release.txt").write_text(f"{number}\n", "ascii")
    sandbox.git(root, "add", "-A")
    made = datetime.now(UTC) - RELEASED + number * DAY
    when = f"{made:%Y-%m-%dT%H:%M:%S+00:00}"
    who = ("-c", f"user.email={address(AUTHOR)}", "-c", "user.name=Author")
    words = ("commit", "-q", "-m", f"release {number}", "--date", when)
    sandbox.git(root, *who, *words, committed=when)
    return checkout.commit(root)


class Desk(Signatures):
    """A sandbox's statements, which are read anew each time, and can be added to and tampered with.

    *items* have been signed when it opens, each by the person called like its role.
    """

    def __init__(self, office: Office, folder: Path, items: Iterable[Item]) -> None:
        authors = checkout.authors(office.bench.root, office.bench.commit)
        super().__init__(office.open(folder), office.bench, authors, lambda: datetime.now(UTC))
        self.office = office
        self.items = tuple(items)
        for item in self.items:
            self.sign(item)

    def examined(self) -> Examined:
        """Return what is sound as it is now, and what is refused."""
        return gather(self.folder, self.bench, self.clock()).examined

    @property
    def statements(self) -> tuple[Path, ...]:
        """Return the files of the statements, by name."""
        return tuple(sorted((self.folder / FOLDER).glob("*.json")))

    @property
    def attachments(self) -> tuple[Path, ...]:
        """Return the files that signers attached."""
        return tuple(sorted((self.folder / EVIDENCE_FOLDER).iterdir()))

    def sign(self, item: Item, person: str = "", *, attach: bool = True) -> Path:
        """Sign *item* as *person*, by default the holder of its role, with what is asked for."""
        evidence = tuple(self._attachment(name) for name in evidence_asked(item) if attach)
        seen = RESULTS if item.four_eyes else ""
        said = Said("sign-off", LASTS, evidence=evidence, results=seen)
        return make(self.folder, self.bench, item, self._signer(item, person), said)

    def revoke(self, item: Item) -> Path:
        """Take back what was signed for *item*."""
        (target,) = [s for s in self.examined().statements if s.item == item.id]
        said = Said("revocation", LASTS, reason="a mistake", statement=target.digest)
        return make(self.folder, self.bench, item, self._signer(item, ""), said)

    def forge(self, change: Change, person: str = "", namespace: str = STATEMENTS) -> None:
        """Change what the first statement says, and let *person* sign that, as any holder can."""
        path = self.statements[0]
        document = json.loads(path.read_bytes())
        change(document)
        text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        path.write_text(text, "utf-8")
        signer = person or document["predicate"]["signer"].partition("@")[0]
        seal = sign(text.encode(), key=self.office.key(signer), namespace=namespace)
        path.with_name(f"{path.name}.sig").write_text(seal, "ascii")

    def clear(self) -> None:
        """Throw away everything that was signed."""
        for path in self.statements:
            path.unlink()

    def _signer(self, item: Item, person: str) -> Signer:
        name = person or item.role
        return Signer(address(name), item.role, self.office.key(name), self.clock())

    def _attachment(self, name: str) -> Path:
        path = self.office.keys.parent / name
        if not path.exists():
            path.write_text(f"{name} of a sandbox\n", "ascii")
        return path

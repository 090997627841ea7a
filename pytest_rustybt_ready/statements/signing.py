"""Make signed statements: sign an item off, waive it, or revoke what was said.

A statement that would be refused when it is read is refused here, before anything is written.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from pytest_rustybt_ready.canonical import digest_bytes
from pytest_rustybt_ready.checklist import Item
from pytest_rustybt_ready.errors import ReadyError
from pytest_rustybt_ready.statements import Sealed, Statement
from pytest_rustybt_ready.statements.document import (
    EVIDENCE,
    FILE_NAME,
    REVOCATION,
    Action,
    Document,
    Predicate,
    Resource,
    bare,
    parse,
    render,
    resource,
    text_digest,
)
from pytest_rustybt_ready.statements.examine import (
    EVIDENCE_FOLDER,
    FOLDER,
    Expected,
    examine,
    known_commits,
    read_sealed,
    stored_name,
)
from pytest_rustybt_ready.statements.gather import Bench, dates
from pytest_rustybt_ready.statements.revocations import newest, revokes, sound
from pytest_rustybt_ready.statements.ssh import STATEMENTS, sign
from pytest_rustybt_ready.statements.trust import read_trust

LIFETIME = re.compile(r"([1-9]\d{0,4})d")
KEYS = ("id_ed25519_sk", "id_ed25519", "id_ecdsa_sk", "id_ecdsa", "id_rsa")
REVOCATION_LASTS = timedelta(days=36_500)


class SigningError(ReadyError):
    """A statement was not made; nothing was written."""


class Signer(NamedTuple):
    """Who signs, in which role, with which key (a file), and when."""

    email: str
    role: str
    key: Path
    at: datetime


class Said(NamedTuple):
    """What is said of an item, and for how long."""

    action: Action
    lasts: timedelta
    reason: str = ""
    measure: str = ""
    evidence: tuple[Path, ...] = ()
    results: str = ""
    statement: str = ""


def make(folder: Path, bench: Bench, item: Item, signer: Signer, said: Said) -> Path:
    """Sign *said* of *item* and keep it in *folder*, a deployment's ``readiness/``.

    Return the statement's path. Raise SigningError, or another ReadyError, if it would not count.
    """
    if not bench.commit:
        raise SigningError(f"{bench.root}: no commit is checked out there; name one with --commit")
    evidence = _evidence(said.evidence)
    sealed, _ = read_sealed(folder / FOLDER)
    beside = [one for one in sealed if revokes(one)]
    # whether somebody may revoke can only be told beside what is revoked
    known = _sound(folder, bench, sealed, signer.at) if beside else {}
    document = _document(bench, item, signer, said, evidence, newest(known))
    text = render(document)
    parse(text)  # what cannot be read back is not signed
    it = Sealed(
        file="it",
        document=text.decode(),
        signature=sign(text, key=signer.key, namespace=STATEMENTS),
    )
    _accept(folder, bench, it, beside, signer.at)
    return _write(folder, f"{item.id}-{said.action}", it, evidence)


def lifetime(text: str) -> timedelta:
    """Return the days that *text*, such as ``90d``, names; raise SigningError if it names none."""
    found = LIFETIME.fullmatch(text)
    if found is None:
        raise SigningError(f"--expires {text!r}: expected a number of days such as 90d")
    return timedelta(days=int(found[1]))


def default_key(home: Path) -> Path:
    """Return the first usual key of *home*'s ``.ssh``; raise SigningError if there is none."""
    found = [key for name in KEYS if (key := home / ".ssh" / name).is_file()]
    if not found:
        raise SigningError(f"no key in {home / '.ssh'}: make one with ssh-keygen, or use --key")
    return found[0]


def target_of(statements: Sequence[Statement], name: str, files: Mapping[str, str]) -> Statement:
    """Return the statement that *name* means: an item's id, a file's name or a digest.

    *files* gives the digest of each file. Raise SigningError unless exactly one is meant.
    """
    digest = files.get(name, name)
    meant = [s for s in statements if digest == s.item or bare(s.digest).startswith(bare(digest))]
    if len(meant) != 1:
        known = ", ".join(sorted(files)) or "none"
        raise SigningError(f"{name!r} means {len(meant)} statements; name a file: {known}")
    return meant[0]


def _document(
    bench: Bench,
    item: Item,
    signer: Signer,
    said: Said,
    evidence: Mapping[str, Path],
    revocations: Sequence[str],
) -> Document:
    at = signer.at.replace(microsecond=0)
    bonds = {
        "commit": bench.commit,
        "item": text_digest(item),
        "results": bare(said.results),
        "statement": bare(said.statement),
    }
    subject: list[Resource] = [resource(name, value) for name, value in bonds.items() if value]
    named = ((digest, path.name) for digest, path in evidence.items())
    subject += [resource(EVIDENCE + name, digest) for digest, name in named]
    subject += [resource(REVOCATION + digest[:16], digest) for digest in revocations]
    return Document(
        subject=tuple(sorted(subject, key=lambda r: r.name)),
        predicate=Predicate(
            action=said.action,
            item=item.id,
            project=bench.project,
            signer=signer.email,
            role=signer.role,
            signed_at=at,
            expires_at=at + said.lasts,
            reason=said.reason.strip(),
            measure=said.measure.strip(),
        ),
    )


def _evidence(paths: Sequence[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in paths:
        if not FILE_NAME.fullmatch(path.name):
            raise SigningError(f"{path}: rename it; evidence is called by letters, digits, . _ + -")
        try:
            found[hashlib.sha256(path.read_bytes()).hexdigest()] = path
        except OSError as error:
            raise SigningError(f"--evidence {path}: cannot be read: {error.strerror}") from error
    return found


def _sound(
    folder: Path, bench: Bench, sealed: Sequence[Sealed], at: datetime
) -> Mapping[str, Document]:
    """Return the revocations among *sealed* that hold, by digest."""
    found = examine(sealed, read_trust(folder), _expected(bench, sealed, at))
    return sound(sealed, found.refused)


def _accept(
    folder: Path, bench: Bench, sealed: Sealed, beside: Sequence[Sealed], at: datetime
) -> None:
    """Read *sealed* back as a run would; raise SigningError with the reason if it is refused."""
    found = examine([*beside, sealed], read_trust(folder), _expected(bench, beside, at))
    refused = [refusal for refusal in found.refused if refusal.file == sealed.file]
    if refused:
        raise SigningError(
            f"the statement would not count, so it was not kept: {refused[0].reason}"
        )


def _expected(bench: Bench, beside: Sequence[Sealed], at: datetime) -> Expected:
    commits = dates(bench.root, {*known_commits(beside), bench.commit})
    return Expected(bench.checklist, bench.project, at, commits)


def _write(folder: Path, name: str, sealed: Sealed, evidence: Mapping[str, Path]) -> Path:
    """Keep *sealed* and its evidence; the statement's own file comes last."""
    digest = bare(digest_bytes(sealed.document.encode()))
    target = folder / FOLDER / f"{name}-{digest[:12]}.json"
    try:
        for folder_name in (FOLDER, EVIDENCE_FOLDER):
            (folder / folder_name).mkdir(parents=True, exist_ok=True)
        for value, path in evidence.items():
            shutil.copyfile(path, folder / EVIDENCE_FOLDER / stored_name(value, path.name))
        _replace(target.with_name(f"{target.name}.sig"), sealed.signature)
        _replace(target, sealed.document)
    except OSError as error:
        raise SigningError(f"{folder}: cannot be written to: {error.strerror}") from error
    return target


def _replace(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    part.write_text(text, "utf-8")
    part.replace(path)

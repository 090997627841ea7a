"""Read signed statements back, and refuse, by name and with the reason, what is not sound.

What comes out is the values that a verdict may count. A statement that is sound but ran out, was
revoked or is for another commit comes out too: the verdict then says so, and since when.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from pytest_rustybt_ready.canonical import digest_bytes
from pytest_rustybt_ready.checklist import Checklist, Item
from pytest_rustybt_ready.statements import (
    LONGEST_WAIVER,
    Refusal,
    Sealed,
    Statement,
    Trust,
    revocations,
)
from pytest_rustybt_ready.statements.document import (
    LARGEST,
    Document,
    DocumentError,
    bare,
    parse,
    text_digest,
)
from pytest_rustybt_ready.statements.ssh import STATEMENTS, Keyring, keyring, seal_of
from pytest_rustybt_ready.statements.trust import Roles, TrustError, roles_of

FOLDER = "statements"
EVIDENCE_FOLDER = "evidence"
# Clocks of two machines differ: so much later than now a signature may be dated.
SKEW = timedelta(minutes=5)


class Expected(NamedTuple):
    """What statements are held to.

    ``commits`` gives the date of each commit that the project knows; ``evidence`` is the folder
    with the files that signers attached, or None where they are not at hand. ``revocations`` are
    the digests of those that must be there, with who has seen them.
    """

    checklist: Checklist
    project: str
    at: datetime
    commits: Mapping[str, datetime]
    evidence: Path | None = None
    revocations: Mapping[str, str] = MappingProxyType({})


class Examined(NamedTuple):
    """The statements that count, and those that do not, with the reasons."""

    statements: tuple[Statement, ...] = ()
    refused: tuple[Refusal, ...] = ()


class _Sound(NamedTuple):
    """A statement whose signature and bonds hold."""

    file: str
    document: Document
    digest: str
    key: str


def read_sealed(folder: Path) -> tuple[tuple[Sealed, ...], tuple[Refusal, ...]]:
    """Return the statements that lie in *folder*, and what there cannot be read."""
    sealed, refused = [], []
    for path in sorted(folder.glob("*.json")):
        try:
            sealed.append(_sealed(path))
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not a text"
            refused.append(Refusal(file=path.name, reason=f"it cannot be read: {reason}"))
    return tuple(sealed), tuple(refused)


def examine(sealed: Sequence[Sealed], trust: Trust, expected: Expected) -> Examined:
    """Sort *sealed* into what counts and what is refused, believing only *trust*."""
    if not sealed:
        return Examined()
    try:
        roles = roles_of(trust)
    except TrustError as error:
        return Examined(refused=tuple(Refusal(file=s.file, reason=str(error)) for s in sealed))
    sound: list[_Sound] = []
    refused: list[Refusal] = []
    with keyring(trust) as keys:
        for one in sealed:
            found = _examined(one, keys, roles, expected)
            if isinstance(found, Refusal):
                refused.append(found)
            else:
                sound.append(found)
    there = revocations.documents(sealed)
    believed = {bare(one.digest): one.document for one in sound}
    vouched = revocations.vouched(believed, there, expected.revocations)
    if vouched.missing:
        return _all_refused(sound, refused, revocations.lost(vouched.missing))
    # once a sound statement names a revocation, it holds whatever became of the key that signed it
    files = {bare(digest_bytes(s.document.encode())): s.file for s in sealed}
    kept = {name: d for name, d in vouched.present.items() if name not in believed}
    sound += [_Sound(files[name], document, name, "") for name, document in kept.items()]
    spared = {files[name] for name in kept}
    return _without_revoked(sound, [r for r in refused if r.file not in spared])


def _all_refused(sound: Sequence[_Sound], refused: Sequence[Refusal], reason: str) -> Examined:
    every = [Refusal(file=s.file, item=s.document.predicate.item, reason=reason) for s in sound]
    return Examined(refused=tuple(sorted([*refused, *every], key=lambda r: (r.file, r.reason))))


def known_commits(sealed: Sequence[Sealed]) -> frozenset[str]:
    """Return the commits that *sealed* speak of, whether or not they are sound."""
    return frozenset(filter(None, (_commit_of(one) for one in sealed)))


def _commit_of(sealed: Sealed) -> str:
    try:
        return parse(sealed.document.encode()).bound_to("commit")
    except DocumentError:
        return ""


def _sealed(path: Path) -> Sealed:
    if not path.is_file():
        raise FileNotFoundError(errno.ENOENT, "it is no file")
    signature = path.with_name(f"{path.name}.sig")
    return Sealed(
        file=path.name,
        document=_head(path),
        signature=_head(signature) if signature.exists() else "",
    )


def _head(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(LARGEST + 1).decode()


def _examined(sealed: Sealed, keys: Keyring, roles: Roles, expected: Expected) -> _Sound | Refusal:
    data = sealed.document.encode()
    try:
        document = parse(data)
    except DocumentError as error:
        return Refusal(file=sealed.file, reason=str(error))
    said = document.predicate
    # an unsigned document is not believed about which item it is for, but the item may be told
    fault = _unsigned(sealed, document, keys, expected) or next(
        _faults(document, roles, expected), ""
    )
    if fault:
        return Refusal(file=sealed.file, item=said.item, reason=fault)
    return _Sound(sealed.file, document, digest_bytes(data), seal_of(sealed.signature).key)


def _unsigned(sealed: Sealed, document: Document, keys: Keyring, expected: Expected) -> str:
    if not sealed.signature.strip():
        return f"it is not signed: there is no {sealed.file}.sig"
    said = document.predicate
    return keys.fault_of(
        sealed.document.encode(),
        sealed.signature,
        signer=said.signer,
        namespace=STATEMENTS,
        at=(said.signed_at, expected.at),
    )


def _faults(document: Document, roles: Roles, expected: Expected) -> Iterator[str]:
    """Yield what is wrong with a document that was signed well."""
    said = document.predicate
    if said.project != expected.project:
        yield f"it is for the project {said.project!r}, not for {expected.project!r}"
    if not roles.holds(said.signer, said.role):
        yield f"{said.signer} does not hold the role {said.role!r} in roles.toml"
    yield from _time_faults(document, expected)
    if said.action == "revocation":
        yield from _revocation_faults(document)
        return
    item = expected.checklist.find(said.item)
    if item is None:
        yield f"{said.item!r} is not an item of the checklist"
        return
    if document.bound_to("item") != text_digest(item):
        yield f"item {item.id} reads otherwise now, or it was signed for another item"
    yield from (
        _sign_off_faults(document, item)
        if said.action == "sign-off"
        else _waiver_faults(document, item, roles, expected)
    )
    yield from _evidence_faults(document, expected.evidence)


def _time_faults(document: Document, expected: Expected) -> Iterator[str]:
    said, commit = document.predicate, document.bound_to("commit")
    committed = expected.commits.get(commit)
    if committed is None:
        yield f"it names the commit {commit[:12] or 'none'}, which this project does not know"
    elif said.signed_at < committed:
        yield (
            f"it is back-dated: signed {said.signed_at:%Y-%m-%d %H:%M} UTC, before its commit was "
            f"made, {committed:%Y-%m-%d %H:%M} UTC"
        )
    if said.signed_at > expected.at + SKEW:
        yield f"it is dated in the future: {said.signed_at:%Y-%m-%d %H:%M} UTC"
    if said.expires_at <= said.signed_at:
        yield "it ends before it begins"


def _sign_off_faults(document: Document, item: Item) -> Iterator[str]:
    said = document.predicate
    if not item.role:
        yield f"item {item.id} is not for signing: a check decides"
    elif said.role != item.role:
        yield f"it is signed as {said.role!r}; item {item.id} asks for {item.role!r}"
    if item.four_eyes and not document.bound_to("results"):
        yield "it is not bound to the results that the signer saw"


def _waiver_faults(
    document: Document, item: Item, roles: Roles, expected: Expected
) -> Iterator[str]:
    said = document.predicate
    if not item.waivable:
        yield f"item {item.id} can never be waived"
    if said.role not in roles.may_waive:
        yield f"the role {said.role!r} may not waive; roles.toml lets {_listed(roles.may_waive)}"
    if not said.reason.strip() or not said.measure.strip():
        yield "a waiver needs a reason and a compensating measure"
    if said.expires_at - said.signed_at > LONGEST_WAIVER:
        yield f"a waiver lasts {LONGEST_WAIVER.days} days at most"
    if expected.at >= said.expires_at:
        yield f"the waiver ran out on {said.expires_at:%Y-%m-%d}"


def _revocation_faults(document: Document) -> Iterator[str]:
    if not document.bound_to("statement"):
        yield "it does not say which statement it revokes"
    if not document.predicate.reason.strip():
        yield "a revocation needs a reason"


def _evidence_faults(document: Document, folder: Path | None) -> Iterator[str]:
    if folder is None:
        return
    for name, digest in document.evidence.items():
        path = folder / stored_name(digest, name)
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            yield f"its evidence {name} is missing: {path.name} is not in {folder.name}/"
        else:
            if found != digest:
                yield f"its evidence {name} was changed since it was signed"


def stored_name(digest: str, name: str) -> str:
    """Return the name under which evidence is kept: two files called alike do not clash."""
    return f"{bare(digest)[:16]}-{name}"


def _listed(roles: frozenset[str]) -> str:
    return ", ".join(sorted(roles)) or "nobody ([authority] waive)"


def _without_revoked(sound: Sequence[_Sound], refused: Sequence[Refusal]) -> Examined:
    """Apply the revocations among *sound* to the statements that they name."""
    by_digest = {bare(s.digest): s for s in sound if s.document.predicate.action != "revocation"}
    revoked: dict[str, datetime] = {}
    problems = list(refused)
    for one in sound:
        said = one.document.predicate
        if said.action != "revocation":
            continue
        target = by_digest.get(one.document.bound_to("statement"))
        if target is not None and not _may_revoke(one, target):
            reason = f"{said.signer} as {said.role} may not revoke what others signed"
            problems.append(Refusal(file=one.file, item=said.item, reason=reason))
        elif target is not None:
            first = revoked.get(target.digest, said.signed_at)
            revoked[target.digest] = min(first, said.signed_at)
    made = (_statement(s, revoked.get(s.digest)) for s in by_digest.values())
    return Examined(
        statements=tuple(sorted(made, key=lambda s: (s.item, s.signed_at, s.digest))),
        refused=tuple(sorted(problems, key=lambda r: (r.file, r.reason))),
    )


def _may_revoke(one: _Sound, target: _Sound) -> bool:
    mine, theirs = one.document.predicate, target.document.predicate
    return mine.signer.casefold() == theirs.signer.casefold() or mine.role == theirs.role


def _statement(sound: _Sound, revoked_at: datetime | None) -> Statement:
    document, said = sound.document, sound.document.predicate
    results = document.bound_to("results")
    return Statement(
        kind="waiver" if said.action == "waiver" else "sign-off",
        item=said.item,
        signer=said.signer,
        role=said.role,
        signed_at=said.signed_at,
        expires_at=said.expires_at,
        reason=said.reason,
        measure=said.measure,
        digest=sound.digest,
        commit=document.bound_to("commit"),
        results=f"sha256:{results}" if results else "",
        key=sound.key,
        evidence={name: f"sha256:{value}" for name, value in document.evidence.items()},
        revoked_at=revoked_at,
    )

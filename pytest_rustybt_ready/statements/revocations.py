"""Revocations that nobody takes away unnoticed: without them, what was revoked would count again.

Each statement names the newest revocations that its signer found beside it, and a revocation the
ones before it: to take one away, everything that was signed later has to go as well. The history
of runs and the parts of a merge remember those that they saw, and each report gives one digest for
all of them. Only one that nobody and nothing has seen yet can vanish without a trace.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from pytest_rustybt_ready.canonical import digest, digest_bytes
from pytest_rustybt_ready.statements import Refusal, Sealed
from pytest_rustybt_ready.statements.document import Document, DocumentError, bare, parse


class Vouched(NamedTuple):
    """What sound statements say of revocations, by digest.

    ``present`` are those that they name and that are there: their wording is vouched for, whatever
    became of the keys that signed them. ``missing`` gives for each other one who names it.
    """

    present: dict[str, Document]
    missing: dict[str, str]


def documents(sealed: Iterable[Sealed]) -> dict[str, Document]:
    """Return those of *sealed* that can be read, sound or not, by digest."""
    return {digest: document for _, digest, document in _read(sealed)}


def sound(sealed: Sequence[Sealed], refused: Iterable[Refusal]) -> dict[str, Document]:
    """Return the revocations among *sealed* that are not *refused*, by digest."""
    fallen = {refusal.file for refusal in refused}
    return {
        digest: document
        for file, digest, document in _read(sealed)
        if file not in fallen and document.predicate.action == "revocation"
    }


def revokes(sealed: Sealed) -> bool:
    """Tell whether *sealed* says of itself that it revokes something."""
    return any(d.predicate.action == "revocation" for d in documents([sealed]).values())


def newest(revocations: Mapping[str, Document]) -> tuple[str, ...]:
    """Return those that no other one names: who names these vouches for all."""
    named = {digest for document in revocations.values() for digest in document.revocations}
    return tuple(sorted(revocations.keys() - named))


def vouched(
    believed: Mapping[str, Document], there: Mapping[str, Document], seen: Mapping[str, str]
) -> Vouched:
    """Return what *believed* documents name, directly or not, of those that are *there*.

    *seen* are revocations that have to be there too, with who has seen them.
    """
    present: dict[str, Document] = {}
    missing = {digest: who for digest, who in seen.items() if digest not in there}
    waiting = [*believed.values()]
    while waiting:
        document = waiting.pop()
        for name in document.revocations:
            if name not in there:
                missing[name] = min(_words(document), missing.get(name, _words(document)))
            elif name not in present:
                present[name] = there[name]
                waiting.append(there[name])
    return Vouched(present, missing)


def lost(missing: Mapping[str, str]) -> str:
    """Say in words that revocations are missing, or return an empty text."""
    if not missing:
        return ""
    named = "; ".join(f"{name[:12]}, named by {who}" for name, who in sorted(missing.items())[:3])
    more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
    return (
        f"what was revoked cannot be told: a revocation was taken away: {named}{more}; put it back "
        "from a backup or from an earlier report's readiness.json"
    )


def account(sealed: Sequence[Sealed], refused: Iterable[Refusal]) -> dict[str, str]:
    """Return one digest for all revocations that count, with their number; nothing for none."""
    found = sorted(sound(sealed, refused))
    return {"revocations": f"{digest(found)} ({len(found)})"} if found else {}


def _words(document: Document) -> str:
    said = document.predicate
    return f"the {said.action} of {said.item} by {said.signer}"


def _read(sealed: Iterable[Sealed]) -> Iterator[tuple[str, str, Document]]:
    for one in sealed:
        data = one.document.encode()
        try:
            yield one.file, bare(digest_bytes(data)), parse(data)
        except DocumentError:
            continue

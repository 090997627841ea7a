"""The signed text: an in-toto Statement v1, in one canonical JSON form.

Its subjects name, by digest, all that it is bound to: the item's text, the commit, each file of
evidence, the results that the signer saw, the statement that it revokes, and the revocations that
were there before it.
"""

from __future__ import annotations

import json
import re
from typing import Literal

import msgspec

from pytest_rustybt_ready.canonical import digest_bytes
from pytest_rustybt_ready.checklist import Item
from pytest_rustybt_ready.errors import ReadyError
from pytest_rustybt_ready.values import Instant, Value

TYPE: Literal["https://in-toto.io/Statement/v1"] = "https://in-toto.io/Statement/v1"
PREDICATE: Literal["urn:rustybt-ready:statement:1"] = "urn:rustybt-ready:statement:1"
Action = Literal["sign-off", "waiver", "revocation"]
LARGEST = 64_000
HEX = re.compile(r"[0-9a-f]{64}")
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
ALGORITHMS = {"commit": "gitCommit"}


class DocumentError(ReadyError):
    """A text is not a statement in the form that is signed here."""


class Resource(Value, frozen=True, kw_only=True):
    """Something that a statement is bound to: in-toto's ResourceDescriptor, as far as needed."""

    name: str
    digest: dict[str, str]


class Predicate(Value, frozen=True, kw_only=True):
    """What is said, by whom and for how long."""

    action: Action
    item: str
    project: str
    signer: str
    role: str
    signed_at: Instant
    expires_at: Instant
    reason: str = ""
    measure: str = ""


class Document(Value, frozen=True, kw_only=True, rename={"type": "_type"}):
    """One statement, before it is signed."""

    type: Literal["https://in-toto.io/Statement/v1"] = TYPE
    subject: tuple[Resource, ...]
    predicateType: Literal["urn:rustybt-ready:statement:1"] = PREDICATE  # noqa: N815 - in-toto's
    predicate: Predicate

    def bound_to(self, name: str) -> str:
        """Return the digest of the subject called *name*, or an empty text."""
        algorithm = ALGORITHMS.get(name, "sha256")
        found = [r.digest.get(algorithm, "") for r in self.subject if r.name == name]
        return found[0] if found else ""

    @property
    def evidence(self) -> dict[str, str]:
        """Return the digest of each file of evidence, by its name."""
        named = ((r.name.partition("/"), r.digest) for r in self.subject)
        return {name: d["sha256"] for (head, slash, name), d in named if head + slash == EVIDENCE}

    @property
    def revocations(self) -> frozenset[str]:
        """Return the digests of the revocations that the signer found beside the statement."""
        named = (r.digest.get("sha256", "") for r in self.subject if r.name.startswith(REVOCATION))
        return frozenset(named)


EVIDENCE = "evidence/"
REVOCATION = "revocation/"


def resource(name: str, value: str) -> Resource:
    """Return the subject *name* with its digest *value*, in hexadecimal."""
    return Resource(name=name, digest={ALGORITHMS.get(name, "sha256"): value})


def text_digest(item: Item) -> str:
    """Return the digest of what *item* says, in hexadecimal: another wording, another item."""
    return bare(digest_bytes(f"{item.id}\n{item.text}".encode()))


def bare(digest: str) -> str:
    """Return *digest* without its algorithm's name."""
    return digest.removeprefix("sha256:")


def render(document: Document) -> bytes:
    """Return the one text that *document* is signed as: JSON, sorted, indented."""
    plain = msgspec.to_builtins(document)
    return (json.dumps(plain, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def parse(text: bytes) -> Document:
    """Return what *text* says; raise DocumentError unless it is in the one canonical form.

    A key given twice, spare blanks or unknown keys would let two readers see two statements.
    """
    if len(text) > LARGEST:
        raise DocumentError(f"it has {len(text)} bytes; a statement has {LARGEST} at most")
    try:
        document = msgspec.json.decode(text, type=Document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DocumentError(f"it is not a statement: {error}") from error
    if render(document) != text:
        raise DocumentError("it is not in canonical form (sorted keys, each once, two blanks)")
    wrong = _misshapen(document)
    if wrong:
        raise DocumentError(wrong)
    return document


def _misshapen(document: Document) -> str:
    names = [r.name for r in document.subject]
    if len({*names}) < len(names):
        return "it names one subject twice"
    for found in document.subject:
        algorithm = ALGORITHMS.get(found.name, "sha256")
        if set(found.digest) != {algorithm}:
            return f"its subject {found.name!r} has no {algorithm} digest, or others as well"
        if algorithm == "sha256" and not HEX.fullmatch(found.digest[algorithm]):
            return f"its subject {found.name!r} has a malformed digest"
    odd = [name for name in document.evidence if not FILE_NAME.fullmatch(name)]
    return f"it names evidence that is no plain file: {odd[0]!r}" if odd else ""

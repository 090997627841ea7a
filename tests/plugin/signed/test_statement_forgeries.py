"""Forgeries of statements: each is refused, with the reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

DAY = timedelta(days=1)
Document = dict[str, Any]


def subject(document: Document, name: str) -> dict[str, str]:
    """Return the digests of a subject."""
    found: dict[str, str] = next(s["digest"] for s in document["subject"] if s["name"] == name)
    return found


def later(document: Document, field: str, days: int) -> None:
    """Move an instant of the predicate."""
    said = document["predicate"]
    moved = datetime.fromisoformat(said[field]) + days * DAY
    said[field] = moved.isoformat().replace("+00:00", "Z")


def say(**changes: Any) -> Callable[[Document], None]:
    """Return what changes fields of the predicate."""
    return lambda document: document["predicate"].update(changes)


@pytest.fixture
def review(desk: Any) -> Path:
    """Return Ada's security review, sound until somebody touches it."""
    path: Path = desk.sign("ada", "2.1.6", "security-reviewer")
    return path


def test_the_untouched_statement_counts(desk: Any, review: Path) -> None:
    """What all the forgeries below start from is sound."""
    (statement,) = desk.read().examined.statements
    assert (statement.item, statement.signer) == ("2.1.6", "ada@example.org")
    assert statement.key.startswith("SHA256:")
    assert statement.commit == desk.commit
    assert not desk.read().examined.refused


TEXTS: dict[str, tuple[Callable[[str], str], str]] = {
    "a changed word": (lambda t: t.replace("2.1.6", "2.3.6"), "it was changed"),
    "a later end": (lambda t: t.replace('"expires_at": "2026', '"expires_at": "2027'), "changed"),
    "another signer": (lambda t: t.replace("ada@", "eve@"), "it was changed"),
    "a trailing blank": (lambda t: t + " ", "canonical form"),
    "other blanks": (lambda t: json.dumps(json.loads(t), sort_keys=True), "canonical form"),
    "a key given twice": (
        lambda t: t.replace('"item":', '"item": "1.1.1",\n    "item":'),
        "canonical form",
    ),
    "an unknown key": (lambda t: t.replace('"item":', '"itemz": 1,\n    "item":'), "itemz"),
    "no JSON": (lambda t: t[:40], "not a statement"),
    "no zone": (lambda t: t.replace('Z"', '"'), "not a statement"),
    "nothing": (lambda t: t[:0], "not a statement"),
    "a huge file": (lambda t: t + " " * 70_000, "bytes"),
    "another type": (lambda t: t.replace("Statement/v1", "Statement/v9"), "not a statement"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_changed_text(desk: Any, review: Path, name: str) -> None:
    """One byte more or less, and the signature is over something else."""
    change, reason = TEXTS[name]
    review.write_text(change(review.read_text()))
    assert reason in desk.reasons()


def twin(document: Document) -> None:
    """Name the commit twice."""
    document["subject"].append(dict(document["subject"][0]))


# What a signer with a key of their own can write and sign, and yet may not.
SIGNED: dict[str, tuple[Callable[[Document], None], str]] = {
    "another item": (say(item="6.3.4"), "signed for another item"),
    "an item that is none": (say(item="99.9.9"), "not an item of the checklist"),
    "an item that a check decides": (say(item="1.1.1"), "signed for another item"),
    "another project": (say(project="elsewhere"), "for the project 'elsewhere'"),
    "a role not held": (say(role="qa"), "does not hold the role 'qa'"),
    "a role held, but another one": (say(role="technical-lead"), "asks for 'security-reviewer'"),
    "an unknown role": (say(role="king"), "does not hold the role 'king'"),
    "somebody else's name": (say(signer="eve@example.org"), "is not eve@example.org's"),
    "nobody's name": (say(signer="nobody@example.org"), "is not nobody@example.org's"),
    "a pattern for a name": (say(signer="*@example.org"), "is not *@example.org's"),
    "back-dated": (lambda d: later(d, "signed_at", -30), "back-dated"),
    "post-dated": (lambda d: later(d, "signed_at", 2), "dated in the future"),
    "ends before it begins": (lambda d: later(d, "expires_at", -61), "ends before it begins"),
    "an unknown commit": (
        lambda d: subject(d, "commit").update(gitCommit="0" * 40),
        "does not know",
    ),
    "a branch for a commit": (
        lambda d: subject(d, "commit").update(gitCommit="HEAD"),
        "does not know",
    ),
    "an option for a commit": (
        lambda d: subject(d, "commit").update(gitCommit="--output=x"),
        "does not know",
    ),
    "no commit": (lambda d: d.update(subject=d["subject"][1:]), "names the commit none"),
    "no item text": (lambda d: d.update(subject=d["subject"][:1]), "reads otherwise"),
    "a subject twice": (twin, "one subject twice"),
    "a weaker digest": (
        lambda d: d["subject"][1].update(digest={"md5": "0" * 32}),
        "no sha256 digest",
    ),
    "evidence out of the folder": (
        lambda d: d["subject"].append({"name": "evidence/../x", "digest": {"sha256": "0" * 64}}),
        "no plain file",
    ),
    "evidence that is missing": (
        lambda d: d["subject"].append({"name": "evidence/a.pdf", "digest": {"sha256": "0" * 64}}),
        "its evidence a.pdf is missing",
    ),
    "a waiver of what nobody may waive": (say(action="waiver"), "can never be waived"),
    "a revocation of nothing": (say(action="revocation"), "which statement it revokes"),
    "an action that is none": (say(action="bless"), "not a statement"),
}


@pytest.mark.parametrize("name", SIGNED)
def test_signed_but_not_allowed(desk: Any, review: Path, name: str) -> None:
    """A good signature over what its signer may not say, or about something else."""
    change, reason = SIGNED[name]
    desk.forge(review, change)
    assert reason in desk.reasons()


@pytest.mark.parametrize("namespace", ["file", "git", "results@rustybt-ready", "x"])
def test_another_namespace(desk: Any, review: Path, namespace: str) -> None:
    """A signature that was made for something else is none for a statement."""
    desk.forge(review, lambda _: None, namespace=namespace)
    assert f"it was signed for '{namespace}', not for 'statement@rustybt-ready'" in desk.reasons()


def test_an_unknown_key(desk: Any, review: Path) -> None:
    """A key that allowed_signers does not have."""
    desk.forge(review, lambda _: None, key="stranger")
    assert "is unknown: it is not in allowed_signers" in desk.reasons()


def test_another_persons_key(desk: Any, review: Path) -> None:
    """A key that is known, but somebody else's."""
    desk.forge(review, lambda _: None, key="mallory")
    assert "allowed_signers gives it to mallory@example.org" in desk.reasons()


def test_a_revoked_key(desk: Any, review: Path) -> None:
    """A key that was lost is put into revoked_keys; all that it signed falls with it."""
    public = desk.keys["ada"].with_suffix(".pub").read_text()
    (desk.folder / "revoked_keys").write_text(public)
    assert "is revoked: it is in revoked_keys" in desk.reasons()


def test_revoked_keys_that_cannot_be_read(desk: Any, review: Path) -> None:
    """Where it cannot be told which keys are revoked, none is believed."""
    (desk.folder / "revoked_keys").write_text("what is this\n")
    assert "those cannot be read" in desk.reasons()
    (desk.folder / "revoked_keys").write_bytes(b"\xff\xfe\x00KRL")
    assert "binary KRL" in desk.reasons()


@pytest.mark.parametrize(
    "options", ['valid-before="20260301"', 'valid-after="20270101"', 'valid-before="20260314"']
)
def test_an_expired_key(desk: Any, review: Path, options: str) -> None:
    """A key that had expired, or was not valid yet, when it signed."""
    desk.signers(options)
    assert "is expired, not valid yet" in desk.reasons()


def test_a_key_that_expired_since(desk: Any, review: Path) -> None:
    """With an expired key everything could be back-dated: it is believed no longer."""
    desk.signers('valid-before="20260320"')
    assert desk.read().examined.statements
    assert "is expired" in desk.reasons(at=desk_now() + 30 * DAY)


def desk_now() -> datetime:
    """Return when the review was signed."""
    return datetime.fromisoformat("2026-03-14T09:26:53Z")


def test_a_key_for_another_purpose(desk: Any, review: Path) -> None:
    """A key that allowed_signers keeps for another namespace."""
    desk.signers('namespaces="git"')
    assert "not for 'statement@rustybt-ready'" in desk.reasons()


def test_an_unsigned_statement(desk: Any, review: Path) -> None:
    """Without its signature beside it a statement is a text."""
    review.with_name(f"{review.name}.sig").unlink()
    assert "it is not signed" in desk.reasons()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("hello", "not an SSH signature"),
        ("-----BEGIN SSH SIGNATURE-----\n!!!\n-----END SSH SIGNATURE-----\n", "damaged"),
        ("-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n", "not an SSH sig"),
        ("-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n", "damaged"),
        ("-----BEGIN PGP SIGNATURE-----\nAAAA\n-----END PGP SIGNATURE-----\n", "not an SSH sig"),
    ],
)
def test_a_signature_that_is_none(desk: Any, review: Path, text: str, reason: str) -> None:
    """What is no SSH signature, or half of one."""
    review.with_name(f"{review.name}.sig").write_text(text)
    assert reason in desk.reasons()


def test_a_signature_of_another_statement(desk: Any, review: Path) -> None:
    """A good signature of the same person, over something else."""
    other = desk.sign("ada", "2.3.6", "security-reviewer")
    seal = other.with_name(f"{other.name}.sig").read_text()
    review.with_name(f"{review.name}.sig").write_text(seal)
    found = desk.read().examined
    assert [s.item for s in found.statements] == ["2.3.6"]
    assert ["it was changed" in r.reason for r in found.refused] == [True]


def test_evidence_that_was_changed(desk: Any, tmp_path: Path) -> None:
    """The file that the signer attached must be the one that lies there."""
    report = tmp_path / "report.pdf"
    report.write_text("nothing found")
    desk.sign("ada", "2.1.6", "security-reviewer", evidence=(report,))
    (kept,) = (desk.folder / "evidence").iterdir()
    assert desk.read().examined.statements[0].evidence.keys() == {"report.pdf"}
    kept.write_text("all is well")
    assert "its evidence report.pdf was changed" in desk.reasons()


def test_a_reworded_item(desk: Any, review: Path) -> None:
    """Who signed for one wording did not sign for another."""
    import msgspec

    items = tuple(
        msgspec.structs.replace(item, text="Anything goes") if item.id == "2.1.6" else item
        for item in desk.checklist.items
    )
    reworded = msgspec.structs.replace(desk.checklist, items=items)
    assert "item 2.1.6 reads otherwise now" in desk.reasons(checklist=reworded)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("allowed_signers", "*@example.org ssh-ed25519 AAAA\n", "is a pattern"),
        ("roles.toml", "[roles]\nqa = 'ada@example.org'\n", "expected a list of e-mail"),
        ("roles.toml", "[roles]\nqa = ['*@example.org']\n", "expected a list of e-mail"),
        ("roles.toml", "roles = 3", "are tables"),
        ("roles.toml", "[rules]", "unknown key 'rules'"),
        ("roles.toml", "[roles", "not valid TOML"),
        ("roles.toml", "[authority]\nwaive = ['king']\n", "not under [roles]"),
        ("roles.toml", "[authority]\nwave = ['king']\n", "knows only waive"),
        ("roles.toml", "", "does not hold the role"),
        ("allowed_signers", "", "is unknown"),
    ],
)
def test_whom_to_trust_is_unclear(
    desk: Any, review: Path, name: str, text: str, reason: str
) -> None:
    """Where it cannot be told whom to trust, nobody is."""
    (desk.folder / name).write_text(text)
    assert reason in desk.reasons()

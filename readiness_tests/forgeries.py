"""Negative controls that several signed items share: what must never pass for a signature."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pytest_rustybt_ready.marks import Check
from readiness_tests.office import ANYBODY, AUTHOR, STRANGER, Desk

DAY = timedelta(days=1)


def fails(check: Check[Any], *controls: Any) -> None:
    """Register *controls* with *check*."""
    for control in controls:
        check.fails_when(control)


def nobody_has_signed(signatures: Desk) -> None:
    """Nothing was signed."""
    signatures.clear()


def one_byte_is_changed(signatures: Desk) -> None:
    """The statement ends a century later than what was signed."""
    path = signatures.statements[0]
    path.write_text(path.read_text("utf-8").replace('"expires_at": "20', '"expires_at": "21'))


def the_signature_is_missing(signatures: Desk) -> None:
    """The statement is there, and its signature is not."""
    path = signatures.statements[0]
    path.with_name(f"{path.name}.sig").unlink()


def a_stranger_signs(signatures: Desk) -> None:
    """Somebody signs in another's name, with a key that is nobody's."""
    signatures.forge(lambda _: None, STRANGER)


def a_colleague_signs_in_anothers_name(signatures: Desk) -> None:
    """Somebody who is trusted with other things signs in the name of the one who is asked."""
    signatures.forge(lambda _: None, ANYBODY)


def somebody_signs_in_another_role(signatures: Desk) -> None:
    """Somebody who holds every role signs in another one than the item asks for."""
    (item,) = signatures.items
    other = "qa" if item.role != "qa" else "legal"
    said = {"role": other, "signer": f"{ANYBODY}@example.org"}
    signatures.forge(lambda document: document["predicate"].update(said))


def it_was_signed_for_something_else(signatures: Desk) -> None:
    """The signature was made for git, with the same key."""
    signatures.forge(lambda _: None, namespace="git")


def it_was_signed_for_another_item(signatures: Desk) -> None:
    """What was signed for one item is handed in for another."""
    (item,) = signatures.items
    others = (i for i in signatures.bench.checklist.items if i.role == item.role and i is not item)
    same = next(others, item)
    signatures.clear()
    signatures.sign(same)
    signatures.forge(lambda document: document["predicate"].update(item=item.id))


def it_was_signed_for_another_commit(signatures: Desk) -> None:
    """The signature is for the release before."""

    def change(document: dict[str, Any]) -> None:
        (commit,) = [s for s in document["subject"] if s["name"] == "commit"]
        commit["digest"] = {"gitCommit": signatures.office.earlier}

    signatures.forge(change)


def it_has_lapsed(signatures: Desk) -> None:
    """The signature ended yesterday."""
    signatures.forge(_dated(-9, -1))


def it_is_too_old(signatures: Desk) -> None:
    """The signature says that it holds for years, and is older than the item allows."""
    (item,) = signatures.items
    signatures.forge(_dated(-(item.max_age_days or 0) - 1, 900))


def it_was_taken_back(signatures: Desk) -> None:
    """Who signed has revoked it."""
    (item,) = signatures.items
    signatures.revoke(item)


def the_key_was_lost(signatures: Desk) -> None:
    """The key of the one who signed is on the list of those that are not to be believed."""
    (item,) = signatures.items
    public = signatures.office.key(item.role).with_suffix(".pub").read_text("ascii")
    (signatures.folder / "revoked_keys").write_text(public, "ascii")


def the_role_was_given_to_others(signatures: Desk) -> None:
    """Who signed does not hold the role any more."""
    (item,) = signatures.items
    roles = signatures.folder / "roles.toml"
    roles.write_text(roles.read_text("ascii").replace(f'"{item.role}@example.org"', '"x@x.org"'))


def nothing_is_attached(signatures: Desk) -> None:
    """The signature comes without the file that it is about."""
    (item,) = signatures.items
    signatures.clear()
    signatures.sign(item, attach=False)


def the_attached_file_is_changed(signatures: Desk) -> None:
    """The file is another one than was signed for."""
    signatures.attachments[0].write_text("another one\n", "ascii")


def the_attached_file_is_lost(signatures: Desk) -> None:
    """The file is gone."""
    signatures.attachments[0].unlink()


def the_author_signs(signatures: Desk) -> None:
    """Who made the release approves it."""
    item = signatures.items[0]
    signatures.clear()
    signatures.sign(item, AUTHOR)


def one_person_gives_two_approvals(signatures: Desk) -> None:
    """The first and the last of the approvals are one person's."""
    _approve(signatures, first=ANYBODY, last=ANYBODY)


def an_author_is_among_the_approvers(signatures: Desk) -> None:
    """All approvals are different people's, and one of these made the release."""
    _approve(signatures, first=AUTHOR)


def one_approval_is_missing(signatures: Desk) -> None:
    """All approvals but one are there."""
    signatures.statements[0].unlink()


def _approve(signatures: Desk, first: str, last: str = "") -> None:
    """Replace all approvals: the holders of the roles sign, but for the first and the last one."""
    items = [i for i in signatures.bench.checklist.items if i.four_eyes]
    signatures.clear()
    for item in items:
        instead = {items[0].id: first, items[-1].id: last}
        signatures.sign(item, instead.get(item.id, ""))


def _dated(begins: int, ends: int) -> Any:
    """Return what dates a statement so many days from now."""
    now = datetime.now(UTC).replace(microsecond=0)
    said = {
        "signed_at": (now + begins * DAY).isoformat().replace("+00:00", "Z"),
        "expires_at": (now + ends * DAY).isoformat().replace("+00:00", "Z"),
    }
    return lambda document: document["predicate"].update(said)

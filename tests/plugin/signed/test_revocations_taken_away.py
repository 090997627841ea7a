"""Revocations that are taken away again: what was revoked never counts because of that."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_rustybt_ready.canonical import digest_bytes
from pytest_rustybt_ready.errors import RecordError
from pytest_rustybt_ready.record import Record
from pytest_rustybt_ready.statements import revocations
from pytest_rustybt_ready.statements.document import bare
from pytest_rustybt_ready.statements.gather import gather
from pytest_rustybt_ready.statements.signing import SigningError
from pytest_rustybt_ready.verify.signatures import require_signed

NOW = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Case:
    """Ada's review, taken back by Eve, and what Dan signs after that."""

    def __init__(self, desk: Any) -> None:
        self.desk = desk
        self.review = desk.sign("ada", "2.1.6", "security-reviewer")
        self.revocation = self.revoke(self.review)

    def revoke(self, path: Path, name: str = "eve", hours: int = 1, **more: Any) -> Path:
        """Let somebody take back what lies at *path*."""
        target = digest_bytes(path.read_bytes())
        said = {"action": "revocation", "reason": "wrong report", "lasts": timedelta(days=9999)}
        role = more.pop("role", "security-reviewer")
        at = NOW + hours * HOUR
        made: Path = self.desk.sign(name, "2.1.6", role, at, statement=target, **said)
        return made

    def later(self) -> Path:
        """Let Dan sign something else, a few hours later."""
        made: Path = self.desk.sign("dan", "8.3.1", "training-lead", NOW + 5 * HOUR)
        return made

    def counted(self) -> list[str]:
        """Return the items of the statements that count, a day later."""
        found = self.desk.read(NOW + 24 * HOUR).examined.statements
        return [s.item for s in found if s.revoked_at is None]

    def reason(self) -> str:
        """Return why nothing counts, a day later."""
        return str(self.desk.reasons(NOW + 24 * HOUR))


@pytest.fixture
def case(desk: Any) -> Case:
    """Return a review that was revoked."""
    return Case(desk)


def named(path: Path) -> str:
    """Return how a refusal names the revocation at *path*."""
    return bare(digest_bytes(path.read_bytes()))[:12]


def away(path: Path) -> None:
    """Remove a statement and its signature."""
    path.unlink()
    path.with_name(f"{path.name}.sig").unlink()


def test_untouched_it_holds(case: Case) -> None:
    """What the forgeries below start from: the review is revoked, the training counts."""
    case.later()
    assert case.counted() == ["8.3.1"]


def changed(path: Path) -> None:
    """Change a word."""
    path.write_text(path.read_text().replace("wrong report", "wrong paper"))


def moved(path: Path) -> None:
    """Put it where nobody looks."""
    path.rename(path.with_suffix(".txt"))


def emptied(path: Path) -> None:
    """Leave nothing in it."""
    path.write_text("")


@pytest.mark.parametrize("forgery", [away, changed, moved, emptied])
def test_what_was_signed_later_bears_witness(case: Case, forgery: Callable[[Path], None]) -> None:
    """One statement that was signed beside it names it: without it nothing counts at all."""
    case.later()
    name = named(case.revocation)
    forgery(case.revocation)
    reason = case.reason()
    assert f"a revocation was taken away: {name}, named by the sign-off of 8.3.1 by dan@" in reason
    assert "put it back from a backup or from an earlier report's readiness.json" in reason


def test_put_back_it_holds_again(case: Case) -> None:
    """The way out is the one that the refusal names, and the file's name plays no part."""
    case.later()
    text, seal = case.revocation.read_bytes(), Path(f"{case.revocation}.sig").read_bytes()
    away(case.revocation)
    (case.desk.statements / "found.json").write_bytes(text)
    (case.desk.statements / "found.json.sig").write_bytes(seal)
    assert case.counted() == ["8.3.1"]


def test_it_outlives_its_signature_and_its_key(case: Case) -> None:
    """Named by a sound statement it holds, though its signature is gone or its key is revoked."""
    case.later()
    public = case.desk.keys["eve"].with_suffix(".pub").read_text()
    (case.desk.folder / "revoked_keys").write_text(public)
    assert case.counted() == ["8.3.1"]
    Path(f"{case.revocation}.sig").unlink()
    assert case.counted() == ["8.3.1"]
    assert not case.desk.read(NOW + 24 * HOUR).examined.refused


def test_one_of_several(case: Case) -> None:
    """A revocation names the one before it, so that the newest one vouches for all."""
    second = case.desk.sign("eve", "2.1.6", "security-reviewer", NOW + 2 * HOUR)
    newer = case.revoke(second, hours=3)
    witness = case.later()
    assert named(case.revocation) in newer.read_text()
    assert named(case.revocation) not in witness.read_text()
    kept = case.revocation.read_bytes(), Path(f"{case.revocation}.sig").read_bytes()
    away(case.revocation)
    assert "named by the revocation of 2.1.6 by eve@" in case.reason()
    away(newer)
    assert "named by the sign-off of 8.3.1 by dan@" in case.reason()
    case.revocation.write_bytes(kept[0])
    Path(f"{case.revocation}.sig").write_bytes(kept[1])
    assert f"{named(case.revocation)}" not in case.reason()


def test_the_older_one_is_vouched_for_by_the_newer(case: Case) -> None:
    """Also where nothing but the newer one names it, whose own key is revoked by now."""
    newer = case.revoke(
        case.desk.sign("eve", "2.1.6", "security-reviewer", NOW + 2 * HOUR), hours=3
    )
    case.later()
    (case.desk.folder / "revoked_keys").write_text(
        case.desk.keys["eve"].with_suffix(".pub").read_text()
    )
    away(case.revocation)
    assert "named by the revocation of 2.1.6 by eve@" in case.reason()
    assert newer.exists()


def test_nobody_signs_where_one_is_missing(case: Case) -> None:
    """Signing would vouch for a folder that is not whole: it is refused, and nothing is written."""
    second = case.desk.sign("eve", "2.1.6", "security-reviewer", NOW + 2 * HOUR)
    case.revoke(second, hours=3)
    away(case.revocation)
    before = sorted(case.desk.statements.iterdir())
    with pytest.raises(SigningError, match="a revocation was taken away"):
        case.later()
    assert sorted(case.desk.statements.iterdir()) == before


def test_what_never_held_may_go(case: Case) -> None:
    """A revocation by somebody who may not revoke is named by nobody; it can be tidied away."""
    away(case.revocation)
    bogus = case.revoke(case.review, "cyd", role="qa")
    witness = case.later()
    assert named(bogus) not in witness.read_text()
    away(bogus)
    assert case.counted() == ["2.1.6", "8.3.1"]


def test_what_others_have_seen_must_be_there(case: Case) -> None:
    """Earlier runs and the parts of a merge remember: that is how the newest one is missed too."""
    seen = revocations.sound(case.desk.read(NOW + 2 * HOUR).sealed, ())
    away(case.revocation)
    assert case.counted() == ["2.1.6"]  # nobody was asked
    who = dict.fromkeys(seen, "the run of yesterday")
    found = gathered(case, who)
    assert not found.statements
    assert "named by the run of yesterday" in found.refused[0].reason


def gathered(case: Case, seen: dict[str, str]) -> Any:
    """Return what counts where these revocations must be there."""
    return gather(case.desk.folder, case.desk.bench, NOW + 24 * HOUR, seen).examined


def test_all_revocations_have_one_digest(case: Case, records: Any) -> None:
    """It changes with each of them, says how many there are, and stands in every report."""
    found = case.desk.read(NOW + 2 * HOUR)
    record: Record = msgspec.structs.replace(
        records.make(), sealed_statements=found.sealed, trust=found.trust
    )
    (first,) = {record.trusted["revocations"]}
    assert first.endswith(" (1)")
    case.revoke(case.desk.sign("eve", "2.1.6", "security-reviewer", NOW + 2 * HOUR), hours=3)
    more = msgspec.structs.replace(record, sealed_statements=case.desk.read(NOW + 4 * HOUR).sealed)
    assert more.trusted["revocations"].endswith(" (2)")
    assert more.trusted["revocations"][:71] != first[:71]
    none = msgspec.structs.replace(record, sealed_statements=())
    assert "revocations" not in none.trusted


def test_a_record_without_its_revocation_is_a_forgery(case: Case, records: Any) -> None:
    """Taken out of a record by hand, with the statement made whole again, it is missed offline."""
    case.later()
    found = case.desk.read(NOW + 6 * HOUR)
    base = records.make(checklist=case.desk.checklist)
    at = msgspec.structs.replace(base.verdict, at=NOW + 6 * HOUR)
    subject = msgspec.structs.replace(base.subject, project="venture", commit=case.desk.commit)
    record = msgspec.structs.replace(
        base,
        verdict=at,
        subject=subject,
        statements=found.examined.statements,
        sealed_statements=found.sealed,
        trust=found.trust,
        commits=dict(found.commits),
    )
    assert require_signed(record) == 2
    kept = tuple(s for s in found.sealed if s.file != case.revocation.name)
    whole = tuple(msgspec.structs.replace(s, revoked_at=None) for s in record.statements)
    forged = msgspec.structs.replace(record, sealed_statements=kept, statements=whole)
    with pytest.raises(RecordError, match="its signed texts do not bear out"):
        require_signed(forged)

"""Section 6: what a restore brings back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pytest_rustybt_ready import Evidence, at_least, at_most, ready
from readiness_tests.engine import EngineUnderTest
from readiness_tests.subjects import Deployment
from readiness_tests.test_06_backup import BARS, CANARY, CONTAINER, HALF

RESTORING = "rustybt/backup/restoring.py"
READING = "rustybt/backup/reading.py"
_DROPPED = """
DELETE FROM journal WHERE sequence =
    (SELECT max(sequence) FROM journal WHERE CAST(payload AS TEXT) LIKE '%order_filled%')
"""
_FLAGS = r"""
UPDATE journal SET payload = CAST(replace(replace(
    CAST(payload AS TEXT), 'odd\":true', 'odd\":1'), 'odd\":false', 'odd\":0') AS BLOB)
"""

# -- 6.2 restore -----------------------------------------------------------------------------


def _changed_restore(engine: EngineUnderTest, statement: str) -> None:
    """Let a restore change the database by *statement* before it puts it into place."""
    engine.append(
        RESTORING,
        """
        import sqlite3

        _faithful = _Restoring._place_journal


        def _faithless(self, unpacked):
            _faithful(self, unpacked)
            with sqlite3.connect(unpacked.home / "state" / "rustybt.db") as database:
                database.execute(_CHANGE)
            database.close()


        _Restoring._place_journal = _faithless
        """,
    )
    engine.append(RESTORING, f"_CHANGE = {statement!r}\n")


@ready.recovery("6.2.4")
def test_a_restore_brings_the_strategys_state_back(
    engine: EngineUnderTest, evidence: Evidence
) -> None:
    """What the strategy kept is the same text after the restore: numbers, flags and all."""
    seen = engine.run("backups", bars=BARS, canary=CANARY)["restored"]
    before, after = seen["before"]["strategy"], seen["after"]["strategy"]
    evidence.expect("the strategy keeps some", True, observed='"odd":' in before)
    evidence.record("before", before)
    evidence.record("after", after)
    evidence.meets("differences", observed=int(before != after))


@test_a_restore_brings_the_strategys_state_back.fails_when
def the_state_is_lost(engine: EngineUnderTest) -> None:
    """The records are gone."""
    _changed_restore(engine, "DELETE FROM journal")


@test_a_restore_brings_the_strategys_state_back.fails_when
def a_value_changes_its_type(engine: EngineUnderTest) -> None:
    """Flags become numbers."""
    _changed_restore(engine, _FLAGS)


@ready.recovery("6.2.5")
def test_a_restore_brings_the_trades_back(engine: EngineUnderTest, evidence: Evidence) -> None:
    """The trades after the restore are those before, in number, order and content."""
    seen = engine.run("backups", bars=BARS, canary=CANARY)["restored"]
    before, after = seen["before"], seen["after"]
    evidence.expect("there were some", at_least(10), observed=before["trades"])
    evidence.record("first record that differs", seen["first_difference"])
    evidence.expect("trades", before["trades"], observed=after["trades"])
    evidence.expect("their hash", before["trades_sha256"], observed=after["trades_sha256"])
    missing = abs(before["trades"] - after["trades"])
    changed = before["trades_sha256"] != after["trades_sha256"]
    evidence.meets("differences", observed=missing or int(changed))


@test_a_restore_brings_the_trades_back.fails_when
def a_trade_is_dropped(engine: EngineUnderTest) -> None:
    """The last trade is not there any more."""
    _changed_restore(engine, _DROPPED)


@test_a_restore_brings_the_trades_back.fails_when
def an_amount_is_rounded(engine: EngineUnderTest) -> None:
    """The last trade's quantity has two places only."""
    _changed_restore(engine, HALF)


PLACES = 12
MAX_AGE_DAYS = 90
PROOFS = Path("readiness", "restores.jsonl")


@ready.recovery("6.2.2")
def test_a_restore_works_and_hostile_archives_do_not(
    engine: EngineUnderTest, deployment: Deployment, stage: str, evidence: Evidence
) -> None:
    """A good archive is restored on a clean place; none that lies or is damaged changes a thing."""
    seen = engine.run("hostile_backups", places=PLACES)
    evidence.expect("exit codes", {"restore": 0, "verify-restore": 0}, observed=seen["restored"])
    attacks = seen["attacks"]
    evidence.expect("hostile archives", at_least(40), observed=len(attacks))
    evidence.expect(
        "accepted", [], observed=[name for name, it in attacks.items() if not it["code"]]
    )
    changed = [name for name, it in attacks.items() if it["home_changed"]]
    evidence.expect("that changed the home", [], observed=changed)
    outside = {name: it["outside"] for name, it in attacks.items() if it["outside"]}
    evidence.expect("that wrote elsewhere", {}, observed=outside)
    unclear = [name for name, it in attacks.items() if not _is_one_clear_line(it["said"])]
    evidence.expect("that were not refused in one clear line", [], observed=unclear)
    filled = [name for name, it in attacks.items() if "too large" in it["said"]]
    evidence.expect("that were unpacked without end", [], observed=filled)
    _require_restore_on_record(deployment, stage, evidence)


def _is_one_clear_line(said: str) -> bool:
    return said.startswith("rustybt: ") and said.count("\n") == 1 and "internal error" not in said


def _require_restore_on_record(deployment: Deployment, stage: str, evidence: Evidence) -> None:
    """Fail if the last restore on record is too old, or production has none."""
    path = deployment.root / PROOFS
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    proofs = [proof for proof in map(json.loads, lines) if not proof["problems"]]
    if not proofs:
        evidence.expect(
            "a restore is on record, or need not be", True, observed=stage != "production"
        )
        return
    newest = max(datetime.fromisoformat(proof["time"]) for proof in proofs)
    evidence.record("newest restore on record", newest.isoformat(), at=newest)
    age = (datetime.now(UTC) - newest).days
    evidence.expect("days since", at_most(MAX_AGE_DAYS), observed=age)


@test_a_restore_works_and_hostile_archives_do_not.fails_when
def a_member_is_written_outside(engine: EngineUnderTest) -> None:
    """Paths in the manifest are taken as they come."""
    engine.append("rustybt/backup/manifest.py", "_refuse_places = lambda manifest: None\n")


@test_a_restore_works_and_hostile_archives_do_not.fails_when
def a_link_is_not_refused(engine: EngineUnderTest) -> None:
    """Headers are read, and whatever they tell of is taken for a file."""
    engine.append(
        CONTAINER,
        """
        def _trusting(self, block):
            info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
            return Entry(info.name, info.size)


        ArchiveReader._parsed = _trusting
        """,
    )


@test_a_restore_works_and_hostile_archives_do_not.fails_when
def nobody_asks_how_large_it_gets(engine: EngineUnderTest) -> None:
    """It is unpacked without a look at the room on the disk."""
    engine.append(READING, "_refuse_without_room = lambda manifest, into: None\n")


@test_a_restore_works_and_hostile_archives_do_not.fails_when
def a_flipped_byte_is_accepted(engine: EngineUnderTest) -> None:
    """The checksum over the file is not compared."""
    engine.edit(CONTAINER, "if seal != _seal(_hashed(file.read, size)):", "if size < 0:")


@test_a_restore_works_and_hostile_archives_do_not.fails_when
def the_restore_on_record_is_too_old(deployment: Deployment) -> None:
    """The last one was a year ago."""
    old = datetime.now(UTC) - timedelta(days=365)
    proof = {"time": old.isoformat(), "problems": []}
    (deployment.root / PROOFS).write_text(json.dumps(proof) + "\n", "utf-8")


# -- 6.2.3 reconciliation --------------------------------------------------------------------

ANSWERS = "rustybt/trading/answers.py"
BEFORE, BEHIND = 2, 3


@ready.recovery("6.2.3")
def test_trades_behind_a_backup_are_found_at_the_exchange(
    engine: EngineUnderTest, evidence: Evidence
) -> None:
    """The engine that was restored books them once, before it may trade itself."""
    seen = engine.run("after_restore", before=BEFORE, behind=BEHIND)
    evidence.expect("trades at the exchange", BEFORE + BEHIND, observed=len(seen["at_exchange"]))
    evidence.expect("trades in the backup", BEFORE, observed=len(seen["known"]))
    account = seen["account"]
    evidence.record("at the exchange", account["theirs"])
    missing = set(seen["at_exchange"]) - set(seen["booked"])
    evidence.meets("missing_trades", observed=len(missing))
    evidence.expect("trades in the books", seen["at_exchange"], observed=seen["booked"])
    evidence.expect("what the books hold", account["theirs"], observed=account["ours"])
    evidence.expect(
        "trades that were unknown when trading was enabled",
        [],
        observed=seen["unknown_when_enabled"],
    )
    evidence.expect("orders that it sent until then", 0, observed=account["created"])


@test_trades_behind_a_backup_are_found_at_the_exchange.fails_when
def trades_of_lost_orders_are_not_booked(engine: EngineUnderTest) -> None:
    """What the venue reports of orders that the journal does not know is left out."""
    engine.append(
        ANSWERS,
        """
        _book = book_fill


        def book_fill(books, fill, facts):
            return fill.client_id in books.orders and _book(books, fill, facts)
        """,
    )


@test_trades_behind_a_backup_are_found_at_the_exchange.fails_when
def trades_of_lost_orders_are_booked_twice(engine: EngineUnderTest) -> None:
    """Each is booked once more, under another name."""
    engine.append(
        ANSWERS,
        """
        from msgspec.structs import replace

        _book = book_fill


        def book_fill(books, fill, facts):
            is_new = _book(books, fill, facts)
            if is_new and fill.client_id not in books.orders:
                _book(books, replace(fill, trade_id=f"{fill.trade_id}-again"), facts)
            return is_new
        """,
    )

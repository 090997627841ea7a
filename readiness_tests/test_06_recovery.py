"""Section 6: what a backup holds, and what a restore brings back."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pytest_rustybt_ready import Evidence, at_least, at_most, ready
from readiness_tests.engine import EngineUnderTest
from readiness_tests.subjects import Checkout, Deployment

CONTAINER = "rustybt/backup/container.py"
CONTENTS = "rustybt/backup/contents.py"
READING = "rustybt/backup/reading.py"
RESTORING = "rustybt/backup/restoring.py"
BARS = 60
CANARY = "canary-5b1f0c6e"
PAUSE, TRADING = "in a pause", "while it trades"

# -- controls that several items share -------------------------------------------------------

_NO_JOURNAL = "_Gathering._journal = lambda self: None\n"
_NO_CONFIGURATION = """
    _thorough = _Gathering._belongs


    def _forgetful(self, path):
        return path.parent.name != "config" and _thorough(self, path)


    _Gathering._belongs = _forgetful
"""
_NO_SECRETS = "_Gathering._is_free_of_secrets = lambda self, relative: True\n"
_BELIEVED = "def whole_journal(url, part, home):\n    return None\n"


def _changed_copy(engine: EngineUnderTest, statement: str) -> None:
    """Let the journal's copy be changed by *statement*, and nobody look at it afterwards."""
    engine.append(READING, _BELIEVED)
    engine.append(
        CONTENTS,
        """
        import sqlite3
        from types import SimpleNamespace

        _exact = snapshot_database


        def snapshot_database(file, out):
            _exact(file, out)
            with sqlite3.connect(out) as database:
                database.execute(_CHANGE)
            database.close()


        def report_on(url, home=None):
            with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
                last = database.execute(
                    "SELECT sequence, own FROM journal ORDER BY sequence DESC LIMIT 1"
                ).fetchone()
            database.close()
            head = SimpleNamespace(sequence=last[0], own=last[1])
            return SimpleNamespace(finding=None, head=head)
        """,
    )
    engine.append(CONTENTS, f"_CHANGE = {statement!r}\n")


_CUT = "DELETE FROM journal WHERE sequence > (SELECT max(sequence) - 40 FROM journal)"
_HALF = """
UPDATE journal SET payload = CAST(replace(replace(
    CAST(payload AS TEXT), '"0.125"', '"0.06"'), '"0.0625"', '"0.03"') AS BLOB)
WHERE sequence =
    (SELECT max(sequence) FROM journal WHERE CAST(payload AS TEXT) LIKE '%order_filled%')
"""
_DROPPED = """
DELETE FROM journal WHERE sequence =
    (SELECT max(sequence) FROM journal WHERE CAST(payload AS TEXT) LIKE '%order_filled%')
"""
_FLAGS = r"""
UPDATE journal SET payload = CAST(replace(replace(
    CAST(payload AS TEXT), 'odd\":true', 'odd\":1'), 'odd\":false', 'odd\":0') AS BLOB)
"""


def _backups(engine: EngineUnderTest, evidence: Evidence) -> dict[str, Any]:
    """Return what the two backups of a session hold."""
    seen = engine.run("backups", bars=BARS, canary=CANARY)
    evidence.record("records when the session was over", seen["records"])
    backups: dict[str, Any] = seen["backups"]
    evidence.expect("backups", [PAUSE, TRADING], observed=sorted(backups))
    for name, backup in backups.items():
        evidence.record(f"{name}: records at its instant", backup["sequence"])
        evidence.expect(
            f"{name}: records, with all that were on disk when it began",
            at_least(max(backup["begun"], 100)),
            observed=backup["sequence"],
        )
    return backups


# -- 6.1 backup ------------------------------------------------------------------------------


@ready.recovery("6.1.3")
def test_a_backup_holds_everything(engine: EngineUnderTest, evidence: Evidence) -> None:
    """Records, settings and configuration are in it, with checksums, and no secret in clear."""
    for name, backup in _backups(engine, evidence).items():
        evidence.expect(f"{name}: the records are those of then", True, observed=backup[SAME])
        left_out = sorted(path for path, same in backup["configuration"].items() if not same)
        evidence.expect(f"{name}: configuration that is not in it", [], observed=left_out)
        evidence.expect(
            f"{name}: files without a right checksum", [], observed=backup["without_checksum"]
        )
        evidence.expect(f"{name}: files with a secret in clear", [], observed=backup["in_clear"])
        evidence.expect(f"{name}: files", at_least(10), observed=backup["files"])


SAME = "same_records"


@test_a_backup_holds_everything.fails_when
def one_sort_of_content_is_left_out(engine: EngineUnderTest) -> None:
    """The folder of the configuration is passed over."""
    engine.append(CONTENTS, _NO_CONFIGURATION)


@test_a_backup_holds_everything.fails_when
def a_checksum_is_missing(engine: EngineUnderTest) -> None:
    """The manifest has none for the settings, and nobody misses it."""
    engine.edit(READING, "if stored.hexdigest() != member.sha256:", "if member.sha256 is None:")
    engine.append(
        CONTENTS,
        """
        import msgspec

        _summed = _Gathering._add


        def _unsummed(self, path, *given):
            _summed(self, path, *given)
            if path == ".env":
                self._members[-1] = msgspec.structs.replace(self._members[-1], sha256="")


        _Gathering._add = _unsummed
        """,
    )


@test_a_backup_holds_everything.fails_when
def a_secret_lies_in_clear(engine: EngineUnderTest) -> None:
    """Nothing is encrypted."""
    engine.append(CONTENTS, _NO_SECRETS)


@ready.recovery("6.1.3.1")
def test_the_strategies_state_is_in_a_backup(engine: EngineUnderTest, evidence: Evidence) -> None:
    """What the strategy keeps is in the records of the archive, as of their last one."""
    for name, backup in _backups(engine, evidence).items():
        kept = backup["there"]["strategy"]
        evidence.expect(f"{name}: there is some", True, observed='"bars":' in kept)
        evidence.expect(f"{name}: in the archive", kept, observed=backup["copied"]["strategy"])


@test_the_strategies_state_is_in_a_backup.fails_when
def the_state_is_left_out(engine: EngineUnderTest) -> None:
    """The journal, which holds it, is not in the archive."""
    engine.append(CONTENTS, _NO_JOURNAL)


@test_the_strategies_state_is_in_a_backup.fails_when
def the_state_is_of_another_instant(engine: EngineUnderTest) -> None:
    """The copy ends before the backup began."""
    _changed_copy(engine, _CUT)


@ready.recovery("6.1.3.2")
def test_the_positions_are_in_a_backup(engine: EngineUnderTest, evidence: Evidence) -> None:
    """The trades in the archive add up to what was held at its instant."""
    for name, backup in _backups(engine, evidence).items():
        held = backup["there"]["positions"]
        evidence.expect(f"{name}: something was held", 1, observed=len(held))
        evidence.expect(f"{name}: in the archive", held, observed=backup["copied"]["positions"])


@test_the_positions_are_in_a_backup.fails_when
def positions_are_left_out(engine: EngineUnderTest) -> None:
    """The journal, which they are rebuilt from, is not in the archive."""
    engine.append(CONTENTS, _NO_JOURNAL)


@test_the_positions_are_in_a_backup.fails_when
def a_fill_is_half_included(engine: EngineUnderTest) -> None:
    """Of the last trade only half the quantity is in the archive."""
    _changed_copy(engine, _HALF)


@ready.recovery("6.1.3.3")
def test_the_configuration_is_in_a_backup(engine: EngineUnderTest, evidence: Evidence) -> None:
    """Settings and configuration come out byte for byte; their secrets are encrypted."""
    for name, backup in _backups(engine, evidence).items():
        found = backup["configuration"]
        evidence.expect(f"{name}: files of configuration", at_least(3), observed=len(found))
        evidence.expect(f"{name}: the settings are among them", True, observed=".env" in found)
        apart = sorted(path for path, same in found.items() if not same)
        evidence.expect(f"{name}: files that differ", [], observed=apart)
        evidence.expect(f"{name}: files with a secret in clear", [], observed=backup["in_clear"])


@test_the_configuration_is_in_a_backup.fails_when
def configuration_is_left_out(engine: EngineUnderTest) -> None:
    """The folder of the configuration is passed over."""
    engine.append(CONTENTS, _NO_CONFIGURATION)


@test_the_configuration_is_in_a_backup.fails_when
def secrets_are_stored_in_clear(engine: EngineUnderTest) -> None:
    """Nothing is encrypted."""
    engine.append(CONTENTS, _NO_SECRETS)


@ready.recovery("6.1.3.4")
def test_the_trade_history_is_in_a_backup(engine: EngineUnderTest, evidence: Evidence) -> None:
    """All trades that the journal had at that instant are in the archive, and no others."""
    for name, backup in _backups(engine, evidence).items():
        there, copied = backup["there"], backup["copied"]
        evidence.expect(f"{name}: there are some", at_least(10), observed=there["trades"])
        evidence.expect(f"{name}: trades", there["trades"], observed=copied["trades"])
        evidence.expect(
            f"{name}: their hash", there["trades_sha256"], observed=copied["trades_sha256"]
        )


@test_the_trade_history_is_in_a_backup.fails_when
def trades_are_left_out(engine: EngineUnderTest) -> None:
    """The journal is not in the archive."""
    engine.append(CONTENTS, _NO_JOURNAL)


@test_the_trade_history_is_in_a_backup.fails_when
def the_last_trades_are_missing(engine: EngineUnderTest) -> None:
    """The copy ends before the backup began."""
    _changed_copy(engine, _CUT)


@ready.recovery("6.1.3.5")
def test_the_audit_log_is_in_a_backup(engine: EngineUnderTest, evidence: Evidence) -> None:
    """The chain in the archive is whole, the same as then, and has the heads that were signed."""
    for name, backup in _backups(engine, evidence).items():
        evidence.expect(f"{name}: the records are those of then", True, observed=backup[SAME])
        evidence.expect(f"{name}: the chain breaks at", None, observed=backup["chain_breaks_at"])
        evidence.expect(f"{name}: signed heads that agree", at_least(1), observed=backup["signed"])


@test_the_audit_log_is_in_a_backup.fails_when
def the_audit_log_is_left_out(engine: EngineUnderTest) -> None:
    """The journal is not in the archive."""
    engine.append(CONTENTS, _NO_JOURNAL)


@test_the_audit_log_is_in_a_backup.fails_when
def the_chain_is_broken(engine: EngineUnderTest) -> None:
    """A record was changed on the way, and nobody looked."""
    _changed_copy(engine, _HALF)


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
    _changed_restore(engine, _HALF)


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


# -- 6.1.5 retention -------------------------------------------------------------------------

RETENTION = "rustybt/backup/retention.py"
PAGE = "docs/backup.md"
STATED = re.compile(r"kept for 7 years \((\d+) days\)")
SIMULATED_DAYS = 3300
YEAR_DAYS = 365.25


@ready.recovery("6.1.5")
def test_records_are_kept_for_seven_years(
    engine: EngineUnderTest, checkout: Checkout, evidence: Evidence
) -> None:
    """Over years of daily backups old ones go, but no record does before its time."""
    page = checkout.root / PAGE
    stated = STATED.search(page.read_text("utf-8")) if page.exists() else None
    evidence.expect("the page states the retention", True, observed=stated is not None)
    days = 0 if stated is None else int(stated[1])
    evidence.meets("audit_retention", observed=days)
    seen = engine.run("retention", days=SIMULATED_DAYS, life=200, every=30, keep=35)
    evidence.meets("simulated_years", observed=f"{SIMULATED_DAYS / YEAR_DAYS:.2f}")
    evidence.expect("backups that were removed", at_least(1000), observed=seen["removed"])
    evidence.record("backups that are left", seen["left"])
    evidence.meets("audit_retention", observed=seen["shortest"])


@test_records_are_kept_for_seven_years.fails_when
def records_are_removed_early(engine: EngineUnderTest) -> None:
    """A year is taken for enough."""
    engine.append(RETENTION, "AUDIT = timedelta(days=365)\n")


@test_records_are_kept_for_seven_years.fails_when
def nobody_asks_what_the_newest_backup_holds(engine: EngineUnderTest) -> None:
    """Old backups go by their age alone."""
    engine.append(RETENTION, "reason_to_keep = lambda candidate, now, holds: None\n")


@test_records_are_kept_for_seven_years.fails_when
def the_retention_is_not_documented(checkout: Checkout) -> None:
    """The page says nothing of years."""
    checkout.edit(PAGE, "kept for 7 years (2557 days)", "kept for long")


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

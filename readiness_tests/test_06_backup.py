"""Section 6: what a backup holds, and for how long it is kept."""

from __future__ import annotations

import re
from typing import Any

from pytest_rustybt_ready import Evidence, at_least, ready
from readiness_tests.engine import EngineUnderTest
from readiness_tests.subjects import Checkout

CONTAINER = "rustybt/backup/container.py"
CONTENTS = "rustybt/backup/contents.py"
READING = "rustybt/backup/reading.py"
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
HALF = """
UPDATE journal SET payload = CAST(replace(replace(
    CAST(payload AS TEXT), '"0.125"', '"0.06"'), '"0.0625"', '"0.03"') AS BLOB)
WHERE sequence =
    (SELECT max(sequence) FROM journal WHERE CAST(payload AS TEXT) LIKE '%order_filled%')
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
    _changed_copy(engine, HALF)


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
    _changed_copy(engine, HALF)


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

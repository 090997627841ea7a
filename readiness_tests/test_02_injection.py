"""2.1.4: no text that comes from outside becomes part of a query."""

from __future__ import annotations

import re
from pathlib import Path

from pytest_rustybt_ready import Evidence, ready
from readiness_tests.engine import EngineUnderTest
from readiness_tests.subjects import USES_A_DATABASE

HAS_A_FUNCTION = re.compile(r"^\s*(?:async )?def ", re.M)
HOSTILE = (
    "'; DROP TABLE journal; --",
    "x'); DELETE FROM journal_lease; DELETE FROM orders; --",
    '" OR "1"="1',
    "' UNION SELECT sql FROM sqlite_master --",
    "%s %(name)s ? :name ?1 $1",
    "\\' OR 1=1 /*",
    "\u02bc; DROP TABLE venue; --",
)


@ready.security("2.1.4")
def test_hostile_text_stays_text(engine: EngineUnderTest, evidence: Evidence) -> None:
    """What a database is given comes back as it was, and harms no table and no row."""
    seen = engine.run("injection", texts=HOSTILE)
    package = engine.root.resolve() / "rustybt"
    texts = {str(path): path.read_text("utf-8") for path in package.rglob("*.py")}
    users = {
        path
        for path, text in texts.items()
        if USES_A_DATABASE.search(text) and HAS_A_FUNCTION.search(text)
    }
    assert users, "no module uses a database"
    evidence.record("attacks", seen["attacks"])
    evidence.record("modules that use a database", len(users))
    evidence.expect("harm done", [], observed=seen["problems"])
    left = sorted(str(Path(each).relative_to(package)) for each in users - set(seen["ran"]))
    evidence.expect("modules that use a database, not attacked", [], observed=left)


@test_hostile_text_stays_text.fails_when
def a_name_becomes_part_of_a_query(engine: EngineUnderTest) -> None:
    """Who holds a lease is looked up by a text that contains its name."""
    engine.edit(
        "rustybt/journal/lease.py",
        "select(LEASES.c.owner, LEASES.c.expires).where(LEASES.c.name == name)",
        '__import__("sqlalchemy").text('
        "f\"SELECT owner, expires FROM journal_lease WHERE name = '{name}'\")",
    )


@test_hostile_text_stays_text.fails_when
def another_module_begins_to_use_a_database(engine: EngineUnderTest) -> None:
    """A module of the engine imports a driver, and no attack goes through it."""
    engine.append("rustybt/engine/sweep/cluster.py", "import sqlite3\n")

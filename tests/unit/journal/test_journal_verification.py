"""Whatever is done to a journal in a database is found, at the record that it was done to."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from rustybt.journal import JournalError, canonical
from rustybt.journal.heads import SignedHead
from rustybt.journal.signing import SigningKey
from rustybt.journal.store import Journal
from rustybt.journal.verification import Report, examine, verify_journal

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
COLUMNS = ("sequence", "micros", "session", "kind", "payload", "previous", "own")


def journal(count: int, url: str = "sqlite://", **options: object) -> Journal:
    """Return an open journal with *count* records, a second apart."""
    made = Journal.open(url, session="run-1", clock=lambda: NOW, **options)  # type: ignore[arg-type]  # of each test
    for number in range(count):
        time = NOW + timedelta(seconds=number)
        made.append("event", canonical({"price": f"{number}.10", "n": number}), time)
    made.commit()
    return made


@pytest.fixture(scope="module")
def thousand() -> Iterator[Journal]:
    """Return a journal of 1000 records that every test leaves as it was."""
    with journal(1000) as made:
        yield made


def first_bad(engine: Engine) -> int | None:
    """Return the number of the first bad record, None if there is none."""
    finding = examine(engine).finding
    return finding.sequence if finding else None


def value_of(engine: Engine, sequence: int, column: str) -> bytes | int:
    """Return what is stored there: a number, or bytes."""
    shown = f"CAST({column} AS BLOB)" if column in ("session", "kind") else column
    with engine.begin() as connection:
        found: bytes | int = connection.execute(
            text(f"SELECT {shown} FROM journal WHERE sequence = {sequence}")  # noqa: S608 - ours
        ).scalar_one()
        return found


def put(engine: Engine, sequence: int, column: str, value: bytes | int) -> None:
    """Store *value* there, as it is."""
    given = "CAST(:value AS TEXT)" if column in ("session", "kind") else ":value"
    statement = (
        f"UPDATE journal SET {column} = {given} WHERE sequence = :sequence"  # noqa: S608 - ours
    )
    with engine.begin() as connection:
        connection.execute(text(statement), {"value": value, "sequence": sequence})


def flipped(value: bytes | int, bit: int) -> bytes | int:
    """Return *value* with one bit turned; a number has 64, of which the last is its sign."""
    if isinstance(value, int):
        return value ^ (1 << bit) if bit < 63 else value - 2**63
    turned = bytearray(value)
    turned[bit // 8] ^= 1 << bit % 8
    return bytes(turned)


def bits(value: bytes | int) -> int:
    """Return how many bits *value* has."""
    return 64 if isinstance(value, int) else len(value) * 8


def found_after_flip(engine: Engine, sequence: int, column: str, bit: int) -> int | None:
    """Turn one bit, return the number of the first bad record, turn it back."""
    value = value_of(engine, sequence, column)
    changed = flipped(value, bit)
    put(engine, sequence, column, changed)
    found = first_bad(engine)
    moved = changed if column == "sequence" and isinstance(changed, int) else sequence
    put(engine, moved, column, value)
    return found


def test_every_flipped_bit_is_found() -> None:
    """Each single bit of every field of every record, turned alone, is found at that record."""
    with journal(2) as made:
        for sequence in (1, 2):
            for column in COLUMNS:
                for bit in range(bits(value_of(made.engine, sequence, column))):
                    if column == "sequence" and sequence ^ (1 << bit) in (1, 2):
                        continue  # the database itself refuses two of one number
                    found = found_after_flip(made.engine, sequence, column, bit)
                    # a record that is moved to the front stands where the first should
                    early = column == "sequence" and (bit == 63 or sequence >> bit & 1)
                    assert found == (1 if early else sequence), (sequence, column, bit)
        assert first_bad(made.engine) is None


def test_flipped_bits_in_a_long_journal_are_found(thousand: Journal) -> None:
    """So are bits anywhere in 1000 records: a sample, the same every time."""
    chance = random.Random(7)  # noqa: S311 - a sample of places
    for _ in range(150):
        sequence = chance.randint(1, 1000)
        column = chance.choice(COLUMNS[1:])
        bit = chance.randrange(bits(value_of(thousand.engine, sequence, column)))
        assert found_after_flip(thousand.engine, sequence, column, bit) == sequence
    assert first_bad(thousand.engine) is None


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("DELETE FROM journal WHERE sequence = 1", "record 1 (2026-03-01T12:00:01+00:00, event)"),
        ("DELETE FROM journal WHERE sequence = 3", "record 3 (2026-03-01T12:00:03+00:00, event)"),
        ("UPDATE journal SET sequence = -1 WHERE sequence = 5", "a record with the number -1"),
        ("UPDATE journal SET sequence = 9 WHERE sequence = 3", "record 3 (2026-03-01T12:00:03"),
        ("UPDATE journal SET kind = 'order' WHERE sequence = 2", "order): it was changed"),
        ("UPDATE journal SET kind = x'6576656e74' WHERE sequence = 2", "record 2 (2026-03-01T12:"),
        ("UPDATE journal SET payload = 'text' WHERE sequence = 2", "it was changed"),
        ("UPDATE journal SET micros = 'never' WHERE sequence = 2", "record 2 (event): it was"),
        ("UPDATE journal SET micros = 9223372036854775807 WHERE sequence = 2", "record 2 (event)"),
        ("UPDATE journal SET kind = CAST(x'ff' AS TEXT) WHERE sequence = 1", "record 1: it cannot"),
        ("UPDATE journal SET kind = CAST(x'ff' AS TEXT) WHERE sequence = 2", "record 2: it cannot"),
        ("UPDATE journal SET previous = zeroblob(32) WHERE sequence = 2", "does not follow"),
        ("UPDATE journal SET previous = 'text' WHERE sequence = 2", "does not follow"),
    ],
)
def test_the_first_bad_record_is_named(damage: str, said: str) -> None:
    """Its number, time and kind are told as far as they can be read, and what is wrong."""
    with journal(5) as made:
        with made.engine.begin() as connection:
            connection.execute(text(damage))
        report = examine(made.engine)
    assert not report.ok
    assert said in str(report.finding)


def test_swapped_records_are_found(thousand: Journal) -> None:
    """Two records that changed places are found at the first of them, and so is a copy."""
    for one, two in ((1, 2), (10, 900), (999, 1000)):
        move = text("UPDATE journal SET sequence = :to WHERE sequence = :at")
        for turn in range(2):  # the second time puts them back
            with thousand.engine.begin() as connection:
                for at, to in ((one, -5), (two, one), (-5, two)):
                    connection.execute(move, {"at": at, "to": to})
            assert first_bad(thousand.engine) == (one if turn == 0 else None)


def test_a_record_put_in_is_found() -> None:
    """A record behind the end with the right number is found where its hashes are not."""
    with journal(3) as made:
        with made.engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO journal SELECT 4, micros, session, kind, payload, previous, own "
                    "FROM journal WHERE sequence = 3"
                )
            )
        assert first_bad(made.engine) == 4


def test_a_report_says_what_was_looked_at(tmp_path: Path) -> None:
    """Numbers, times, heads and keys are those of the journal."""
    key = SigningKey.generate()
    with journal(5, key=key, heads=tmp_path / "heads") as made:
        made.sign_head()
        head = made.head
        report = examine(made.engine, keys=[key.public], heads=tmp_path / "heads")
    assert report == Report(
        records=5,
        head=head,
        first=NOW,
        last=NOW + timedelta(seconds=4),
        heads=1,
        signed=5,
        keys=(key.public.fingerprint,),
        finding=None,
    )


def test_an_empty_journal_is_not_fine(tmp_path: Path) -> None:
    """Nothing to look at is an error, not a whole journal."""
    url = f"sqlite:///{tmp_path}/empty.db"
    with journal(0, url) as made:
        report = examine(made.engine)
        assert (report.ok, report.finding, report.records) == (False, None, 0)
        with pytest.raises(JournalError, match="nothing to verify"):
            verify_journal(url)
    with pytest.raises(JournalError, match="there is no journal at"):
        verify_journal(f"sqlite:///{tmp_path}/none.db")
    assert [path.name for path in tmp_path.iterdir()] == ["empty.db"]


def test_an_emptied_journal_is_found_by_its_heads() -> None:
    """If all records are gone, the first one is missed."""
    with journal(2, key=SigningKey.generate()) as made:
        made.sign_head()
        with made.engine.begin() as connection:
            connection.execute(text("DELETE FROM journal"))
        assert first_bad(made.engine) == 1


def test_a_journal_written_anew_is_found_by_its_heads(tmp_path: Path) -> None:
    """A whole chain with another past differs from every head that was signed of the real one."""
    key, heads = SigningKey.generate(), tmp_path / "heads"
    with journal(3, key=key, heads=heads) as made:
        made.sign_head()
    with journal(0) as other:
        for number in range(4):
            other.append("event", canonical({"n": -number}))
        other.commit()
        assert first_bad(other.engine) is None
        report = examine(other.engine, keys=[key.public], heads=heads)
    assert report.finding is not None
    assert report.finding.sequence == 3
    assert "not the record that was signed" in report.finding.problem


def test_a_head_that_nobody_signed_is_found(tmp_path: Path) -> None:
    """A head of another key, or with anything changed, is named; without keys none is checked."""
    key, other = SigningKey.generate(), SigningKey.generate()
    with journal(3, key=key) as made:
        signed = made.sign_head()
        assert examine(made.engine, keys=[other.public, key.public]).ok
        report = examine(made.engine, keys=[other.public])
        assert report.finding is not None
        assert "signed by none of the given keys" in report.finding.problem
        assert examine(made.engine).ok
    for changed in (
        {"sequence": signed.sequence + 1},
        {"sequence": -1},
        {"own": bytes(32)},
        {"own": b""},
        {"micros": signed.micros + 1},
        {"signature": bytes(64)},
        {"signature": b""},
        {"public": other.public.raw},
    ):
        assert not forged(signed, changed).is_of(key.public)
    assert signed.is_of(key.public)


def forged(head: SignedHead, changed: dict[str, object]) -> SignedHead:
    """Return *head* with something changed."""
    values = {name: getattr(head, name) for name in head.__struct_fields__}
    return SignedHead(**(values | changed))  # type: ignore[arg-type]  # each of its own type


def test_looking_changes_nothing(tmp_path: Path) -> None:
    """Verifying a journal that nobody has open leaves its folder as it was, to the byte."""
    url = f"sqlite:///{tmp_path}/journal.db"
    journal(3, url).close()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    tmp_path.chmod(0o500)

    assert verify_journal(url).ok
    tmp_path.chmod(0o700)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_journal_in_use_is_read_to_its_newest_record(tmp_path: Path) -> None:
    """What a running engine committed is seen, though it is not in the main file yet."""
    url = f"sqlite:///{tmp_path}/journal.db"
    with journal(3, url) as made:
        assert verify_journal(url).records == 3
        made.append("event", b"{}")
        made.commit()
        assert verify_journal(url).records == 4

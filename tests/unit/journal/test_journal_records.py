"""Records of a journal: what they hold, what they refuse, and that tampering has a name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from hashlib import sha256

import pytest
from msgspec.structs import replace

from rustybt.journal import Head, JournalError, Record, canonical, chain, verify
from rustybt.model import CashMoved
from rustybt.model.codec import from_json

NOW = datetime(2024, 3, 1, 12, 30, 0, 5, tzinfo=UTC)


def journal(count: int) -> list[Record]:
    """Return *count* records, a microsecond apart."""
    records: list[Record] = []
    for number in range(count):
        records.append(
            chain(
                records[-1] if records else None,
                time=NOW + timedelta(microseconds=number),
                session="s-1",
                kind="event",
                payload=canonical({"n": number}),
            )
        )
    return records


def problem(records: list[Record], head: Head | None = None) -> str:
    """Return what is said of the first bad record."""
    return str(verify(records, head=head))


def test_records_count_from_one_and_hold_the_hash_before() -> None:
    """Numbers start at 1 without gaps; each record holds the hash of the one before."""
    records = journal(3)

    assert [r.sequence for r in records] == [1, 2, 3]
    assert [r.previous for r in records] == [bytes(32), records[0].own, records[1].own]
    assert records[2].time == NOW + timedelta(microseconds=2)


def test_the_hash_is_the_documented_one() -> None:
    """Anybody can recompute a record's hash from the layout in the documentation."""
    record = chain(None, time=NOW, session="é", kind="k", payload=b"{}")
    micros = 1_709_296_200_000_005
    fixed = b"".join(n.to_bytes(size, "big") for n, size in ((1, 8), (micros, 8), (2, 4), (1, 4)))

    assert record.own == sha256(bytes(32) + fixed + "é".encode() + b"k{}").digest()


def test_a_whole_chain_is_accepted() -> None:
    """Records as they were written pass, none at all too, and with the head of any time."""
    records = journal(4)

    assert verify([]) is None
    assert verify(iter(records)) is None
    for record in records:
        assert verify(records, head=Head(sequence=record.sequence, own=record.own)) is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"micros": 0}, "record 2 (number 2 read): it was changed"),
        ({"micros": 2**70}, "record 2 (number 2 read): it was changed"),
        ({"session": "s-2"}, "record 2 (number 2 read): it was changed"),
        ({"session": "\ud800"}, "record 2 (number 2 read): it was changed"),
        ({"session": "s-1e", "kind": "vent"}, "record 2 (number 2 read): it was changed"),
        ({"payload": b"{}"}, "record 2 (number 2 read): it was changed"),
        ({"own": bytes(32)}, "record 2 (number 2 read): it was changed"),
        ({"previous": bytes(32)}, "record 2 (number 2 read): it does not follow"),
        ({"sequence": -7}, "record 2 (number 2 read): a record with the number -7"),
    ],
)
def test_a_changed_record_is_named(changed: dict[str, object], said: str) -> None:
    """Whatever field of a record was changed, that record is named first."""
    records = journal(3)
    records[1] = replace(records[1], **changed)

    assert problem(records).startswith(said)


def test_moved_records_are_named() -> None:
    """Records taken out, repeated or swapped are named where the chain first breaks."""
    one, two, three = journal(3)

    assert problem([one, three]).startswith("record 2 (number 2 read): a record with the number 3")
    assert problem([two, three]).startswith("record 1 (number 1 read): a record with the number 2")
    assert problem([one, one, two]).startswith("record 2 (number 2 read): a record with the number")
    assert problem([one, three, two]).startswith("record 2")


def test_a_record_with_right_hashes_put_in_is_named() -> None:
    """Who replaces a record and makes its hash anew is betrayed by the next one."""
    one, two, three = journal(3)
    forged = chain(one, time=two.time, session="s-1", kind="event", payload=b'{"n":99}')

    assert problem([one, forged, three]).startswith("record 3 (number 3 read): it does not follow")


def test_a_cut_end_is_found_by_the_head() -> None:
    """Records cut from the end are missed, and the first missing one is named."""
    records = journal(3)
    head = Head(sequence=3, own=records[2].own)

    assert verify(records[:1]) is None
    assert problem(records[:1], head).startswith("record 2 (number 2 read): the end is cut off")
    assert problem([], head).startswith("record 1 (number 1 read): the end is cut off")
    assert "record 3" in problem(records[:1], head).removeprefix("record 2")


def test_a_chain_written_anew_is_found_by_the_head() -> None:
    """A whole chain with another past than the head's is told from the real one."""
    records = journal(3)
    other = Head(sequence=2, own=bytes(32))

    assert problem(records, other).startswith("record 2 (number 2 read): the chain is whole, but")


def test_times_of_any_zone_are_kept_in_utc() -> None:
    """A time with another offset is the same instant; one without a zone is refused."""
    east = NOW.astimezone(timezone(timedelta(hours=9)))

    assert chain(None, time=east, session="s", kind="k", payload=b"").time == NOW
    with pytest.raises(JournalError, match=r"has no zone.*expected an aware time"):
        chain(None, time=NOW.replace(tzinfo=None), session="s", kind="k", payload=b"")


@pytest.mark.parametrize(("session", "kind"), [("", "k"), ("s", ""), ("\ud800", "k")])
def test_nameless_records_are_refused(session: str, kind: str) -> None:
    """A record needs a session and a kind, in text that has bytes."""
    with pytest.raises(JournalError, match="session"):
        chain(None, time=NOW, session=session, kind=kind, payload=b"")


def test_payloads_are_canonical_and_exact() -> None:
    """Keys are sorted, nothing is padded, decimals are text with all their digits."""
    digits = "12345678901234567890.12345678"

    assert canonical({"b": [Decimal(digits)], "a": 1}) == f'{{"a":1,"b":["{digits}"]}}'.encode()


def test_an_event_comes_back_as_it_was() -> None:
    """What the engine was told is read back equal from its canonical form."""
    event = CashMoved(time=NOW, entry_id="d-1", currency="EUR", amount=Decimal("100.10"))

    assert from_json(canonical(event), CashMoved) == event


@pytest.mark.parametrize(
    "value",
    [0.5, {"a": [float("nan")]}, (1, {"b": 1.0}), object(), "\ud800"],
    ids=["float", "nan", "deep", "object", "surrogate"],
)
def test_payloads_that_cannot_be_exact_are_refused(value: object) -> None:
    """Floats, values that JSON cannot say and broken text are refused in one message."""
    with pytest.raises(JournalError, match=r"cannot be kept in the journal.*expected values"):
        canonical(value)

"""Whatever is done to a journal is found at the record that it was done to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from rustybt.journal import Head, Record, canonical, chain, verify

NOW = datetime(2024, 3, 1, tzinfo=UTC)


def _journal(count: int) -> list[Record]:
    records: list[Record] = []
    for number in range(count):
        record = chain(
            records[-1] if records else None,
            time=NOW + timedelta(seconds=number),
            session="run-1",
            kind="event",
            payload=canonical({"price": str(number), "n": number}),
        )
        records.append(record)
    return records


WHOLE = _journal(1000)
HEAD = Head(sequence=1000, own=WHOLE[-1].own)
WITHIN = st.integers(0, 999)


def _first_bad(records: list[Record]) -> int | None:
    found = verify(records, head=HEAD)
    return found.sequence if found else None


def _flipped(record: Record, field: str, bit: int) -> Record:
    """Return *record* with one bit of *field* turned."""
    value = getattr(record, field)
    if isinstance(value, int):
        return replace(record, **{field: value ^ (1 << bit % 63)})
    raw = bytearray(value.encode() if isinstance(value, str) else value)
    raw[bit // 8 % len(raw)] ^= 1 << bit % 8
    new = raw.decode("utf-8", "surrogateescape") if isinstance(value, str) else bytes(raw)
    return replace(record, **{field: new})


@given(WITHIN, st.sampled_from(Record.__struct_fields__), st.integers(0, 511))
def test_every_flipped_bit_is_found(index: int, field: str, bit: int) -> None:
    """One bit turned in any field of any record is found at that record."""
    records = [*WHOLE]
    records[index] = _flipped(WHOLE[index], field, bit)

    assert _first_bad(records) == index + 1


@given(WITHIN, WITHIN)
def test_every_deletion_and_truncation_is_found(start: int, last: int) -> None:
    """A stretch taken out anywhere, at the end too, is found where it began."""
    start, last = sorted((start, last))

    assert _first_bad(WHOLE[:start] + WHOLE[last + 1 :]) == start + 1


@given(WITHIN, WITHIN)
def test_every_insertion_is_found(source: int, place: int) -> None:
    """A record repeated anywhere before the end is found there, or right after its original."""
    records = [*WHOLE[:place], WHOLE[source], *WHOLE[place:]]

    assert _first_bad(records) == place + 1 + (source == place)


@given(st.lists(WITHIN, min_size=2, max_size=2, unique=True))
def test_every_swap_is_found(pair: list[int]) -> None:
    """Two records that changed places are found at the first of them."""
    first, second = sorted(pair)
    records = [*WHOLE]
    records[first], records[second] = records[second], records[first]

    assert _first_bad(records) == first + 1

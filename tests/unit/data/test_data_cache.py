"""The cache of bars: what was read once is not read again, and no more kept than has room."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from rustybt.data.bars import BARS, DECIMAL
from rustybt.data.cache import MEGABYTE, BarCache
from rustybt.data.catalog import Catalog
from rustybt.data.errors import CatalogCorruptError
from rustybt.data.interval import Interval
from rustybt.data.plain import with_floats

START = datetime(2024, 1, 1, tzinfo=UTC)


def bars(count: int, price: str = "10") -> pl.DataFrame:
    """Return *count* daily bars at one price."""
    numbers = dict.fromkeys(("open", "high", "low", "close", "volume"), [Decimal(price)] * count)
    times = [START + timedelta(days=day) for day in range(count)]
    return pl.DataFrame({"timestamp": times, **numbers}, schema=BARS)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path, lambda: START, cache=BarCache.of_megabytes(1))


def test_what_is_read_again_comes_from_memory(catalog: Catalog) -> None:
    """Four reads of one series: one miss, three hits, also for a part of it."""
    catalog.write("A", Interval.D1, bars(10), source="test")
    assert catalog.cache is not None
    assert catalog.cache.hit_rate is None
    whole = [catalog.read("A", Interval.D1) for _ in range(3)]
    part = catalog.read("A", Interval.D1, start=START + timedelta(days=8))

    assert whole[0].equals(whole[1])
    assert part.height == 2
    assert catalog.cache.report() == {
        "tables": 1,
        "bytes": whole[0].estimated_size(),
        "capacity": MEGABYTE,
        "hits": 3,
        "misses": 1,
        "hit_rate": 0.75,
    }


def test_a_new_version_is_read_anew(catalog: Catalog) -> None:
    """The cache goes by what a file holds: a version that follows is never mistaken for the old."""
    catalog.write("A", Interval.D1, bars(10), source="test")
    catalog.read("A", Interval.D1)
    catalog.write("A", Interval.D1, bars(3, "11"), source="test")

    assert catalog.read("A", Interval.D1)["close"].to_list() == [Decimal(11)] * 3
    assert catalog.read("A", Interval.D1, version=1).height == 10


def test_files_are_verified_all_the_same(catalog: Catalog, tmp_path: Path) -> None:
    """A check looks at the disk, whatever is in memory; so does whoever has no cache."""
    version = catalog.write("A", Interval.D1, bars(10), source="test")
    catalog.read("A", Interval.D1)
    (file,) = tmp_path.glob(f"*/*/{version.file}")
    file.write_bytes(file.read_bytes() + b"!")

    assert len(catalog.problems("A", Interval.D1)) == 1
    assert catalog.read("A", Interval.D1).height == 10
    with pytest.raises(CatalogCorruptError):
        Catalog(tmp_path, lambda: START).read("A", Interval.D1)


def test_the_longest_unused_goes_first() -> None:
    """With room for two, reading the first again saves it from the third."""
    table = bars(100)
    size = int(table.estimated_size())
    cache = BarCache(2 * size + 1)
    cache.put("a", table)
    cache.put("b", table)
    assert cache.get("a") is table
    cache.put("c", table)

    assert (cache.size, len(cache)) == (2 * size, 2)
    assert cache.get("b") is None
    assert cache.get("a") is table
    assert cache.get("c") is table
    assert (cache.hits, cache.misses) == (3, 1)


def test_what_is_too_large_is_not_kept() -> None:
    """Nothing is dropped for it either; and nothing is kept twice."""
    small, large = bars(10), bars(100)
    cache = BarCache(int(small.estimated_size()))
    cache.put("s", small)
    cache.put("s", small)
    cache.put("l", large)

    assert cache.get("s") is small
    assert cache.get("l") is None
    assert cache.size == small.estimated_size()
    nothing = BarCache.of_megabytes(0)
    nothing.put("s", small)
    assert len(nothing) == 0


@pytest.mark.parametrize(
    ("number", "plain"),
    [
        ("0.1", True),
        ("123456789.123456", True),
        ("1234567890.123456", False),
        ("0.000000000000001", True),
        ("0.0000000000000001", False),
        ("999999999999999", True),
        ("1000000000000001", False),
        ("0", True),
    ],
)
def test_floats_are_taken_where_they_say_the_same(number: str, plain: bool) -> None:
    """At most 15 digits, and the float prints as the number; otherwise the column stays exact."""
    frame = with_floats(bars(3, number))

    assert (frame.schema["close"] == pl.Float64) is plain
    if plain:
        assert Decimal(repr(frame["close"][0])) == Decimal(number)
    else:
        assert frame.schema["close"] == DECIMAL
        assert frame["close"][0] == Decimal(number)


def test_no_bars_are_plain() -> None:
    """An empty table has nothing to lose."""
    assert with_floats(bars(0)).schema["close"] == pl.Float64

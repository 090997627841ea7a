"""The catalog gives back what it was given, whole and exact, or says what is wrong."""

import hashlib
import json
import os
import subprocess
import sys
import textwrap
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from rustybt.data import manifest as manifests
from rustybt.data.bars import BARS, empty_bars
from rustybt.data.catalog import KEPT, Catalog
from rustybt.data.errors import (
    CatalogCorruptError,
    CatalogError,
    ConflictingBarsError,
    DataError,
    UnknownSeriesError,
)
from rustybt.data.interval import Interval

NOW = datetime(2026, 1, 1, tzinfo=UTC)
START = datetime(2025, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def clock() -> datetime:
    return NOW


def bars(first: int, last: int, price: str = "1.1") -> pl.DataFrame:
    rows = [(START + n * DAY, *[Decimal(price)] * 4, Decimal(n)) for n in range(first, last + 1)]
    return pl.DataFrame(rows, schema=BARS, orient="row")


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "catalog", clock)


def put(catalog: Catalog, frame: pl.DataFrame, **options: bool) -> manifests.Version:
    return catalog.extend("AAPL", Interval.D1, frame, source="csv", calendar="NYSE", **options)


def folder(catalog: Catalog) -> Path:
    return catalog.root / "AAPL" / "1d"


def test_what_is_written_is_read(catalog: Catalog) -> None:
    """Bars come back exact, with what is known about them."""
    exact = bars(0, 3, "1000000000000000.000000000000000001")
    version = put(catalog, exact)
    assert catalog.read("AAPL", Interval.D1).equals(exact)
    assert catalog.read("AAPL", Interval.D1).schema == BARS
    assert (version.number, version.rows, version.source) == (1, 4, "csv")
    assert (version.first, version.last, version.written) == (START, START + 3 * DAY, NOW)
    assert version.covered == ((START, START + 4 * DAY),)
    (listed,) = catalog.series()
    assert (listed.symbol, listed.interval, listed.calendar) == ("AAPL", Interval.D1, "NYSE")
    assert listed.newest == version


def test_a_part_can_be_read(catalog: Catalog) -> None:
    """From the start on, and before the end."""
    put(catalog, bars(0, 9))
    part = catalog.read("AAPL", Interval.D1, start=START + 2 * DAY, end=START + 5 * DAY)
    assert part.equals(bars(2, 4))


def test_bars_are_added_before_between_and_after(catalog: Catalog) -> None:
    """Whatever the order they come in, the series is in order; equal bars may come again."""
    put(catalog, bars(4, 5))
    put(catalog, bars(8, 9))
    put(catalog, bars(0, 1))
    version = put(catalog, bars(1, 8))
    assert catalog.read("AAPL", Interval.D1).equals(bars(0, 9))
    assert (version.number, version.covered) == (4, ((START, START + 10 * DAY),))
    assert put(catalog, bars(3, 6)) == version


def test_older_versions_stay_readable_for_a_while(catalog: Catalog) -> None:
    """The last versions are kept and can be named; older ones are gone, their files too."""
    for last in range(5):
        put(catalog, bars(0, last))
    assert catalog.read("AAPL", Interval.D1, version=4).equals(bars(0, 3))
    assert len(list(folder(catalog).glob("*.parquet"))) == KEPT
    with pytest.raises(UnknownSeriesError, match="has no version 1; expected one of 3, 4, 5"):
        catalog.read("AAPL", Interval.D1, version=1)


def test_a_contradiction_is_refused_unless_it_is_to_win(catalog: Catalog) -> None:
    """Other values for stored bars change nothing by themselves: past results depend on them."""
    put(catalog, bars(0, 3))
    with pytest.raises(ConflictingBarsError) as caught:
        put(catalog, bars(2, 5, "2.5"))
    assert "other values for 2 stored bars of AAPL 1d; on 2025-01-03 00:00 open 1.1 is now 2.5" in (
        str(caught.value)
    )
    assert catalog.read("AAPL", Interval.D1).equals(bars(0, 3))
    assert put(catalog, bars(2, 5, "2.5"), revise=True).number == 2
    assert catalog.read("AAPL", Interval.D1).equals(pl.concat([bars(0, 1), bars(2, 5, "2.5")]))
    assert catalog.read("AAPL", Interval.D1, version=1).equals(bars(0, 3))


def test_sources_do_not_mix(catalog: Catalog) -> None:
    """Another source may take a series over, not add to it unnoticed."""
    put(catalog, bars(0, 3))
    with pytest.raises(ConflictingBarsError, match="comes from csv, not from yfinance"):
        catalog.extend("AAPL", Interval.D1, bars(4, 5), source="yfinance")
    catalog.write("AAPL", Interval.D1, bars(4, 5), source="yfinance")
    assert catalog.read("AAPL", Interval.D1).equals(bars(4, 5))
    assert catalog.manifest("AAPL", Interval.D1).newest.source == "yfinance"


def test_what_are_no_bars_is_not_stored(catalog: Catalog) -> None:
    """Neither nothing, nor nulls, nor floats, nor bars out of order."""
    floats = bars(0, 1).with_columns(pl.col("close").cast(pl.Float64))
    nulls = bars(0, 1).with_columns(close=pl.lit(None, BARS["close"]))
    for wrong in (empty_bars(), floats, nulls, bars(0, 3).reverse()):
        with pytest.raises(DataError):
            put(catalog, wrong)
    with pytest.raises(CatalogError, match="no bars to store as AAPL"):
        catalog.write("AAPL", Interval.D1, empty_bars(), source="csv", covered=(START, START + DAY))
    assert catalog.names() == ()


@pytest.mark.parametrize("symbol", ["BTC/USDT", "..", ".", "BRK.B", "a b", "A%2FB", "é", "x" * 64])
def test_any_symbol_has_a_folder_of_its_own(catalog: Catalog, symbol: str) -> None:
    """Slashes, dots and percent signs lead nowhere else."""
    catalog.write(symbol, Interval.H1, bars(0, 1), source="csv")
    assert catalog.names() == ((symbol, Interval.H1),)
    (path,) = catalog.root.rglob("manifest.json")
    assert len(path.relative_to(catalog.root).parts) == 3
    assert catalog.series()[0].symbol == symbol


def test_unknown_series_and_symbols(catalog: Catalog) -> None:
    """What is not there is answered with what is."""
    with pytest.raises(UnknownSeriesError, match="no 1d bars of AAPL; expected a series; the cat"):
        catalog.read("AAPL", Interval.D1)
    for number in range(6):
        catalog.write(f"S{number}", Interval.D1, bars(0, 1), source="csv")
    with pytest.raises(UnknownSeriesError, match=r"S3 1d, S4 1d, \.\.\."):
        catalog.read("AAPL", Interval.D1)
    for symbol in ("", "x" * 65):
        with pytest.raises(CatalogError, match="is no symbol; expected 1 to 64 characters"):
            catalog.read(symbol, Interval.D1)


def test_a_flipped_byte_anywhere_is_found_and_named(catalog: Catalog) -> None:
    """Each byte of the manifest, and bytes all over the Parquet file, are covered by checksums."""
    put(catalog, bars(0, 9))
    (data,) = folder(catalog).glob("*.parquet")
    document = folder(catalog) / "manifest.json"
    for path, step in ((document, 1), (data, 37)):
        whole = path.read_bytes()
        for position in range(0, len(whole), step):
            broken = bytearray(whole)
            broken[position] ^= 0x01
            path.write_bytes(broken)
            with pytest.raises(CatalogCorruptError, match=path.name):
                catalog.read("AAPL", Interval.D1)
        assert len(catalog.problems("AAPL", Interval.D1)) == 1
        path.write_bytes(whole)
    assert catalog.problems("AAPL", Interval.D1) == ()


def test_damage_to_an_older_version_is_a_problem_too(catalog: Catalog) -> None:
    """The check reads all versions; reading the newest does not need the older ones."""
    put(catalog, bars(0, 3))
    old = catalog.manifest("AAPL", Interval.D1).newest
    put(catalog, bars(4, 5))
    (folder(catalog) / old.file).unlink()
    assert catalog.read("AAPL", Interval.D1).equals(bars(0, 5))
    (problem,) = catalog.problems("AAPL", Interval.D1)
    assert f"cannot read {folder(catalog) / old.file}: No such file" in problem
    with pytest.raises(CatalogCorruptError, match="No such file"):
        catalog.read("AAPL", Interval.D1, version=1)


def rewrite(catalog: Catalog, **changes: object) -> None:
    """Change the manifest as something would that keeps its checksum right."""
    path = folder(catalog) / "manifest.json"
    path.unlink(missing_ok=True)
    put(catalog, bars(0, 1))
    body = json.dumps(json.loads(path.read_bytes().partition(b"\n")[2]) | changes).encode()
    path.write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)


def test_other_formats_and_contents_are_refused(catalog: Catalog) -> None:
    """A newer format says so; a manifest that is none, or another's, is damage."""
    rewrite(catalog, format=2)
    with pytest.raises(CatalogError, match="has format 2; expected format 1"):
        catalog.read("AAPL", Interval.D1)
    for changes in ({"symbol": "MSFT"}, {"versions": []}):
        rewrite(catalog, **changes)
        with pytest.raises(CatalogCorruptError, match="is not that of AAPL 1d"):
            catalog.read("AAPL", Interval.D1)
    rewrite(catalog, other=1)
    with pytest.raises(CatalogCorruptError, match="is no manifest of a series"):
        catalog.read("AAPL", Interval.D1)


def test_a_manifest_that_cannot_be_read_is_named(catalog: Catalog) -> None:
    """A folder in its place is an error of the catalog, not of Python."""
    put(catalog, bars(0, 1))
    (folder(catalog) / "manifest.json").unlink()
    assert catalog.leftovers() == (folder(catalog),)
    (folder(catalog) / "manifest.json").mkdir()
    with pytest.raises(CatalogCorruptError, match=r"cannot read .*manifest.json: Is a directory"):
        catalog.read("AAPL", Interval.D1)


def test_refused_rows_are_kept_once(catalog: Catalog) -> None:
    """The same rows set aside twice are there once; none make no file."""
    rows = pl.DataFrame({"row": [7], "rules": [["outlier"]], "timestamp": ["2025-01-01"]})
    first = catalog.set_aside("AAPL", Interval.D1, rows)
    assert first is not None
    assert catalog.set_aside("AAPL", Interval.D1, rows) == first
    assert catalog.set_aside("AAPL", Interval.D1, rows.clear()) is None
    assert catalog.refused("AAPL", Interval.D1) == (
        {"row": 7, "rules": ["outlier"], "timestamp": "2025-01-01"},
    )
    assert catalog.refused("MSFT", Interval.D1) == ()


def test_a_reader_is_not_disturbed_by_writers(catalog: Catalog) -> None:
    """While another process adds versions as fast as it can, every read is a whole version."""
    put(catalog, bars(0, 0))
    with writer(catalog.root) as process:
        seen = set()
        reads = 0
        while len(seen) < 8:
            frame = catalog.read("AAPL", Interval.D1)
            assert frame.equals(bars(0, len(frame) - 1))
            seen.add(len(frame))
            reads += 1
        process.kill()
    assert reads > 8


WRITER = """
    import sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[2])
    import test_data_catalog as here
    catalog = here.Catalog(Path(sys.argv[1]), here.clock)
    last = len(catalog.read("AAPL", here.Interval.D1))
    print("ready", flush=True)
    while True:
        here.put(catalog, here.bars(last, last))
        last += 1
"""


def writer(root: Path) -> subprocess.Popen[str]:
    """Start a process that adds a bar at a time, each a new version, for ever."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(root), str(Path(__file__).parent)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_killed_at_any_time_a_writer_leaves_whole_versions(catalog: Catalog) -> None:
    """Killed at odd moments, again and again, the next reader and writer find all in order."""
    put(catalog, bars(0, 0))
    rows = 1
    for round_ in range(2):
        with writer(catalog.root) as process:
            while len(catalog.read("AAPL", Interval.D1)) < rows + 2:
                time.sleep(0.003 * round_)
            process.kill()
        frame = catalog.read("AAPL", Interval.D1)
        assert frame.equals(bars(0, len(frame) - 1))
        assert catalog.problems("AAPL", Interval.D1) == ()
        assert len(frame) >= rows
        rows = len(frame)
    put(catalog, bars(rows, rows))
    kept = {version.file for version in catalog.manifest("AAPL", Interval.D1).versions}
    assert {path.name for path in folder(catalog).iterdir()} == {"manifest.json", *kept}
    assert rows > 4


CRASHER = """
    import os, signal, shutil, sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[2])
    import test_data_catalog as here

    scratch = Path(sys.argv[1])
    frame = here.bars(3, 4)  # the imports this takes are no part of writing
    for number in range(1, 300):
        catalog = here.Catalog(scratch / str(number), here.clock)
        shutil.copytree(scratch / "template", catalog.root)
        done = survives(number, lambda: here.put(catalog, frame))
        if done:
            break
    print(number)
"""


def test_killed_at_each_file_operation_a_write_is_done_or_undone(
    tmp_path: Path, dying: str
) -> None:
    """Before whichever operation a writer dies, the old version or the new one is read."""
    template = Catalog(tmp_path / "template", clock)
    for last in range(3):  # as many versions as are kept: the write also drops one
        put(template, bars(0, last))
    done = subprocess.run(
        [sys.executable, "-c", dying + textwrap.dedent(CRASHER), tmp_path, Path(__file__).parent],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "POLARS_MAX_THREADS": "1"},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    last = int(done.stdout)
    assert last > 15
    outcomes = set()
    for number in range(1, last + 1):
        catalog = Catalog(tmp_path / str(number), clock)
        frame = catalog.read("AAPL", Interval.D1)
        assert frame.equals(bars(0, 2)) or frame.equals(bars(0, 4)), number
        assert catalog.problems("AAPL", Interval.D1) == ()
        outcomes.add(len(frame))
        put(catalog, bars(3, 5))
        assert catalog.read("AAPL", Interval.D1).equals(bars(0, 5))
    assert outcomes == {3, 5}


def test_spans_of_time() -> None:
    """Spans that touch are one; what is left out of a span is what was not covered."""
    at = [START + n * DAY for n in range(10)]
    spans = manifests.union((), (at[2], at[4]))
    spans = manifests.union(spans, (at[6], at[7]))
    assert manifests.union(spans, (at[5], at[5])) == spans
    assert manifests.union(spans, (at[4], at[6])) == ((at[2], at[7]),)
    assert manifests.union(spans, (at[0], at[9])) == ((at[0], at[9]),)
    assert manifests.missing(spans, (at[0], at[9])) == (
        (at[0], at[2]),
        (at[4], at[6]),
        (at[7], at[9]),
    )
    assert manifests.missing(spans, (at[3], at[4])) == ()
    assert manifests.missing(spans, (at[0], at[1])) == ((at[0], at[1]),)
    assert manifests.missing((), (at[0], at[1])) == ((at[0], at[1]),)

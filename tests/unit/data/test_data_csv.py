"""CSV files: read by their header, with the lines of everything that is wrong."""

import time
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from rustybt.adapters.csv import SHOWN_PROBLEMS, CsvSource, read_csv
from rustybt.adapters.sources import open_source
from rustybt.data.bars import RAW
from rustybt.data.errors import MalformedDataError, SourceError
from rustybt.data.interval import Interval

OTHER = "volume,CLOSE,low,high,open,timestamp\r\n"
QUOTED = '\ufefftime,open,high,low,close,"volume"\n'
HEADER = "Date,Open,High,Low,Close,Adj Close,Volume\n"
START, END = datetime(2020, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "AAPL.csv"


def read(path: Path, text: str) -> pl.DataFrame:
    path.write_bytes(text.encode())
    return read_csv(path)


def problems(path: Path, text: str | bytes) -> tuple[str, ...]:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(MalformedDataError) as caught:
        read_csv(path)
    assert str(path) in str(caught.value)
    assert "nothing was taken from it" in str(caught.value)
    return caught.value.problems


ROWS = [
    (2, "2024-01-02", "1.10", "2", "1", "1.5", "100"),
    (3, "2024-01-03", "1.5", "NaN", "", "1e3", "-7"),
]


@pytest.mark.parametrize(
    "text",
    [
        HEADER + "2024-01-02,1.10,2,1,1.5,9,100\n2024-01-03,1.5,NaN,,1e3,9,-7\n",
        OTHER + "100,1.5,1,2,1.10,2024-01-02\r\n-7,1e3,,NaN,1.5,2024-01-03",
        QUOTED + '"2024-01-02",1.10,2,1,1.5,100\n2024-01-03,1.5,NaN,,1e3,-7\n',
    ],
    ids=["plain", "other order and line ends", "quotes and byte order mark"],
)
def test_rows_are_text_with_their_lines(path: Path, text: str) -> None:
    """Columns are found by name; cells are as they were written, for the rules to judge."""
    table = read(path, text)
    assert table.schema == RAW
    cells = [[cell or "" if i else cell for i, cell in enumerate(row)] for row in table.rows()]
    assert cells == [list(row) for row in ROWS]


def test_lines_are_counted_over_empty_ones_and_quoted_breaks(path: Path) -> None:
    """The number of a row is that of the line an editor shows it on."""
    rows = ['"a\nb",2024-01-02,1,1,1,1,1', "", '"c",2024-01-03,1,1,1,1,1']
    text = "\n".join(["note,date,open,high,low,close,volume", "", *rows])
    assert read(path, text)["row"].to_list() == [3, 6]


def test_everything_wrong_is_told_at_once_with_its_line(path: Path) -> None:
    """Too few and too many fields and what is no number, each with line and value."""
    text = HEADER + "2024-01-02,1,2,1,1,1\n2024-01-03,1,2,1,1,1,1,1\n2024-01-04,x,2,1,1,1,1 000\n"
    assert problems(path, text) == (
        "line 2: 6 fields; the header has 7",
        "line 3: 8 fields; the header has 7",
        "line 4: open is 'x', not a number",
        "line 4: volume is '1 000', not a number",
    )


def test_the_list_of_problems_is_bounded(path: Path) -> None:
    """A hopeless file gives a readable message that counts the rest."""
    found = problems(path, HEADER + "2024-01-02,a,b,c,d,1,e\n" * 100)
    assert len(found) == SHOWN_PROBLEMS
    with pytest.raises(MalformedDataError, match=r"500 problems in .*(?s:.*)and 480 more$"):
        read_csv(path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "line 1: there is no header, the file is empty"),
        (HEADER.encode(), "there is no row below the header"),
        (HEADER.encode() + b"\n\n", "there is no row below the header"),
        (HEADER.encode() + b"2024-01-02,\xff", "line 2: it is not UTF-8"),
        (HEADER.encode() + b"2024-01-02,\0", "line 2: it has a NUL character"),
        (HEADER.encode() + b'a,1,1,1,1,1,1\n"2024,1', "line 3: unexpected end of data"),
        (b"date,open,high,low,close\n", "line 1: no column volume; the header has date, open"),
        (b"open,high,low,close,volume\n", "line 1: no column timestamp or datetime or date or"),
        (b"date,open,Open,high,low,close,volume\n", "line 1: 2 columns are called open"),
    ],
)
def test_what_is_no_table_of_bars_is_refused(path: Path, text: bytes, problem: str) -> None:
    """Nothing is taken from a file that is not understood as a whole."""
    assert problems(path, text)[0].startswith(problem)


def test_what_cannot_be_read(path: Path) -> None:
    """A missing file and a folder are named."""
    with pytest.raises(SourceError, match=f"cannot read {path}: No such file"):
        read_csv(path)
    with pytest.raises(SourceError, match="is not a regular file"):
        read_csv(path.parent)


SEVERAL = "symbol,date,open,high,low,close,volume\nA,2024-01-02,1,1,1,1,1\nB,2024-01-02,2,2,2,2,2\n"


def test_a_file_may_hold_several_symbols(path: Path) -> None:
    """A column says whose bars they are; a symbol without any is answered with the others."""
    path.write_text(SEVERAL)
    source = CsvSource(path)
    source.require(["A", "B"])
    (page,) = source.pages("B", Interval.D1, START, END)
    assert page.rows.row(0) == (3, "2024-01-02", "2", "2", "2", "2", "2")
    assert page.until == END
    with pytest.raises(SourceError, match="has no rows of C; expected one of A, B"):
        source.require(["A", "C"])
    path.write_text(SEVERAL.replace("A,", '"A",'))
    assert source.rows("A")["row"].to_list() == [2]


def test_a_path_may_hold_a_place_for_the_symbol(tmp_path: Path) -> None:
    """Each symbol has its file; without place or column, one file is one symbol's."""
    for symbol in ("A", "B"):
        (tmp_path / f"{symbol}.csv").write_text(HEADER + "2024-01-02,1,2,1,1,1,1\n")
    CsvSource(tmp_path / "{symbol}.csv").require(["A", "B"])
    CsvSource(tmp_path / "A.csv").require(["anything"])
    with pytest.raises(SourceError, match="does not say whose bars it holds"):
        CsvSource(tmp_path / "A.csv").require(["A", "B"])
    with pytest.raises(SourceError, match=r"cannot read .*C\.csv"):
        CsvSource(tmp_path / "{symbol}.csv").require(["A", "C"])


def test_sources_by_name(path: Path) -> None:
    """The name of a source opens it; an unknown one, or a file not named, is told."""
    assert open_source("csv", path=path).name == "csv"
    with pytest.raises(SourceError, match="no source 'bloomberg'; expected one of csv, yfinance"):
        open_source("bloomberg")
    with pytest.raises(SourceError, match="the source csv needs a file"):
        open_source("csv")


def test_a_large_file_is_read_quickly(path: Path) -> None:
    """200 000 rows take no more than seconds: the way by line is for files with problems."""
    path.write_text(HEADER + "2024-01-02,1.1,2.2,1.0,1.5,1.5,1000\n" * 200_000)
    begun = time.process_time()
    assert len(read_csv(path)) == 200_000
    assert time.process_time() - begun < 5

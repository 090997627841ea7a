"""The suites measure what they say: all ways of a case end alike, and wrong ones are refused."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from rustybt.benchmark import BenchmarkError, booking, workload
from rustybt.benchmark.floats import run_floats
from rustybt.benchmark.record import measure, read_record, to_json
from rustybt.benchmark.rounds import Case
from rustybt.benchmark.suites import SUITES, Suite, demand

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
SHAPES = [(1, 3_000, workload.Bars), (3, 400, workload.ManyBars)]


@pytest.mark.parametrize(("symbols", "bars", "strategy"), SHAPES)
def test_floats_do_what_the_engine_does(
    symbols: int, bars: int, strategy: type[workload.Bars | workload.ManyBars]
) -> None:
    """The yardstick in floats makes the same trades and the same curve, up to its rounding."""
    frames = workload.series(symbols, bars)
    exact, floats = workload.run(strategy, frames), run_floats(frames)
    assert len(exact.fills) > 5
    assert [
        (trade.client_id, trade.symbol, trade.quantity, trade.price) for trade in floats.trades
    ] == [
        (fill.client_id, fill.symbol, float(fill.signed_quantity), float(fill.price))
        for fill in exact.fills
    ]
    assert floats.final_equity == pytest.approx(float(exact.final_equity), rel=1e-12)
    assert np.allclose(floats.curve, exact.curve.equity, rtol=1e-12)


@pytest.mark.parametrize(("symbols", "bars", "strategy"), SHAPES)
def test_both_paths_of_the_engine_end_alike(
    symbols: int, bars: int, strategy: type[workload.Bars | workload.ManyBars]
) -> None:
    """Callbacks and signals make the same fills."""
    frames = workload.series(symbols, bars)
    by_bars, by_column = workload.run(strategy, frames), workload.run(workload.Column, frames)
    assert by_bars.fills == by_column.fills
    assert by_bars.final_equity == by_column.final_equity


def test_the_bars_are_whole_cents_and_always_the_same() -> None:
    """Whoever measures again measures the same bars."""
    frames = workload.series(2, 500)
    assert all(frame.equals(workload.series(2, 500)[name]) for name, frame in frames.items())
    cents = frames["S0001"]["close"].to_numpy() * 100
    assert np.allclose(cents, np.round(cents))
    assert cents.min() >= 1_000


def test_the_bare_loop_sees_every_crossing() -> None:
    """It counts crossings: at least as many as there are fills."""
    frames = workload.series(1, 3_000)
    assert workload.bare(frames) >= len(workload.run(workload.Bars, frames).fills)


def test_the_loop_of_floats_books_what_the_ledger_books() -> None:
    """Cash is the same by average cost, by lots, in the loop, and worked out by itself."""
    fills = booking.fills(500)
    expected = booking.expected_cash(fills)
    assert expected != Decimal(0)
    assert [booking.book(fills, method) for method in booking.METHODS] == [expected, expected]
    assert booking.bare(booking.plain(fills)) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("name", SUITES)
def test_a_record_says_what_was_measured_where_and_when(name: str) -> None:
    """Every suite makes a record with all rounds, medians and ratios."""
    told: list[tuple[int, int]] = []
    wall, cpu = count(), count(step=2)
    record = measure(
        SUITES[name],
        iterations=2,
        size=200,
        now=lambda: NOW,
        progress=lambda done, total: told.append((done, total)),
        clocks=(lambda: float(next(wall)), lambda: float(next(cpu))),
    )
    assert record["suite"] == name
    assert record["iterations"] == 2
    assert record["utc"] == "2026-01-02T03:04:05+00:00"
    assert record["host"]["digest"]
    assert record["cases"]
    for case in record["cases"]:
        assert case["count"] >= 200
        assert all(rounds == [1.0, 1.0] for rounds in case["seconds"].values())
        assert all(rounds == [2.0, 2.0] for rounds in case["cpu_seconds"].values())
        assert all(ratio["median"] == 1.0 for ratio in case["ratios"].values())
        assert case["ratios"]
    total = 2 * sum(len(case["seconds"]) for case in record["cases"])
    assert told == [(number, total) for number in range(1, total + 1)]


def test_the_suite_has_a_size_of_its_own() -> None:
    """Without a size the suite's figures are for its own."""
    sizes: list[int] = []

    def cases(size: int) -> list[Case]:
        sizes.append(size)
        return []

    suite = Suite(name="none", about="nothing", unit="bars", size=7, cases=cases)
    record = measure(suite, iterations=1, now=lambda: NOW)
    assert sizes == [7]
    assert record["cases"] == []


def test_a_run_that_ends_otherwise_is_refused() -> None:
    """A yardstick that does something else measures nothing."""
    demand("float", 1.0, 1, agrees=True)
    with pytest.raises(BenchmarkError, match=r"float run ended with 2\.0; expected 1;"):
        demand("float", 2.0, 1, agrees=False)


def test_records_are_read_as_they_were_written(tmp_path: Path) -> None:
    """Writing and reading loses nothing."""
    path = tmp_path / "record.json"
    path.write_bytes(to_json({"schema": 1, "suite": "ledger", "figure": 0.1, "text": "é"}))
    assert read_record(path) == {"schema": 1, "suite": "ledger", "figure": 0.1, "text": "é"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"[]", "has the schema list; expected 1"),
        (b'{"schema": 2}', "has the schema 2; expected 1"),
        (b"{}", "has the schema None; expected 1"),
    ],
)
def test_a_record_that_is_none_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    """What is no record of this format is named with what is wrong."""
    path = tmp_path / "record.json"
    path.write_bytes(data)
    with pytest.raises(BenchmarkError, match=message):
        read_record(path)


def test_a_missing_record_is_refused(tmp_path: Path) -> None:
    """Nothing to read is an error, not an empty record."""
    with pytest.raises(BenchmarkError, match=r"cannot read the record .*No such file"):
        read_record(tmp_path / "none.json")

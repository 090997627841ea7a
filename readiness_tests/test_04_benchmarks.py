"""Section 4: what the engine costs, in time and in memory.

Figures of another machine mean nothing here, so times are ratios within one run: processor time, in
rounds that take turns, each ratio the median of those of its rounds.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from itertools import pairwise, zip_longest
from math import sqrt
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

import pytest

from pytest_rustybt_ready import Evidence, at_least, ready
from readiness_tests.engine import EngineUnderTest

ROUNDS = 5
SIZE = 30_000
WALK = "rustybt/engine/backtest.py"
ACCOUNT = "rustybt/engine/account.py"
EVENTS = 1_000_000
WARM_UP = 300_000
WARM_UP_RUNS = 15
PAGE = 4096
# Student's t for a confidence of 95 % on both sides, from many samples to few.
STUDENT = {25: 2.06, 20: 2.09, 15: 2.13}


@ready.performance("4.1.2")
def test_backtests_are_as_fast_as_promised(engine: EngineUnderTest, evidence: Evidence) -> None:
    """Exact money costs little more than floats, and the engine little more than a bare loop."""
    seen = engine.run("speed", size=SIZE, rounds=ROUNDS)
    evidence.expect("cases", at_least(2), observed=len(seen))
    for name, case in seen.items():
        evidence.record(f"{name}: what all ways agree on", case["facts"])
        evidence.expect(f"{name}: fills", at_least(100), observed=int(case["facts"]["fills"]))
        evidence.record(f"{name}: seconds, medians", _medians(case["seconds"]))
        ratios = {way: _ratio(case["seconds"], way) for way in ("float", "bare")}
        evidence.record(f"{name}: ratios", ratios)
        evidence.meets("ratio_to_float", observed=ratios["float"])
        evidence.meets("ratio_to_loop", observed=ratios["bare"])


@test_backtests_are_as_fast_as_promised.fails_when
def the_event_loop_is_slowed_down(engine: EngineUnderTest) -> None:
    """Each backtest does a good deal that it need not do."""
    engine.append(
        WALK,
        """
        _needed = Backtest.run


        def _with_more(self):
            for _ in range(4_000):
                sum(range(2_000))
            return _needed(self)


        Backtest.run = _with_more
        """,
    )


@test_backtests_are_as_fast_as_promised.fails_when
def exact_money_becomes_expensive(engine: EngineUnderTest) -> None:
    """Each fill is worked out hundreds of times."""
    engine.append(
        ACCOUNT,
        """
        _once = Account.book


        def _dearly(self, *arguments, **named):
            for _ in range(500):
                multiply(self.cash, self.cash)
            return _once(self, *arguments, **named)


        Account.book = _dearly
        """,
    )


@ready.performance("4.1.4")
def test_memory_does_not_grow(engine: EngineUnderTest, evidence: Evidence) -> None:
    """After a warm-up, resident memory rises neither within a long run nor from run to run."""
    seen = engine.run("memory", bars=WARM_UP + EVENTS + 50_000, each=10_000, runs=WARM_UP_RUNS + 20)
    evidence.expect("fills", at_least(1_000), observed=seen["fills"])
    long = [sample for sample in seen["one long run"] if sample[0] >= WARM_UP]
    evidence.meets("events", observed=long[-1][0] - long[0][0] if long else 0)
    runs = seen["run after run"][WARM_UP_RUNS - 1 :]
    for name, steady in (("one long run", long), ("run after run", runs)):
        evidence.record(f"{name}: events and resident bytes", steady)
        evidence.expect(f"{name}: samples after the warm-up", at_least(16), observed=len(steady))
        slope, lower = _slope(steady)
        evidence.record(f"{name}: bytes per event", f"{slope:.4f}, at least {lower:.4f}")
        # A page is the least that resident memory can change by: a rise below one a sample is none.
        evidence.record(f"{name}: resolution", f"{_resolution(steady):.4f} bytes per event")
        rising = lower > _resolution(steady)
        evidence.meets("slope", observed=f"{lower:.4f}" if rising else 0)


@test_memory_does_not_grow.fails_when
def a_list_grows_with_every_bar(engine: EngineUnderTest) -> None:
    """An average keeps every number that it was ever shown."""
    engine.append(
        "rustybt/strategy/indicators.py",
        """
        _shown = []
        _forgetting = SMA.update


        def _keeping(self, value):
            _shown.append(value)
            return _forgetting(self, value)


        SMA.update = _keeping
        """,
    )


@test_memory_does_not_grow.fails_when
def every_run_leaves_its_log(engine: EngineUnderTest) -> None:
    """The log of each run is kept after its end."""
    engine.append(
        ACCOUNT,
        """
        _logs = []
        _make = FillLog.__init__


        def _make_and_keep(self, *arguments, **named):
            _logs.append(self)
            _make(self, *arguments, **named)


        FillLog.__init__ = _make_and_keep
        """,
    )


@test_memory_does_not_grow.fails_when
def too_few_events_are_processed(engine: EngineUnderTest) -> None:
    """The engine takes in only the first half of the bars."""
    engine.append(
        WALK,
        """
        _whole = Backtest.__init__


        def _half(self, strategy, data, **options):
            _whole(self, strategy, data.head(data.height // 2), **options)


        Backtest.__init__ = _half
        """,
    )


@pytest.fixture
def docs(pytestconfig: pytest.Config, proving: bool, tmp_path: Path) -> Path:
    """Return the folder of the documentation, or in a proof a copy of what counts here."""
    real = pytestconfig.rootpath / "docs"
    if not proving:
        return real
    copy = tmp_path / "docs"
    copy.mkdir()
    for name in ("records", "performance"):
        if (real / name).is_dir():
            shutil.copytree(real / name, copy / name)
    return copy


@ready.performance("4.1.6")
def test_the_documented_figures_are_the_measured_ones(
    docs: Path, engine: EngineUnderTest, evidence: Evidence
) -> None:
    """The pages on performance are what the records make of them, and show the records' ratios."""
    records = sorted((docs / "records").glob("benchmark-*.json"))
    if not records:
        evidence.unproven(
            "no benchmark is on record in docs/records",
            remedy="python -m rustybt benchmark, then python -m benchmarks.pages",
        )
    made = engine.run("pages", docs=str(docs))
    evidence.expect("what keeps the pages from being made", "", observed=made["error"])
    differing = [line for name in made["pages"] for line in _differing(docs, made["pages"], name)]
    evidence.record("pages", list(made["pages"]))
    evidence.record("differing", differing[:20])
    evidence.meets("differences", observed=len(differing))
    ratios = [ratio for record in records for ratio in _ratios_on_record(record)]
    evidence.expect("ratios on record", at_least(1), observed=len(ratios))
    shown = "\n".join(made["pages"].values())
    evidence.expect("not shown", [], observed=[ratio for ratio in ratios if ratio not in shown])


@test_the_documented_figures_are_the_measured_ones.fails_when
def a_figure_is_edited(docs: Path) -> None:
    """Somebody makes a page look better by hand."""
    page = docs / "performance" / "index.md"
    text = page.read_text("utf-8")
    figure = _ratios_on_record(next((docs / "records").glob("benchmark-*.json")))[0]
    assert figure in text, "the figure is not on the page"
    page.write_text(text.replace(figure, "0.01"), "utf-8")


@test_the_documented_figures_are_the_measured_ones.fails_when
def the_record_is_newer_than_the_page(docs: Path) -> None:
    """Something was measured again, and the pages were not made again."""
    path = next((docs / "records").glob("benchmark-*.json"))
    record = json.loads(path.read_bytes())
    record["cases"][0]["median_seconds"] = dict.fromkeys(record["cases"][0]["median_seconds"], 9.0)
    path.write_text(json.dumps(record), "utf-8")


@test_the_documented_figures_are_the_measured_ones.fails_when
def a_page_is_missing(docs: Path) -> None:
    """The page was never made."""
    (docs / "performance" / "index.md").unlink()


# -- what the checks share -------------------------------------------------------------------


def _medians(seconds: Mapping[str, Sequence[float]]) -> dict[str, str]:
    return {way: f"{median(rounds):.4f}" for way, rounds in seconds.items()}


def _ratio(seconds: Mapping[str, Sequence[float]], way: str) -> str:
    """Return how many times as long as *way* the exact engine takes: the median over the rounds."""
    pairs = zip(seconds["callback"], seconds[way], strict=True)
    return f"{median(ours / theirs for ours, theirs in pairs):.3f}"


def _slope(samples: Sequence[Any]) -> tuple[float, float]:
    """Return bytes per event, and the lower end of the 95 % confidence interval of that.

    What resident memory does by chance stays: a page once touched is there in all later samples.
    For such errors the line that fits best goes by the mean of the steps between samples.
    """
    steps = [(after[1] - before[1]) / (after[0] - before[0]) for before, after in pairwise(samples)]
    student = next(value for least, value in STUDENT.items() if len(steps) >= least)
    return mean(steps), mean(steps) - student * stdev(steps) / sqrt(len(steps))


def _resolution(samples: Sequence[Any]) -> float:
    """Return the bytes per event that one page per sample amounts to."""
    return PAGE * (len(samples) - 1) / float(samples[-1][0] - samples[0][0])


def _differing(docs: Path, pages: Mapping[str, str], name: str) -> list[str]:
    """Return the lines of a page that are not as they were made."""
    path = docs / name
    if not path.is_file():
        return [f"{name} does not exist"]
    pairs = zip_longest(pages[name].split("\n"), path.read_text("utf-8").split("\n"), fillvalue="")
    return [
        f"{name}:{number}: expected {wanted!r}, observed {found!r}"
        for number, (wanted, found) in enumerate(pairs, start=1)
        if wanted != found
    ]


def _ratios_on_record(path: Path) -> list[str]:
    """Return the ratios of a record as a reader would write them, with two decimals."""
    cases = json.loads(path.read_bytes())["cases"]
    return [f"{ratio['median']:.2f}" for case in cases for ratio in case["ratios"].values()]

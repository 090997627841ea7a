"""Sweeps in several processes: the same results, and none lost when a process dies."""

import importlib
import os
import socket
import sys
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rustybt.engine.intake import take_in
from rustybt.engine.sweep import Sweep, SweepError
from rustybt.engine.sweep.cluster import run_tasks
from rustybt.engine.sweep.job import Job
from rustybt.engine.sweep.pool import cause_of
from rustybt.engine.sweep.shipment import pack_bytes
from rustybt.engine.sweep.source import FileSource, ModuleSource, source_of
from rustybt.engine.sweep.task import Part, Task
from rustybt.engine.sweep.workbench import Workbench
from rustybt.engine.sweep.worker import main
from rustybt.execution import BasisPointCommission
from rustybt.strategy import Strategy, load_strategy

STRATEGY = """
import os, signal
from pathlib import Path
import polars as pl
from rustybt.strategy import Strategy, expressions as ex


class Crossing(Strategy):
    fast = 3
    slow = 8

    def on_start(self):
        print("started")

    def signals(self):
        return ex.switch(ex.crossing(ex.sma(self.fast), ex.sma(self.slow)), on=10)


class Dying(Crossing):
    def on_start(self):
        if self.fast == 4:
            os._exit(7)
        if self.fast == 5:
            os.kill(os.getpid(), signal.SIGKILL)


class DyingOnce(Crossing):
    mark = "mark"

    def on_start(self):
        if self.fast == 4 and not Path(self.mark).exists():
            Path(self.mark).touch()
            os.kill(os.getpid(), signal.SIGSEGV)
"""


def walk(seed: int, count: int = 300) -> pl.DataFrame:
    """Return daily bars of a random walk, the same for a seed."""
    random = np.random.default_rng(seed)
    close = np.round(100 * np.exp(np.cumsum(random.normal(0, 0.02, count))), 2)
    opened = np.concatenate(([100.0], close[:-1]))
    return pl.DataFrame(
        {
            "timestamp": [
                datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(count)
            ],
            "open": opened,
            "high": np.maximum(opened, close),
            "low": np.minimum(opened, close),
            "close": close,
            "volume": np.full(count, 10_000.0),
        }
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "strategies.py"
    path.write_text(STRATEGY)
    return path


def test_two_processes_find_what_one_finds(file: Path, tmp_path: Path) -> None:
    """All rows, windows and tests are the same, floats to the last bit; exact prices stay exact."""
    strategy = load_strategy(file, "Crossing")
    text = walk(2).with_columns(pl.col("open", "high", "low", "close").cast(pl.String))
    for data in (walk(1), {"A": walk(1), "B": text}):
        one, two = (
            Sweep(
                strategy,
                data,
                {"fast": "2:5", "slow": "3:9:3"},
                where="fast < slow",
                walk_forward="120/60",
                commission=BasisPointCommission(Decimal(10)),
                processes=processes,
            ).run()
            for processes in (1, 2)
        )
        assert two.failed == []
        assert two.frame.equals(one.frame)
        assert two.window_frame.equals(one.window_frame)
        assert two.chained() == one.chained()


def test_a_run_whose_process_dies_is_reported(file: Path, tmp_path: Path) -> None:
    """It is tried twice and then has an error that says how; all others have their figures."""
    path = tmp_path / "state"
    swept = Sweep(
        load_strategy(file, "Dying"), walk(1), {"fast": "2:7"}, processes=2, state=path
    ).run()
    errors = swept.frame["error"].to_list()

    assert errors[2] == "the process that ran it ended with exit code 7, 2 times"
    assert errors[3] == "the process that ran it was ended by SIGKILL, 2 times"
    assert [errors[number] for number in (0, 1, 4, 5)] == [None] * 4
    assert swept.frame["final_equity"].null_count() == 2


def test_what_died_is_run_again_by_the_next_sweep(file: Path, tmp_path: Path) -> None:
    """The death of a process is no result: it is not kept."""
    path = tmp_path / "state"
    strategy = load_strategy(file, "Dying")
    for _ in range(2):
        swept = Sweep(strategy, walk(1), {"fast": "3:4"}, processes=2, state=path).run()
        assert swept.frame["error"].null_count() == 1
    assert swept.reused == 1


def test_a_process_that_dies_once_costs_nothing(file: Path, tmp_path: Path) -> None:
    """The second try of the run succeeds, and what its process had besides is done by others."""
    strategy = load_strategy(file, "DyingOnce")
    mark = tmp_path / "mark"
    grid = {"fast": "2:7", "mark": [str(mark)]}
    swept = Sweep(strategy, walk(1), grid, processes=2).run()
    plain = Sweep(load_strategy(file, "Crossing"), walk(1), {"fast": "2:7"}, processes=1).run()

    assert mark.exists()
    assert swept.failed == []
    assert swept.frame["final_equity"].equals(plain.frame["final_equity"])


def test_what_strategies_print_goes_to_stderr(
    file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Output of other processes never mixes with what the command prints."""
    Sweep(load_strategy(file, "Crossing"), walk(1), {"fast": "2:3"}, processes=2).run()
    printed = capfd.readouterr()

    assert printed.out == ""
    assert printed.err.count("started") == 2


def test_a_strategy_that_was_edited_meanwhile_is_the_one_that_was_loaded(file: Path) -> None:
    """Other processes run what the sweep was made with, not what is in the file later."""
    sweep = Sweep(load_strategy(file, "Crossing"), walk(1), {"fast": "2:3"}, processes=2)
    plain = Sweep(load_strategy(file, "Crossing"), walk(1), {"fast": "2:3"}, processes=1).run()
    file.write_text("class Nothing: pass\n")

    assert sweep.run().frame.equals(plain.frame)


def test_what_other_processes_cannot_find_is_refused(file: Path) -> None:
    """Classes made inside functions, in a module that cannot be imported, or with such costs."""

    class Local(Strategy):
        fast = 1

        def on_bar(self, bar: object) -> None:
            self.last = bar

    class Free:
        def total(self, _: object) -> Decimal:
            return Decimal(0)

    with pytest.raises(SweepError, match="Local cannot be found by other processes"):
        Sweep(Local, walk(1), {"fast": "1:2"}, processes=2)
    strategy = load_strategy(file, "Crossing")
    with pytest.raises(SweepError, match="cannot be sent to other processes"):
        Sweep(strategy, walk(1), {"fast": "2:3"}, processes=2, commission=Free()).run()


def test_a_strategy_that_can_be_imported_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A class of a module is found by its name, where this process finds it."""
    (tmp_path / "own_crossings.py").write_text(STRATEGY)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("own_crossings")
    found = source_of(module.Crossing)

    assert found == ModuleSource("own_crossings", "Crossing")
    assert found.load() is module.Crossing
    assert Sweep(module.Crossing, walk(1), {"fast": "2:3"}, processes=2).run().failed == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("os._exit(3)", "a process of the sweep ended with exit code 3 before it could begin"),
        ("raise ValueError('not here')", "another process cannot begin: .*not here"),
    ],
)
def test_processes_that_cannot_begin_end_the_sweep(file: Path, line: str, message: str) -> None:
    """A strategy that cannot be loaded elsewhere is one error, not one for each combination."""
    other = "import os, sys\nif 'sweep.worker' in ' '.join(sys.orig_argv):\n    "
    file.write_text(f"{other}{line}\n{STRATEGY}")
    sweep = Sweep(load_strategy(file, "Crossing"), walk(1), {"fast": "2:3"}, processes=2)

    with pytest.raises(SweepError, match=message):
        sweep.run()


def served() -> tuple[Connection, threading.Thread]:
    """Return a connection to what a process of a sweep does, which is done in a thread here."""
    ours, theirs = socket.socketpair()
    serving = threading.Thread(target=main, args=(theirs.detach(),))
    serving.start()
    return Connection(ours.detach()), serving


def test_a_process_answers_each_task(file: Path) -> None:
    """Given imports and job it says that it is ready; then an outcome follows each task."""
    strategy = load_strategy(file, "Crossing")
    text = walk(2).with_columns(pl.col("open", "high", "low", "close").cast(pl.String))
    bars = take_in({"A": walk(1), "B": text}, signed=frozenset())
    job = Job("", source_of(strategy), pack_bytes(bars), {})
    tasks = [Task(number, {"fast": 2 + number}, Part(0, 0, 300)) for number in range(2)]
    ours, serving = served()
    ours.send(sys.path)
    ours.send(job)
    ready = ours.recv()
    ours.send(tasks)
    outcomes = [ours.recv() for _ in tasks]
    ours.close()
    serving.join(60)

    assert ready is None
    assert outcomes == [Workbench(strategy, bars, {}).outcome(task) for task in tasks]
    assert outcomes == run_tasks(job._replace(token="a"), tasks)
    assert not serving.is_alive()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (FileSource("/nowhere/own.py", "Own", b"x = 1"), "has no strategy 'Own'"),
        (ModuleSource("nowhere_at_all", "Own"), "ModuleNotFoundError"),
    ],
)
def test_a_process_says_why_it_cannot_begin(
    source: FileSource | ModuleSource, message: str
) -> None:
    """A strategy that is not there is told instead of being ready."""
    ours, serving = served()
    ours.send(sys.path)
    ours.send(Job("", source, (), {}))
    answer = ours.recv()
    ours.close()
    serving.join(60)

    assert message in answer
    assert not serving.is_alive()


def test_clusters_keep_few_sweeps_prepared(file: Path) -> None:
    """Jobs beyond a number make room for one another; each gives its own results."""
    strategy = load_strategy(file, "Crossing")
    bars = take_in(walk(1), signed=frozenset())
    tasks = [Task(0, {"fast": 2}, Part(0, 0, 300))]
    job = Job("", source_of(strategy), pack_bytes(bars), {})
    first = [run_tasks(job._replace(token=f"job {number}"), tasks) for number in range(4)]

    assert first == [run_tasks(job, tasks)] * 4


@pytest.mark.parametrize(
    ("code", "said"),
    [(3, "ended with exit code 3"), (-9, "was ended by SIGKILL"), (-40, "was ended by signal 40")],
)
def test_how_a_process_ended_is_said(code: int, said: str) -> None:
    """By its exit code or by the signal, whether that has a name or not."""
    assert cause_of(code) == said


def test_processes_are_gone_afterwards(file: Path, tmp_path: Path) -> None:
    """Neither a whole run nor an interrupted one leaves a process or a file behind."""
    pids = tmp_path / "pids"
    source = STRATEGY.replace(
        'print("started")',
        f"open({str(pids)!r}, 'a').write(f'{{os.getpid()}}\\n')",
    )
    file.write_text(source)

    def interrupt(done: int, _: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    swept = Sweep(
        load_strategy(file, "Crossing"), walk(1), {"fast": "2:7"}, processes=2, progress=interrupt
    ).run()
    found = {int(line) for line in pids.read_text().split()}

    assert swept.interrupted
    assert swept.frame.height == 3
    assert os.getpid() not in found
    for pid in found:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

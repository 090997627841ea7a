"""Sweeps on a Dask cluster: a scheduler and a worker in processes of their own."""

import contextlib
import gc
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rustybt.engine.sweep import Sweep, SweepError
from rustybt.engine.sweep.cluster import Cluster
from rustybt.engine.sweep.source import source_of
from rustybt.engine.sweep.task import Part, Task
from rustybt.execution import BasisPointCommission
from rustybt.strategy import load_strategy

distributed = pytest.importorskip("distributed", reason="the extra 'sweep' is not installed")

STRATEGY = """
import os
from rustybt.strategy import Strategy, expressions as ex


class Crossing(Strategy):
    fast = 3
    slow = 8

    def signals(self):
        return ex.switch(ex.crossing(ex.sma(self.fast), ex.sma(self.slow)), on=10)


class Failing(Crossing):
    def on_start(self):
        if self.fast == 4:
            raise ValueError("four is too many")


class Dying(Crossing):
    def on_start(self):
        if self.fast == 4:
            os._exit(7)
"""
SECONDS = 60


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


def dask(*arguments: object) -> subprocess.Popen[bytes]:
    """Start a Dask command on loopback."""
    return subprocess.Popen(
        [sys.executable, "-m", "dask", *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"},
    )


@pytest.fixture
def address(cluster: str) -> str:
    """The address of a cluster that has its worker, be it that an earlier test killed it."""
    with distributed.Client(cluster, timeout=SECONDS, set_as_default=False) as client:
        client.wait_for_workers(1, timeout=SECONDS)
    return cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a cluster with one worker, which is started again when it dies."""
    import json

    folder = tmp_path_factory.mktemp("dask")
    file = folder / "scheduler.json"
    with contextlib.ExitStack() as stack:
        common = ("--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", file)
        here = ("--local-directory", folder, "--nthreads", 1, "--nworkers", 1)
        for command in (("scheduler", "--port", 0, *common), ("worker", *common, *here)):
            process = stack.enter_context(dask(*command))
            stack.callback(process.terminate)
            wait_for(file, process)
        yield json.loads(file.read_text())["address"]


def wait_for(file: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until *file* has something in it."""
    end = time.monotonic() + SECONDS
    while not (file.exists() and file.read_text().rstrip().endswith("}")):
        assert process.poll() is None, "Dask ended"
        assert time.monotonic() < end, "Dask does not begin"
        time.sleep(0.05)


def test_a_cluster_without_workers_is_an_error(file: Path, tmp_path: Path) -> None:
    """A scheduler that has nobody to run anything is told, not waited for without end."""
    import json

    told = tmp_path / "scheduler.json"
    common = ("--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", told)
    with dask("scheduler", "--port", 0, *common) as process:
        try:
            wait_for(told, process)
            strategy = load_strategy(file, "Crossing")
            address = json.loads(told.read_text())["address"]
            with (
                Cluster(address, source_of(strategy), [], {}) as cluster,
                pytest.raises(SweepError, match="the Dask cluster has no workers"),
            ):
                list(cluster.outcomes([Task(0, {"fast": 2}, Part(0, 0, 1))]))
        finally:
            process.terminate()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "strategies.py"
    path.write_text(STRATEGY)
    return path


def test_a_cluster_finds_what_one_process_finds(address: str, file: Path) -> None:
    """Rows, windows and tests are the same; strategy and bars were sent there."""
    text = walk(2).with_columns(pl.col("open", "high", "low", "close").cast(pl.String))
    here, there = (
        Sweep(
            load_strategy(file, "Failing"),
            {"A": walk(1), "B": text},
            {"fast": "2:5", "slow": "3:9:3"},
            where="fast < slow",
            walk_forward="120/60",
            commission=BasisPointCommission(Decimal(10)),
            processes=1,
            dask=where,
        ).run()
        for where in (None, address)
    )

    assert there.frame.equals(here.frame)
    assert there.window_frame.equals(here.window_frame)
    assert there.chained() == here.chained()
    assert "four is too many" in str(there.failed[0].error)


def test_a_run_that_kills_its_worker_is_reported(address: str, file: Path) -> None:
    """It has an error that says so, the other runs that were sent with it have their figures."""
    swept = Sweep(load_strategy(file, "Dying"), walk(1), {"fast": "2:7"}, dask=address).run()
    errors = swept.frame["error"].to_list()

    assert "the cluster gave it up" in errors[2]
    assert [error for number, error in enumerate(errors) if number != 2] == [None] * 5


def test_an_address_where_nobody_answers_is_an_error(file: Path) -> None:
    """What is no address, and one that nobody listens at."""
    strategy = load_strategy(file, "Crossing")
    with pytest.raises(SweepError, match="no Dask scheduler answers at 'nonsense://1'"):
        Sweep(strategy, walk(1), {"fast": "2:3"}, dask="nonsense://1").run()
    with pytest.raises(SweepError, match="no Dask scheduler answers"):
        Cluster("tcp://127.0.0.1:1", source_of(strategy), [], {}, seconds=0.1)


@pytest.mark.parametrize("address", ["nonsense://1", "tcp://127.0.0.1:1"])
def test_a_client_that_could_not_connect_is_closed(address: str, file: Path) -> None:
    """The collector has nothing to close: it could do so while Dask holds the lock for that."""
    strategy = load_strategy(file, "Crossing")
    gc.disable()
    try:
        with pytest.raises(SweepError, match="no Dask scheduler answers"):
            Cluster(address, source_of(strategy), [], {}, seconds=0.1)
        found = [each for each in gc.get_objects() if issubclass(type(each), distributed.Client)]
    finally:
        gc.enable()

    assert found
    assert {client.status for client in found} == {"closed"}

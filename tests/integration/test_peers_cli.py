"""``python -m benchmarks.peers run`` from its command line to the record, with ours alone."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks.peers.__main__ import ROOT, main
from benchmarks.peers.environments import READY, find_python, folder_of
from benchmarks.peers.peers import PEERS
from rustybt.benchmark import BenchmarkError
from rustybt.benchmark.checkout import checkout_of

OURS, OTHER = PEERS[0], PEERS[-1]
CHECKOUT = checkout_of(ROOT / "rustybt")

pytestmark = pytest.mark.skipif(CHECKOUT is None, reason="ours is installed from a git checkout")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Return a cache in which ours is there, as it is here, so that nothing is installed."""
    assert CHECKOUT is not None
    cache = tmp_path / "cache"
    folder = folder_of(OURS, cache, find_python()[0], CHECKOUT.commit)
    (folder / "bin").mkdir(parents=True)
    python = folder / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', "utf-8")
    python.chmod(0o755)
    (folder / READY).write_text(json.dumps({"rustybt": "0.1.0"}), "utf-8")
    return cache


def words(cache: Path, record: Path, *more: str) -> list[str]:
    both = ("--peer", "rustybt", "--peer", "rustybt-signals")
    assert CHECKOUT is not None
    options = ("--rounds", "1", "--cache", str(cache), "--commit", CHECKOUT.commit)
    return ["run", *both, *options, "--record", str(record), *more]


def test_a_run_writes_its_record_and_keeps_other_cases(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cases that were measured before stay; every run says what it did."""
    record = tmp_path / "peers.json"
    assert main(words(cache, record, "--case", "1x200")) == 0
    assert main(words(cache, record, "--case", "2x100")) == 0
    assert "1x200 round 1: RustyBT, callbacks ran " in capsys.readouterr().out
    found = json.loads(record.read_bytes())
    assert [case["name"] for case in found["cases"]] == ["1x200", "2x100"]
    assert CHECKOUT is not None
    for case in found["cases"]:
        assert case["measured"]["commit"] == CHECKOUT.commit
        assert [result["status"] for result in case["results"].values()] == ["ok", "ok"]
    assert set(found["peers"]) == {"rustybt", "rustybt-signals"}


def test_an_engine_that_is_not_there_is_named(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its place in the cache cannot be used: that is said, recorded, and ends with 1."""
    place = folder_of(OTHER, cache, find_python()[0], "")
    place.mkdir()
    (place / READY).write_text("{}", "utf-8")  # made, but its interpreter is gone
    record = tmp_path / "peers.json"
    assert main(words(cache, record, "--case", "1x100", "--peer", OTHER.name)) == 1
    assert OTHER.title in capsys.readouterr().out
    [case] = json.loads(record.read_bytes())["cases"]
    assert case["results"][OTHER.name]["status"] != "ok"
    assert case["results"]["rustybt"]["status"] == "ok"


def test_a_file_that_is_no_record_is_left_alone(cache: Path, tmp_path: Path) -> None:
    """Something else under the record's name is not overwritten."""
    record = tmp_path / "peers.json"
    record.write_text("notes", "utf-8")
    with pytest.raises(BenchmarkError, match="is not JSON"):
        main(words(cache, record, "--case", "1x100"))
    assert record.read_text("utf-8") == "notes"


def test_installing_what_is_installed_does_nothing(cache: Path) -> None:
    """An environment is made once."""
    assert CHECKOUT is not None
    where = ("--cache", str(cache), "--commit", CHECKOUT.commit)
    assert main(["install", "--peer", "rustybt", *where]) == 0

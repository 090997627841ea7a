"""Measure the engine beside its yardsticks: processor time, in rounds that take turns."""

from __future__ import annotations

from collections.abc import Mapping
from time import process_time
from typing import Any

from rustybt.benchmark.rounds import take_turns
from rustybt.benchmark.suites import backtest_cases


def main(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the seconds of each way and round for each case of the backtest suite.

    *size* is the number of bars of its case with one symbol. Before anything is measured the suite
    itself demands that the float engine ends where the exact one does.
    """
    return {
        case.name: {
            "seconds": take_turns(case.works, arguments["rounds"], process_time),
            "facts": {name: str(value) for name, value in case.facts.items()},
        }
        for case in backtest_cases(arguments["size"])
    }

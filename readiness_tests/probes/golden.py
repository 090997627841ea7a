"""Run the golden backtests that lie in a folder, as their tests would."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rustybt.engine import Backtest
from rustybt.engine.bar_files import read_bars

CASES = "test_golden_backtests.py"
CASH = 10_000


def main(arguments: Mapping[str, Any]) -> dict[str, str]:
    """Return what each backtest of *folder* gives, written like the files it is compared with."""
    folder = Path(arguments["folder"])
    spec = importlib.util.spec_from_file_location("golden_cases", folder / CASES)
    if spec is None or spec.loader is None:
        raise ImportError(f"there are no golden backtests in {folder}")
    golden = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(golden)
    bars = read_bars(folder / "bars.csv")
    return {
        name: golden.written(Backtest(kind, bars, cash=CASH, **options).run())
        for name, (kind, options) in golden.CASES.items()
    }

"""Sweep 100 pairs of moving averages over 100 000 bars, side by side with vectorbt.

    python benchmarks/sweep.py --peer PATH_TO_PYTHON_WITH_VECTORBT [--rounds 7]

Both fill at the next open with 10 basis points of commission and work out final equity, Sharpe
ratio, maximum drawdown and the number of trades of every pair. vectorbt is warm: its functions were
compiled in a run that is not counted. Ours is measured as it is by default (so little runs in one
process) and in two processes, which have to start. Ratios are those of neighbouring runs; medians
are printed. Equities differ where floats turn ties of averages into trades: ours has none of those.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from rustybt.engine.sweep import Sweep
from rustybt.execution import BasisPointCommission

BARS: Final = 100_000
FAST, SLOW = list(range(5, 55, 5)), list(range(60, 260, 20))
MOMENTUM: Final = Path(__file__).resolve().parent.parent / "examples" / "momentum.py"
PEER: Final = """
import itertools, json, sys, time, warnings
warnings.filterwarnings("ignore")
import numpy as np, pandas as pd, vectorbt as vbt
bars = np.load(sys.argv[1])
index = pd.date_range("2020-01-01", periods=bars.shape[1], freq="1min")
opened, close = (pd.Series(each, index) for each in bars)
pairs = json.loads(sys.argv[2])
def run():
    begun = time.perf_counter()
    fast = vbt.MA.run(close, [pair[0] for pair in pairs], short_name="fast")
    slow = vbt.MA.run(close, [pair[1] for pair in pairs], short_name="slow")
    entries = fast.ma_crossed_above(slow).vbt.signals.fshift(1)
    exits = fast.ma_crossed_below(slow).vbt.signals.fshift(1)
    portfolio = vbt.Portfolio.from_signals(
        close, entries, exits, price=opened, size=10, fees=0.001, init_cash=100_000, freq="1min")
    equity = portfolio.final_value()
    value = time.perf_counter() - begun
    portfolio.sharpe_ratio(), portfolio.max_drawdown()
    portfolio.trades.count()
    return {"equity_only": value, "all": time.perf_counter() - begun, "equity": equity.tolist()}
run()
print("ready", flush=True)
for _ in sys.stdin:
    print(json.dumps(run()), flush=True)
"""


def bars(seed: int = 7) -> pl.DataFrame:
    """Return minute bars of a random walk in cents."""
    random = np.random.default_rng(seed)
    close = np.round(100 * np.exp(np.cumsum(random.normal(0, 0.001, BARS))), 2)
    opened = np.concatenate(([100.0], close[:-1]))
    minutes = np.arange(BARS) * 60_000_000 + 1_577_836_800_000_000
    return pl.DataFrame(
        {
            "timestamp": pl.Series(minutes).cast(pl.Datetime("us", "UTC")),
            "open": opened,
            "high": np.maximum(opened, close),
            "low": np.minimum(opened, close),
            "close": close,
            "volume": np.full(BARS, 1000.0),
        }
    )


def ours(frame: pl.DataFrame, processes: int | None = None) -> tuple[float, list[float]]:
    """Return the seconds that our sweep takes, and the final equities."""
    begun = time.perf_counter()
    found = Sweep(
        MOMENTUM,
        frame,
        {"fast": FAST, "slow": SLOW},
        processes=processes,
        commission=BasisPointCommission(Decimal(10)),
    ).run()
    equity = found.frame["final_equity"].cast(pl.Float64).to_list()
    return time.perf_counter() - begun, equity


def main() -> None:
    """Run all rounds and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", required=True, help="a Python with vectorbt")
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    frame = bars()
    pairs = json.dumps([(fast, slow) for fast in FAST for slow in SLOW])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "bars.npy")
        np.save(path, np.stack([frame["open"].to_numpy(), frame["close"].to_numpy()]))
        with subprocess.Popen(  # noqa: S603 - the interpreter that was asked for
            [given.peer, "-c", PEER, str(path), pairs],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as peer:
            rounds = _rounds(peer, frame, given.rounds)
    print(json.dumps(_medians(rounds), indent=2))


def _rounds(peer: subprocess.Popen[str], frame: pl.DataFrame, count: int) -> list[dict[str, Any]]:
    """Return what each of *count* rounds took."""
    if peer.stdin is None or peer.stdout is None or peer.stdout.readline() != "ready\n":
        sys.exit("vectorbt does not run there")
    ours(frame)
    rounds = []
    for _ in range(count):
        peer.stdin.write("run\n")
        peer.stdin.flush()
        theirs = json.loads(peer.stdout.readline())
        alone, equity = ours(frame)
        two, _ = ours(frame, 2)
        away = max(abs(a - b) for a, b in zip(equity, theirs["equity"], strict=True))
        rounds.append(
            {
                "vectorbt_equity_only": theirs["equity_only"],
                "vectorbt": theirs["all"],
                "default": alone,
                "two_processes": two,
                "largest_difference_of_equity": away,
            }
        )
    peer.stdin.close()
    return rounds


def _medians(rounds: list[dict[str, Any]]) -> dict[str, float]:
    """Return the medians of seconds and of ratios."""
    for each in rounds:
        for name in ("default", "two_processes"):
            each[f"ratio_{name}"] = each["vectorbt"] / each[name]
            each[f"ratio_{name}_to_equity_only"] = each["vectorbt_equity_only"] / each[name]
    return {name: round(statistics.median(each[name] for each in rounds), 4) for name in rounds[0]}


if __name__ == "__main__":
    main()

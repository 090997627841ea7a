"""All engines on all cases in turns, and the record of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.peers.cases import BASIS_POINTS, CASH, FAST, QUANTITY, SLOW, Case, write_prices
from benchmarks.peers.environments import SHOWN, Environment
from benchmarks.peers.peers import CALLBACK, SIGNALS, Peer
from benchmarks.peers.reference import AS_ASKED, Expected, reference
from benchmarks.peers.running import OK, Run, judged, run_engine

NOT_INSTALLED = "not installed"
_RELEASE = ("version", "python", "libraries")
_COMPARED = ("run_seconds", "cpu_seconds", "wall_seconds", "warm_seconds", "warm_cpu_seconds")
_TIMES = (*_COMPARED, "load_seconds")


@dataclass
class Tally:
    """What one engine did on one case, round by round; *status* is the worst that happened."""

    status: str = OK
    reason: str = ""
    equity: str = ""
    fills: int = 0
    peak_kib: int = 0
    times: dict[str, dict[int, float]] = field(default_factory=lambda: {n: {} for n in _TIMES})

    def count(self, number: int, run: Run) -> None:
        """Take note of the run in round *number*."""
        if run.status != OK:
            self.status, self.reason = run.status, run.reason
            return
        answer = run.answer
        self.equity, self.fills = answer["equity_cents"], answer["fills"]
        self.peak_kib = max(self.peak_kib, answer["peak_kib"])
        self.times["wall_seconds"][number] = run.wall
        for name in _TIMES:
            if name in answer:
                self.times[name][number] = answer[name]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to do: how many *rounds*, how long one process may take, and from when on it is slow.

    A slow engine has one round only. Times are in seconds. *head* is what the record of every case
    says of the run: when, on which commit.
    """

    rounds: int
    timeout: float
    slow: float
    head: Mapping[str, Any] = field(default_factory=dict)


def compare(
    cases: Sequence[Case],
    peers: Mapping[Peer, Environment | str],
    plan: Plan,
    *,
    save: Callable[[list[dict[str, Any]]], object],
    say: Callable[[str], object],
) -> list[dict[str, Any]]:
    """Run *peers* on *cases*; return the records of the cases.

    *peers* have an environment, or the reason why they have none. *save* is given what there is
    after every round, *say* a line after every run.
    """
    records: list[dict[str, Any]] = []
    for case in cases:
        with tempfile.TemporaryDirectory(prefix="rustybt-peers-") as folder:
            prices = Path(folder) / "prices.parquet"
            bars = write_prices(case, prices)
            expected = {peer: reference(bars, case, peer.rules) for peer in peers}
            asked = reference(bars, case, AS_ASKED)
            tallies = {peer: _start(environment) for peer, environment in peers.items()}
            records.append({})
            before = os.getloadavg()[0]
            for number in range(plan.rounds):
                for peer in _turn(list(peers), number):
                    environment, tally = peers[peer], tallies[peer]
                    if isinstance(environment, str) or not _goes_on(tally, number, plan):
                        continue
                    run = run_engine(peer, environment, case, prices, plan.timeout)
                    tally.count(number, judged(run, expected[peer], peer.tolerance))
                    say(_line(case, peer, number, tally, run))
                measured = {
                    **plan.head,
                    "rounds": plan.rounds,
                    "slow_seconds": plan.slow,
                    "load": [round(load, 1) for load in (before, os.getloadavg()[0])],
                }
                records[-1] = {
                    **_case_record(case, asked, expected, tallies),
                    "measured": measured,
                }
                save(records)
    return records


def warm_up(peers: Mapping[Peer, Environment | str], plan: Plan) -> None:
    """Run each engine once on a few bars, uncounted: what it compiles it keeps."""
    case = Case(symbols=1, bars=10 * SLOW)
    with tempfile.TemporaryDirectory(prefix="rustybt-peers-") as folder:
        prices = Path(folder) / "prices.parquet"
        write_prices(case, prices)
        for peer, environment in peers.items():
            if isinstance(environment, Environment):
                run_engine(peer, environment, case, prices, plan.timeout)


def _start(environment: Environment | str) -> Tally:
    """Return the tally to begin with."""
    return Tally(NOT_INSTALLED, environment) if isinstance(environment, str) else Tally()


def _turn(peers: list[Peer], number: int) -> list[Peer]:
    """Return *peers* with another one first in every round."""
    first = number % len(peers)
    return peers[first:] + peers[:first]


def _goes_on(tally: Tally, number: int, plan: Plan) -> bool:
    """Tell whether an engine has another round: not after a failure, nor if it is slow."""
    slow = any(wall > plan.slow for wall in tally.times["wall_seconds"].values())
    return tally.status == OK and (number == 0 or not slow)


def _line(case: Case, peer: Peer, number: int, tally: Tally, run: Run) -> str:
    """Return what to say of one run."""
    if tally.status != OK:
        return f"{case.name} round {number + 1}: {peer.title} {tally.status}: {tally.reason}"
    took = run.answer["run_seconds"]
    return f"{case.name} round {number + 1}: {peer.title} ran {took:.3f} s, wall {run.wall:.1f} s"


def _case_record(
    case: Case,
    asked: Expected,
    expected: Mapping[Peer, Expected],
    tallies: Mapping[Peer, Tally],
) -> dict[str, Any]:
    """Return the record of one case."""
    by_name = {peer.name: tally for peer, tally in tallies.items()}
    return {
        "name": case.name,
        "symbols": case.symbols,
        "bars": case.bars,
        "count": case.symbols * case.bars,
        "expected": {"equity": str(asked.equity), "fills": asked.fills},
        "results": {
            peer.name: _result(tally, expected[peer], by_name, case.symbols * case.bars)
            for peer, tally in tallies.items()
        },
    }


def _result(
    tally: Tally, expected: Expected, all_of_them: Mapping[str, Tally], count: int
) -> dict[str, Any]:
    """Return the record of one engine on one case; figures only if it ended as it has to."""
    ends = {"expected_equity": str(expected.equity), "expected_fills": expected.fills}
    if tally.status != OK:
        return {"status": tally.status, "reason": tally.reason, **ends}
    times = {name: list(each.values()) for name, each in tally.times.items() if each}
    medians = {name: _short(median(each)) for name, each in times.items()}
    return {
        "status": OK,
        **ends,
        "equity_cents": tally.equity,
        "fills": tally.fills,
        "rounds": len(times["wall_seconds"]),
        **{name: [_short(value) for value in each] for name, each in times.items()},
        "median": medians,
        "bars_per_second": round(count / medians["run_seconds"]),
        "peak_mib": round(tally.peak_kib / 1024),
        "ratios": _ratios(tally, all_of_them),
    }


def _ratios(tally: Tally, all_of_them: Mapping[str, Tally]) -> dict[str, float]:
    """Return how many times as long as ours it took: medians over rounds that both had."""
    found = {}
    for ours in (CALLBACK, SIGNALS):
        other = all_of_them.get(ours)
        if other is None or other.status != OK:
            continue
        for name in _COMPARED:
            both = tally.times[name].keys() & other.times[name].keys()
            if both:
                key = f"{name.removesuffix('_seconds')}_to_{ours}"
                found[key] = _short(
                    median(tally.times[name][each] / other.times[name][each] for each in both)
                )
    return found


def _short(number: float) -> float:
    """Return *number* with 6 significant digits: more would be noise."""
    return float(f"{number:.6g}")


def described(peers: Mapping[Peer, Environment | str]) -> dict[str, Any]:
    """Return the part of the record that says what was compared."""
    return {peer.name: _description(peer, environment) for peer, environment in peers.items()}


def _description(peer: Peer, environment: Environment | str) -> dict[str, Any]:
    """Return what there is to know of one engine."""
    about: dict[str, Any] = {
        "title": peer.title,
        "ours": peer.is_ours,
        "deviation": peer.deviation,
        "tolerance": str(peer.tolerance),
    }
    if isinstance(environment, str):
        return {**about, "installed": False, "reason": environment}
    package = "rustybt" if peer.is_ours else peer.packages[0].partition("==")[0]
    return {
        **about,
        "installed": True,
        "version": environment.versions.get(package.lower(), "")
        or environment.versions.get(package.lower().replace("_", "-"), "unknown"),
        "python": environment.python_version,
        "libraries": {
            name: environment.versions[name] for name in SHOWN if name in environment.versions
        },
    }


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record *new* with the cases of *old* that it has not measured again.

    Only what was measured on the same machine, with the same work and the same releases, stands
    beside what is new; otherwise *old* is dropped.
    """
    peers = {**old["peers"], **new["peers"]}
    same = all(old[name] == new[name] for name in ("host", "workload"))
    for name, about in old["peers"].items():
        same = same and all(peers[name].get(key) == about.get(key) for key in _RELEASE)
    if not same:
        return dict(new)
    cases = {case["name"]: case for case in (*old["cases"], *new["cases"])}
    ordered = sorted(cases.values(), key=lambda case: (case["symbols"], case["bars"]))
    return {**new, "peers": peers, "cases": ordered}


def workload() -> dict[str, Any]:
    """Return the part of the record that says what the strategy is."""
    return {
        "fast": FAST,
        "slow": SLOW,
        "units": QUANTITY,
        "commission_bps": BASIS_POINTS,
        "cash": str(CASH // 100),
        "fill": "next open",
    }

"""Other engines and ours on the same bars: who ends with which equity, and how fast.

    python -m benchmarks.peers run [--case 1x100000 ...] [--peer backtrader ...] [--rounds 3]
    python -m benchmarks.peers install [--peer ...]
    python -m benchmarks.peers list

``run`` makes an environment for each engine (outside of the tree, kept for the next time), lets
them take turns, and holds every final equity against an exact reference. It ends with 1 if one is
wrong, fails or cannot be installed, and writes the record in any case; cases that were measured
before with the same releases on the same machine stay in it. The page is made from the record by
``python -m benchmarks.pages``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.peers.cases import CASES, Case, case_of
from benchmarks.peers.comparing import Plan, compare, described, merged, warm_up, workload
from benchmarks.peers.environments import (
    Environment,
    NotInstalledError,
    default_cache,
    environment_of,
)
from benchmarks.peers.peers import PEERS, Peer
from benchmarks.peers.running import OK
from rustybt.benchmark.checkout import checkout_of
from rustybt.benchmark.record import heading, read_record, to_json
from rustybt.cli import exit_code_of
from rustybt.files import write_atomic

ROOT = Path(__file__).parents[2]
_COMMIT_DIGITS = 40
RECORD = ROOT / "docs" / "records" / "peers.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for; return 0, or 1 if an engine is missing or wrong."""
    options = _options(arguments)
    if options.command == "list":
        for peer in PEERS:
            say(f"{peer.name:16} {' '.join(peer.packages) or 'this checkout'}")
        return 0
    checkout = checkout_of(ROOT / "rustybt")
    commit = options.commit or (checkout.commit if checkout else None)
    installed = _installed(options, commit)
    for peer, environment in installed.items():
        if isinstance(environment, str):
            say(f"{peer.title} could not be installed: {environment}")
    complete = not any(isinstance(each, str) for each in installed.values())
    if options.command == "install":
        return 0 if complete else 1
    return 0 if _run(options, installed, commit) and complete else 1


def say(line: str) -> None:
    """Print one line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="show the engines")
    install = commands.add_parser("install", help="make the environments")
    run = commands.add_parser("run", help="compare the engines and write the record")
    for each in (install, run):
        each.add_argument("--peer", action="append", choices=[peer.name for peer in PEERS])
        each.add_argument("--cache", type=Path, default=default_cache(), help="for environments")
        each.add_argument("--commit", type=_commit, help="the one of ours to measure [HEAD]")
    run.add_argument("--case", action="append", type=_case, help="SYMBOLSxBARS, may be repeated")
    run.add_argument("--rounds", type=_positive, default=3)
    run.add_argument("--timeout", type=float, default=900, help="seconds for one process")
    run.add_argument("--slow", type=float, default=120, help="seconds; slower ones run once")
    run.add_argument("--record", type=Path, default=RECORD, help="where to write the record")
    return parser.parse_args(arguments)


def _case(text: str) -> Case:
    try:
        return case_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _commit(text: str) -> str:
    if len(text) != _COMMIT_DIGITS or set(text) - set("0123456789abcdef"):
        raise argparse.ArgumentTypeError(f"{text!r} is not the full name of a commit")
    return text


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def _installed(options: argparse.Namespace, commit: str | None) -> dict[Peer, Environment | str]:
    """Return the environment of each chosen engine, or why there is none."""
    found: dict[Peer, Environment | str] = {}
    for peer in PEERS:
        if options.peer and peer.name not in options.peer:
            continue
        if peer.is_ours and commit is None:
            found[peer] = "this is not a git checkout, and ours is installed from its commit"
            continue
        try:
            found[peer] = environment_of(peer, options.cache, ROOT, commit or "")
        except NotInstalledError as error:
            found[peer] = str(error)
    return found


def _run(
    options: argparse.Namespace, installed: dict[Peer, Environment | str], commit: str | None
) -> bool:
    """Compare; return whether everything ended as it has to."""
    now = heading(datetime.now(UTC))
    old = _old(options.record)
    # What is measured is the commit, exported: changes that are not in it do not count.
    measured = {"utc": now["utc"], "version": now["version"], "commit": commit, "dirty": False}
    plan = Plan(rounds=options.rounds, timeout=options.timeout, slow=options.slow, head=measured)
    head = {
        "schema": now["schema"],
        "suite": "peers",
        "host": now["host"],
        "workload": workload(),
        "peers": described(installed),
    }

    def save(cases: list[dict[str, Any]]) -> None:
        new = {**head, "cases": cases}
        write_atomic(options.record, to_json(merged(old, new) if old else new), mode=0o644)

    warm_up(installed, plan)
    cases = compare(options.case or CASES, installed, plan, save=save, say=say)
    say(str(options.record))
    results = [result for case in cases for result in case["results"].values()]
    return all(result["status"] == OK for result in results)


def _old(path: Path) -> dict[str, Any] | None:
    """Return the record that is there already; raise if it is none."""
    return read_record(path) if path.exists() else None


def command() -> None:
    """Run the command line and exit."""
    sys.exit(main())


if __name__ == "__main__":
    sys.exit(exit_code_of(command))

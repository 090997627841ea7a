"""The page that compares other engines with ours, made from the record of `benchmarks/peers`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rustybt.benchmark.tables import GENERATED, about, seconds, table, thousands, times

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rustybt.benchmark.record import Record

_OURS = ("rustybt", "rustybt-signals")
_NO_FIGURE = "-"
_RATIOS = (
    "",
    "run : callbacks",
    "CPU : callbacks",
    "wall : callbacks",
    "CPU : signals",
    "warm CPU : warm signals",
    "final equity",
)
_MANNER = (
    "Every engine runs in a process and an environment of its own, on the same machine, in turns."
    " The bars are random walks in whole cents, so that averages that are equal are equal in every"
    " engine, and no day or minute is missing. Final equity and the number of fills of every run"
    " are held against a reference in whole numbers. An engine that cannot follow a rule is held"
    " against the reference with its own rule, and the last table says which. A figure is shown"
    " only where they agree."
)

_PHASES = (
    "*Run* is from the bars in the engine's own kind of object to the final equity, the first time"
    " in a process; *CPU* the processor time of the same, which other work on the machine disturbs"
    " less; *warm* the second time in the same process; *wall* the whole process from the bars"
    " in a Parquet file on, with its imports and the making of those objects."
    " All are medians over the rounds. The load average is that of a minute, before and after:"
    " where it is above the number of cores, other work was on the machine, and the ratios of"
    " processor times say more than the others."
)


def peers_page(record: Record) -> str:
    """Return the page."""
    work, peers = record["workload"], record["peers"]
    parts = [
        GENERATED,
        "# Other engines on the same bars",
        _MANNER,
        _strategy(work),
        "```console\n$ python -m benchmarks.peers run\n```",
        _PHASES,
    ]
    for case in record["cases"]:
        parts += _case(case, peers, about({**case["measured"], "host": record["host"]}))
    parts += ["## The engines", _engines(peers), _missing(peers)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _strategy(work: Mapping[str, Any]) -> str:
    """Return what is traded."""
    return (
        f"The strategy: buy {work['units']} units when the average of {work['fast']} closes comes"
        f" from strictly below to strictly above that of {work['slow']} in one bar, sell them when"
        f" it is the other way round. Orders trade at the {work['fill']}; commission is"
        f" {work['commission_bps']} basis points; cash is {_grouped(work['cash'])}."
    )


def _case(case: Mapping[str, Any], peers: Mapping[str, Any], where: str) -> list[str]:
    """Return the tables of one case."""
    columns = ["", "run", "CPU", "bars per second of it", "warm", "wall", "peak memory", "rounds"]
    rows, slower, notes = [], [], []
    for name, result in case["results"].items():
        title = peers[name]["title"]
        if result["status"] != "ok":
            rows.append([title, result["status"], *[_NO_FIGURE] * (len(columns) - 2)])
            notes.append(f"- {title}: {result['status']}: {result['reason']}")
            continue
        rows.append([title, *_figures(result, case["count"])])
        if not peers[name]["ours"]:
            slower.append([title, *_ratios(result["ratios"]), _end(result, case["expected"])])
    notes += [
        f"- {about_it['title']}: not run on these bars"
        for name, about_it in peers.items()
        if name not in case["results"]
    ]
    expected = case["expected"]
    measured = case["measured"]
    slow = f"an engine whose process took longer than {measured['slow_seconds']:g} s"
    parts = [
        f"## {_grouped(case['symbols'])} x {_grouped(case['bars'])} bars",
        f"By the rules as asked for: equity {expected['equity']} after {expected['fills']} fills.",
        f"{where} {measured['rounds']} rounds; {slow} has one.",
        table(columns, rows),
    ]
    if slower:
        parts += ["How many times as long as ours it takes (medians of the rounds' ratios):"]
        parts += [table(_RATIOS, slower)]
    return [*parts, "\n".join(notes)]


def _figures(result: Mapping[str, Any], count: int) -> list[str]:
    """Return the cells of one engine."""
    median = result["median"]
    warm = median.get("warm_seconds")
    return [
        seconds(median["run_seconds"]),
        seconds(median["cpu_seconds"]),
        thousands(count / median["cpu_seconds"]),
        _NO_FIGURE if warm is None else seconds(warm),
        seconds(median["wall_seconds"]),
        f"{result['peak_mib']} MiB",
        str(result["rounds"]),
    ]


def _ratios(ratios: Mapping[str, float]) -> list[str]:
    """Return the cells that compare one engine with ours."""
    callback, signals = _OURS
    names = (
        *(f"{phase}_to_{callback}" for phase in ("run", "cpu", "wall")),
        *(f"{phase}_to_{signals}" for phase in ("cpu", "warm_cpu")),
    )
    return [times(ratios[name]) if name in ratios else _NO_FIGURE for name in names]


def _end(result: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    """Return the final equity, and that it is by the engine's own rules if it is."""
    own = (result["expected_equity"], result["expected_fills"])
    asked = own == (expected["equity"], expected["fills"])
    return f"{result['expected_equity']}{'' if asked else ' by its own rules'}"


def _engines(peers: Mapping[str, Any]) -> str:
    """Return the table of engines and of how they depart from what was asked for."""
    rows = []
    for about_it in peers.values():
        if not about_it["installed"]:
            continue
        libraries = ", ".join(
            f"{name} {version}" for name, version in about_it["libraries"].items()
        )
        limit = about_it["tolerance"]
        rows.append(
            [
                f"{about_it['title']} {about_it['version']}",
                f"Python {about_it['python']}" + (f", {libraries}" if libraries else ""),
                "to the last digit" if limit == "0" else f"within {limit}",
                about_it["deviation"],
            ]
        )
    return table(
        ["", "with", "equity agrees", "departs from the rules, and what to know"],
        rows,
        of_numbers=False,
    )


def _missing(peers: Mapping[str, Any]) -> str:
    """Return the engines that could not be installed, and why."""
    return "\n".join(
        f"- {about_it['title']} could not be installed: {about_it['reason']}"
        for about_it in peers.values()
        if not about_it["installed"]
    )


def _grouped(number: int | str) -> str:
    """Return a whole number with a blank between thousands."""
    return f"{int(number):,}".replace(",", " ")

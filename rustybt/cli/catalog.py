"""``rustybt data``: what is in the catalog, and whether it is sound."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rustybt.cli.options import DEFAULT_HOME, HomeOption, JsonOption, wall_clock
from rustybt.cli.output import emit_json, say, table, warn

if TYPE_CHECKING:
    from rustybt.data.catalog import Catalog
    from rustybt.data.interval import Interval
    from rustybt.data.manifest import Manifest

_SHOWN_GAPS = 10

CalendarOption = Annotated[
    str | None, typer.Option(help="The market's calendar, such as NYSE; else the deployment's.")
]


def list_(home: HomeOption = DEFAULT_HOME, *, json: JsonOption = False) -> None:
    """List the series of the catalog."""
    found = catalog_of(home).series()
    if json:
        emit_json({"series": [_listed(one) for one in found]})
        return
    rows = [[str(value) for value in _listed(one).values()] for one in found]
    if rows:
        table(tuple(_listed(found[0])), rows)
    else:
        say("the catalog is empty; fill it with  python -m rustybt fetch-data")


def _listed(one: Manifest) -> dict[str, object]:
    newest = one.newest
    return {
        "symbol": one.symbol,
        "interval": one.interval.value,
        "source": newest.source,
        "calendar": one.calendar,
        "rows": newest.rows,
        "first": newest.first.isoformat(),
        "last": newest.last.isoformat(),
        "version": newest.number,
        "bytes": newest.size,
    }


@dataclass(frozen=True, slots=True)
class _Checked:
    """What is wrong with one series."""

    symbol: str
    interval: str
    problems: tuple[str, ...]
    gaps: tuple[str, ...]
    refused: int


def inspect(
    calendar: CalendarOption = None, home: HomeOption = DEFAULT_HOME, *, json: JsonOption = False
) -> None:
    """Verify every file of the catalog and look for missing bars; fail if anything is wrong."""
    from rustybt.data.errors import CatalogError

    catalog = catalog_of(home)
    found = [_inspected(catalog, *name, calendar) for name in catalog.names()]
    left = tuple(f"{path} holds bars but no manifest" for path in catalog.leftovers())
    if not found and not left:
        raise CatalogError(
            f"there is nothing to check: the catalog {catalog.root} is empty",
            remedy="fill it with  python -m rustybt fetch-data",
        )
    wrong = bool(left) or any(one.problems or one.gaps for one in found)
    if json:
        _emit_checked(found, left, ok=not wrong)
    else:
        _show_checked(found, left)
    if wrong:
        raise typer.Exit(1)


def _inspected(catalog: Catalog, symbol: str, interval: Interval, calendar: str | None) -> _Checked:
    problems = catalog.problems(symbol, interval)
    gaps: tuple[str, ...] = ()
    if not problems:
        gaps = _gaps(catalog, catalog.manifest(symbol, interval), calendar)
    return _Checked(symbol, interval, problems, gaps, len(catalog.refused(symbol, interval)))


def _gaps(catalog: Catalog, one: Manifest, calendar: str | None) -> tuple[str, ...]:
    from rustybt.calendars import get_calendar
    from rustybt.data.gaps import describe, expected_times, find_gaps

    bars = catalog.read(one.symbol, one.interval)
    first, last = one.newest.first, one.newest.last
    margin = timedelta(days=7)  # the last week, or session, may begin before and end after
    market = get_calendar(
        calendar or one.calendar, start=(first - margin).date(), end=(last + margin).date()
    )
    end = last + timedelta(microseconds=1)
    return tuple(
        describe(gap) for gap in find_gaps(bars, expected_times(one.interval, market, first, end))
    )


def _emit_checked(found: list[_Checked], left: tuple[str, ...], *, ok: bool) -> None:
    emit_json(
        {
            "ok": ok,
            "leftovers": left,
            "series": [
                {
                    "symbol": one.symbol,
                    "interval": one.interval,
                    "problems": one.problems,
                    "gaps": one.gaps,
                    "refused": one.refused,
                }
                for one in found
            ],
        }
    )


def _show_checked(found: list[_Checked], left: tuple[str, ...]) -> None:
    rows = [
        (
            one.symbol,
            one.interval,
            "damaged" if one.problems else "sound",
            "unknown" if one.problems else str(len(one.gaps)),
            str(one.refused),
        )
        for one in found
    ]
    table(("symbol", "interval", "files", "gaps", "refused rows"), rows)
    for one in found:
        for problem in one.problems:
            warn(problem)
        for gap in one.gaps[:_SHOWN_GAPS]:
            warn(f"{one.symbol} {one.interval} lacks {gap}")
        if len(one.gaps) > _SHOWN_GAPS:
            warn(f"{one.symbol} {one.interval} has {len(one.gaps) - _SHOWN_GAPS} more gaps")
    for path in left:
        warn(path)


def catalog_of(home: Path) -> Catalog:
    """Return the catalog of the deployment at *home*, which has to be there."""
    from rustybt.data.catalog import Catalog
    from rustybt.errors import HomeError
    from rustybt.files import expanded
    from rustybt.home import Home

    root = Home(expanded(home))
    if not root.state.is_dir():
        raise HomeError(
            f"there is no deployment at {root.root}",
            remedy=f"python -m rustybt init {root.root}",
        )
    return Catalog(root.state / "catalog", wall_clock)

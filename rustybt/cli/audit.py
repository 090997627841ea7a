"""``rustybt verify-audit`` and ``rustybt export-audit``."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from rustybt.cli.options import DEFAULT_HOME, HomeOption, JsonOption
from rustybt.cli.output import emit_json, say, warn

if TYPE_CHECKING:
    from rustybt.journal.signing import VerifyingKey
    from rustybt.journal.verification import Report

# 1 is said of a journal that was looked at and is not whole.
NOTHING_TO_LOOK_AT = 2

DbOption = Annotated[
    str | None, typer.Option("--db", help="The journal's database, else the deployment's.")
]
HeadsOption = Annotated[
    Path | None, typer.Option(help="The file of signed heads, else the deployment's.")
]
KeyOption = Annotated[
    list[Path] | None,
    typer.Option("--public-key", help="Check signatures with this key, else the deployment's."),
]
TimeOption = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="A time, UTC.")
]


def inspect(
    home: HomeOption = DEFAULT_HOME,
    db: DbOption = None,
    heads: HeadsOption = None,
    public_key: KeyOption = None,
    *,
    json: JsonOption = False,
) -> None:
    """Find out whether every record of the journal is as it was written, and none is missing.

    Exit with 0 if so, with 1 after naming the first bad record, with 2 if there is nothing to look
    at.
    """
    from rustybt.errors import RustyBTError
    from rustybt.journal.verification import verify_journal

    try:
        url, beside, files = _places(home, db, heads, public_key or [])
        report = verify_journal(url, keys=_keys(files), heads=beside)
    except RustyBTError as error:
        _refuse(error, json=json)
    if json:
        _emit(report)
    else:
        _show(report)
    if not report.ok:
        raise typer.Exit(1)


def export(
    out: Annotated[Path, typer.Option(help="The new file, in JSON Lines.")],
    since: TimeOption = None,
    until: TimeOption = None,
    home: HomeOption = DEFAULT_HOME,
    db: DbOption = None,
    *,
    json: JsonOption = False,
) -> None:
    """Write the journal's records to a new file, one JSON object a line, decimals as text."""
    from rustybt.files import expanded
    from rustybt.journal.export import export_journal

    url, _, _ = _places(home, db, None, [])
    target = expanded(out).absolute()
    exported = export_journal(url, target, since=_utc(since), until=_utc(until))
    if json:
        emit_json(
            {
                "path": str(target),
                "records": exported.records,
                "first": exported.first,
                "last": exported.last,
            }
        )
        return
    say(f"wrote {exported.records} records, {exported.first} to {exported.last}, to {target}")


def _places(
    home: Path, db: str | None, heads: Path | None, keys: list[Path]
) -> tuple[str, Path | None, list[Path]]:
    """Return the journal's URL, the file of its heads and those of public keys."""
    from rustybt.home import Home
    from rustybt.journal.places import heads_file, journal_url, public_key_file
    from rustybt.settings import load_settings

    if db is not None:
        return db, heads, keys
    settings = load_settings(home, os.environ)
    root = Home(settings.home)
    usual = public_key_file(root)
    return journal_url(settings), heads or heads_file(root), keys or [usual][: usual.exists()]


def _keys(files: list[Path]) -> list[VerifyingKey]:
    from rustybt.journal.signing import VerifyingKey

    return [VerifyingKey.load(file) for file in files]


def _utc(time: datetime | None) -> datetime | None:
    return None if time is None else time.replace(tzinfo=UTC)


def _refuse(error: Exception, *, json: bool) -> NoReturn:
    """Say that nothing was verified, and exit; that is never taken for a whole journal."""
    if json:
        emit_json({"ok": False, "error": str(error)})
    warn(str(error))
    raise typer.Exit(NOTHING_TO_LOOK_AT)


def _emit(report: Report) -> None:
    finding = report.finding
    emit_json(
        {
            "ok": report.ok,
            "records": report.records,
            "head": {"sequence": report.head.sequence, "sha256": report.head.own.hex()},
            "first": report.first and report.first.isoformat(),
            "last": report.last and report.last.isoformat(),
            "heads": report.heads,
            "signed": report.signed,
            "keys": report.keys,
            "first_bad": finding
            and {
                "sequence": finding.sequence,
                "time": finding.time and finding.time.isoformat(),
                "kind": finding.kind,
                "problem": finding.problem,
            },
        }
    )


def _show(report: Report) -> None:
    if report.finding is not None:
        warn(f"the journal is not as it was written: {report.finding}")
        say(f"the {report.records} records before it are whole")
        return
    say(f"{report.records} records from {report.first} to {report.last} are whole")
    say(f"last: {report.head.sequence}, sha256 {report.head.own.hex()}")
    if not report.heads:
        say("no head was signed: records cut from the end would not be missed")
        return
    checked = f"signed by {', '.join(report.keys)}" if report.keys else "signatures not checked"
    say(f"{report.heads} signed heads agree, the last of record {report.signed} ({checked})")

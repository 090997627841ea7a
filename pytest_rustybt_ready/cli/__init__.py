"""``rustybt-ready``: read the checklist, judge records again, and sign for what no test can see."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pytest_rustybt_ready.cli import statements as of_statements
from pytest_rustybt_ready.errors import HistoryError, ReadyError, RecordError
from pytest_rustybt_ready.values import Kind, Stage

if TYPE_CHECKING:
    from pytest_rustybt_ready.checklist import Checklist

WRONG_USAGE = 4
NOT_SOUND = 7
CODES = """Exit codes: 0 done, and for `verify` READY; 1 NOT READY; 4 wrong usage; 6 INCOMPLETE;
7 the record or history is unreadable or was altered."""

app = typer.Typer(
    name="rustybt-ready",
    help=f"Read the production checklist and its verdicts.\n\n{CODES}",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
ChecklistFile = Annotated[
    Path | None,
    typer.Option(
        "--checklist", metavar="FILE", help="A checklist to use instead of the built-in one."
    ),
]


@app.command(name="list")
def list_items(
    section: Annotated[
        str, typer.Option(metavar="KEY", help="Only the section with this key or number.")
    ] = "",
    stage: Annotated[
        Stage | None,
        typer.Option(help="Only items that block from this stage on."),
    ] = None,
    kind: Annotated[
        Kind | None,
        typer.Option(help="Only items that are proven in this way."),
    ] = None,
    checklist: ChecklistFile = None,
    json: Json = False,  # noqa: FBT002 - an option on the command line, never positional
) -> None:
    """List the items of the checklist."""
    from pytest_rustybt_ready.explain import items_as_json, items_as_text, select

    found = select(checklist_of(checklist), section=section, stage=stage, kind=kind)
    say(items_as_json(found) if json else items_as_text(found))


@app.command()
def explain(
    item: Annotated[str, typer.Argument(metavar="ID", help="An item's id, such as 2.2.3.")],
    checklist: ChecklistFile = None,
    json: Json = False,  # noqa: FBT002 - as above
) -> None:
    """Explain an item: what it means, how it is checked, how it can fail, how to fix it."""
    from pytest_rustybt_ready.explain import find, item_as_json, item_as_text

    known = checklist_of(checklist)
    found = find(known, item)
    say(item_as_json(known, found) if json else item_as_text(known, found))


@app.command()
def verify(
    record: Annotated[
        Path, typer.Argument(metavar="FILE", help="The readiness.json of a run.")
    ] = Path("readiness-report/readiness.json"),
    at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Judge as of this date or instant (ISO 8601; without a zone it is UTC, without "
            "a time midnight). Default: now.",
        ),
    ] = None,
    json: Json = False,  # noqa: FBT002 - as above
) -> None:
    """Judge a run's record again, offline, as of any instant; tell what lapses when.

    A record that was altered, whose verdict does not follow from what it holds, or whose statements
    its signed texts do not bear out, is refused. A digest finds damage and careless changes; who
    wrote a record, only a signature can tell (see sign-results).
    """
    from pytest_rustybt_ready import record as records
    from pytest_rustybt_ready.verdict import Exit
    from pytest_rustybt_ready.verify import as_json, as_text, instant, rejudge
    from pytest_rustybt_ready.verify.signatures import require_signed

    loaded = records.load(record)
    require_signed(loaded)
    verdict = rejudge(loaded, datetime.now(UTC) if at is None else instant(at))
    say(as_json(loaded, verdict) if json else as_text(loaded, verdict))
    raise typer.Exit(Exit.of(verdict.scope_status))


@app.command()
def export(
    record: Annotated[
        Path, typer.Argument(metavar="FILE", help="The readiness.json of a run.")
    ] = Path("readiness-report/readiness.json"),
    form: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="sarif, hdf or oscal.")
    ] = "sarif",
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Default: standard output."),
    ] = None,
) -> None:
    """Write a record as SARIF 2.1.0, HDF (Heimdall) or OSCAL 1.1 assessment results."""
    from pytest_rustybt_ready import record as records
    from pytest_rustybt_ready.report.export import Format
    from pytest_rustybt_ready.report.export import export as exported

    if form not in list(Format):
        raise ReadyError(f"--format {form!r}: expected one of {', '.join(Format)}")
    data = exported(records.load(record), Format(form))
    if output is None:
        say(data.decode().rstrip())
        return
    try:
        output.write_bytes(data)
    except OSError as error:
        raise ReadyError(f"{output}: cannot be written: {error.strerror}") from error


@app.command()
def history(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The history that runs append to.")
    ] = Path(".readiness/history.jsonl"),
    json: Json = False,  # noqa: FBT002 - as above
) -> None:
    """List the runs of a history, oldest first, after checking its chain."""
    from pytest_rustybt_ready.verify import history_as_json, history_as_text, history_of

    entries = history_of(file)
    say(history_as_json(entries) if json else history_as_text(entries))


of_statements.register(app)


def main() -> None:
    """Run the command that ``sys.argv`` names and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may know no such letter
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run the command line *arguments* and return the exit code; errors become one message."""
    try:
        app(args=list(arguments), prog_name="rustybt-ready")
    except SystemExit as end:
        # 2 is what the parser gives for wrong usage; here, as in pytest, that is an interrupt
        return WRONG_USAGE if end.code == 2 else int(end.code or 0)
    except (RecordError, HistoryError) as error:
        return _fail(error, NOT_SOUND)
    except ReadyError as error:
        return _fail(error, WRONG_USAGE)
    return 0


def say(text: str) -> None:
    """Print *text* and a line end on stdout; a reader that has seen enough changes no verdict."""
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:  # caught here: the parser would end the command with code 1
        _discard_output()


def _discard_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(error: ReadyError, code: int) -> int:
    sys.stderr.write(f"rustybt-ready: {error}\n")
    return code


def checklist_of(file: Path | None) -> Checklist:
    """Return the checklist in *file*, or the built-in one; raise ChecklistError."""
    from pytest_rustybt_ready import checklist_file

    return checklist_file.load(file) if file else checklist_file.built_in()

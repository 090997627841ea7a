"""``sign``, ``waive``, ``revoke``, ``statements``, ``sign-results``: what people vouch for."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pytest_rustybt_ready.values import Stage

if TYPE_CHECKING:
    from pytest_rustybt_ready.checklist import Checklist, Item
    from pytest_rustybt_ready.statements.gather import Bench, Gathered
    from pytest_rustybt_ready.statements.signing import Said, Signer

REFUSED = 1

ItemId = Annotated[str, typer.Argument(metavar="ITEM", help="An item's id, such as 2.1.6.")]
Email = Annotated[
    str, typer.Option("--as", metavar="EMAIL", help="Who signs, as allowed_signers names them.")
]
Role = Annotated[str, typer.Option("--role", metavar="ROLE", help="The role in which they sign.")]
Key = Annotated[
    Path | None,
    typer.Option(
        "--key",
        metavar="PATH",
        help="A private key, or the public one of a key that the agent holds. Default: the first "
        "usual one in ~/.ssh.",
    ),
]
Evidence = Annotated[
    list[Path] | None,
    typer.Option("--evidence", metavar="FILE", help="A file to bind and to keep; may be repeated."),
]
Home = Annotated[
    Path,
    typer.Option(
        "--deployment", metavar="HOME", envvar="RUSTYBT_HOME", help="The deployment's folder."
    ),
]
Root = Annotated[
    Path, typer.Option("--checkout", metavar="DIR", help="The source checkout under judgement.")
]
Commit = Annotated[
    str, typer.Option("--commit", metavar="SHA", help="Default: the one checked out.")
]
Known = Annotated[
    Path | None,
    typer.Option(
        "--checklist", metavar="FILE", help="A checklist to use instead of the built-in one."
    ),
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")]

statements = typer.Typer(
    name="statements",
    help="Look at the statements of a deployment.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add the commands of this module to *app*."""
    app.command()(sign)
    app.command()(waive)
    app.command()(revoke)
    app.command(name="sign-results")(sign_results)
    app.command()(merge)
    app.add_typer(statements)


def sign(
    item: ItemId,
    email: Email,
    role: Role,
    evidence: Evidence = None,
    results: Annotated[
        Path | None,
        typer.Option(
            "--results",
            metavar="FILE",
            help="The readiness.json that the signer has read; the technical approvals need it.",
        ),
    ] = None,
    expires: Annotated[str, typer.Option("--expires", metavar="DAYS", help="Such as 90d.")] = "90d",
    key: Key = None,
    home: Home = Path(),
    root: Root = Path(),
    commit: Commit = "",
    checklist: Known = None,
) -> None:
    """Sign an item off, bound to its text, the commit and the evidence."""
    from pytest_rustybt_ready.statements.signing import Said, lifetime

    seen = _results_digest(results) if results else ""
    said = Said("sign-off", lifetime(expires), evidence=tuple(evidence or ()), results=seen)
    bench = _bench(root, commit, checklist)
    _make(home, bench, _item(bench.checklist, item), _signer(email, role, key), said)


def waive(
    item: ItemId,
    email: Email,
    role: Role,
    reason: Reason,
    measure: Annotated[
        str, typer.Option("--measure", metavar="TEXT", help="What is done instead meanwhile.")
    ],
    evidence: Evidence = None,
    expires: Annotated[
        str, typer.Option("--expires", metavar="DAYS", help="Such as 30d; 90d at most.")
    ] = "30d",
    key: Key = None,
    home: Home = Path(),
    root: Root = Path(),
    commit: Commit = "",
    checklist: Known = None,
) -> None:
    """Waive an item for a while: why, and what is done instead. Some items never can be."""
    from pytest_rustybt_ready.statements.signing import Said, lifetime

    said = Said("waiver", lifetime(expires), reason, measure, tuple(evidence or ()))
    bench = _bench(root, commit, checklist)
    _make(home, bench, _item(bench.checklist, item), _signer(email, role, key), said)


def revoke(
    statement: Annotated[
        str, typer.Argument(metavar="STATEMENT", help="A statement's file, digest or item.")
    ],
    email: Email,
    role: Role,
    reason: Reason,
    key: Key = None,
    home: Home = Path(),
    root: Root = Path(),
    commit: Commit = "",
    checklist: Known = None,
) -> None:
    """Take a statement back, as the one who signed it or in the same role."""
    from pytest_rustybt_ready.canonical import digest_bytes
    from pytest_rustybt_ready.statements.signing import REVOCATION_LASTS, Said, target_of

    bench = _bench(root, commit, checklist)
    found = _gathered(home, bench)
    files = {one.file: digest_bytes(one.document.encode()) for one in found.sealed}
    target = target_of(found.examined.statements, statement, files)
    said = Said("revocation", REVOCATION_LASTS, reason, statement=target.digest)
    _make(home, bench, _item(bench.checklist, target.item), _signer(email, role, key), said)


@statements.command(name="list")
def list_statements(
    home: Home = Path(), root: Root = Path(), commit: Commit = "", checklist: Known = None
) -> None:
    """List the statements that are sound, whether or not they are in force."""
    from pytest_rustybt_ready.cli import say
    from pytest_rustybt_ready.statements.account import as_text

    bench = _bench(root, commit, checklist)
    say(as_text(_gathered(home, bench), bench, datetime.now(UTC)))


@statements.command(name="check")
def examine_statements(
    home: Home = Path(), root: Root = Path(), commit: Commit = "", checklist: Known = None
) -> None:
    """Verify every statement; name each that is refused. Exit code 1 if one is."""
    from pytest_rustybt_ready.cli import say
    from pytest_rustybt_ready.statements.account import as_text

    bench = _bench(root, commit, checklist)
    found = _gathered(home, bench)
    say(as_text(found, bench, datetime.now(UTC), awaiting=True))
    if found.examined.refused:
        raise typer.Exit(REFUSED)


def sign_results(
    record: Annotated[Path, typer.Argument(metavar="FILE", help="The readiness.json of a run.")],
    key: Key = None,
) -> None:
    """Sign a run's record as a part for `merge`; the signature lies beside it as FILE.sig."""
    from pytest_rustybt_ready.cli import say
    from pytest_rustybt_ready.statements.signing import default_key
    from pytest_rustybt_ready.verify.parts import sign_part

    say(f"signed: {sign_part(record, key or default_key(Path.home()))}")


def merge(
    parts: Annotated[
        list[Path], typer.Argument(metavar="PART...", help="Signed records: readiness.json files.")
    ],
    folder: Annotated[
        Path,
        typer.Option(
            "--statements", metavar="DIR", help="The readiness/ folder of the deployment."
        ),
    ],
    report: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Where the reports go.")
    ] = Path("readiness-report"),
    root: Root = Path(),
    stage: Annotated[
        Stage | None,
        typer.Option(help="Stage whose items decide. Default: the latest of the parts."),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Judge as of this instant. Default: now."),
    ] = None,
) -> None:
    """Merge signed runs of CI, staging and host with what people signed, and judge the whole."""
    from pytest_rustybt_ready.cli import say
    from pytest_rustybt_ready.report import write_reports
    from pytest_rustybt_ready.verdict import Exit
    from pytest_rustybt_ready.verify import as_text, instant
    from pytest_rustybt_ready.verify.merge import Order
    from pytest_rustybt_ready.verify.merge import merge as merged

    when = instant(at) if at else datetime.now(UTC)
    record = merged(Order(tuple(parts), folder, root, when, stage))
    write_reports(record, report)
    say(as_text(record, record.verdict))
    raise typer.Exit(Exit.of(record.verdict.scope_status))


def _results_digest(record: Path) -> str:
    from pytest_rustybt_ready import record as records
    from pytest_rustybt_ready.verify.parts import results_digest

    return results_digest(records.load(record))


def _make(home: Path, bench: Bench, item: Item, signer: Signer, said: Said) -> None:
    from pytest_rustybt_ready.cli import say
    from pytest_rustybt_ready.statements.signing import make

    say(f"{said.action} of {item.id}: {make(_folder(home), bench, item, signer, said)}")


def _signer(email: str, role: str, key: Path | None) -> Signer:
    from pytest_rustybt_ready.statements.signing import Signer, default_key

    return Signer(email, role, key or default_key(Path.home()), datetime.now(UTC))


def _bench(root: Path, commit: str, checklist: Path | None) -> Bench:
    from pytest_rustybt_ready import checkout
    from pytest_rustybt_ready.cli import checklist_of
    from pytest_rustybt_ready.statements.gather import Bench

    known = checklist_of(checklist)
    return Bench(root, checkout.project(root), commit or checkout.commit(root), known)


def _gathered(home: Path, bench: Bench) -> Gathered:
    from pytest_rustybt_ready.statements.gather import gather

    return gather(_folder(home), bench, datetime.now(UTC))


def _folder(home: Path) -> Path:
    from pytest_rustybt_ready.errors import ReadyError

    folder = home / "readiness"
    if not folder.is_dir():
        raise ReadyError(f"{home}: no deployment, it has no readiness/; name one with --deployment")
    return folder


def _item(checklist: Checklist, item_id: str) -> Item:
    from pytest_rustybt_ready.explain import find

    return find(checklist, item_id)

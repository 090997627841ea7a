"""Send hostile text through every input that reaches a database; tell what became of it.

The modules whose functions ran are told too: what has not run was not attacked.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import FrameType
from typing import Any

START = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
INNOCENT = "innocent"
Attack = Callable[[str, Path], object]
"""Takes the hostile text and a folder of its own; returns the text as it came back."""


def main(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return, for each attack with each of the *texts*, the problem that it made, and what ran."""
    problems: list[list[str]] = []
    ran: set[str] = set()
    attacks = 0
    for number, hostile in enumerate(arguments["texts"]):
        for name, attack in ATTACKS.items():
            folder = Path(f"{name}-{number}".replace(" ", "-"))
            folder.mkdir()
            with _watched(ran):
                problem = _outcome(attack, hostile, folder)
            attacks += 1
            if problem:
                problems.append([name, hostile, problem])
    return {"attacks": attacks, "problems": problems, "ran": sorted(ran)}


@contextmanager
def _watched(ran: set[str]) -> Iterator[None]:
    """Add the file of each function that is called to *ran*; an import alone attacks nothing."""

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_name != "<module>":
            ran.add(frame.f_code.co_filename)

    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(None)


def _outcome(attack: Attack, hostile: str, folder: Path) -> str:
    """Return what is wrong after an attack; nothing if the text stayed a text."""
    try:
        came_back = attack(hostile, folder)
    except Exception as error:  # noqa: BLE001 - whatever it breaks is what is looked for
        return f"{type(error).__name__}: {error}"
    if came_back != hostile:
        return f"came back as {came_back!r}"
    return _harm(folder)


def _harm(folder: Path) -> str:
    """Return what the databases in *folder* lack that every one of them has to have."""
    for path in folder.glob("*.db"):
        with closing(sqlite3.connect(path)) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
            kept = INNOCENT in "\n".join(database.iterdump())
        missing = {"journal", "journal_lease"} if "journal" in path.name else {"orders", "venue"}
        if not missing <= tables:
            return f"{path.name} lost {sorted(missing - tables)}"
        if not kept:
            return f"{path.name} lost what was there before"
    return ""


# -- the journal -----------------------------------------------------------------------------


@contextmanager
def _journal(folder: Path, session: str = INNOCENT) -> Iterator[Any]:
    from rustybt.journal.store import Journal

    url = f"sqlite:///{folder / 'journal.db'}"
    with Journal.open(url, session=session, clock=lambda: START) as journal:
        yield journal


def _prepared(folder: Path) -> None:
    """Make a journal with one record, which no attack may touch."""
    with _journal(folder) as journal:
        journal.append(INNOCENT, b"{}")
        journal.commit()


def _session(hostile: str, folder: Path) -> object:
    _prepared(folder)
    with _journal(folder, hostile) as journal:
        journal.append("event", b"{}")
        journal.commit()
    with _journal(folder) as journal:
        return [record.session for record in journal.records()][-1]


def _kind(hostile: str, folder: Path) -> object:
    _prepared(folder)
    with _journal(folder) as journal:
        journal.append(hostile, b"{}")
        journal.append("event", b"{}")
        journal.commit()
        (found,) = journal.records(kinds=[hostile])
        return found.kind


def _payload(hostile: str, folder: Path) -> object:
    from rustybt.journal.export import export_journal
    from rustybt.journal.payload import canonical
    from rustybt.journal.verification import verify_journal

    _prepared(folder)
    with _journal(folder) as journal:
        journal.append("event", canonical({"text": hostile}))
        journal.commit()
    url = f"sqlite:///{folder / 'journal.db'}"
    verified = verify_journal(url)
    if not verified.ok:
        return "a broken chain"
    export_journal(url, folder / "journal.jsonl")
    last = (folder / "journal.jsonl").read_text("utf-8").splitlines()[-1]
    return json.loads(last)["payload"]["text"]


def _snapshot(hostile: str, folder: Path) -> object:
    _prepared(folder)
    with _journal(folder) as journal:
        journal.save_snapshot(1, hostile, b"{}")
        return journal.latest_snapshot(hostile).fold_version


def _lease(hostile: str, folder: Path) -> object:
    from rustybt.journal.errors import LeaseHeldError
    from rustybt.journal.lease import Lease

    _prepared(folder)
    with _journal(folder) as journal:
        period = timedelta(seconds=30)
        held = Lease.acquire(journal.engine, hostile, owner=hostile, now=START, ttl=period)
        try:
            Lease.acquire(journal.engine, hostile, owner=INNOCENT, now=START, ttl=period)
        except LeaseHeldError as error:
            if hostile not in str(error):
                return str(error)
        else:
            return "a lease that two have"
        held.renew(START, period)
        held.release()
        (name,) = Lease.names(journal.engine)
        return name


def _signed(hostile: str, folder: Path) -> object:
    """The head of a journal is signed whose session has the hostile name."""
    from rustybt.journal.signing import SigningKey
    from rustybt.journal.store import Journal

    _prepared(folder)
    key = SigningKey.create(folder / "audit.key", folder / "audit.pub")
    url = f"sqlite:///{folder / 'journal.db'}"
    with Journal.open(url, session=hostile, clock=lambda: START, key=key) as journal:
        journal.append("event", b"{}")
        journal.commit()
        journal.sign_head()
        return [record.session for record in journal.records()][-1]


# -- the practice exchange -------------------------------------------------------------------


def _account(hostile: str, folder: Path) -> object:
    from rustybt.exchange.replay import instrument_for
    from rustybt.exchange.signing import ApiKey
    from rustybt.exchange.store import Store
    from rustybt.exchange.venue import PracticeVenue

    cash = {INNOCENT: {"USDT": Decimal(100)}, hostile: {hostile: Decimal(100)}}
    with closing(Store(folder / "exchange.db")) as store:
        store.key(ApiKey(account=hostile, key=hostile, secret=hostile))
        store.save(PracticeVenue([instrument_for("ELM/USDT")], cash))
    with closing(Store(folder / "exchange.db")) as store:
        kept = store.load()
        key = store.key(ApiKey(account=INNOCENT, key="", secret=""))
        if kept is None or hostile not in kept.accounts[hostile].balances:
            return "no balance"
        return key.key


def _order(hostile: str, folder: Path) -> object:
    """An order's name is refused before it comes near the database, or it is kept as it is."""
    from rustybt.exchange.errors import ExchangeError
    from rustybt.exchange.records import Kind, OrderRequest
    from rustybt.exchange.replay import instrument_for
    from rustybt.exchange.store import Store
    from rustybt.exchange.venue import PracticeVenue
    from rustybt.model import Side

    venue = PracticeVenue([instrument_for("ELM/USDT")], {INNOCENT: {"USDT": Decimal(100)}})
    request = OrderRequest(
        symbol="ELM/USDT",
        side=Side.BUY,
        kind=Kind.LIMIT,
        quantity=Decimal(1),
        price=Decimal(10),
        client_id=hostile,
    )
    with closing(Store(folder / "exchange.db")) as store:
        venue.subscribe(store.on_report)
        try:
            venue.place(INNOCENT, request, START)
        except ExchangeError:
            store.save(venue)
            return hostile
        store.save(venue)
        kept = store.load()
        return None if kept is None else kept.accounts[INNOCENT].orders[0].client_id


ATTACKS: dict[str, Attack] = {
    "name of a session": _session,
    "kind of a record": _kind,
    "payload of a record": _payload,
    "version of a snapshot": _snapshot,
    "name and owner of a lease": _lease,
    "session of a signed head": _signed,
    "account and key of an exchange": _account,
    "name of an order": _order,
}

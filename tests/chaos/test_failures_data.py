"""Failures that really happened to other systems: data, time, operations. Each is provoked."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rustybt.calendars.lookup import get_calendar
from rustybt.data.bars import raw_rows
from rustybt.data.interval import Interval
from rustybt.data.quality import Circumstances, sift
from rustybt.journal.errors import JournalError
from rustybt.journal.replication import Replicator, restore_segments
from rustybt.journal.store import Journal
from rustybt.journal.verification import verify_journal
from rustybt.model.bar import Bar
from rustybt.model.event import BarClosed, SharesSplit
from rustybt.model.order_state import OrderState
from rustybt.monitoring.logfile import LogFile
from rustybt.trading.reports import InstrumentsChanged
from rustybt.trading.summary import summary
from rustybt.trading.taking import KEPT_ORDERS

BTC = "BTC/USDT"
Tales = Any
HOUR = timedelta(hours=1)
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def buy(quantity: str, **terms: Any) -> Any:
    """Return the wish to buy."""
    return lambda strategy: strategy.buy(BTC, quantity, **terms)


def tell(tale: Tales, event: Any) -> Tales:
    """Tell the engine something that is made from its time."""
    tale.world.machine.hear(event, tale.world.machine.generation)
    return tale.wait(0.3)


@pytest.mark.parametrize(
    ("friday", "monday", "opens"),
    [
        (date(2026, 3, 6), date(2026, 3, 9), ["14:30", "13:30"]),
        (date(2026, 10, 30), date(2026, 11, 2), ["13:30", "14:30"]),
    ],
)
def test_failure_34_hours_follow_the_clock_change(
    friday: date, monday: date, opens: list[str]
) -> None:
    """In New York it is half past nine on both days; in UTC an hour lies between."""
    sessions = get_calendar("NYSE", end=monday).sessions(friday, monday)
    assert [f"{session.open.astimezone(UTC):%H:%M}" for session in sessions] == opens


def test_failure_34_bars_out_of_order_are_refused_and_named() -> None:
    """An hour that comes after a later one is no bar, nor is one that comes again."""
    good = ("10", "11", "9", "10.5", "100")
    hours = [f"2025-11-02T{hour:02}:00Z" for hour in (0, 2, 1, 3, 3)]
    judge = Circumstances(now=datetime(2026, 1, 1, tzinfo=UTC), interval=Interval.H1)
    found = sift(raw_rows([(hour, *good) for hour in hours]), judge)
    assert found.bars.height == 3
    assert found.counts == {"duplicate_time": 1, "out_of_order": 1}


def test_failure_34_an_engine_shows_no_bar_of_the_past(tale: Tales) -> None:
    """A bar an hour older than the last one is noted, and neither traded on nor priced at."""
    tale.wish(buy("1"))
    shown = dict(tale.engine.state.prices)
    tale.wishes.append(buy("1"))
    start, price = tale.world.now - HOUR, Decimal(7)
    old = Bar(BTC, start, start + timedelta(seconds=15), price, price, price, price, Decimal(1))
    tell(tale, lambda time: BarClosed(time=time, bar=old))
    assert tale.engine.state.prices == shown
    assert len(tale.orders) == 1
    tale.ends_well()


def test_failure_37_what_is_delisted_while_held_stays_in_the_books(tale: Tales) -> None:
    """People are told, nothing more is ordered, and no figure is missing or not a number."""
    tale.wish(buy("1"))
    tell(tale, lambda time: InstrumentsChanged(time=time, instruments=(), gone=(BTC,)))
    tale.wish(buy("1"))
    assert len(tale.orders) == 1
    said = summary(tale.engine.state)
    position = said["positions"][BTC]
    amounts = (said["equity"], said["peak"], position["quantity"], position["price"])
    assert all(Decimal(amount).is_finite() for amount in amounts)
    assert Decimal(position["quantity"]) == Decimal(1)
    tale.ends_well()


def test_failure_38_a_split_changes_units_and_prices_and_nothing_else(tale: Tales) -> None:
    """Two for one: twice the units, half the price, the same equity; open orders are cancelled."""
    tale.wish(buy("1"), buy("1", limit="90"))
    equity = tale.engine.equity
    tale.world.venue.amounts["BTC"] *= 2
    for _ in range(2):  # it is told twice, and booked once
        tell(
            tale,
            lambda time: SharesSplit(time=time, entry_id="split", symbol=BTC, new=2, old=1),
        )
    assert tale.engine.ledger.quantity(BTC) == Decimal(2)
    assert tale.engine.equity == equity
    assert tale.engine.orders["RBT-1-2"].state is OrderState.CANCELLED
    tale.ends_well()


@pytest.mark.skipif(os.environ.get("RUSTYBT_CHAOS") != "1", reason="takes seconds: tox -e chaos")
def test_failure_42_what_is_remembered_does_not_grow_without_end(tale: Tales) -> None:
    """After ten thousand orders the books hold the newest ones, and nothing of the others."""
    for _ in range(10_000):
        tale.wish(buy("0.001", limit="200"), wait=0.3)
    state = tale.engine.state
    sizes = {
        name: len(value)
        for name in state.__struct_fields__
        if isinstance(value := getattr(state, name), (dict, tuple))
    }
    assert max(sizes.values()) <= 2 * KEPT_ORDERS + 1, sizes
    assert len(tale.orders) == 10_000


def test_failure_44_a_copy_with_a_torn_end_is_refused_whole(tmp_path: Path) -> None:
    """Some bytes are missing at its end: nothing of it becomes a journal."""
    with new_journal(f"sqlite:///{tmp_path}/first.db") as journal:
        for number in range(10):
            journal.append("event", b'{"n": %d}' % number)
        journal.commit()
        copy = tmp_path / "copy"
        copy.mkdir()
        assert Replicator(journal, str(copy), clock=lambda: NOON, segment=5).ship().shipped == 10
    newest = max(copy.iterdir())
    newest.write_bytes(newest.read_bytes()[:-10])
    with pytest.raises(JournalError, match=newest.name):
        restore_segments(str(copy), f"sqlite:///{tmp_path}/second.db")
    with new_journal(f"sqlite:///{tmp_path}/second.db") as restored:
        assert restored.last is None


def test_failure_44_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    """Lines are counted as lost; with a folder to write to they go out again, and it says so."""
    times = iter(NOON + timedelta(minutes=minute) for minute in range(9))
    (tmp_path / "logs").write_text("in the way", "utf-8")
    log = LogFile(tmp_path / "logs", clock=lambda: next(times), retention=1)
    assert log.write(b"one\n") == 0
    assert log.dropped == 1
    assert log.trouble
    (tmp_path / "logs").unlink()
    assert log.write(b"two\n") == 4
    log.close()
    (written,) = (tmp_path / "logs").iterdir()
    assert written.read_bytes().endswith(b"two\n")


def new_journal(url: str) -> Journal:
    """Return an open journal."""
    return Journal.open(url, session="s", clock=lambda: NOON)


def rustybt(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "rustybt", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def test_failure_46_who_finds_nothing_to_look_at_reports_no_success(tmp_path: Path) -> None:
    """Where there is no journal, and where there is nothing in it, nothing was verified."""
    absent = rustybt(
        "verify-audit", "--db", f"sqlite:///{tmp_path}/none.db", "--json", cwd=tmp_path
    )
    (tmp_path / "empty.db").touch()
    empty = rustybt(
        "verify-audit", "--db", f"sqlite:///{tmp_path}/empty.db", "--json", cwd=tmp_path
    )
    for done in (absent, empty):
        assert done.returncode == 2
        assert msgspec.json.decode(done.stdout)["ok"] is False


def test_failure_46_a_journal_without_records_is_not_whole(tmp_path: Path) -> None:
    """Its tables are there; that no record is wrong proves nothing."""
    url = f"sqlite:///{tmp_path}/new.db"
    new_journal(url).close()
    with pytest.raises(JournalError, match="nothing to verify"):
        verify_journal(url)

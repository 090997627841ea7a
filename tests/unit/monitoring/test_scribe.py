"""The log of a session: what it says of events and commands, and that it holds up nobody."""

import json
import threading
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest

from rustybt.model.event import (
    BarClosed,
    Event,
    OrderFilled,
    OrderUpdated,
    QuoteChanged,
    TimerFired,
)
from rustybt.model.fill import Fill
from rustybt.model.instrument import Side
from rustybt.model.order_state import OrderState
from rustybt.monitoring.lines import DESCRIBED, lines_about
from rustybt.monitoring.logfile import LogFile, file_name
from rustybt.monitoring.logging import make_logger
from rustybt.monitoring.scribe import Scribe
from rustybt.trading.commands import Alert, ClearTimer, Command, KeepState, SetTimer, Severity
from rustybt.trading.reports import Report

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SILENT = {BarClosed, QuoteChanged, TimerFired, SetTimer, ClearTimer, KeepState}


def types_of(union: Any) -> set[type]:
    """Return the classes that a union is made of."""
    return {each for part in get_args(union) for each in types_of(part) or {part}}


def test_every_event_and_command_is_told_or_left_out_on_purpose() -> None:
    """A kind that is new has to be put into one of the two."""
    known = types_of(Event) | types_of(Report) | types_of(Command)

    assert known - SILENT == set(DESCRIBED)
    assert not set(DESCRIBED) & SILENT


def test_a_trade_is_told_with_order_and_exact_numbers() -> None:
    """What there is none of is left out."""
    fill = Fill(
        trade_id="T1",
        client_id="O-1",
        symbol="BTC/USDT",
        side=Side.BUY,
        quantity=Decimal("0.10"),
        price=Decimal("20.50"),
        time=NOW,
    )
    (line,) = lines_about(OrderFilled(time=NOW, fill=fill), NOW)

    assert (line.level, line.event) == ("info", "order filled")
    assert line.fields == {
        "at": NOW,
        "order": "O-1",
        "symbol": "BTC/USDT",
        "side": Side.BUY,
        "quantity": Decimal("0.10"),
        "price": Decimal("20.50"),
        "fee": Decimal(0),
        "trade": "T1",
    }


def test_a_rejection_is_graver_than_an_acceptance() -> None:
    """It is a warning, with the reason."""
    rejected = OrderUpdated(time=NOW, client_id="O-1", state=OrderState.REJECTED, reason="no money")
    accepted = OrderUpdated(time=NOW, client_id="O-1", state=OrderState.ACCEPTED)

    assert [line.level for line in lines_about(accepted, NOW)] == ["info"]
    (line,) = lines_about(rejected, NOW)
    assert (line.level, line.fields["reason"]) == ("warning", "no money")


class Gate:
    """A clock that stops whoever asks it, until it is opened."""

    def __init__(self) -> None:
        self.is_open = threading.Event()
        self.reached = threading.Event()

    def now(self) -> datetime:
        """Return the time, some day."""
        self.reached.set()
        self.is_open.wait(30)
        return NOW


def alert(message: str) -> Alert:
    """Return an alert that says *message*."""
    return Alert(kind="test", severity=Severity.CRITICAL, message=message)


def written(folder: Path) -> list[dict[str, Any]]:
    """Return what is in the file of the day."""
    text = (folder / file_name(NOW.date())).read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_lines_come_in_the_order_in_which_they_were_taken(tmp_path: Path) -> None:
    """All of them are written when it is closed."""
    file = LogFile(tmp_path, clock=lambda: NOW, retention=9)
    scribe = Scribe(make_logger(level="INFO", clock=lambda: NOW, file=file).bind(session="S"))
    scribe.say("info", "begins", who="test")
    for number in range(50):
        scribe.observe(alert(str(number)), NOW)
    scribe.observe(TimerFired(time=NOW, name="t"), NOW)
    scribe.say("error", "ends")
    scribe.close()

    lines = written(tmp_path)
    assert [line["event"] for line in lines] == ["begins", *map(str, range(50)), "ends"]
    assert {line["session"] for line in lines} == {"S"}
    assert {line["level"] for line in lines[1:-1]} == {"critical"}
    assert scribe.lost == 0


def test_a_log_that_hangs_holds_up_nobody_and_says_what_is_missing(tmp_path: Path) -> None:
    """To take a line returns at once; those without room are counted, and told afterwards."""
    gate = Gate()
    file = LogFile(tmp_path, clock=lambda: NOW, retention=9)
    scribe = Scribe(make_logger(level="INFO", clock=gate.now, file=file), waiting=2)
    scribe.say("info", "first")
    assert gate.reached.wait(30)
    for number in range(5):
        scribe.observe(alert(str(number)), NOW)
    assert scribe.lost == 3
    gate.is_open.set()
    scribe.close()

    said = [(line["event"], line.get("lost")) for line in written(tmp_path)]
    assert said == [("first", None), ("log lines were lost", 3), ("0", None), ("1", None)]


@pytest.mark.parametrize("level", ["no-such-level", "_context"])
def test_a_line_that_cannot_be_written_is_counted(tmp_path: Path, level: str) -> None:
    """The next one is written."""
    file = LogFile(tmp_path, clock=lambda: NOW, retention=9)
    scribe = Scribe(make_logger(level="INFO", clock=lambda: NOW, file=file))
    scribe.say(level, "bad")
    scribe.say("info", "good")
    scribe.close()

    assert [line["event"] for line in written(tmp_path)] == ["log lines were lost", "good"]


def test_nothing_said_needs_no_thread(tmp_path: Path) -> None:
    """The end of what never began is quick."""
    before = threading.active_count()
    file = LogFile(tmp_path, clock=lambda: NOW, retention=9)
    Scribe(make_logger(level="INFO", clock=lambda: NOW, file=file)).close()

    assert threading.active_count() == before

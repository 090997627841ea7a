"""Failures that really happened to other systems, provoked between real processes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from rustybt.exchange.faults import Fault, FaultKind

Worlds = Any
ELM = "ELM/USDT"
FOREVER = None

pytestmark = pytest.mark.skipif(
    os.environ.get("RUSTYBT_CHAOS") != "1", reason="real processes: `tox -e chaos` runs them"
)


def traded(world: Worlds) -> list[Decimal]:
    """Return what each order at the exchange has traded."""
    return [Decimal(each["executedQty"]) for each in world.placed()]


def test_failure_23_a_database_that_is_locked_after_the_order_was_taken(world: Worlds) -> None:
    """The engine cannot write down what happened: it ends, sends nothing, and goes on later."""
    world.trade(told=True).wish("1", "60")
    world.ordered(1).agree()
    with contextlib.closing(sqlite3.connect(world.engines.database)) as other:
        other.execute("BEGIN IMMEDIATE")
        world.wish("2", "60")
        with world.market():
            world.ended()
    assert len(world.placed()) == 1
    assert "locked" in world.engines.log(10_000)
    world.trade(told=True).ordered(2).agree().engines.chain()


def test_failure_27_a_clock_that_is_off_is_put_right(world: Worlds) -> None:
    """-1021 refuses an order for good; then the venue's time is asked for, and the next arrives."""
    world.trade(told=True)
    world.exchange.add_fault(Fault(kind=FaultKind.CLOCK_SKEW, delay=30.0, count=FOREVER))
    world.wish("1")
    with world.market():
        world.until(lambda: "rejected" in states(world) or "filled" in states(world))
        world.until(lambda: world.wish("1") and "filled" in states(world))
    world.exchange.clear_faults()
    world.agree()
    assert Decimal(1) in traded(world)


def states(world: Worlds) -> list[str]:
    """Return the states of the engine's orders, as it says."""
    said = world.engines.ask("orders", ended="yes").get("orders", [])
    return [each["state"] for each in said]


def test_failure_28_a_user_stream_that_is_silent_loses_nothing(world: Worlds) -> None:
    """It is alive and brings no event; trades are found by asking."""
    world.trade(told=True)
    world.wish("2", "60").ordered(1).agree()
    world.exchange.add_fault(Fault(kind=FaultKind.DROP_EVENT, endpoint="user", count=FOREVER))
    (order,) = world.placed()
    trade = {"order_id": order["orderId"], "quantity": "2", "price": "60"}
    world.exchange.admin("POST", "trade", {"account": world.exchange.account, **trade})
    world.agree()
    assert traded(world) == [Decimal(2)]


def test_failure_28_a_market_that_is_silent_stops_trading(world: Worlds) -> None:
    """No bar comes although the connection stands: the breaker trips, and says why."""
    world.trade(told=True, stale_after=1.0)
    world.until(lambda: (world.status("breaker") or {}).get("tripped"))
    assert world.status("breaker")["cause"].startswith("stale data: ")


def bars(world: Worlds, symbol: str = ELM) -> list[dict[str, Any]]:
    """Return the bars of a symbol that the journal holds."""
    found = [each["bar"] for each in world.engines.records("bar_closed")]
    return [each for each in found if each["symbol"] == symbol]


def candles(world: Worlds) -> dict[str, tuple[Decimal, ...]]:
    """Return the exchange's candles by their starts."""
    from datetime import UTC, datetime

    found = world.truth.plain("klines", symbol="ELMUSDT", interval="1m", limit=1000)
    return {
        datetime.fromtimestamp(each[0] / 1000, UTC).isoformat(): tuple(
            Decimal(digits) for digits in each[1:6]
        )
        for each in found
    }


def test_failure_35_a_candle_that_is_not_whole_is_no_bar(world: Worlds) -> None:
    """The venue shows candles that have just begun; the engine's bars are whole ones."""
    world.exchange.admin("POST", "candles", {"partial": True})
    world.trade(told=True)
    with world.market():
        world.until(lambda: len(bars(world)) >= 20)
    there = candles(world)
    for bar in bars(world):
        shown = tuple(Decimal(bar[name]) for name in ("open", "high", "low", "close", "volume"))
        assert shown == there[bar["start"].replace("Z", "+00:00")]


def test_failure_36_an_outage_leaves_no_gap(world: Worlds) -> None:
    """What was missed is fetched, and told in its order, before what is new."""
    world.trade(told=True)
    with world.market():
        world.until(lambda: len(bars(world)) >= 5)
        lost = Fault(kind=FaultKind.DROP_REQUEST, endpoint="klines", count=3)
        world.exchange.add_fault(lost)
        for _ in range(3):
            world.exchange.cut(users=False)
            before = len(bars(world))
            world.until(lambda before=before: len(bars(world)) >= before + 3)
    starts = [bar["start"] for bar in bars(world)]
    there = sorted(start.replace("+00:00", "Z") for start in candles(world))
    first = there.index(starts[0])
    assert starts == there[first : first + len(starts)]


def test_failure_41_a_notifier_that_is_down_stops_nothing(world: Worlds) -> None:
    """Neither the start nor the trading; heartbeats count what people were not told."""
    world.trade(told=True, broken_notifier=True).wish("1").ordered(1)
    for command in ("halt", "resume"):  # people are told of both
        world.engines.ask(command)
    world.wish("2").ordered(2).agree()
    assert traded(world) == [Decimal(1), Decimal(2)]


def test_failure_43_no_secret_is_written_anywhere(world: Worlds) -> None:
    """Errors quote signed addresses; neither log nor journal shows a key or a signature."""
    world.trade(told=True)
    kinds = (FaultKind.ERROR, FaultKind.GARBAGE_REPLY, FaultKind.DROP_REPLY, FaultKind.CUT_REPLY)
    for nth, kind in enumerate(kinds, start=1):
        world.exchange.add_fault(Fault(kind=kind, method="POST", endpoint="order", nth=nth))
        world.exchange.add_fault(Fault(kind=kind, endpoint="account", nth=nth))
    for _ in range(4):
        world.wish("1")
    with world.market():
        world.until(lambda: sum('"submit"' in text for text in failures(world)) >= 4)
        world.until(lambda: any("signature=" in text for text in failures(world)))
    world.exchange.clear_faults()
    written = b"".join(path.read_bytes() for path in files(world.engines.home))
    for secret in (world.exchange.secret, world.exchange.api_key):
        assert secret.encode() not in written
    assert re.search(rb"signature=[0-9a-f]", written) is None


def failures(world: Worlds) -> list[str]:
    """Return why requests failed, as the journal has it."""
    return [json.dumps(each) for each in world.engines.records("request_failed")]


def files(home: Path) -> list[Path]:
    """Return all files of a deployment."""
    found = [path for path in home.rglob("*") if path.is_file()]
    assert home / "engine.log" in found
    return found


def test_failure_44_a_disk_that_is_full_ends_trading_before_anything_is_sent(
    world: Worlds,
) -> None:
    """What could not be written down was not sent; with room again the engine goes on."""
    world.trade().kill()
    room = world.engines.database.with_name(world.engines.database.name + "-wal").stat().st_size
    world.start(largest_file=room + 60_000)
    with world.market():
        world.until(lambda: world.engines.ask("enable") or not lives(world.pid))
        world.ended()
    known = {
        each["client_id"] for submit in world.engines.records("submit") for each in submit["orders"]
    }
    assert {each["clientOrderId"] for each in world.placed()} <= known
    world.start()
    world.agree().engines.chain()


def lives(pid: int) -> bool:
    """Tell whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_failure_44_a_torn_last_record_is_no_record(world: Worlds) -> None:
    """Half a page at the end of the journal's log, as a cut of the power leaves it, is nothing."""
    world.trade()
    world.ordered(3).kill()
    log = world.engines.database.with_name(world.engines.database.name + "-wal")
    page = log.read_bytes()[-4120:]
    with log.open("ab") as torn:
        torn.write(page[: len(page) // 2])
    world.engines.chain()
    world.start()
    world.agree().engines.chain()

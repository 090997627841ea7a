"""A real engine that trades on a real practice exchange is killed again and again."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from decimal import Decimal
from typing import Any

import pytest

from rustybt.exchange.faults import Fault, FaultKind

Worlds = Any
LONG = os.environ.get("RUSTYBT_CHAOS") == "1"
KILLS = 50
"""How often the engine of one world is killed."""
WORLDS = range(20) if LONG else range(1)
TROUBLES = (
    Fault(kind=FaultKind.DROP_REQUEST, method="POST", endpoint="order"),
    Fault(kind=FaultKind.DROP_REPLY, method="POST", endpoint="order"),
    Fault(kind=FaultKind.CUT_REPLY, method="POST", endpoint="order"),
    Fault(kind=FaultKind.GARBAGE_REPLY, method="POST", endpoint="order"),
    Fault(kind=FaultKind.UNKNOWN_OUTCOME, method="POST", endpoint="order"),
    Fault(kind=FaultKind.UNKNOWN_OUTCOME, method="POST", endpoint="order", applied=False),
    Fault(kind=FaultKind.DELAY_REPLY, method="POST", endpoint="order", delay=0.2),
    Fault(kind=FaultKind.DROP_REPLY, method="DELETE", endpoint="order"),
    Fault(kind=FaultKind.FILL_BEFORE_CANCEL, endpoint="order"),
    Fault(kind=FaultKind.DROP_EVENT, endpoint="user", count=3),
    Fault(kind=FaultKind.DUPLICATE_EVENT, endpoint="user", count=3),
    Fault(kind=FaultKind.REORDER_EVENT, endpoint="user", count=3),
    Fault(kind=FaultKind.DELAY_EVENT, endpoint="user", delay=0.2, count=3),
)
"""What else goes wrong between a start and its kill; each is over when the next engine starts."""

pytestmark = pytest.mark.skipif(not LONG, reason="kills take minutes: `tox -e chaos` runs them")


@pytest.mark.timeout(3000)
@pytest.mark.parametrize("world", WORLDS, indirect=True)
def test_failure_45_an_engine_that_is_killed_loses_and_doubles_nothing(world: Worlds) -> None:
    """At random instants of trading and of recovery, in half of which the exchange fails as well.

    Afterwards all agrees, to the last digit.
    """
    chance, has_traded = world.chance, False
    for _ in range(KILLS):
        world.exchange.clear_faults()
        world.start()
        if chance.random() < 0.3:  # while it starts, recovers or has just become ready
            with world.market():
                time.sleep(chance.uniform(0, 0.6))
        else:
            world.agree().engines.ask("enable")
            has_traded = True
            if chance.random() < 0.5:
                world.exchange.add_fault(chance.choice(TROUBLES))
            with world.market():
                time.sleep(chance.uniform(0, 0.5))
        world.kill()
        if has_traded:  # before that the journal may not be there yet
            world.engines.chain()
    world.exchange.clear_faults()
    world.start()
    world.agree()
    orders = world.placed()
    assert len(orders) > KILLS
    assert sum(Decimal(each["executedQty"]) > 0 for each in orders) > KILLS // 2


def holder(world: Worlds) -> tuple[str, int, int]:
    """Return who has the account, how many had it so far, and until when in microseconds."""
    with contextlib.closing(sqlite3.connect(world.engines.database)) as database:
        owner, token, expires = database.execute(
            "SELECT owner, token, expires FROM journal_lease"
        ).fetchone()
    return str(owner), int(token), int(expires)


def test_failure_32_of_two_engines_on_one_account_one_trades(world: Worlds) -> None:
    """The other is refused until the first was killed and its lease is over; then it goes on."""
    lease = 1.5
    first = world.trade(lease=lease).pid
    second = world.engines.start(lease)
    with world.market():
        world.until(lambda: "refused: " in world.engines.log(10_000))
        world.until(lambda: any(Decimal(each["executedQty"]) for each in world.placed()))
    assert f"process {first}" in holder(world)[0]
    world.kill(first)
    world.pid = second
    _, before, expired = holder(world)
    world.until(lambda: holder(world)[1] > before)
    owner, after, expires = holder(world)
    assert f"process {second}" in owner
    assert after == before + 1
    assert expires - int(lease * 1_000_000) >= expired
    world.agree().engines.chain()

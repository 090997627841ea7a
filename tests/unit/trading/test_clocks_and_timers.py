"""Where a session's time comes from, and the timers that go by it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from rustybt.model.event import TimerFired
from rustybt.trading.clocks import ScaledClock, SimulatedClock, WallClock
from rustybt.trading.timers import Timers

if TYPE_CHECKING:
    from rustybt.trading.reports import EngineEvent

START = datetime(2026, 3, 2, tzinfo=UTC)
SECOND = timedelta(seconds=1)


async def settled() -> None:
    """Let everybody who was woken have a turn."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_the_wall_clock_is_aware_and_never_sleeps_for_the_past() -> None:
    """The time is UTC; sleeping until a moment that has passed returns at once."""
    clock = WallClock()
    assert clock.now().tzinfo is UTC
    asyncio.run(asyncio.wait_for(clock.sleep_until(START), 10))
    soon = clock.now() + timedelta(milliseconds=5)
    asyncio.run(asyncio.wait_for(clock.sleep_until(soon), 10))
    assert clock.now() >= soon


def test_a_scaled_clock_runs_faster_than_its_base() -> None:
    """Ten minutes at 60x are ten hours after its start."""
    base = [START]
    clock = ScaledClock(datetime(2020, 1, 1, tzinfo=UTC), 60, base=lambda: base[0])
    assert clock.now() == datetime(2020, 1, 1, tzinfo=UTC)
    base[0] += timedelta(minutes=10)
    assert clock.now() == datetime(2020, 1, 1, 10, tzinfo=UTC)


def test_a_scaled_clock_wakes_sleepers_when_its_own_time_has_come() -> None:
    """An hour at a million times the speed is over at once."""
    clock = ScaledClock(START, 1_000_000)
    asyncio.run(asyncio.wait_for(clock.sleep_until(START + timedelta(hours=1)), 10))
    assert clock.now() >= START + timedelta(hours=1)


@pytest.mark.parametrize("speed", [0, -1, float("nan")])
def test_a_clock_has_to_go_forward(speed: float) -> None:
    """A speed that is not above 0 is refused."""
    with pytest.raises(ValueError, match="cannot run"):
        ScaledClock(START, speed)


def test_a_simulated_clock_wakes_in_order_and_stands_still_otherwise() -> None:
    """Sleepers wake one after the other, each at its own time; one that gave up is passed over."""
    clock = SimulatedClock(START)
    woken: list[tuple[int, datetime]] = []

    async def sleep(number: int, seconds: int) -> None:
        await clock.sleep_until(START + seconds * SECOND)
        woken.append((number, clock.now()))

    async def go() -> None:
        sleepers = [asyncio.ensure_future(sleep(n, s)) for n, s in enumerate([5, 2, 9, 3, 0])]
        await settled()
        sleepers[3].cancel()
        await settled()
        await clock.advance(START + 6 * SECOND, settled)
        sleepers[2].cancel()

    asyncio.run(go())
    assert woken == [(4, START), (1, START + 2 * SECOND), (0, START + 5 * SECOND)]
    assert clock.now() == START + 6 * SECOND


def test_a_simulated_clock_never_goes_back() -> None:
    """Advancing to the past changes nothing."""
    clock = SimulatedClock(START)
    asyncio.run(clock.advance(START - SECOND, settled))
    assert clock.now() == START


def test_timers_fire_once_by_name_unless_they_are_cleared() -> None:
    """A timer that is set anew fires at the new time only; one that is cleared does not fire."""
    clock = SimulatedClock(START)
    told: list[EngineEvent] = []

    async def go() -> None:
        timers = Timers(clock, told.append)
        timers.set("a", START + SECOND)
        timers.set("b", START + 2 * SECOND)
        timers.set("c", START + 3 * SECOND)
        timers.set("a", START + 4 * SECOND)
        timers.clear("b")
        timers.clear("nothing")
        await settled()
        await clock.advance(START + 5 * SECOND, settled)
        timers.set("d", START + 6 * SECOND)
        await settled()
        timers.clear_all()
        await settled()
        await clock.advance(START + 9 * SECOND, settled)

    asyncio.run(go())
    assert told == [
        TimerFired(time=START + 3 * SECOND, name="c"),
        TimerFired(time=START + 4 * SECOND, name="a"),
    ]

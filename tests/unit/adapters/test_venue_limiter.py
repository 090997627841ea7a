"""How fast a venue is spoken to."""

import asyncio

from rustybt.adapters.venue.limiter import Limiter


class Hand:
    """Seconds that pass when somebody says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def turns(count: int = 6) -> None:
    """Let others work."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_a_burst_goes_at_once_and_the_rest_waits() -> None:
    """Tokens come back with the seconds, and never more than the bucket holds."""

    async def story() -> list[bool]:
        hand = Hand()
        limiter = Limiter(1000.0, 2, monotonic=hand)
        for _ in range(2):
            await limiter.acquire()
        third = asyncio.ensure_future(limiter.acquire())
        await turns()
        seen = [third.done()]
        hand.now += 1.0
        await asyncio.wait_for(third, 5)
        seen.append(third.done())
        limiter.close()
        return seen

    assert asyncio.run(story()) == [False, True]


def test_what_is_urgent_goes_first() -> None:
    """A cancel overtakes orders that wait."""

    async def story() -> list[str]:
        hand = Hand()
        limiter = Limiter(1000.0, 1, monotonic=hand)
        await limiter.acquire()
        order: list[str] = []

        async def wait(name: str, *, urgent: bool) -> None:
            await limiter.acquire(urgent=urgent)
            order.append(name)
            hand.now += 1.0

        waiting = [
            asyncio.ensure_future(wait("first", urgent=False)),
            asyncio.ensure_future(wait("second", urgent=False)),
            asyncio.ensure_future(wait("cancel", urgent=True)),
        ]
        await turns()
        hand.now += 1.0
        await asyncio.wait_for(asyncio.gather(*waiting), 5)
        return order

    assert asyncio.run(story()) == ["cancel", "first", "second"]


def test_a_venue_that_wants_quiet_gets_it() -> None:
    """Nobody gets a token before the time is over; the longest wish counts."""

    async def story() -> tuple[float, bool]:
        hand = Hand()
        limiter = Limiter(10.0, 5, monotonic=hand)
        limiter.be_quiet(30)
        limiter.be_quiet(10)
        left = limiter.quiet_for
        waiting = asyncio.ensure_future(limiter.acquire())
        await turns()
        early = waiting.done()
        limiter.close()
        await turns()
        assert waiting.cancelled()
        return left, early

    assert asyncio.run(story()) == (30.0, False)


def test_who_is_not_patient_does_not_wait_for_the_end_of_a_silence() -> None:
    """An order that waits for a token is let go when the venue wants quiet; others go on."""

    async def story() -> list[bool]:
        limiter = Limiter(rate=1.0, burst=1, monotonic=lambda: 0.0)
        assert await limiter.acquire(patient=False)
        waiting = asyncio.create_task(limiter.acquire(patient=False))
        patient = asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0)
        limiter.be_quiet(60)
        answers = [await waiting, await limiter.acquire(patient=False)]
        assert not patient.done()
        limiter.close()
        return answers

    assert asyncio.run(story()) == [False, False]

"""Cut the connection at every instant in the life of an order, and compare both sides after it."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from readiness_tests.probes.adversity_session import (
    ACCOUNT,
    SYMBOL,
    Obedient,
    Trading,
    database,
    trading,
)
from rustybt.exchange.faults import FaultKind
from rustybt.journal.errors import LeaseHeldError
from rustybt.journal.lease import Lease
from rustybt.journal.signing import SigningKey
from rustybt.journal.store import Journal
from rustybt.model.order_state import OrderState

QUANTITY, PART = Decimal(10), Decimal(4)
_CUTS = 2
_FORMER: list[object] = []
"""Connections that were cut, kept so that no other has the id of one."""

Case = Callable[[Trading], Awaitable[dict[str, Any]]]


def main(_arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what became of each case, by its name."""
    return asyncio.run(_all())


async def _all() -> dict[str, Any]:
    """Let all cases happen at once: each has its own exchange, and all they do is wait."""
    names = list(_CASES)
    found = await asyncio.gather(*(_one(name, _CASES[name]) for name in names))
    return dict(zip(names, found, strict=True))


async def _one(name: str, case: Case) -> dict[str, Any]:
    """Run one case in a session of its own."""
    async with trading(name.replace(" ", "-")) as session:
        more = await case(session)
        found = session.account() | more
    return found | session.told()


def _buy(strategy: Obedient) -> None:
    """Buy at the market."""
    strategy.buy(SYMBOL, QUANTITY)


async def _resting(session: Trading) -> str:
    """Leave an order at the exchange that does not trade; return its client id."""
    limit = (session.price / 2).quantize(Decimal("0.1"))
    session.wish(lambda strategy: strategy.buy(SYMBOL, QUANTITY, limit=limit))
    await session.until(
        lambda: [each.state for each in session.orders()] == [OrderState.ACCEPTED]
        and session.agrees()
    )
    return session.orders()[0].client_id


def _trade(session: Trading, quantity: Decimal) -> None:
    """Let the exchange fill *quantity* of the only order."""
    order = session.at_venue[0]
    session.exchange.venue.force_trade(
        session.exchange.account, order.order_id, quantity, order.price, datetime.now(UTC)
    )


async def _settled(session: Trading) -> None:
    """Wait until no order is in doubt and the books agree, or until the engine has given up."""
    await session.until(lambda: session.agrees() or session.engine.breaker.is_tripped)


async def _before_sending(session: Trading) -> dict[str, Any]:
    """The connection closes before the order arrives."""
    session.fault(FaultKind.DROP_REQUEST, method="POST", endpoint="order")
    session.wish(_buy)
    await session.until(lambda: any(not each.is_open for each in session.orders()))
    await _settled(session)
    return {}


async def _after_acceptance(session: Trading) -> dict[str, Any]:
    """The order has arrived and traded; neither the answer nor an event says so."""
    session.fault(FaultKind.DROP_EVENT, endpoint="user", count=None)
    session.fault(FaultKind.DROP_REPLY, method="POST", endpoint="order")
    session.wish(_buy)
    await session.until(lambda: any(not each.is_open for each in session.orders()))
    await _settled(session)
    return {}


async def _during_a_fill(session: Trading) -> dict[str, Any]:
    """One part trades before the stream is cut, one while it is."""
    await _resting(session)
    _trade(session, PART)
    await session.until(lambda: session.orders()[0].filled == PART)
    former = _cut(session)
    _trade(session, QUANTITY - PART)
    await session.until(lambda: not session.orders()[0].is_open)
    await _settled(session)
    await session.until(lambda: _is_open_again(session, former))
    await session.runner.settled()
    return {}


async def _during_a_cancel(session: Trading) -> dict[str, Any]:
    """The request to cancel gets lost, and the order trades on."""
    client_id = await _resting(session)
    session.fault(FaultKind.DROP_EVENT, endpoint="user", count=None)
    # A client may try again by itself what does no harm twice: none of its requests gets through.
    lost = session.fault(FaultKind.DROP_REQUEST, method="DELETE", endpoint="order", count=None)
    session.runner.operate("cancel", "readiness", "a cancel", client_id=client_id)
    await session.until(lambda: session.exchange.faults.hits(lost) > 0)
    await session.until(lambda: session.orders()[0].state is not OrderState.PENDING_CANCEL)
    state = session.orders()[0].state
    _trade(session, QUANTITY)
    await session.until(lambda: not session.orders()[0].is_open)
    await _settled(session)
    return {"after the cancel was lost": str(state)}


async def _after_a_cancel(session: Trading) -> dict[str, Any]:
    """The order was cancelled; neither the answer nor an event says so."""
    client_id = await _resting(session)
    session.fault(FaultKind.DROP_EVENT, endpoint="user", count=None)
    session.fault(FaultKind.DROP_REPLY, method="DELETE", endpoint="order")
    session.runner.operate("cancel", "readiness", "a cancel", client_id=client_id)
    await session.until(lambda: not session.orders()[0].is_open)
    await _settled(session)
    return {}


async def _storm(session: Trading) -> dict[str, Any]:
    """The stream is cut whenever it is open again."""
    loop = asyncio.get_running_loop()
    former: set[int] = set()
    pauses = []
    await session.until(lambda: _is_open_again(session, set()))
    for _ in range(_CUTS):
        cut, former = loop.time(), former | _cut(session)
        await session.until(functools.partial(_is_open_again, session, former))
        pauses.append(loop.time() - cut)
    return {"pauses": pauses}


def _cut(session: Trading) -> set[int]:
    """Cut the stream of account events; return which connections there were."""
    hub = session.exchange.server.hub
    _FORMER.extend(hub.listeners)
    session.exchange.cut(users=True)
    return {id(each) for each in _FORMER}


def _is_open_again(session: Trading, former: set[int]) -> bool:
    """Tell whether there is a stream of account events that is none of the *former*."""
    listeners = session.exchange.server.hub.listeners
    return any(each.hears_users and id(each) not in former for each in listeners)


async def _two_engines(session: Trading) -> dict[str, Any]:
    """Another engine wants the account, and then takes it while this one seems to be dead."""
    held, now = True, datetime.now(UTC)
    key = SigningKey.generate()
    with Journal.open(database("two-engines"), session="other", clock=_now, key=key) as other:
        try:
            Lease.acquire(other.engine, ACCOUNT, owner="other", now=now, ttl=timedelta(minutes=1))
            held = False
        except LeaseHeldError:
            later = now + timedelta(hours=1)
            Lease.acquire(other.engine, ACCOUNT, owner="other", now=later, ttl=timedelta(hours=1))
    session.wish(_buy)
    ended = session.running
    await session.until(lambda: session.created > 0 or ended is None or ended.done())
    return {"refused": held, "ended": ended is not None and ended.done()}


def _now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


_CASES: dict[str, Case] = {
    "before sending": _before_sending,
    "after acceptance": _after_acceptance,
    "during a fill": _during_a_fill,
    "during a cancel": _during_a_cancel,
    "after a cancel": _after_a_cancel,
    "storm": _storm,
    "two engines": _two_engines,
}

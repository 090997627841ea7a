"""Let an exchange refuse orders for every reason that it has; see what becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any

from readiness_tests.probes.adversity_session import SYMBOL, Trading, trading
from rustybt.exchange.faults import FaultKind

QUANTITY = Decimal(10)
_RETRY_AFTER = 3600
_BOTH = 2

Case = Callable[[Trading], Awaitable[dict[str, Any]]]


def main(_arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what became of each case, by its name."""
    return asyncio.run(_all())


async def _all() -> dict[str, Any]:
    """Let all cases happen at once."""
    found = await asyncio.gather(*(_one(name, case) for name, case in _CASES.items()))
    return dict(zip(_CASES, found, strict=True))


async def _one(name: str, case: Case) -> dict[str, Any]:
    """Run one case in a session of its own; the books are compared again before the end."""
    async with trading(name.replace(" ", "-")) as session:
        more = await case(session)
        found = session.account() | more
    return found | session.told()


async def _refused(session: Trading, **terms: Any) -> dict[str, Any]:
    """Order once; see that later bars and comparisons of the books bring no second request."""
    wish = {"quantity": QUANTITY} | terms
    session.wish(lambda strategy: strategy.buy(SYMBOL, **wish))
    await session.until(lambda: any(not each.is_open for each in session.orders()))
    return await _afterwards(session)


async def _afterwards(session: Trading) -> dict[str, Any]:
    """Let two bars and two comparisons pass."""
    for _ in range(2):
        watermark = session.engine.state.watermark
        session.wish(lambda _: None)
        await session.until(
            lambda: session.engine.state.watermark != watermark  # noqa: B023 - awaited at once
            or session.engine.breaker.is_tripped
        )
    return {}


def _says(status: int, code: int, message: str) -> Case:
    """Return the case of an exchange that answers an order so."""

    async def case(session: Trading) -> dict[str, Any]:
        session.fault(
            FaultKind.ERROR,
            method="POST",
            endpoint="order",
            status=status,
            code=code,
            message=message,
        )
        return await _refused(session)

    return case


async def _price_band(session: Trading) -> dict[str, Any]:
    """A limit that is too far from the market, refused by the exchange's own filter."""
    return await _refused(session, limit=(session.price / 100).quantize(Decimal("0.1")))


async def _funds(session: Trading) -> dict[str, Any]:
    """An order that costs ten times what the account has."""
    quantity = (1_000_000 / session.price).quantize(Decimal(1))
    found = await _refused(session, quantity=quantity)
    # Had anything been reserved for it, there would not be enough for one that takes almost all.
    quantity = (90_000 / session.price).quantize(Decimal(1))
    session.wish(lambda strategy: strategy.buy(SYMBOL, quantity))
    await session.until(lambda: len(session.orders()) == _BOTH and not session.orders()[-1].is_open)
    await session.until(lambda: session.agrees() or session.engine.breaker.is_tripped)
    return found


def _throttled(kind: FaultKind) -> Case:
    """Return the case of an exchange that wants to be left alone for an hour."""

    async def case(session: Trading) -> dict[str, Any]:
        session.fault(kind, method="POST", endpoint="order", retry_after=_RETRY_AFTER)
        for number in range(3):
            session.wish(lambda strategy: strategy.buy(SYMBOL, QUANTITY))
            await session.until(
                lambda: sum(not each.is_open for each in session.orders())
                > number  # noqa: B023 - awaited at once
            )
        return {}

    return case


_CASES: dict[str, Case] = {
    "filter": _says(400, -1013, "Filter failure: LOT_SIZE"),
    "precision": _says(400, -1111, "Parameter 'quantity' has too much precision."),
    "price band": _price_band,
    "too many requests": _throttled(FaultKind.RATE_LIMIT),
    "ban": _throttled(FaultKind.BAN),
    "funds": _funds,
}

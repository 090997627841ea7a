"""Provoke an event in a session on a practice exchange; see what a receiver of alerts gets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from readiness_tests.probes.adversity_session import SYMBOL, Trading, trading
from readiness_tests.sinks import HttpSink
from rustybt.deployment import create_home
from rustybt.exchange.faults import FaultKind
from rustybt.monitoring.alerts.delivery import Delivery
from rustybt.monitoring.alerts.rules import load_alert_rules
from rustybt.settings import load_settings
from rustybt.system.alerts import open_delivery
from rustybt.trading.settings import GuardSettings

QUANTITY = Decimal(10)
REJECTIONS = 15
CANARY = "canary-0123456789-canary"
_HOME = Path("home")
_AWAY = 503
_WELL = 200
_END_S = 60.0

Case = Callable[[Trading], Awaitable[object]]


def main(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what arrived after *event*, under the rules that are the text *rules*.

    With *down* the receiver refuses everything until the session is over.
    """
    return asyncio.run(_main(arguments["rules"], arguments["event"], arguments["down"]))


async def _main(rules: str, event: str, down: bool) -> dict[str, Any]:
    """Run the session with one channel, the receiver."""
    case, changes = _CASES[event]
    create_home(_HOME, "dev", _now)
    with HttpSink() as sink:
        sink.status = _AWAY if down else _WELL
        document = yaml.safe_load(rules)
        document["channels"] = {"sink": {"url": sink.url, "contact": "sink"}}
        (_HOME / "config" / "alerts.yaml").write_text(yaml.safe_dump(document), "utf-8")
        delivery = _delivery()
        delivery.start()
        begun = _now()
        async with trading("alerts", further=delivery, **changes) as session:
            await case(session)
            await session.runner.settled()
            goes_on = await _trades(session)
        delivery.close(_END_S)
        before = len(sink.received)
        sink.status = _WELL
        with _delivery():
            pass  # the next session begins by delivering what was left
        found = load_alert_rules(_HOME, {})
        assert found is not None
        return {
            "titles": sink.titles(),
            "texts": sink.texts(),
            "before": before,
            "goes_on": goes_on,
            "days": sorted({f"{at:%Y-%m-%d}" for at in (begun, _now())}),
            "rate": found.rate.messages,
            "said": session.alerts.said,
        }


def _delivery() -> Delivery:
    """Return the delivery of the home's alerts, as a session opens it."""
    context = {"broker": "practice"}
    settings = load_settings(_HOME, {})
    opened = open_delivery(settings, clock=_now, secrets=[CANARY], context=context)
    assert opened is not None
    return opened


async def _trades(session: Trading) -> bool:
    """Tell whether the session still does something: it trades, or keeps its breaker tripped."""
    before = len(session.orders())
    session.wish(lambda strategy: strategy.buy(SYMBOL, QUANTITY))
    return await session.until(
        lambda: session.engine.breaker.is_tripped
        or (len(session.orders()) > before and str(session.orders()[-1].state) == "filled")
    )


async def _connection(session: Trading) -> None:
    """The exchange cuts the stream of the account's events."""
    await session.until(
        lambda: any(one.hears_users for one in session.exchange.server.hub.listeners)
    )
    session.exchange.cut(users=True)
    await session.until(lambda: "connection_restored" in [kind for kind, _ in session.alerts.said])


async def _breaker(session: Trading) -> None:
    """Three requests in a row come to nothing."""
    await _rejected(session, 3)
    await session.until(lambda: session.engine.breaker.is_tripped)


async def _rejection(session: Trading) -> None:
    """The exchange refuses an order."""
    await _rejected(session, 1)


async def _flood(session: Trading) -> None:
    """The exchange refuses many orders."""
    await _rejected(session, REJECTIONS)


async def _rejected(session: Trading, count: int) -> None:
    """Let the exchange refuse so many orders, one after the other."""
    for number in range(1, count + 1):
        session.fault(
            FaultKind.ERROR,
            method="POST",
            endpoint="order",
            status=400,
            code=-1013,
            message="Filter failure: LOT_SIZE",
        )
        session.wish(lambda strategy: strategy.buy(SYMBOL, QUANTITY))
        await session.until(partial(_have_ended, session, number))


def _have_ended(session: Trading, orders: int) -> bool:
    return sum(not each.is_open for each in session.orders()) >= orders


async def _loss(session: Trading) -> None:
    """The strategy buys, and the price halves."""
    session.wish(lambda strategy: strategy.buy(SYMBOL, QUANTITY))
    await session.until(lambda: bool(session.orders()) and not session.orders()[0].is_open)
    await session.until(session.agrees)
    session.say((session.price / 2).quantize(Decimal("0.01")))
    await session.until(lambda: session.engine.breaker.is_tripped)


async def _exception(session: Trading) -> None:
    """The strategy raises, with a secret in the message."""

    def fail(_strategy: object) -> None:
        raise ValueError(f"could not log in with {CANARY}")

    session.wish(fail)
    await session.until(lambda: session.engine.breaker.is_tripped)


def _now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


_CASES: dict[str, tuple[Case, dict[str, Any]]] = {
    "connection": (_connection, {}),
    "breaker": (_breaker, {"guard": GuardSettings(max_rejections=3)}),
    "rejection": (_rejection, {}),
    "flood": (_flood, {"guard": GuardSettings(max_rejections=None, max_errors=None)}),
    "daily loss": (_loss, {"guard": GuardSettings(daily_loss=Decimal("0.001"))}),
    "exception": (_exception, {}),
}

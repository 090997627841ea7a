"""Trade at the practice exchange behind a backup, restore that, and start the engine again."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from readiness_tests.probes.adversity_session import SYMBOL, Trading, exchange_bars, session_on
from rustybt.backup.making import make_backup
from rustybt.backup.restoring import restore_backup
from rustybt.deployment import create_home
from rustybt.exchange.limits import RateLimits
from rustybt.exchange.serving import Exchange, running_exchange
from rustybt.execution import FillPolicy, MatchingRules
from rustybt.journal.signing import SigningKey
from rustybt.journal.store import Journal
from rustybt.trading.summary import restored

HOME = Path("home")
URL = f"sqlite:///{HOME}/state/rustybt.db"
QUANTITY = Decimal("0.5")


def main(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what exchange and engine have after the restore, *before* and *behind* orders each."""
    create_home(HOME, "dev", _now)
    return asyncio.run(_all(arguments["before"], arguments["behind"]))


async def _all(before: int, behind: int) -> dict[str, Any]:
    unlimited = RateLimits(weight=10**9, orders=10**9)
    at_once = MatchingRules(policy=FillPolicy.SAME_CLOSE)
    async with running_exchange(
        bars=exchange_bars(), rules=at_once, stamp="clock", limits=unlimited
    ) as exchange:
        async with _trading(exchange, "first") as session:
            await _buy(session, before)
            made = await asyncio.to_thread(make_backup, HOME, {}, _now)
            await _buy(session, behind)
        await asyncio.to_thread(restore_backup, made.path, HOME, {}, _now)
        known = _booked()
        async with _trading(exchange, "second") as session:
            agreed = await session.until(session.agrees)
            account = session.account()
        theirs = exchange.venue.my_trades(exchange.account, SYMBOL, limit=1000)
        ids = sorted(str(trade.trade_id) for trade in theirs)
        return {
            "known": known,
            "booked": _booked(),
            "at_exchange": ids,
            "unknown_when_enabled": sorted(set(ids) - _heard_before_trading() - set(known)),
            "agreed": agreed,
            "account": account,
        }


async def _buy(session: Trading, count: int) -> None:
    """Buy, an order at a time, and wait until the engine has booked it."""
    for _ in range(count):
        placed = session.created
        session.wish(lambda strategy: strategy.buy(SYMBOL, QUANTITY))
        await session.until(partial(_has_placed, session, placed + 1))
        await session.until(session.agrees)


def _has_placed(session: Trading, orders: int) -> bool:
    return session.created >= orders


@contextlib.asynccontextmanager
async def _trading(exchange: Exchange, name: str) -> AsyncIterator[Trading]:
    """Run a session on what the home's journal knows, until the context ends."""
    patient: dict[str, Any] = {
        "reconcile_every": timedelta(seconds=1),
        "query_after": timedelta(seconds=2),
        "query_threshold": timedelta(seconds=5),
        "query_tries": 5,
    }
    with Journal.open(URL, session=name, clock=_now, key=SigningKey.generate()) as journal:
        async with session_on(exchange, journal, name, **patient) as session:
            yield session


def _booked() -> list[str]:
    """Return the ids of the trades in the books that the journal adds up to."""
    with Journal.open(URL, session="reader", clock=_now, readonly=True) as journal:
        state = restored(journal)
    return sorted(trade for book in state.ledger.books for trade in book.trades)


def _heard_before_trading() -> set[str]:
    """Return the ids of the trades that the second session heard of before trading was enabled."""
    heard: set[str] = set()
    begun = False
    with Journal.open(URL, session="reader", clock=_now, readonly=True) as journal:
        for told in (json.loads(each.payload) for each in journal.records()):
            begun = begun or (told["type"] == "session_started" and told["session"] == "second")
            if begun and told["type"] == "venue_snapshot":
                heard |= {fill["trade_id"] for fill in told["fills"]}
            if begun and told.get("kind") == "trading_enabled":
                break
    return heard


def _now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)

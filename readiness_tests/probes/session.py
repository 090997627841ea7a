"""A session on a simulated exchange, and what exchange, engine and journal say of it afterwards."""

from __future__ import annotations

import asyncio
import json
import resource
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from rustybt.execution import MatchingRules
from rustybt.journal.signing import SigningKey
from rustybt.journal.store import Journal
from rustybt.model.bar import Bar
from rustybt.model.event import BarClosed
from rustybt.model.fill import Fill
from rustybt.model.instrument import Instrument
from rustybt.risk import RiskLimits
from rustybt.strategy import Strategy
from rustybt.trading.clocks import SimulatedClock
from rustybt.trading.commands import Alert
from rustybt.trading.engine import Engine
from rustybt.trading.feeds import ReplayFeed
from rustybt.trading.reports import Outcome, Request, RequestFailed, SessionStarted
from rustybt.trading.runner import Ending, Runner
from rustybt.trading.settings import EngineSettings, GuardSettings, OnStop
from rustybt.trading.simulated import SimulatedVenue
from rustybt.trading.summary import restored

START = datetime(2026, 3, 2, tzinfo=UTC)
INTERVAL = timedelta(minutes=1)
JOURNAL = Path("session.db")
CASH = Decimal(10_000)
UNREACHABLE = Decimal(13)
"""Orders at this limit are not sent for lack of a connection."""
_FULL_BYTES = 4096
"""No file may grow beyond this once the disk is full, and the journal is larger by then."""


class Serious(SimulatedClock):
    """Time that is simulated, of which the session does not know: each record is kept at once."""

    kind = "wall"


class Scripted(Strategy):
    """Orders at each bar what the script says for it: symbol, quantity, and a limit or nothing."""

    script: str = "{}"
    full_at: int = -1
    bars: int = 0

    def on_bar(self, bar: Any) -> None:
        """Order; fill the disk when it is time."""
        if self.bars == self.full_at:
            _limit(_FULL_BYTES)
        for symbol, quantity, limit in json.loads(self.script).get(f"{bar.symbol} {self.bars}", []):
            self.order(symbol, quantity, **({} if limit is None else {"limit": limit}))
        self.bars += 1


class Watched(SimulatedVenue):
    """A simulated venue that notes what it receives and what it trades."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.received: list[str] = []
        self.traded: list[Fill] = []
        self.seen = 0
        self.tell: dict[int, Sequence[str]] = {}
        self.runner: Runner | None = None

    def submit(self, orders: Sequence[Any], group: Any = None) -> None:
        """Note the orders, and take them; those at one price never get here."""
        taken = [approved for approved in orders if approved.order.price != UNREACHABLE]
        self.received += [str(approved.order.client_id) for approved in taken]
        if taken:
            super().submit(taken, group)
        for approved in orders:
            if approved not in taken and self.runner is not None:
                self.runner.put(
                    RequestFailed(
                        time=approved.approved,
                        request=Request.SUBMIT,
                        outcome=Outcome.NOT_SENT,
                        reason="no connection",
                        client_id=approved.order.client_id,
                    )
                )

    def on_event(self, event: Any) -> list[Any]:
        """Note the trades that *event* leads to; let people say what they say at this bar."""
        events = super().on_event(event)
        self.traded += [told.fill for told in events if hasattr(told, "fill")]
        if isinstance(event, BarClosed):
            said = self.tell.get(self.seen)
            if said is not None and self.runner is not None:
                self.runner.operate(said[0], "somebody", said[1])
            self.seen += 1
        return events


class Alerts:
    """Keeps what people would be told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def notify(self, alert: Alert, _time: datetime) -> None:
        """Keep the alert."""
        self.said.append(f"{alert.kind}: {alert.message}")


def main(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what became of a session over *prices*, a list of closes by symbol.

    *script* says what is ordered at which bar (``"SYMBOL NUMBER"``), *tell* what a person says at
    which bar (numbered over all symbols), *keep* that open orders stay at the end, *limits* and
    *guard* what is allowed, *share* what part of a bar's volume our orders may take; from bar
    *full_at* on the disk is full. With *later*, a script for the same prices once more, the engine
    is started again from its journal.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    try:
        sessions = [asyncio.run(_session(arguments, arguments["script"], arguments.get("tell")))]
        if "later" in arguments:
            sessions.append(asyncio.run(_session(arguments, arguments["later"], None)))
    finally:
        _limit(before)
    records = list(_records())
    return {
        "sessions": sessions,
        "commands": [said for kind, said in records if kind == "command"],
        "events": [said for kind, said in records if kind == "event"],
        "trail": [step for kind, said in records for step in _steps(kind, said)],
    }


def _steps(kind: str, said: Mapping[str, Any]) -> Iterable[list[str]]:
    """Yield what a record says of orders: client id and what happened to it."""
    if kind == "command" and said["type"] == "submit":
        yield from ([order["client_id"], "submitted"] for order in said["orders"])
    elif kind == "command" and said["type"] == "cancel":
        yield [said["client_id"], "cancel asked"]
    elif said["type"] == "order_updated":
        yield [said["client_id"], said["state"]]
    elif said["type"] == "request_failed" and said.get("client_id"):
        yield [said["client_id"], said["outcome"]]
    elif said["type"] == "order_filled":
        yield [said["fill"]["client_id"], "filled"]


async def _session(
    arguments: Mapping[str, Any], script: Mapping[str, Any], tell: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Run a session, and return what its venue and its engine have at the end."""
    prices: Mapping[str, list[str]] = arguments["prices"]
    instruments = {symbol: instrument_of(symbol) for symbol in prices}
    alerts = Alerts()
    url = f"sqlite:///{JOURNAL}"
    begin = START + timedelta(days=1) if _is_second() else START
    clock = Serious(begin)
    key = SigningKey.generate()
    with Journal.open(url, session="S", clock=clock.now, key=key) as journal:
        state = None if journal.last is None else restored(journal)
        venue = Watched(
            instruments,
            {"USDT": CASH},
            clock=clock,
            rules=rules_of(arguments),
            state=state,
            run=1 if state is None else state.session + 1,
        )
        venue.tell = {int(number): said for number, said in (tell or {}).items()}
        engine = Engine(
            Scripted(script=json.dumps(script), full_at=arguments.get("full_at", -1)),
            instruments,
            settings_of(arguments, tuple(prices)),
            state=state,
        )
        runner = Runner(
            engine,
            venue=venue,
            feed=lambda run: ReplayFeed(
                bars_of(prices, begin),
                clock,
                settled=run.settled,
                ended=lambda: run.operate("stop", "somebody", "the data ended"),
            ),
            clock=clock,
            journal=journal,
            notifier=alerts,
            started=started_at(begin),
            wall=clock.now,
        )
        venue.runner = runner
        ending = await runner.run(enabled_by="somebody", reason="a check")
    return _seen(engine, venue, ending, alerts)


def _is_second() -> bool:
    """Tell whether a session has run here before."""
    return JOURNAL.exists()


def _seen(engine: Engine, venue: Watched, ending: Ending, alerts: Alerts) -> dict[str, Any]:
    """Return what there is at the end of a session."""
    return {
        "ending": ending.code,
        "received": venue.received,
        "traded": [_trade(fill) for fill in venue.traded],
        "orders": {order.client_id: str(order.state) for order in engine.orders.orders()},
        "positions": {
            symbol: f"{held:f}" for symbol, held in engine.ledger.quantities().items() if held
        },
        "tripped": engine.breaker.is_tripped,
        "cause": engine.breaker.cause,
        "alerts": alerts.said,
    }


def settings_of(arguments: Mapping[str, Any], symbols: tuple[str, ...]) -> EngineSettings:
    """Return the settings of a session."""
    exact = {
        name: Decimal(value) if name != "max_open_positions" else int(value)
        for name, value in arguments.get("limits", {}).items()
    }
    guard: dict[str, Any] = {
        name: int(value) if name.startswith("max_") else Decimal(value)
        for name, value in arguments.get("guard", {}).items()
    }
    if "stale_after" in guard:
        guard["stale_after"] = timedelta(seconds=int(guard["stale_after"]))
    return EngineSettings(
        symbols=symbols,
        interval=INTERVAL,
        currency="USDT",
        limits=RiskLimits(**exact),  # type: ignore[arg-type] # by name, from JSON
        guard=GuardSettings(**guard),
        reconcile_every=timedelta(minutes=5),
        on_stop=OnStop.KEEP if arguments.get("keep") else OnStop.CANCEL,
    )


def rules_of(arguments: Mapping[str, Any]) -> MatchingRules:
    """Return the rules of the venue."""
    share = arguments.get("share")
    return MatchingRules(volume_share=None if share is None else Decimal(share))


def instrument_of(symbol: str) -> Instrument:
    """Return what is traded."""
    base, _, quote = symbol.partition("/")
    return Instrument(
        symbol=symbol, base=base, quote=quote, tick=Decimal("0.01"), lot=Decimal("0.0001")
    )


def started_at(time: datetime) -> SessionStarted:
    """Return the first event of a session."""
    return SessionStarted(
        time=time,
        session="S",
        mode="paper",
        clock="simulated",
        venue="simulated",
        account="paper",
        strategy="Scripted",
        digest="-",
        version="-",
    )


def bars_of(prices: Mapping[str, list[str]], begin: datetime) -> list[Bar]:
    """Return bars that open at the close before and close at *prices*."""
    found = []
    for symbol, closes in prices.items():
        for number, text in enumerate(closes):
            close, opened = Decimal(text), Decimal(closes[max(number - 1, 0)])
            found.append(
                Bar(
                    symbol=symbol,
                    start=begin + number * INTERVAL,
                    end=begin + (number + 1) * INTERVAL,
                    open=opened,
                    high=max(opened, close),
                    low=min(opened, close),
                    close=close,
                    volume=Decimal(1_000_000),
                )
            )
    return found


def _limit(size: int) -> None:
    """Let no file grow beyond *size* bytes."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))


def _trade(fill: Fill) -> list[str]:
    """Return what has to be recorded of a trade."""
    time = fill.time.isoformat().replace("+00:00", "Z")
    return [fill.client_id, time, fill.symbol, f"{fill.quantity:f}", f"{fill.price:f}"]


def _records() -> Iterable[tuple[str, dict[str, Any]]]:
    """Yield kind and content of each record that is on the disk."""
    database = sqlite3.connect(JOURNAL)
    try:
        for kind, payload in database.execute(
            "SELECT kind, payload FROM journal ORDER BY sequence"
        ):
            yield kind, json.loads(payload)
    finally:
        database.close()

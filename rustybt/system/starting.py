"""How sessions begin: what they are plugged into, made from what the journal knows."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rustybt.adapters.venue.ccxt_venue import CcxtVenue
from rustybt.adapters.venue.errors import VenueError
from rustybt.adapters.venue.feed import CcxtFeed
from rustybt.adapters.venue.markets import read_instruments
from rustybt.deployment import trading_hours
from rustybt.journal.errors import JournalError
from rustybt.journal.lease import Lease
from rustybt.settings.venues import PRACTICE
from rustybt.system.alerts import open_delivery
from rustybt.system.logs import Notifiers, known_secrets, session_log
from rustybt.system.session import Session, operator
from rustybt.system.wiring import (
    digest_of,
    engine_settings,
    open_journal,
    recovered,
    session_name,
)
from rustybt.trading.clocks import ScaledClock, SimulatedClock, WallClock
from rustybt.trading.engine import Engine
from rustybt.trading.feeds import ReplayFeed
from rustybt.trading.reports import SessionStarted
from rustybt.trading.runner import Runner, RunnerSettings
from rustybt.trading.simulated import SimulatedVenue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from decimal import Decimal

    from rustybt.adapters.venue.exchange import Access
    from rustybt.execution.rules import MatchingRules
    from rustybt.journal.store import Journal
    from rustybt.model.bar import Bar
    from rustybt.model.instrument import Instrument
    from rustybt.settings import Settings
    from rustybt.strategy.base import Strategy
    from rustybt.trading.ports import Clock, Feed, Notifier, Venue
    from rustybt.trading.state import EngineState

_MINUTE: Final = timedelta(minutes=1)


class Plan(NamedTuple):
    """What a session is plugged into. *changes* are further fields of its engine's settings."""

    mode: str
    clock: Clock
    venue: Venue
    instruments: Mapping[str, Instrument]
    feed: Callable[[Runner], Feed]
    interval: timedelta
    currency: str
    changes: Mapping[str, Any]


def paper_session(
    settings: Settings,
    strategy: Strategy,
    *,
    source: bytes,
    bars: Sequence[Bar],
    instruments: Mapping[str, Instrument],
    cash: Mapping[str, Decimal],
    notifier: Notifier | None = None,
    speed: float | None = None,
    rules: MatchingRules | None = None,
    until: timedelta | None = None,
    **changes: Any,
) -> Session:
    """Return a session of *strategy* over *bars* of the past, as if they happened now.

    Orders are matched as in a backtest. *speed* is how many times as fast as the wall the time
    goes; ``None``: as fast as the bars can be processed. A session that was interrupted goes on
    behind the last bar that it saw. *cash* is what a new account holds, by currency. *source* is
    the text of the strategy, *notifier* what alerts go to besides the log, *until* when to stop;
    *changes* are fields of :class:`~rustybt.trading.settings.EngineSettings`.
    """
    interval = min(bar.end - bar.start for bar in bars)
    changes.setdefault("reconcile_every", max(interval, _MINUTE))

    def plan(state: EngineState | None) -> Plan:
        seen = None if state is None else state.time
        begin = min(bar.start for bar in bars)
        begin = begin if seen is None else max(begin, seen)
        clock: Clock = SimulatedClock(begin) if speed is None else ScaledClock(begin, speed)
        run = 1 if state is None else state.session + 1
        venue = SimulatedVenue(instruments, cash, clock=clock, rules=rules, state=state, run=run)
        left = [bar for bar in bars if seen is None or bar.end > seen]

        def replay(runner: Runner) -> Feed:
            def end() -> None:
                runner.operate("stop", "rustybt", ReplayFeed.ENDED)

            return ReplayFeed(left, clock, settled=runner.settled, ended=end)

        currency = next(iter(cash))
        return Plan("paper", clock, venue, instruments, replay, interval, currency, changes)

    beat = RunnerSettings(heartbeat=max(interval, _MINUTE))
    return _wired(
        settings, strategy, source, "paper", plan, notifier=notifier, until=until, runner=beat
    )


def live_session(
    settings: Settings,
    strategy: Strategy,
    *,
    source: bytes,
    access: Access,
    symbols: Sequence[str],
    interval: timedelta,
    mode: str = "live",
    notifier: Notifier | None = None,
    until: timedelta | None = None,
    silence: float | None = None,
    runner_settings: RunnerSettings | None = None,
    connect: Callable[[Access, Clock], Venue] | None = None,
    **changes: Any,
) -> Session:
    """Return a session of *strategy* that sends orders to the account that *access* opens.

    Bars of *interval* are those of the venue; one that brings none for *silence* seconds counts as
    lost. The account's currency is the one that *symbols* quote in. *mode* is ``live``, or
    ``paper`` at a venue without money. *connect* makes the venue (default: a
    :class:`~rustybt.adapters.venue.ccxt_venue.CcxtVenue`); the rest is as in
    :func:`paper_session`.
    """
    quotes = {symbol.partition("/")[2].partition(":")[0] for symbol in symbols}
    if len(quotes) != 1:
        raise VenueError(
            f"{', '.join(symbols)} quote in {len(quotes)} currencies", expected="one for all"
        )
    instruments = asyncio.run(read_instruments(access, symbols))
    clock = WallClock()
    fixed: dict[str, Any] = {
        "groups_at_venue": False,
        # The practice exchange shows bars of the past; elsewhere old ones were only caught up.
        "max_bar_age": None if access.name == PRACTICE else interval,
    }

    def plan(_: EngineState | None) -> Plan:
        return Plan(
            mode,
            clock,
            CcxtVenue(access, clock=clock) if connect is None else connect(access, clock),
            instruments,
            lambda _: CcxtFeed(access, clock=clock, silence=silence),
            interval,
            quotes.pop(),
            fixed | changes,
        )

    where = "testnet" if access.testnet else "live"
    account = f"{access.name}:{where}:{access.fingerprint}"
    return _wired(
        settings,
        strategy,
        source,
        account,
        plan,
        notifier=notifier,
        until=until,
        runner=RunnerSettings() if runner_settings is None else runner_settings,
        secrets=access.secrets(),
    )


def _wired(
    settings: Settings,
    strategy: Strategy,
    source: bytes,
    account: str,
    plan: Callable[[EngineState | None], Plan],
    *,
    notifier: Notifier | None,
    until: timedelta | None,
    runner: RunnerSettings,
    secrets: Iterable[str] = (),
) -> Session:
    """Return a session on *account* as *plan* has it for what the deployment's journal knows.

    Raise :class:`~rustybt.journal.errors.JournalError` if another engine has the account, or the
    journal another account.
    """
    wall = WallClock().now
    name = session_name(wall)
    journal = open_journal(settings, session=name, clock=wall)
    lease = None
    try:
        _refuse_other_books(journal, account)
        lease = Lease.acquire(
            journal.engine,
            account,
            owner=f"{operator()} (process {os.getpid()})",
            now=wall(),
            ttl=runner.lease_for,
        )
        journal.fence(lease)
        state = recovered(journal)
        planned = plan(state)
        wanted = engine_settings(
            settings,
            symbols=sorted(planned.instruments),
            interval=planned.interval,
            currency=planned.currency,
            **planned.changes,
        )
        clock = planned.clock
        hours = trading_hours(settings, clock.now())
        context = {"session": name, "mode": planned.mode, "broker": planned.venue.name}
        hidden = [*secrets, *known_secrets(settings, wall)]
        alerts = open_delivery(settings, clock=wall, secrets=hidden, context=context)
        log = session_log(
            settings, name, wall, [*hidden, *(() if alerts is None else alerts.secrets())]
        )
        notifiers = [one for one in (notifier, alerts) if one is not None]
        running = Runner(
            Engine(strategy, planned.instruments, wanted, hours=hours, state=state),
            venue=planned.venue,
            feed=planned.feed,
            clock=clock,
            journal=journal,
            notifier=Notifiers(*notifiers),
            started=SessionStarted(
                time=clock.now(),
                session=name,
                mode=planned.mode,
                clock=clock.kind,
                venue=planned.venue.name,
                account=account,
                strategy=type(strategy).__name__,
                digest=digest_of(wanted, source),
                version=version("rustybt"),
            ),
            wall=wall,
            settings=runner,
            lease=lease,
            observer=log,
        )
    except BaseException:
        if lease is not None:
            lease.release()
        journal.close()
        raise
    return Session(
        settings,
        name=name,
        runner=running,
        journal=journal,
        clock=clock,
        log=log,
        until=until,
        alerts=alerts,
    )


def _refuse_other_books(journal: Journal, account: str) -> None:
    """Raise if *journal* holds the books of another account: the two would be added up."""
    others = [name for name in Lease.names(journal.engine) if name != account]
    if others:
        raise JournalError(
            f"the journal of this deployment holds the books of {', '.join(others)}",
            expected=f"one of its own for {account}",
            remedy="make another home with init, or name another DB_URL",
        )

"""A session: an engine with everything that it is plugged into, from start to end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from datetime import timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from rustybt.adapters.venue.ccxt_venue import CcxtVenue
from rustybt.adapters.venue.errors import VenueError
from rustybt.adapters.venue.feed import CcxtFeed
from rustybt.adapters.venue.markets import read_instruments
from rustybt.deployment import trading_hours
from rustybt.home import Home
from rustybt.journal.errors import JournalError
from rustybt.journal.lease import Lease
from rustybt.settings.venues import PRACTICE
from rustybt.system.wiring import (
    digest_of,
    engine_settings,
    open_journal,
    recovered,
    session_name,
)
from rustybt.trading.clocks import ScaledClock, SimulatedClock, WallClock
from rustybt.trading.control import ControlError, ControlServer, Request, socket_file
from rustybt.trading.engine import COMMANDS, Engine
from rustybt.trading.feeds import ReplayFeed
from rustybt.trading.reports import SessionStarted
from rustybt.trading.runner import Ending, Runner, RunnerSettings
from rustybt.trading.simulated import SimulatedVenue
from rustybt.trading.summary import balance, orders, summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
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


class Session:
    """What :func:`paper_session` and its like have wired. :meth:`run` returns when it is over.

    *name* is the session's; *journal* stays open until :meth:`close`.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        name: str,
        runner: Runner,
        journal: Journal,
        clock: Clock,
        until: timedelta | None,
    ) -> None:
        self.name = name
        self.runner = runner
        self.journal = journal
        self._clock = clock
        self._until = until
        self._control = ControlServer(socket_file(Home(settings.home)), self._answer)

    def run(self, *, enabled_by: str | None, reason: str) -> Ending:
        """Run to the end; SIGINT and SIGTERM stop it in good order, a second one at once."""
        return asyncio.run(self.run_async(enabled_by=enabled_by, reason=reason))

    async def run_async(self, *, enabled_by: str | None, reason: str) -> Ending:
        """Do what :meth:`run` does, on a running event loop."""
        ending = asyncio.ensure_future(self._end_in_time())
        try:
            async with self._control:
                with self._signals():
                    return await self.runner.run(enabled_by=enabled_by, reason=reason)
        finally:
            ending.cancel()
            await asyncio.gather(ending, return_exceptions=True)

    def close(self) -> None:
        """Close the journal."""
        self.journal.close()

    async def _end_in_time(self) -> None:
        """Stop when the time is over that the session was to take."""
        if self._until is not None:
            await self._clock.sleep_until(self._clock.now() + self._until)
            self.runner.operate("stop", "rustybt", "the time of the session is over")

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Stop when the system or a person says so."""
        loop = asyncio.get_running_loop()
        asked = False

        def stop(name: str) -> None:
            nonlocal asked
            if asked:
                self.runner.abort(f"{name} came twice")
            asked = True
            self.runner.operate("stop", operator(), name)

        handled = []
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(ValueError, NotImplementedError, RuntimeError):
                loop.add_signal_handler(number, stop, signal.Signals(number).name)
                handled.append(number)
        try:
            yield
        finally:
            for number in handled:
                loop.remove_signal_handler(number)

    async def _answer(self, request: Request) -> dict[str, Any]:
        """Answer a person; see :mod:`rustybt.trading.control`."""
        asked = request.command
        engine = self.runner.engine
        if asked in COMMANDS:
            if not request.operator.strip() or not request.reason.strip():
                raise ControlError(f"{asked} needs an operator and a reason")
            self.runner.operate(asked, request.operator, request.reason, **request.arguments)
            return {"accepted": asked}
        if asked == "status":
            return {"status": summary(engine.state)}
        if asked == "balance":
            return {"balance": balance(engine.state)}
        if asked == "orders":
            return {"orders": orders(engine.state, ended="ended" in request.arguments)}
        known = ", ".join(("status", "balance", "orders", *COMMANDS))
        raise ControlError(f"{asked!r} is no request", expected=known)


def operator() -> str:
    """Return who runs this process, for the audit log."""
    return f"{os.environ.get('SUDO_USER') or os.environ.get('USER') or os.getuid()}@{_host()}"


def _host() -> str:
    return socket.gethostname()


def wire(
    settings: Settings,
    strategy: Strategy,
    *,
    source: bytes,
    mode: str,
    account: str,
    clock: Clock,
    venue: Callable[[EngineState | None], tuple[Venue, Mapping[str, Instrument]]],
    feed: Callable[[Runner], Feed],
    notifier: Notifier,
    symbols: Sequence[str],
    interval: timedelta,
    currency: str,
    until: timedelta | None = None,
    runner_settings: RunnerSettings | None = None,
    **changes: Any,
) -> Session:
    """Return a session of *strategy* on *account*, recovered from the deployment's journal.

    *venue* is made from the recovered state, *feed* for the runner. Raise
    :class:`~rustybt.journal.errors.JournalError` if another engine has the account.
    """
    wall = WallClock().now
    name = session_name(wall)
    journal = open_journal(settings, session=name, clock=clock.now)
    try:
        chosen = RunnerSettings() if runner_settings is None else runner_settings
        _refuse_other_books(journal, account)
        lease = Lease.acquire(
            journal.engine,
            account,
            owner=f"{operator()} (process {os.getpid()})",
            now=wall(),
            ttl=chosen.lease_for,
        )
        journal.fence(lease)
        state = recovered(journal)
        place, instruments = venue(state)
        wanted = engine_settings(
            settings, symbols=symbols, interval=interval, currency=currency, **changes
        )
        hours = trading_hours(settings, clock.now())
        engine = Engine(strategy, instruments, wanted, hours=hours, state=state)
        started = SessionStarted(
            time=clock.now(),
            session=name,
            mode=mode,
            clock=clock.kind,
            venue=place.name,
            account=account,
            strategy=type(strategy).__name__,
            digest=digest_of(wanted, source),
            version=version("rustybt"),
        )
        runner = Runner(
            engine,
            venue=place,
            feed=feed,
            clock=clock,
            journal=journal,
            notifier=notifier,
            started=started,
            wall=wall,
            settings=chosen,
            lease=lease,
        )
    except BaseException:
        journal.close()
        raise
    return Session(settings, name=name, runner=runner, journal=journal, clock=clock, until=until)


def _refuse_other_books(journal: Journal, account: str) -> None:
    """Raise if *journal* holds the books of another account: the two would be added up."""
    others = [name for name in Lease.names(journal.engine) if name != account]
    if others:
        raise JournalError(
            f"the journal of this deployment holds the books of {', '.join(others)}",
            expected=f"one of its own for {account}",
            remedy="make another home with init, or name another DB_URL",
        )


def paper_session(
    settings: Settings,
    strategy: Strategy,
    *,
    source: bytes,
    bars: Sequence[Bar],
    instruments: Mapping[str, Instrument],
    cash: Mapping[str, Decimal],
    notifier: Notifier,
    speed: float | None = None,
    rules: MatchingRules | None = None,
    until: timedelta | None = None,
    **changes: Any,
) -> Session:
    """Return a session of *strategy* over *bars* of the past, as if they happened now.

    Orders are matched as in a backtest. *speed* is how many times as fast as the wall the time
    goes; ``None``: as fast as the bars can be processed. A session that was interrupted goes on
    behind the last bar that it saw. *cash* is what a new account holds, by currency.
    """
    first = min(bar.start for bar in bars)
    with contextlib.closing(
        open_journal(settings, session="reader", clock=WallClock().now)
    ) as known:
        state = recovered(known)
    seen = None if state is None or state.time is None else state.time
    left = [bar for bar in bars if seen is None or bar.end > seen]
    begin = first if seen is None else max(first, seen)
    clock: Clock = SimulatedClock(begin) if speed is None else ScaledClock(begin, speed)

    def simulated(state: EngineState | None) -> tuple[Venue, Mapping[str, Instrument]]:
        run = 1 if state is None else state.session + 1
        venue = SimulatedVenue(instruments, cash, clock=clock, rules=rules, state=state, run=run)
        return venue, instruments

    def replay(runner: Runner) -> Feed:
        return ReplayFeed(
            left,
            clock,
            settled=runner.settled,
            ended=lambda: runner.operate("stop", "rustybt", ReplayFeed.ENDED),
        )

    interval = min(bar.end - bar.start for bar in bars)
    changes.setdefault("reconcile_every", max(interval, _MINUTE))
    return wire(
        settings,
        strategy,
        source=source,
        mode="paper",
        account="paper",
        clock=clock,
        venue=simulated,
        feed=replay,
        notifier=notifier,
        symbols=sorted(instruments),
        interval=interval,
        currency=next(iter(cash)),
        until=until,
        runner_settings=RunnerSettings(heartbeat=max(interval, _MINUTE)),
        **changes,
    )


def live_session(
    settings: Settings,
    strategy: Strategy,
    *,
    source: bytes,
    access: Access,
    symbols: Sequence[str],
    interval: timedelta,
    notifier: Notifier,
    until: timedelta | None = None,
    silence: float | None = None,
    **changes: Any,
) -> Session:
    """Return a session of *strategy* that sends orders to the account that *access* opens.

    Bars of *interval* are those of the venue; one that brings none for *silence* seconds counts as
    lost. The account's currency is the one that *symbols* quote in.
    """
    clock = WallClock()
    quotes = {symbol.partition("/")[2].partition(":")[0] for symbol in symbols}
    if len(quotes) != 1:
        raise VenueError(
            f"{', '.join(symbols)} quote in {len(quotes)} currencies", expected="one for all"
        )
    venue = CcxtVenue(access, clock=clock)
    instruments = asyncio.run(read_instruments(access, symbols))
    return wire(
        settings,
        strategy,
        source=source,
        mode="live",
        account=f"{access.name}:{'testnet' if access.testnet else 'live'}:{access.fingerprint}",
        clock=clock,
        venue=lambda _: (venue, instruments),
        feed=lambda _: CcxtFeed(access, clock=clock, silence=silence),
        notifier=notifier,
        symbols=symbols,
        interval=interval,
        currency=quotes.pop(),
        until=until,
        groups_at_venue=False,
        # The practice exchange shows bars of the past; elsewhere old ones were only caught up.
        max_bar_age=None if access.name == PRACTICE else interval,
        **changes,
    )

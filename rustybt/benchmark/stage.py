"""A session as it is traded, on a practice exchange in another process, that can be timed."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rustybt.adapters.venue.ccxt_venue import CcxtVenue
from rustybt.adapters.venue.exchange import Access
from rustybt.benchmark.latency import ACKNOWLEDGED, DECIDED, SENT, Stamps
from rustybt.deployment import create_home
from rustybt.exchange.serving import practice_process
from rustybt.model.event import OrderUpdated
from rustybt.model.order_state import OrderState
from rustybt.risk import RiskLimits
from rustybt.settings import load_settings
from rustybt.settings.venues import PRACTICE
from rustybt.strategy import Strategy
from rustybt.system.starting import live_session
from rustybt.trading.clocks import WallClock
from rustybt.trading.settings import GuardSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rustybt.exchange.serving import ExchangeProcess
    from rustybt.model.approval import RiskApproved
    from rustybt.model.group import OrderGroup
    from rustybt.model.instrument import Instrument
    from rustybt.system.session import Session
    from rustybt.trading.commands import Alert
    from rustybt.trading.ports import Clock, Sink
    from rustybt.trading.reports import EngineEvent

MINUTE: Final = timedelta(minutes=1)
HISTORY: Final = 2
"""Bars that the exchange has shown before."""
_QUANTITY: Final = "0.1"
_RATE: Final = 10_000
_CASH: Final = "USDT=1000000000"
_CLIENT_ID: Final = re.compile(rb"newClientOrderId=([^&]+)")
_START: Final = datetime(2026, 1, 5, tzinfo=UTC)


class Alternating(Strategy):
    """Orders at bars of *share* of every *of* symbols: buys what it has not, then sells it."""

    share: int = 1
    of: int = 1

    def __init__(self, stamps: Stamps, **given: int) -> None:
        super().__init__(**given)
        self.stamps = stamps
        self.seen = 0

    def on_start(self) -> None:
        """Hold nothing."""
        ordered = enumerate(sorted(self.symbols))
        self._holds = {symbol: False for number, symbol in ordered if number % self.of < self.share}

    def on_bar(self, bar: Any) -> None:
        """Decide."""
        self.seen += 1
        holds = self._holds.get(bar.symbol)
        if holds is None:
            return
        self._holds[bar.symbol] = not holds
        now = self.stamps.now()
        send = self.sell if holds else self.buy
        self.stamps.mark(send(bar.symbol, _QUANTITY), DECIDED, now)


class TimedVenue:
    """A venue that ccxt speaks to, with a look at what goes over the wire and what is reported.

    It is a ``trading.ports.Venue``. Nothing on the way is replaced: ccxt is given the HTTP session
    to use, one that says when it writes.
    """

    def __init__(self, access: Access, clock: Clock, stamps: Stamps) -> None:
        self._access, self._clock, self._stamps = access, clock, stamps
        self._http: Any = None
        self._inner: CcxtVenue | None = None

    @property
    def name(self) -> str:
        """What the venue is called in records."""
        return self._access.name

    @property
    def skew_ms(self) -> int:
        """How far the venue's clock is ahead."""
        return self._venue.skew_ms

    @property
    def _venue(self) -> CcxtVenue:
        assert self._inner is not None  # noqa: S101 - the runner starts a venue before it uses it
        return self._inner

    async def start(self, sink: Sink) -> Mapping[str, Instrument]:
        """Connect."""
        import aiohttp

        traces = aiohttp.TraceConfig()
        traces.on_request_chunk_sent.append(self._note_request)
        self._http = aiohttp.ClientSession(trace_configs=[traces])
        config = {**self._access.config, "session": self._http}
        access = dataclasses.replace(self._access, config=config)
        self._inner = CcxtVenue(access, clock=self._clock, rate=_RATE, burst=_RATE)

        def told(event: EngineEvent) -> None:
            self._note_event(event)
            sink(event)

        return await self._inner.start(told)

    async def stop(self) -> None:
        """Disconnect."""
        await self._venue.stop()
        await self._http.close()

    async def _note_request(self, _session: Any, _context: Any, sent: Any) -> None:
        """Look for the order in what is sent."""
        found = _CLIENT_ID.search(bytes(sent.chunk))
        if found is not None:
            self._stamps.mark(found[1].decode(), SENT)

    def _note_event(self, event: EngineEvent) -> None:
        """Look for the acknowledgement of an order in what is reported."""
        if isinstance(event, OrderUpdated) and event.state is OrderState.ACCEPTED:
            self._stamps.mark(event.client_id, ACKNOWLEDGED)

    def submit(self, orders: Sequence[RiskApproved], group: OrderGroup | None = None) -> None:
        """Send orders."""
        self._venue.submit(orders, group)

    def cancel(self, client_id: str) -> None:
        """Ask for the end of an order."""
        self._venue.cancel(client_id)

    def modify(self, order: RiskApproved) -> None:
        """Ask for other terms."""
        self._venue.modify(order)

    def query(self, client_id: str, symbol: str, venue_id: str | None = None) -> None:
        """Ask for an order."""
        self._venue.query(client_id, symbol, venue_id)

    def snapshot(self, symbols: Sequence[str], since: datetime | None) -> None:
        """Ask for the account."""
        self._venue.snapshot(symbols, since)


class Alerts:
    """Keeps what people would be told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def notify(self, alert: Alert, _time: datetime) -> None:
        """Keep it."""
        self.said.append(f"{alert.kind}: {alert.message}")


class Stage(NamedTuple):
    """What is there while a session is timed."""

    exchange: ExchangeProcess
    session: Session
    strategy: Alternating
    alerts: Alerts

    @property
    def stamps(self) -> Stamps:
        """When orders were where."""
        return self.strategy.stamps


@contextlib.contextmanager
def staged(symbols: int, bars: int, *, share: int = 1, of: int = 1) -> Iterator[Stage]:
    """Start a practice exchange in a process of its own, and wire a session on it.

    It shows *bars* bars of each of so many *symbols*, one minute's at each step; *share* of every
    *of* symbols are traded. Journal and all else lie in a temporary folder. Raise what these raise.
    """
    with tempfile.TemporaryDirectory(prefix="rustybt-benchmark-") as folder:
        data, home = Path(folder) / "bars.csv", Path(folder) / "home"
        names = symbol_names(symbols)
        write_bars(data, names, HISTORY + bars)
        create_home(home, "dev", WallClock().now)
        options = ("--speed", "step", "--history", str(HISTORY), "--balance", _CASH)
        with practice_process("--data", str(data), *options) as exchange:
            strategy, alerts = Alternating(Stamps(), share=share, of=of), Alerts()
            session = live_session(
                load_settings(home, {}),
                strategy,
                source=b"",
                access=Access(PRACTICE, "binance", exchange.ccxt_config()),
                symbols=names,
                interval=MINUTE,
                mode="paper",
                notifier=alerts,
                connect=lambda access, clock: TimedVenue(access, clock, strategy.stamps),
                limits=RiskLimits(),
                guard=GuardSettings(),
            )
            try:
                yield Stage(exchange, session, strategy, alerts)
            finally:
                session.close()


def symbol_names(count: int) -> list[str]:
    """Return *count* pairs that quote in USDT."""
    return [f"S{number:03}/USDT" for number in range(count)]


def write_bars(path: Path, symbols: Sequence[str], count: int) -> None:
    """Write *count* bars of a minute for each of *symbols*: prices step by a cent, up and down."""
    with path.open("w", encoding="ascii") as lines:
        lines.write("timestamp,symbol,open,high,low,close,volume\n")
        for number in range(count):
            time = (_START + number * MINUTE).isoformat()
            opened, close = (100_00 + (number + later) % 2 for later in (0, 1))
            prices = (opened, max(opened, close), min(opened, close), close)
            written = ",".join(f"{price // 100}.{price % 100:02}" for price in prices)
            lines.writelines(f"{time},{symbol},{written},1000000\n" for symbol in symbols)

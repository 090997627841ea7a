"""A venue that ccxt speaks to: requests in tasks of their own, answers as events, once each."""

from __future__ import annotations

import asyncio
import contextlib
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from rustybt.adapters.venue.account import AccountReader, Ids
from rustybt.adapters.venue.errors import VenueError
from rustybt.adapters.venue.exchange import close, failures, open_exchange
from rustybt.adapters.venue.limiter import Limiter
from rustybt.adapters.venue.markets import Markets
from rustybt.adapters.venue.outcomes import THROTTLED, outcome_of
from rustybt.adapters.venue.stream import SILENCE, UserStream
from rustybt.adapters.venue.wire import (
    exact,
    fill_of,
    milliseconds,
    refusal,
    state_of,
    wanted,
)
from rustybt.model.event import OrderFilled, OrderReplaced, OrderUpdated
from rustybt.model.money import add
from rustybt.model.order_state import OrderState
from rustybt.security.redaction import Redactor
from rustybt.trading.reports import (
    InstrumentsChanged,
    OrderMissing,
    Outcome,
    Request,
    RequestFailed,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
    from datetime import datetime

    from rustybt.adapters.venue.exchange import Access
    from rustybt.model.approval import RiskApproved
    from rustybt.model.group import OrderGroup
    from rustybt.model.instrument import Instrument
    from rustybt.model.order import Order
    from rustybt.trading.ports import Clock, Sink
    from rustybt.trading.reports import EngineEvent

_BACK_OFF: Final = 10
"""Seconds of silence after a refusal for too many requests that names none."""
MAX_SKEW_MS: Final = 1000
"""How far the venue's clock may be from ours when a session begins."""
MARKETS_EVERY: Final = 300.0
"""For how many seconds the list of what is traded is believed."""
_TOLD: Final = 50_000
"""How many trades are remembered, so that each is told once; the engine knows the others."""
_ENDED: Final = frozenset({OrderState.CANCELLED, OrderState.EXPIRED, OrderState.REJECTED})


class CcxtVenue:
    """The account that *access* opens, as a ``trading.ports.Venue``.

    *clock* stamps the events; *rate* and *burst* are requests a second and at once; *silence* is
    how many seconds the stream may say nothing of an acknowledged order, *markets_every* how many
    the list of what is traded is good for: snapshots read it again. A create is sent once,
    whatever becomes of it. What the venue cannot honour of an order is refused here.
    """

    def __init__(
        self,
        access: Access,
        *,
        clock: Clock,
        rate: float = 50.0,
        burst: int = 50,
        silence: float = SILENCE,
        markets_every: float = MARKETS_EVERY,
    ) -> None:
        self._access = access
        self._silence = silence
        self._clock = clock
        self._limiter = Limiter(rate, burst, monotonic=time.monotonic)
        self._redact = Redactor(access.secrets()).text
        self._exchange: Any = None
        self._sink: Sink | None = None
        self._markets = Markets()
        self._instruments = self._markets.instruments
        self._ids = Ids()
        self._replacing: dict[str, str] = {}  # venue ids that a modification ends, by client id
        self._told: dict[tuple[str, str], None] = {}  # the newest trades, by symbol and id
        self._tasks: set[asyncio.Task[None]] = set()
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._stream: UserStream | None = None
        self._is_reading = False
        self._markets_every = markets_every
        self._markets_read = 0.0
        self.skew_ms = 0

    @property
    def name(self) -> str:
        """The id of ccxt, or ``practice``."""
        return self._access.name

    # Beginning and end

    async def start(self, sink: Sink) -> Mapping[str, Instrument]:
        """Connect, compare the clocks, read the markets and open the stream of account events.

        Raise :class:`~rustybt.adapters.venue.errors.VenueError` if one of these cannot be, or if
        the clocks are more than :data:`MAX_SKEW_MS` apart.
        """
        self._sink = sink
        self._exchange = open_exchange(self._access)
        self._reader = AccountReader(
            self._exchange, self._limiter, self._ids, self._markets.known, self._clock
        )
        try:
            self.skew_ms = await self._measure_skew()
            if abs(self.skew_ms) > MAX_SKEW_MS:
                raise ValueError(
                    f"its clock is {self.skew_ms} ms ahead of this machine's, which may be "
                    f"{MAX_SKEW_MS} ms at most"
                )
            await self._exchange.load_markets()
            self._read_markets()
            await self._exchange.fetch_balance()
        except Exception as error:  # noqa: BLE001 - each becomes one clear error
            await self._exchange.close()
            raise VenueError(
                f"{self.name} cannot be used: {self._said(error)}",
                remedy="try `test-broker`, which names the step that fails",
            ) from None
        self._stream = UserStream(
            self._exchange,
            clock=self._clock,
            tell=self._tell,
            on_order=self._on_order,
            on_trade=self._on_trade,
            said=self._said,
            silence=self._silence,
        )
        self._stream.start()
        return dict(self._instruments)

    async def stop(self) -> None:
        """Disconnect. Orders that are open stay so."""
        self._limiter.close()
        if self._stream is not None:
            await self._stream.stop()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await close(self._exchange)
        self._sink = None

    async def _measure_skew(self) -> int:
        """Return how many milliseconds the venue's clock is ahead of ours."""
        before = milliseconds(self._clock.now())
        theirs = int(await self._exchange.fetch_time())
        after = milliseconds(self._clock.now())
        return theirs - (before + after) // 2

    # Requests

    def submit(self, orders: Sequence[RiskApproved], group: OrderGroup | None = None) -> None:
        """Send *orders*; a group is refused, because this venue would not keep its rules."""
        for approved in orders:
            order = approved.order
            reason = "groups of orders are not offered" if group is not None else ""
            reason = reason or refusal(order, self._instruments.get(order.symbol))
            self._ids.place(order.client_id, order.symbol)
            if reason:
                self._fail(Request.SUBMIT, Outcome.REFUSED, reason, order.client_id)
            else:
                sending = self._spawn(self._submit(order), Request.SUBMIT, order.client_id)
                self._sending[order.client_id] = sending
                sending.add_done_callback(partial(self._has_sent, order.client_id))

    def cancel(self, client_id: str) -> None:
        """Ask for the end of an order."""
        self._spawn(self._cancel(client_id), Request.CANCEL, client_id)

    def modify(self, order: RiskApproved) -> None:
        """Ask for other terms."""
        self._spawn(self._modify(order.order), Request.MODIFY, order.order.client_id)

    def query(self, client_id: str, symbol: str, venue_id: str | None = None) -> None:
        """Ask for an order."""
        self._ids.place(client_id, symbol)
        if venue_id is not None and self._ids.venue(client_id) is None:
            self._ids.know(client_id, venue_id)
        self._spawn(self._query(client_id, symbol), Request.QUERY, client_id)

    def snapshot(self, symbols: Sequence[str], since: datetime | None) -> None:
        """Ask for the account."""
        self._spawn(self._take_snapshot(symbols, since), Request.SNAPSHOT)

    async def _submit(self, order: Order) -> None:
        """Send one order, once."""
        terms = wanted(order, self._instruments[order.symbol])
        reply = await self._ask(
            Request.SUBMIT,
            lambda: self._exchange.create_order(
                order.symbol, terms.type, terms.side, terms.amount, terms.price, terms.params
            ),
            order.client_id,
        )
        if reply is None:
            return
        self._ids.know(order.client_id, str(reply["id"]))
        self._update(order.client_id, OrderState.ACCEPTED, str(reply["id"]))
        # What a reply says of trades leaves out what the order says already.
        known = {"side": str(order.side), "symbol": order.symbol, "order": reply["id"]}
        known["timestamp"] = reply.get("timestamp") or milliseconds(self._clock.now())
        for trade in reply.get("trades") or ():
            given = {name: value for name, value in trade.items() if value is not None}
            self._fill(known | given, order.client_id)
        if state_of(reply) in _ENDED:
            self._update(order.client_id, state_of(reply), str(reply["id"]))
        if self._stream is not None:
            self._stream.expect(str(reply["id"]))

    async def _cancel(self, client_id: str) -> None:
        """Ask for the end of one order."""
        symbol = self._ids.symbol(client_id)
        if symbol is None:
            self._fail(Request.CANCEL, Outcome.REFUSED, "the order is not known here", client_id)
            return
        reply = await self._ask(
            Request.CANCEL,
            lambda: self._exchange.cancel_order(
                self._ids.venue(client_id), symbol, {"clientOrderId": client_id}
            ),
            client_id,
            urgent=True,
        )
        if reply is None:
            return
        if state_of(reply) in _ENDED:
            self._update(client_id, state_of(reply), self._ids.venue(client_id))
        else:  # it is only taken note of there
            await self._query(client_id, symbol)

    async def _modify(self, order: Order) -> None:
        """Replace one order; the venue ends it and makes a new one for what is left."""
        instrument = self._instruments.get(order.symbol)
        reason = refusal(order, instrument)
        if order.trigger is not None:
            # Replaced through ccxt, such an order loses its trigger and trades at once.
            reason = f"a {order.type} order cannot be modified here: cancel it, send another"
        old = self._ids.venue(order.client_id) or order.venue_id
        if reason or instrument is None or old is None:
            reason = reason or "the venue has not acknowledged it yet"
            self._fail(Request.MODIFY, Outcome.REFUSED, reason, order.client_id)
            return
        terms = wanted(order, instrument)
        self._replacing[order.client_id] = old
        try:
            reply = await self._ask(
                Request.MODIFY,
                lambda: self._exchange.edit_order(
                    old,
                    order.symbol,
                    terms.type,
                    terms.side,
                    terms.amount,
                    terms.price,
                    {**terms.params, "newClientOrderId": order.client_id},
                ),
                order.client_id,
                # One half may be done: the old order ended, and the new one refused.
                refused_is_unknown=True,
            )
        finally:
            self._replacing.pop(order.client_id, None)
        if reply is None:
            return
        self._ids.know(order.client_id, str(reply["id"]))
        done = await self._filled_before(reply, old, order)
        self._tell(
            OrderReplaced(
                time=self._clock.now(),
                client_id=order.client_id,
                quantity=add(done, exact(reply.get("amount")) or order.leaves),
                price=order.price,
                trigger=order.trigger,
                venue_id=str(reply["id"]),
            )
        )

    async def _filled_before(self, reply: Mapping[str, Any], old: str, order: Order) -> Any:
        """Return what the replaced order had traded in the end, as the venue says."""
        ended = (reply.get("info") or {}).get("cancelResponse") or {}
        if ended.get("executedQty") is not None:
            return exact(ended["executedQty"])
        with contextlib.suppress(*failures()):
            found = await self._exchange.fetch_order(old, order.symbol)
            return exact(found.get("filled"))
        return order.filled

    def _has_sent(self, client_id: str, _: asyncio.Task[None]) -> None:
        """Forget a request that is over."""
        self._sending.pop(client_id, None)

    async def _query(self, client_id: str, symbol: str) -> None:
        """Ask for one order and its trades; what is still on its way is not missing."""
        sending = self._sending.get(client_id)
        try:
            self._tell(await self._reader.order(client_id, symbol))
        except Exception as error:  # noqa: BLE001 - whatever goes wrong is told
            if type(error).__name__ != "OrderNotFound":
                self._failed(Request.QUERY, error, client_id)
                return
            if sending is not None:
                await asyncio.wait((sending,))
                await self._query(client_id, symbol)
                return
            said = self._said(error)
            self._tell(OrderMissing(time=self._clock.now(), client_id=client_id, reason=said))

    async def _take_snapshot(self, symbols: Sequence[str], since: datetime | None) -> None:
        """Ask for balances, open orders and trades; report them together."""
        if time.monotonic() >= self._markets_read + self._markets_every:
            await self._reread()
        try:
            self._tell(await self._reader.snapshot(symbols, since))
        except Exception as error:  # noqa: BLE001 - whatever goes wrong is told
            self._failed(Request.SNAPSHOT, error)

    # What the stream tells

    def _on_order(self, found: Mapping[str, Any]) -> None:
        """Take a report of an order's state."""
        venue_id = str(found["id"])
        client_id = self._ids.client(venue_id, found.get("clientOrderId"))
        self._ids.learn(client_id, venue_id)
        state = state_of(found)
        if state in _ENDED:
            # The end of an order that a modification replaces is none of the order.
            replaced = self._replacing.get(client_id) == venue_id
            newest = self._ids.venue(client_id)
            if not replaced and newest in (None, venue_id):
                self._update(client_id, state, venue_id)
        elif client_id not in self._replacing and state is not OrderState.FILLED:
            self._update(client_id, OrderState.ACCEPTED, venue_id)

    def _on_trade(self, found: Mapping[str, Any]) -> None:
        """Take a report of a trade."""
        named = (found.get("info") or {}).get("c")  # what the event itself says, where it does
        self._fill(found, self._ids.client(str(found.get("order")), named))

    # How it is done

    async def _ask(
        self,
        request: Request,
        call: Callable[[], Awaitable[Any]],
        client_id: str,
        *,
        urgent: bool = False,
        refused_is_unknown: bool = False,
    ) -> Any:
        """Return the reply to a request; ``None`` after telling what went wrong."""
        # An order that waited for a ban to end would trade at prices of long ago.
        if not await self._limiter.acquire(urgent=urgent, patient=request is not Request.SUBMIT):
            quiet = int(self._limiter.quiet_for) + 1
            reason = f"the venue wants to be left alone for {quiet} s"
            self._fail(request, Outcome.NOT_SENT, reason, client_id, retry_after=quiet)
            return None
        try:
            reply = await call()
            if reply.get("id") is None:
                raise ValueError("the reply names no order")
            return reply
        except Exception as error:  # noqa: BLE001 - whatever goes wrong is told
            self._failed(request, error, client_id, refused_is_unknown=refused_is_unknown)
            return None

    def _failed(
        self,
        request: Request,
        error: Exception,
        client_id: str | None = None,
        *,
        refused_is_unknown: bool = False,
    ) -> None:
        """Tell what became of a request, and draw the consequences."""
        outcome, kind = outcome_of(error), type(error).__name__
        retry_after = self._retry_after() if kind in THROTTLED else None
        if retry_after is not None:
            self._limiter.be_quiet(retry_after)
        elif outcome is Outcome.REFUSED and refused_is_unknown:
            outcome = Outcome.UNKNOWN
        if request is Request.CANCEL and kind == "OrderNotFound":
            outcome = Outcome.UNKNOWN  # it has ended: only a query tells how
        self._fail(request, outcome, self._said(error), client_id, retry_after=retry_after)
        if kind in ("InvalidOrder", "BadRequest") and request is not Request.QUERY:
            self._spawn(self._reread())
        if kind == "InvalidNonce":
            self._spawn(self._synchronise())

    def _retry_after(self) -> int:
        """Return how many seconds the venue wants to be left alone."""
        headers = self._exchange.last_response_headers or {}
        for name, value in headers.items():
            if name.lower() == "retry-after" and str(value).isdigit():
                return max(int(value), 1)
        return _BACK_OFF

    async def _reread(self) -> None:
        """Read the filters again: one of them may have changed."""
        if self._is_reading:
            return
        self._is_reading = True
        try:
            with contextlib.suppress(*failures()):  # the next rejection tries again
                await self._limiter.acquire()
                await self._exchange.load_markets(True)  # noqa: FBT003 - ccxt's own signature
                changed, gone = self._read_markets()
                if changed or gone:
                    now, traded = self._clock.now(), tuple(changed)
                    self._tell(InstrumentsChanged(time=now, instruments=traded, gone=tuple(gone)))
        finally:
            self._is_reading = False

    def _read_markets(self) -> tuple[list[Instrument], list[str]]:
        """Take over the markets that were loaded; return what changed, and what is gone."""
        self._markets_read = time.monotonic()
        return self._markets.read(self._exchange)

    async def _synchronise(self) -> None:
        """Compare the clocks again, and sign by the venue's from now on."""
        with contextlib.suppress(*failures()):
            await self._exchange.load_time_difference()
            self.skew_ms = await self._measure_skew()

    def _fill(self, trade: Mapping[str, Any], client_id: str) -> None:
        """Tell of a trade, once."""
        symbol, number = trade["symbol"], str(trade["id"])
        instrument = self._markets.known.get(symbol)
        if instrument is None or (symbol, number) in self._told:
            return
        fill = fill_of(trade, client_id, instrument.quote)
        self._told[symbol, number] = None
        if len(self._told) > _TOLD:
            del self._told[next(iter(self._told))]
        self._tell(OrderFilled(time=self._clock.now(), fill=fill))

    def _update(self, client_id: str, state: OrderState, venue_id: str | None) -> None:
        """Tell of an order's state."""
        self._tell(
            OrderUpdated(
                time=self._clock.now(), client_id=client_id, state=state, venue_id=venue_id
            )
        )

    def _fail(
        self,
        request: Request,
        outcome: Outcome,
        reason: str,
        client_id: str | None = None,
        *,
        retry_after: int | None = None,
    ) -> None:
        """Tell of a request that came to nothing, or nobody knows to what."""
        self._tell(
            RequestFailed(
                time=self._clock.now(),
                request=request,
                outcome=outcome,
                reason=reason,
                client_id=client_id,
                retry_after=retry_after,
            )
        )

    def _said(self, error: BaseException) -> str:
        """Return what *error* says, without secrets and signed addresses."""
        # Secrets go first: half of one that was cut off would not be known any more.
        text = self._redact(" ".join(str(error).split()))[:300]
        return f"{type(error).__name__}: {text}"

    def _tell(self, event: EngineEvent) -> None:
        """Report an event."""
        if self._sink is not None:
            self._sink(event)

    def _spawn(
        self,
        work: Coroutine[Any, Any, None],
        request: Request = Request.QUERY,
        client_id: str | None = None,
    ) -> asyncio.Task[None]:
        """Do *work* beside everything else; if it breaks, nobody knows what became of it."""

        async def guarded() -> None:
            try:
                await work
            except Exception as error:  # noqa: BLE001 - a reply that cannot be read
                self._fail(request, Outcome.UNKNOWN, self._said(error), client_id)

        task = asyncio.get_running_loop().create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

"""Whether a venue can be traded on: one small thing of each kind is done there, and undone."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from rustybt.adapters.venue.ccxt_venue import CcxtVenue
from rustybt.adapters.venue.errors import VenueError
from rustybt.adapters.venue.exchange import open_exchange
from rustybt.errors import RustyBTError
from rustybt.model.event import OrderFilled, OrderReplaced, OrderUpdated
from rustybt.model.instrument import Side
from rustybt.model.money import ZERO, Rounding, add, divide, multiply, subtract
from rustybt.model.order import Order, OrderType
from rustybt.model.order_state import OrderState
from rustybt.risk.limits import Denial, RiskLimits
from rustybt.risk.manager import RiskManager
from rustybt.risk.portfolio import PortfolioSnapshot
from rustybt.trading.clocks import WallClock
from rustybt.trading.reports import RequestFailed, VenueSnapshot

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rustybt.adapters.venue.exchange import Access
    from rustybt.model.approval import RiskApproved
    from rustybt.model.instrument import Instrument
    from rustybt.trading.reports import EngineEvent

_PATIENCE: Final = 15.0
"""Seconds that each step may take."""
_BELOW: Final = Decimal("0.95")
"""Of the price: a bid there rests."""
_ROOM: Final = Decimal("1.2")
"""Times the least notional: prices move meanwhile."""


class Step(Struct, frozen=True, kw_only=True):
    """What was tried, whether it went well, and what was found; *ms* is how long it took."""

    name: str
    ok: bool
    found: str
    ms: int


class Trial:
    """Tries the account that *access* opens, with orders in *symbol* of the least size allowed."""

    def __init__(self, access: Access, symbol: str | None = None) -> None:
        self._access = access
        self._symbol = symbol
        self._clock = WallClock()
        self._venue = CcxtVenue(access, clock=self._clock)
        self._events: asyncio.Queue[EngineEvent] = asyncio.Queue()
        self._prefix = f"TRY{int(time.time()) % 10_000_000}"
        self._number = 0
        self._instruments: dict[str, Instrument] = {}
        self._price = ZERO
        self._held = ZERO
        self._resting: Order | None = None
        self.steps: list[Step] = []

    async def run(self) -> list[Step]:
        """Take all steps in turn; what needs a step that failed is not tried."""
        plan: list[tuple[str, Callable[[], Awaitable[str]]]] = [
            ("connect", self._connect),
            ("clock skew", self._skew),
            ("balance", self._balance),
            ("price", self._ask_price),
            ("place a limit order", self._place),
            ("modify it", self._modify),
            ("cancel it", self._cancel),
            ("buy at the market", self._buy),
            ("close the position", self._close),
        ]
        try:
            for name, step in plan:
                if not await self._take(name, step) and name != "modify it":
                    break
        finally:
            await self._clean_up()
        return self.steps

    async def _take(self, name: str, step: Callable[[], Awaitable[str]]) -> bool:
        """Take one step; note how it went."""
        begun = time.monotonic()
        try:
            async with asyncio.timeout(_PATIENCE):
                found, ok = await step(), True
        except TimeoutError:
            found, ok = f"no answer within {_PATIENCE:g} s", False
        except RustyBTError as error:
            found, ok = str(error), False
        took = int((time.monotonic() - begun) * 1000)
        self.steps.append(Step(name=name, ok=ok, found=found, ms=took))
        return ok

    async def _clean_up(self) -> None:
        """Leave nothing behind."""
        if self._resting is not None:
            await self._take("cancel what was left", self._cancel)
        await self._venue.stop()

    # Steps

    async def _connect(self) -> str:
        self._instruments = dict(await self._venue.start(self._events.put_nowait))
        where = "testnet" if self._access.testnet else self._access.name
        return f"{where}, {len(self._instruments)} markets"

    async def _skew(self) -> str:
        return f"{self._venue.skew_ms} ms"

    async def _balance(self) -> str:
        self._venue.snapshot([self._instrument.symbol], self._clock.now() - timedelta(minutes=1))
        event = await self._event(lambda each: isinstance(each, VenueSnapshot))
        assert isinstance(event, VenueSnapshot)  # noqa: S101 - that was waited for
        free = {each.currency: each.free for each in event.balances}
        quote = self._instrument.quote
        return f"{free.get(quote, ZERO):f} {quote} free, {len(free)} currencies"

    async def _ask_price(self) -> str:
        exchange = open_exchange(self._access)
        try:
            ticker = await exchange.fetch_ticker(self._instrument.symbol)
        except Exception as error:  # noqa: BLE001 - its text may hold a signed address
            raise VenueError(f"no price: {type(error).__name__}") from None
        finally:
            await exchange.close()
        self._price = Decimal(str(ticker["last"]))
        return f"{self._instrument.symbol} at {self._price:f}"

    async def _place(self) -> str:
        order = self._order(Side.BUY, OrderType.LIMIT, self._resting_price(_BELOW))
        self._venue.submit([self._approved(order)])
        await self._state(order, OrderState.ACCEPTED)
        self._resting = order
        return f"{order.quantity:f} at {order.price:f} as {order.client_id}"

    async def _modify(self) -> str:
        order = self._resting
        assert order is not None  # noqa: S101 - it was placed before
        lower = self._resting_price(multiply(_BELOW, Decimal("0.99")))
        wanted = Order(
            client_id=order.client_id,
            symbol=order.symbol,
            side=order.side,
            type=order.type,
            quantity=self._size(lower),
            price=lower,
            created=order.created,
        )
        self._venue.modify(self._approved(wanted))
        event = await self._event(lambda each: isinstance(each, OrderReplaced))
        assert isinstance(event, OrderReplaced)  # noqa: S101 - that was waited for
        return f"{event.quantity:f} at {event.price:f}"

    async def _cancel(self) -> str:
        order, self._resting = self._resting, None
        assert order is not None  # noqa: S101 - it was placed before
        self._venue.cancel(order.client_id)
        await self._state(order, OrderState.CANCELLED)
        return order.client_id

    async def _buy(self) -> str:
        return await self._trade(self._order(Side.BUY, OrderType.MARKET, None))

    async def _close(self) -> str:
        size = self._instrument.round_quantity(self._held)
        return await self._trade(self._order(Side.SELL, OrderType.MARKET, None, size))

    async def _trade(self, order: Order) -> str:
        """Send a market order and wait for its trades."""
        self._venue.submit([self._approved(order)])
        done, paid = ZERO, ZERO
        while done < order.quantity:
            event = await self._event(
                lambda each: isinstance(each, OrderFilled)
                and each.fill.client_id == order.client_id
            )
            assert isinstance(event, OrderFilled)  # noqa: S101 - that was waited for
            done = add(done, event.fill.quantity)
            paid = add(paid, multiply(event.fill.quantity, event.fill.price))
            in_base = event.fill.fee_currency == self._instrument.base
            received = subtract(event.fill.quantity, event.fill.fee if in_base else ZERO)
            if order.side is Side.BUY:
                self._held = add(self._held, received)
        return f"{done:f} at {divide(paid, done):.8g}"

    # How it is done

    @property
    def _instrument(self) -> Instrument:
        """What is traded: the symbol that was named, or the first one in USDT."""
        if self._symbol is not None:
            if self._symbol not in self._instruments:
                raise VenueError(f"{self._access.name} does not trade {self._symbol}")
            return self._instruments[self._symbol]
        usual = ("BTC/USDT", "BTC/USD", "BTC/EUR")
        found = next((each for each in usual if each in self._instruments), None)
        return self._instruments[found or min(self._instruments)]

    def _resting_price(self, share: Decimal) -> Decimal:
        """Return a price on the grid at *share* of the last one."""
        return self._instrument.round_price(multiply(self._price, share), Rounding.DOWN)

    def _size(self, price: Decimal) -> Decimal:
        """Return the least that can be ordered at *price*, with some room."""
        instrument = self._instrument
        least = multiply(instrument.min_notional, _ROOM)
        size = max(instrument.affordable(least, price), instrument.min_quantity, instrument.lot)
        while instrument.violations(size, price) and multiply(size, price) < least:
            size = add(size, instrument.lot)
        return size

    def _order(
        self, side: Side, kind: OrderType, price: Decimal | None, size: Decimal | None = None
    ) -> Order:
        """Return an order of the least size."""
        self._number += 1
        return Order(
            client_id=f"{self._prefix}-1-{self._number}",
            symbol=self._instrument.symbol,
            side=side,
            type=kind,
            quantity=size or self._size(price or self._resting_price(_BELOW)),
            price=price,
            created=self._clock.now(),
        )

    def _approved(self, order: Order) -> RiskApproved:
        """Return *order* as it may be sent: a person asked for this trial."""
        account = PortfolioSnapshot(
            currency=self._instrument.quote,
            equity=self._price,
            day_start_equity=self._price,
            instruments=self._instruments,
            positions={},
            prices={order.symbol: self._price},
        )
        answer = RiskManager(RiskLimits()).review(order, account, self._clock.now())
        if isinstance(answer, Denial):
            raise VenueError(str(answer))
        return answer

    async def _state(self, order: Order, state: OrderState) -> None:
        """Wait until *order* is in *state*."""
        await self._event(
            lambda each: isinstance(each, OrderUpdated)
            and each.client_id == order.client_id
            and each.state is state
        )

    async def _event(self, wanted: Callable[[EngineEvent], bool]) -> EngineEvent:
        """Return the next event that is *wanted*; raise for a request that failed."""
        while True:
            event = await self._events.get()
            if wanted(event):
                return event
            if isinstance(event, RequestFailed):
                raise VenueError(f"{event.request} {event.outcome}: {event.reason}")

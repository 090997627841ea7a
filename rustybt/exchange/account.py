"""One account at the venue: its balances, orders and trades, and the matcher that trades them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from rustybt.exchange.pricing import done_so_far, purchase_cost
from rustybt.exchange.records import (
    MODEL_TYPES,
    OPEN,
    Execution,
    FeeIn,
    Kind,
    Report,
    Status,
    TradeRecord,
)
from rustybt.exchange.state import AccountState
from rustybt.model.event import OrderFilled, OrderUpdated
from rustybt.model.fill import Fill, Liquidity
from rustybt.model.instrument import Side
from rustybt.model.money import ONE, ZERO, Rounding, add, divide, multiply, subtract, to_step
from rustybt.model.order import Order, OrderState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime
    from decimal import Decimal

    from rustybt.exchange.records import Balance, OrderRecord
    from rustybt.exchange.wallet import Wallet
    from rustybt.execution.broker import VenueEvent
    from rustybt.execution.matching import Matcher
    from rustybt.model.instrument import Instrument

_COIN = ONE.scaleb(-8)  # the smallest part of a coin that an account can hold

_ENDS = {
    OrderState.CANCELLED: (Status.EXPIRED, Execution.EXPIRED),
    OrderState.EXPIRED: (Status.EXPIRED, Execution.EXPIRED),
    OrderState.REJECTED: (Status.EXPIRED, Execution.EXPIRED),
}


class Money(NamedTuple):
    """What a trade moves: *paid* of one asset, *got* of the other, and the fee inside of them."""

    paid_asset: str
    paid: Decimal
    got_asset: str
    got: Decimal
    fee: Decimal
    fee_asset: str


class Account:
    """What the venue knows about one client. *emit* is told of everything that happens."""

    def __init__(
        self,
        name: str,
        wallet: Wallet,
        matcher: Matcher,
        instruments: Mapping[str, Instrument],
        emit: Callable[[Report], None],
    ) -> None:
        self.name = name
        self.wallet = wallet
        self.matcher = matcher
        self.fee_in = FeeIn.QUOTE
        self.orders: dict[int, OrderRecord] = {}
        self.trades: dict[str, list[TradeRecord]] = {}
        self.open: dict[int, OrderRecord] = {}
        self._by_symbol: dict[str, list[int]] = {}
        self._by_client: dict[tuple[str, str], int] = {}
        self._instruments = instruments
        self._emit = emit

    # Looking things up

    def named(self, symbol: str, client_id: str) -> OrderRecord | None:
        """Return the newest order of *symbol* called *client_id*."""
        order_id = self._by_client.get((symbol, client_id))
        return None if order_id is None else self.orders[order_id]

    def of_symbol(self, symbol: str) -> list[OrderRecord]:
        """Return all orders in *symbol*, oldest first."""
        return [self.orders[order_id] for order_id in self._by_symbol.get(symbol, ())]

    def open_in(self, symbol: str | None) -> list[OrderRecord]:
        """Return the open orders in *symbol*, or all, oldest first."""
        return [each for each in self.open.values() if symbol is None or each.symbol == symbol]

    # What clients do

    def keep(self, record: OrderRecord) -> None:
        """Remember *record*, new or changed."""
        if record.order_id not in self.orders:
            self._by_symbol.setdefault(record.symbol, []).append(record.order_id)
            self._by_client[record.symbol, record.client_id] = record.order_id
        self.orders[record.order_id] = record
        if record.is_open:
            self.open[record.order_id] = record
        else:
            self.open.pop(record.order_id, None)

    def forget(self, record: OrderRecord, former: OrderRecord | None) -> None:
        """Undo :meth:`keep` for an order that the matcher did not take, and free its money."""
        self.wallet.release(record.lock_asset, record.locked)
        del self.orders[record.order_id], self.open[record.order_id]
        self._by_symbol[record.symbol].pop()
        del self._by_client[record.symbol, record.client_id]
        if former is not None:
            self._by_client[record.symbol, record.client_id] = former.order_id

    def align(self, symbol: str) -> None:
        """Let the matcher know what the account holds of *symbol*."""
        base = self._instruments[symbol].base
        self.matcher.set_position(symbol, self.wallet[base].total)

    # What the matcher says

    def take(self, events: Iterable[VenueEvent], now: datetime | None) -> None:
        """Book *events*; *now* stamps them, else their own time does."""
        for event in events:
            if isinstance(event, OrderFilled):
                self._trade(event.fill, event.time if now is None else now)
            elif isinstance(event, OrderUpdated):
                self._update(event, event.time if now is None else now)

    def _update(self, event: OrderUpdated, time: datetime) -> None:
        """Book a change of state."""
        record = self.orders[int(event.client_id)]
        time = max(time, record.updated)
        if event.state is OrderState.ACCEPTED:
            self.report(record, Execution.NEW, time, assets=[record.lock_asset])
        elif event.state is OrderState.TRIGGERED:
            record = replace(record, triggered=True, updated=time)
            self.keep(record)
            self.report(record, Execution.NEW, time)
        else:
            status, execution = _ENDS[event.state]
            self.end(record, status, execution, time)

    def end(
        self, record: OrderRecord, status: Status, execution: Execution, time: datetime
    ) -> None:
        """Close *record* and free what it held back."""
        self.wallet.release(record.lock_asset, record.locked)
        record = replace(record, status=status, locked=ZERO, updated=max(time, record.updated))
        self.keep(record)
        self.report(record, execution, record.updated, assets=[record.lock_asset])

    def _trade(self, fill: Fill, time: datetime) -> None:
        """Book a trade that the matcher made."""
        record = self.orders[int(fill.client_id)]
        maker = fill.liquidity is Liquidity.MAKER
        self.book(
            record, int(fill.trade_id), fill.quantity, fill.price, fill.fee, time, maker=maker
        )

    def book(
        self,
        record: OrderRecord,
        trade_id: int,
        quantity: Decimal,
        price: Decimal,
        fee: Decimal,
        time: datetime,
        *,
        maker: bool,
    ) -> TradeRecord:
        """Move the money of a trade of *record*, keep it and report it."""
        instrument = self._instruments[record.symbol]
        value = instrument.notional(quantity, price)
        money = self._money(instrument, record.side, quantity, value, fee)
        time = max(time, record.updated)
        trade = TradeRecord(
            account=self.name,
            trade_id=trade_id,
            order_id=record.order_id,
            client_id=record.client_id,
            symbol=record.symbol,
            side=record.side,
            price=price,
            quantity=quantity,
            value=value,
            fee=money.fee,
            fee_asset=money.fee_asset,
            time=time,
            maker=maker,
        )
        self.wallet.spend(money.paid_asset, money.paid, record.locked)
        self.wallet.credit(money.got_asset, money.got)
        after = self._after(record, trade, money.paid)
        self.keep(after)
        self.trades.setdefault(record.symbol, []).append(trade)
        assets = sorted({instrument.base, instrument.quote})
        self.report(after, Execution.TRADE, time, trade=trade, assets=assets)
        return trade

    def _after(self, record: OrderRecord, trade: TradeRecord, paid: Decimal) -> OrderRecord:
        """Return *record* after *trade*, with what it does not need any more set free."""
        filled = add(record.filled, trade.quantity)
        locked = subtract(record.locked, min(paid, record.locked))
        done = filled >= record.quantity
        spare = locked if done else min(locked, _improvement(record, trade))
        self.wallet.release(record.lock_asset, spare)
        open_ = Status.PARTIALLY_FILLED if record.status in OPEN else record.status
        return replace(
            record,
            status=Status.FILLED if done else open_,
            filled=filled,
            value=add(record.value, trade.value),
            maker_value=add(record.maker_value, trade.value if trade.maker else ZERO),
            locked=subtract(locked, spare),
            updated=trade.time,
        )

    def _money(
        self, instrument: Instrument, side: Side, quantity: Decimal, value: Decimal, fee: Decimal
    ) -> Money:
        """Return what a trade moves. A fee is never more than what it is taken out of."""
        base, quote = instrument.base, instrument.quote
        if side is Side.SELL:
            fee = min(fee, value)
            return Money(base, quantity, quote, subtract(value, fee), fee, quote)
        if self.fee_in is FeeIn.QUOTE:
            return Money(quote, add(value, fee), base, quantity, fee, quote)
        coins = to_step(divide(multiply(fee, quantity), value), _COIN, Rounding.DOWN)
        coins = min(coins, quantity)
        return Money(quote, value, base, subtract(quantity, coins), coins, base)

    def report(
        self,
        record: OrderRecord,
        execution: Execution,
        time: datetime,
        *,
        trade: TradeRecord | None = None,
        assets: Iterable[str] = (),
    ) -> None:
        """Tell whoever listens."""
        balances: dict[str, Balance] = {asset: self.wallet[asset] for asset in assets}
        self._emit(
            Report(
                account=self.name,
                time=time,
                execution=execution,
                order=record,
                trade=trade,
                balances=balances,
            )
        )

    # What an order needs

    def reserve(self, record: OrderRecord, quantity: Decimal, price: Decimal) -> Decimal:
        """Return the most that *quantity* more of the purchase *record* costs at *price*."""
        return purchase_cost(
            self.matcher.rules.commission,
            done_so_far(record),
            quantity,
            price,
            with_fee=self.fee_in is FeeIn.QUOTE,
        )

    # Before and after a restart

    def state(self) -> AccountState:
        """Return what the account has and did."""
        return AccountState(
            fee_in=self.fee_in,
            balances=self.wallet.all(),
            orders=list(self.orders.values()),
            trades=sorted(
                (trade for trades in self.trades.values() for trade in trades),
                key=lambda trade: trade.trade_id,
            ),
        )

    def resume(self, record: OrderRecord, *, seen: bool, now: datetime) -> None:
        """Let the open *record* work again; *seen* is whether the market came by before."""
        order = model_order(record, self._fills(record), at_work=True)
        self.matcher.resume([order], {}, now)
        book = self.matcher.book(record.symbol)
        working = book.orders[str(record.order_id)]
        working.fresh = not seen
        working.rested = seen and working.awake
        book.refresh()

    def _fills(self, record: OrderRecord) -> tuple[Fill, ...]:
        """Return the trades of *record* as the model has them."""
        return tuple(
            Fill(
                trade_id=str(trade.trade_id),
                client_id=str(record.order_id),
                symbol=record.symbol,
                side=record.side,
                quantity=trade.quantity,
                price=trade.price,
                time=trade.time,
                liquidity=Liquidity.MAKER if trade.maker else Liquidity.TAKER,
            )
            for trade in self.trades.get(record.symbol, ())
            if trade.order_id == record.order_id
        )


def _improvement(record: OrderRecord, trade: TradeRecord) -> Decimal:
    """Return what a purchase holds back too much, having traded below its limit."""
    if record.side is Side.SELL or record.price is None:
        return ZERO
    return multiply(subtract(record.price, trade.price), trade.quantity)


def model_order(
    record: OrderRecord, fills: tuple[Fill, ...] = (), *, at_work: bool = False
) -> Order:
    """Return the order that the matcher works with: the venue's id is its client id there."""
    state = OrderState.NEW
    if at_work:
        state = OrderState.TRIGGERED if record.triggered else OrderState.ACCEPTED
    if fills:
        state = OrderState.PARTIALLY_FILLED
    return Order(
        client_id=str(record.order_id),
        symbol=record.symbol,
        side=record.side,
        type=MODEL_TYPES[record.kind],
        quantity=record.quantity,
        created=record.created,
        price=record.price,
        trigger=record.stop_price,
        time_in_force=record.time_in_force,
        post_only=record.kind is Kind.LIMIT_MAKER,
        state=state,
        triggered=record.triggered,
        fills=fills,
        filled=record.filled,
        venue_id=str(record.order_id) if at_work else None,
    )

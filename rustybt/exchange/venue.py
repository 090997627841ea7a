"""The practice exchange without its wires: requests and bars in, answers and reports out.

It reads no clock, does no input or output, and hands out ids that count up: the same calls always
give the same answers. Time comes with every request. What happens between two bars counts as
happening at the end of the first, so an order that comes in before the next bar is shown takes part
in all of it, however long the replay takes between the two.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from rustybt.exchange.account import Account, model_order
from rustybt.exchange.errors import (
    ExchangeError,
    RefusalError,
    unknown_order,
)
from rustybt.exchange.filters import (
    Filters,
)
from rustybt.exchange.floor import Floor
from rustybt.exchange.pricing import price_inside
from rustybt.exchange.records import (
    Balance,
    Execution,
    FeeIn,
    OrderRecord,
    OrderRequest,
    Report,
    Status,
    TradeRecord,
    Trading,
)
from rustybt.exchange.state import AccountState, Counter, TapeState, VenueState, dumped, loaded
from rustybt.exchange.wallet import Wallet
from rustybt.execution.matching import Matcher
from rustybt.execution.rules import MatchingRules
from rustybt.model.instrument import Side
from rustybt.model.money import ZERO, add, subtract
from rustybt.model.order import OrderState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from decimal import Decimal

    from rustybt.model.bar import Bar
    from rustybt.model.instrument import Instrument


class Replacement(NamedTuple):
    """What became of an order that was to be replaced: its end, and the new one."""

    cancelled: OrderRecord
    placed: OrderRecord


class PracticeVenue:
    """A spot venue with accounts.

    *accounts* says what each account begins with, by asset. *rules* are those of the matching
    (default: an order trades at the last close if it can, and then with each bar); they cannot
    delay requests. *fee_in* says what fees are taken in, for all accounts.

    Raise :class:`ExchangeError` for rules that cannot be kept here. Every method that a client
    drives raises :class:`RefusalError` with the venue's code, and has changed nothing then.
    """

    def __init__(
        self,
        instruments: Iterable[Instrument],
        accounts: Mapping[str, Mapping[str, Decimal]],
        rules: MatchingRules | None = None,
        *,
        fee_in: FeeIn = FeeIn.QUOTE,
        filters: Filters | None = None,
    ) -> None:
        state = VenueState(
            instruments=list(instruments),
            accounts={
                name: AccountState(
                    fee_in=fee_in,
                    balances={asset: Balance(amount) for asset, amount in balances.items()},
                )
                for name, balances in accounts.items()
            },
        )
        self._begin(state, rules, filters)

    @classmethod
    def load(
        cls, data: bytes, rules: MatchingRules | None = None, *, filters: Filters | None = None
    ) -> PracticeVenue:
        """Return the venue that :meth:`dump` wrote down; rules and filters are not part of it.

        Raise :class:`ExchangeError` for data that is no such state.
        """
        return cls.restore(loaded(data), rules, filters=filters)

    @classmethod
    def restore(
        cls,
        state: VenueState,
        rules: MatchingRules | None = None,
        *,
        filters: Filters | None = None,
    ) -> PracticeVenue:
        """Return the venue that is in *state*."""
        venue = cls.__new__(cls)
        venue._begin(state, rules, filters)  # noqa: SLF001 - one of its own class
        return venue

    def _begin(
        self, state: VenueState, rules: MatchingRules | None, filters: Filters | None
    ) -> None:
        """Become the venue in *state*."""
        self.floor = Floor(state, rules, filters)
        self.rules, self.filters = self.floor.rules, self.floor.filters
        self.instruments, self.trading = self.floor.instruments, self.floor.trading
        self.tapes = self.floor.tapes
        self._listeners: list[Callable[[Report], None]] = []
        self._order_ids = Counter(state.last_order_id)
        self._trade_ids = Counter(state.last_trade_id)
        self.accounts: dict[str, Account] = {
            name: self._open_account(name, kept) for name, kept in state.accounts.items()
        }

    def _open_account(self, name: str, kept: AccountState) -> Account:
        """Return an account with what was *kept* of it."""
        matcher = Matcher(self.instruments, self.rules, trade_ids=self._trade_ids)
        account = Account(name, Wallet(kept.balances), matcher, self.instruments, self._emit)
        account.fee_in = kept.fee_in
        for trade in kept.trades:
            account.trades.setdefault(trade.symbol, []).append(trade)
        for record in kept.orders:
            account.keep(record)
        for record in list(account.open.values()):
            seen, now = self.floor.has_seen(record), self.floor.market_time(record.symbol)
            account.resume(record, seen=seen, now=now)
        return account

    def dump(self) -> bytes:
        """Return everything that the venue knows; :meth:`load` makes the same venue of it."""
        return dumped(self.state())

    def state(self) -> VenueState:
        """Return everything that the venue knows as a value."""
        return VenueState(
            instruments=list(self.instruments.values()),
            trading=dict(self.trading),
            tapes={
                symbol: TapeState(shown=tape.shown, bars=list(tape.bars))
                for symbol, tape in self.tapes.items()
            },
            accounts={name: account.state() for name, account in self.accounts.items()},
            last_order_id=self.last_order_id,
            last_trade_id=self.last_trade_id,
        )

    @property
    def last_order_id(self) -> int:
        """The order id that was handed out last."""
        return self._order_ids.last

    @property
    def last_trade_id(self) -> int:
        """The trade id that was handed out last."""
        return self._trade_ids.last

    def subscribe(self, listener: Callable[[Report], None]) -> Callable[[], None]:
        """Tell *listener* of all that happens to orders from now on, until what returns is called.

        It is called in the middle of the request that caused it and must not call the venue.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _emit(self, report: Report) -> None:
        for listener in tuple(self._listeners):
            listener(report)

    # Orders

    def place(self, account: str, request: OrderRequest, now: datetime) -> OrderRecord:
        """Take an order to work and return what became of it."""
        owner = self._account(account)
        record = self.floor.admit(owner, request, now, self._order_ids)
        former = owner.named(record.symbol, record.client_id)
        owner.wallet.lock(record.lock_asset, record.locked)
        owner.keep(record)
        owner.align(record.symbol)
        seen = self.tapes[record.symbol].last
        market_time = self.floor.market_time(record.symbol)
        events = owner.matcher.submit([model_order(record)], market_time, seen=seen)
        first = events[0]
        if getattr(first, "state", None) is OrderState.REJECTED:
            owner.forget(record, former)
            raise RefusalError(-1013, f"Filter failure: {getattr(first, 'reason', '')}")
        owner.take(events, now)
        return owner.orders[record.order_id]

    def probe(self, account: str, request: OrderRequest, now: datetime) -> None:
        """Refuse what :meth:`place` would refuse before matching; place nothing."""
        self.floor.admit(self._account(account), request, now, self._order_ids)
        self._order_ids.last -= 1

    def cancel(
        self,
        account: str,
        symbol: str,
        now: datetime,
        *,
        order_id: int | None = None,
        client_id: str | None = None,
        cancel_id: str = "",
    ) -> OrderRecord:
        """End an open order, known by either of its ids, and return it."""
        owner = self._account(account)
        self.floor.listed(symbol)
        found = self._find(owner, symbol, order_id, client_id)
        if found is None or not found.is_open:
            raise RefusalError(-2011, "Unknown order sent.")
        owner.matcher.cancel(str(found.order_id), self.floor.market_time(symbol))
        found = replace(found, cancel_id=cancel_id or f"cancel-{found.order_id}")
        owner.end(found, Status.CANCELED, Execution.CANCELED, now)
        return owner.orders[found.order_id]

    def cancel_all(self, account: str, symbol: str, now: datetime) -> list[OrderRecord]:
        """End all open orders in *symbol*; refuse if there is none."""
        orders = self.open_orders(account, symbol)
        if not orders:
            raise RefusalError(-2011, "Unknown order sent.")
        return [self.cancel(account, symbol, now, order_id=each.order_id) for each in orders]

    def cancel_replace(
        self,
        account: str,
        request: OrderRequest,
        now: datetime,
        *,
        order_id: int | None = None,
        client_id: str | None = None,
        cancel_id: str = "",
    ) -> Replacement:
        """Cancel an order and place *request* in its stead; stop if the cancel fails.

        The refusal says in its data what was done: code -2022 nothing, -2021 the cancel only.
        """
        try:
            cancelled = self.cancel(
                account,
                request.symbol,
                now,
                order_id=order_id,
                client_id=client_id,
                cancel_id=cancel_id,
            )
        except RefusalError as refusal:
            raise RefusalError(
                -2022, "Order cancel-replace failed.", data={"cancel": refusal}
            ) from None
        try:
            return Replacement(cancelled, self.place(account, request, now))
        except RefusalError as refusal:
            raise RefusalError(
                -2021,
                "Order cancel-replace partially failed.",
                status=409,
                data={"cancelled": cancelled, "new": refusal},
            ) from None

    # Questions

    def order(
        self,
        account: str,
        symbol: str,
        *,
        order_id: int | None = None,
        client_id: str | None = None,
    ) -> OrderRecord:
        """Return an order, known by either of its ids."""
        self.floor.listed(symbol)
        found = self._find(self._account(account), symbol, order_id, client_id)
        if found is None:
            raise unknown_order()
        return found

    def open_orders(self, account: str, symbol: str | None = None) -> list[OrderRecord]:
        """Return the open orders in *symbol*, or in all, oldest first."""
        if symbol is not None:
            self.floor.listed(symbol)
        return self._account(account).open_in(symbol)

    def all_orders(
        self, account: str, symbol: str, *, from_id: int | None = None, limit: int = 500
    ) -> list[OrderRecord]:
        """Return the *limit* newest orders in *symbol*, or the first ones from *from_id* on."""
        self.floor.listed(symbol)
        orders = self._account(account).of_symbol(symbol)
        if from_id is None:
            return orders[-limit:]
        return [each for each in orders if each.order_id >= from_id][:limit]

    def my_trades(
        self, account: str, symbol: str, *, from_id: int | None = None, limit: int = 500
    ) -> list[TradeRecord]:
        """Return the *limit* newest trades in *symbol*, or the first ones from *from_id* on."""
        self.floor.listed(symbol)
        trades = self._account(account).trades.get(symbol, [])
        if from_id is None:
            return trades[-limit:]
        return [each for each in trades if each.trade_id >= from_id][:limit]

    def balances(self, account: str) -> dict[str, Balance]:
        """Return what the account has, by asset."""
        return self._account(account).wallet.all()

    # The market

    def on_bar(self, bar: Bar, now: datetime | None = None) -> None:
        """Show the next *bar* of its symbol to all orders.

        *now* stamps what comes of it; by default the start of the bar does for what trades at its
        open, its end for the rest. A symbol that is halted or delisted sees no bars. Raise
        :class:`ExchangeError` for a bar that is not after the last one.
        """
        tape = self.tapes.get(bar.symbol)
        if tape is None:
            raise ExchangeError(f"{bar.symbol!r} is not traded here")
        if bar.start < self.floor.market_time(bar.symbol):
            raise ExchangeError(
                f"the bar of {bar.symbol} at {bar.start} comes late",
                expected=f"one that begins at {self.floor.market_time(bar.symbol)} or later",
            )
        if self.trading[bar.symbol] is not Trading.TRADING:
            return
        for account in self.accounts.values():
            self._weed(account, bar, now)
            account.align(bar.symbol)
            account.take(account.matcher.on_bar(bar), now)
        tape.show(bar)

    def _weed(self, account: Account, bar: Bar, now: datetime | None) -> None:
        """End the purchases without a limit that *bar* makes dearer than the account can pay."""
        instrument = self.instruments[bar.symbol]
        free = account.wallet[instrument.quote].free
        for record in account.open_in(bar.symbol):
            if record.side is not Side.BUY or record.price is not None:
                continue
            price = price_inside(bar, instrument, self.rules, record)
            if price is None:
                continue
            short = subtract(account.reserve(record, record.leaves, price), record.locked)
            if short > free:
                account.matcher.cancel(str(record.order_id), bar.start)
                time = bar.start if now is None else now
                account.end(record, Status.EXPIRED, Execution.EXPIRED, time)
                free = account.wallet[instrument.quote].free
            elif short > ZERO:
                free = subtract(free, short)

    def set_instrument(self, instrument: Instrument) -> None:
        """Trade *instrument* by its new filters from now on; open orders stay as they are."""
        self.floor.set_instrument(instrument)
        for account in self.accounts.values():
            account.matcher.set_instrument(instrument)

    def set_trading(self, symbol: str, trading: Trading, now: datetime) -> None:
        """Halt, delist or trade *symbol*; the orders in one that is delisted expire."""
        if symbol not in self.instruments:
            raise ExchangeError(f"{symbol!r} is not traded here")
        self.trading[symbol] = trading
        if trading is not Trading.DELISTED:
            return
        for account in self.accounts.values():
            for record in account.open_in(symbol):
                account.matcher.cancel(str(record.order_id), self.floor.market_time(symbol))
                account.end(record, Status.EXPIRED, Execution.EXPIRED, now)

    def set_fees(self, fee_in: FeeIn) -> None:
        """Take fees in *fee_in* from now on; refuse while orders hold money back for them."""
        if any(account.open for account in self.accounts.values()):
            raise ExchangeError("orders are open", expected="none while fees change")
        for account in self.accounts.values():
            account.fee_in = fee_in

    def force_trade(
        self, account: str, order_id: int, quantity: Decimal, price: Decimal, now: datetime
    ) -> TradeRecord:
        """Trade *quantity* of an order whatever its state: a fill after a cancel, or too much.

        No fee is charged. Raise :class:`ExchangeError` if the order is not known or the account
        cannot pay; an open order that is filled by it ends.
        """
        owner = self._account(account)
        record = owner.orders.get(order_id)
        if record is None:
            raise ExchangeError(f"account {account!r} has no order {order_id}")
        self._refuse_unpaid(owner, record, quantity, price)
        market_time = self.floor.market_time(record.symbol)
        if record.is_open:
            owner.matcher.cancel(str(order_id), market_time)
        trade_id = int(next(self._trade_ids))
        trade = owner.book(record, trade_id, quantity, price, ZERO, now, maker=True)
        if owner.orders[order_id].is_open:
            owner.resume(owner.orders[order_id], seen=True, now=market_time)
        return trade

    def _refuse_unpaid(
        self, owner: Account, record: OrderRecord, quantity: Decimal, price: Decimal
    ) -> None:
        """Refuse a trade that the account cannot pay."""
        value = self.instruments[record.symbol].notional(quantity, price)
        needed = value if record.side is Side.BUY else quantity
        has = add(owner.wallet[record.lock_asset].free, record.locked)
        if needed > has:
            raise ExchangeError(
                f"order {record.order_id} would need {needed} {record.lock_asset}",
                expected=f"at most the {has} that the account has for it",
            )

    # Helpers

    def _account(self, name: str) -> Account:
        account = self.accounts.get(name)
        if account is None:
            raise ExchangeError(f"there is no account {name!r}")
        return account

    @staticmethod
    def _find(
        owner: Account, symbol: str, order_id: int | None, client_id: str | None
    ) -> OrderRecord | None:
        """Return the order with one of these ids."""
        if order_id is not None:
            found = owner.orders.get(order_id)
            return found if found is not None and found.symbol == symbol else None
        if client_id is None:
            raise RefusalError(
                -1102,
                "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!",
            )
        return owner.named(symbol, client_id)

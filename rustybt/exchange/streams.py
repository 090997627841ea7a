"""Who listens to which stream, and what they are told: words again, and queues, but no wires."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from rustybt.exchange.faults import Call, FaultKind
from rustybt.exchange.intervals import INTERVALS
from rustybt.exchange.records import STOPPED, Execution, milliseconds
from rustybt.exchange.wire import wire_symbol
from rustybt.model.money import ZERO, multiply, text

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from rustybt.exchange.faults import Faults
    from rustybt.exchange.records import Report
    from rustybt.exchange.venue import PracticeVenue
    from rustybt.model.bar import Bar

USER = "user"


class Listener:
    """One connection: the streams it hears, the accounts it hears of, and how it is told.

    *accounts* are the user streams by subscription number; the messages of *raw* ones come without
    their number. *close* ends the connection.
    """

    def __init__(self, send: Callable[[bytes], None], close: Callable[[], None]) -> None:
        self.send = send
        self.close = close
        self.streams: set[str] = set()
        self.accounts: dict[int, str] = {}
        self.raw: set[str] = set()

    @property
    def hears_users(self) -> bool:
        """Whether it is a user stream."""
        return bool(self.accounts or self.raw)


class Hub:
    """Tells the listeners what happens. *later* calls a function after so many seconds.

    :attr:`subscribed` is set whenever somebody subscribes to anything: clear it and wait for it.
    """

    def __init__(
        self,
        venue: PracticeVenue,
        faults: Faults,
        later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        self.listeners: set[Listener] = set()
        self.subscribed = asyncio.Event()
        self._venue = venue
        self._faults = faults
        self._later = later
        self._held: dict[str, list[Callable[[], None]]] = {}

    # The market

    def on_bar(self, bar: Bar, *, partial: bool) -> None:
        """Tell of *bar*, and of the candle that begins after it if *partial*."""
        if not any(listener.streams for listener in self.listeners):
            return
        name = wire_symbol(self._venue.instruments[bar.symbol])
        tape = self._venue.tapes[bar.symbol]
        for interval, length in INTERVALS.items():
            stream = f"{name.lower()}@kline_{interval}"
            if not self._is_heard(stream):
                continue
            candles = tape.candles(None, None, 1, length)
            if candles and candles[-1].end == bar.end:
                self._market(
                    stream, "kline", name, _kline(candles[-1], name, interval, closed=True)
                )
                self._tell_begun(bar, name, interval, length, partial=partial)
        self._market(f"{name.lower()}@trade", "trade", name, _trade(bar, name, tape.shown))
        best = tape.depth(self._venue.instruments[bar.symbol])
        if best.bids:
            message = {
                "u": tape.shown,
                "s": name,
                "b": text(best.bids[0].price),
                "B": text(best.bids[0].quantity),
                "a": text(best.asks[0].price),
                "A": text(best.asks[0].quantity),
            }
            self._market(f"{name.lower()}@bookTicker", "bookTicker", name, message)

    def _tell_begun(
        self, bar: Bar, name: str, interval: str, length: timedelta, *, partial: bool
    ) -> None:
        """Tell of the candle that begins now."""
        begun = self._venue.tapes[bar.symbol].begun(length) if partial else None
        if begun is not None:
            message = _kline(begun, name, interval, closed=False)
            self._market(f"{name.lower()}@kline_{interval}", "kline", name, message)

    def _is_heard(self, stream: str) -> bool:
        return any(stream in listener.streams for listener in self.listeners)

    def _market(self, stream: str, kind: str, symbol: str, message: dict[str, Any]) -> None:
        """Send a message to who hears *stream*."""
        if not self._is_heard(stream):
            return
        data = msgspec.json.encode(message)

        def send() -> None:
            for listener in tuple(self.listeners):
                if stream in listener.streams:
                    listener.send(data)

        self._deliver(Call(method="WS", endpoint=kind, symbol=symbol), stream, send)

    # Accounts

    def on_report(self, report: Report) -> None:
        """Tell the owner of an order what happened to it, and of the balances that changed."""
        symbol = wire_symbol(self._venue.instruments[report.order.symbol])
        self._user(report.account, symbol, execution_report(report, symbol))
        if report.balances:
            self._user(report.account, symbol, _position(report))

    def _user(self, account: str, symbol: str, event: dict[str, Any]) -> None:
        """Send an event to the user streams of *account*."""

        def send() -> None:
            for listener in tuple(self.listeners):
                if account in listener.raw:
                    listener.send(msgspec.json.encode(event))
                for number, name in listener.accounts.items():
                    if name == account:
                        message = {"subscriptionId": number, "event": event}
                        listener.send(msgspec.json.encode(message))

        call = Call(method="WS", endpoint=USER, symbol=symbol, account=account)
        self._deliver(call, f"{USER} {account}", send)

    def _deliver(self, call: Call, lane: str, send: Callable[[], None]) -> None:
        """Send, unless a fault wants it otherwise; what was held back in *lane* follows."""
        kinds = {fault.kind: fault for fault in self._faults.on_event(call)}
        held = self._held.pop(lane, [])
        if FaultKind.REORDER_EVENT in kinds:
            self._held[lane] = [*held, send]
            return
        if FaultKind.DELAY_EVENT in kinds:
            self._later(kinds[FaultKind.DELAY_EVENT].delay, send)
        elif FaultKind.DROP_EVENT not in kinds:
            for _ in range(2 if FaultKind.DUPLICATE_EVENT in kinds else 1):
                send()
        for each in held:
            each()

    def cut(self, *, users: bool = True, market: bool = True) -> int:
        """Close the connections of *users*, of the *market*, or all; return how many."""
        closed = [
            listener for listener in self.listeners if (users if listener.hears_users else market)
        ]
        for listener in closed:
            listener.close()
        return len(closed)


def execution_report(report: Report, symbol: str) -> dict[str, Any]:
    """Return the event that tells of an order; the symbol is as the wire writes it."""
    order, trade = report.order, report.trade
    cancelled = report.execution is Execution.CANCELED
    last = trade.quantity if trade else ZERO
    time = milliseconds(report.time)
    return {
        "e": "executionReport",
        "E": time,
        "s": symbol,
        "c": order.cancel_id if cancelled else order.client_id,
        "S": order.side.value.upper(),
        "o": order.kind.value,
        "f": order.time_in_force.value.upper(),
        "q": text(order.quantity),
        "p": text(order.price or ZERO),
        "P": text((order.stop_price or ZERO) if order.kind in STOPPED else ZERO),
        "F": "0.00000000",
        "g": -1,
        "C": order.client_id if cancelled else "",
        "x": report.execution.value,
        "X": order.status.value,
        "r": "NONE",
        "i": order.order_id,
        "l": text(last),
        "z": text(order.filled),
        "L": text(trade.price if trade else ZERO),
        "n": text(trade.fee) if trade else "0",
        "N": trade.fee_asset if trade else None,
        "T": time,
        "t": trade.trade_id if trade else -1,
        "I": order.order_id,
        "w": order.is_open and order.is_working,
        "m": trade.maker if trade else False,
        "M": False,
        "O": milliseconds(order.created),
        "Z": text(order.value),
        "Y": text(trade.value if trade else ZERO),
        "Q": text(order.quote_quantity or ZERO),
        "W": milliseconds(order.created),
        "V": "NONE",
    }


def _position(report: Report) -> dict[str, Any]:
    """Return the event that tells of balances."""
    time = milliseconds(report.time)
    return {
        "e": "outboundAccountPosition",
        "E": time,
        "u": time,
        "B": [
            {"a": asset, "f": text(each.free), "l": text(each.locked)}
            for asset, each in report.balances.items()
        ],
    }


def _kline(bar: Bar, symbol: str, interval: str, *, closed: bool) -> dict[str, Any]:
    """Return the event that tells of a candle."""
    return {
        "e": "kline",
        "E": milliseconds(bar.end if closed else bar.start),
        "s": symbol,
        "k": {
            "t": milliseconds(bar.start),
            "T": milliseconds(bar.end) - 1,
            "s": symbol,
            "i": interval,
            "f": -1,
            "L": -1,
            "o": text(bar.open),
            "c": text(bar.close),
            "h": text(bar.high),
            "l": text(bar.low),
            "v": text(bar.volume),
            "n": 1,
            "x": closed,
            "q": text(multiply(bar.volume, bar.close)),
            "V": "0",
            "Q": "0",
            "B": "0",
        },
    }


def _trade(bar: Bar, symbol: str, number: int) -> dict[str, Any]:
    """Return the event that tells of a trade in public: one for each bar, at its close."""
    time = milliseconds(bar.end)
    return {
        "e": "trade",
        "E": time,
        "s": symbol,
        "t": number,
        "p": text(bar.close),
        "q": text(bar.volume),
        "T": time,
        "m": False,
        "M": True,
    }

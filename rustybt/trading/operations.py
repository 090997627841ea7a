"""What has to be done because of how things stand, after every event.

All of it looks at the books alone, so that it is simply done again after a restart, and asks for
nothing that is under way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from rustybt.model.group import Reaction, reactions
from rustybt.model.instrument import Side
from rustybt.model.money import ZERO
from rustybt.model.order import Order, OrderType
from rustybt.model.order_state import OrderState
from rustybt.risk.limits import Denial
from rustybt.trading.commands import ClearTimer, End, Severity
from rustybt.trading.recovery import INQUIRIES, start_snapshot
from rustybt.trading.reducing import only_reducing
from rustybt.trading.settings import OnStop
from rustybt.trading.state import Phase
from rustybt.trading.taking import BARS

if TYPE_CHECKING:
    from rustybt.model.group import GroupAction, OrderGroup
    from rustybt.trading.desk import Desk

STOP: Final = "stop"
STALE: Final = "stale"


def drive(desk: Desk) -> None:
    """Do what has to be done."""
    books = desk.books
    if books.phase is Phase.IDLE or desk.ended:
        return
    if books.phase is Phase.ASKING and not books.inquiries:
        desk.note("asked", "the end of every order is known or being waited for no more")
        start_snapshot(desk, "start")
    if books.enable_by and not books.stopping:
        _enable(desk)
    _look_after_orders(desk)
    if books.flattening:
        _flatten(desk)
    if books.stopping:
        _stop(desk)
    if books.inquiries:
        desk.timer(INQUIRIES, desk.settings.query_after)
    if books.gathering:
        desk.timer(BARS, desk.settings.bars_grace)


def _look_after_orders(desk: Desk) -> None:
    """Cancel what must not work, and do what groups want."""
    books = desk.books
    if books.breaker.is_tripped and desk.settings.cancel_on_trip:
        _cancel_risk(desk)
    if books.cancels:
        _cancel_again(desk)
    if books.groups:
        _follow_groups(desk)


def _enable(desk: Desk) -> None:
    """Trade, once the recovery is complete."""
    if desk.books.phase is not Phase.READY:
        return
    desk.note("trading_enabled", f"trading was enabled by {desk.books.enable_by}")
    stale_after = desk.settings.guard.stale_after
    if stale_after is not None:
        desk.restart_timer(STALE, stale_after)


def _cancel_risk(desk: Desk) -> None:
    """Cancel what may add risk while the breaker is tripped; what only reduces may stay."""
    books = desk.books
    working = books.orders.open()
    allowed = books.breaker.allow_reducing or bool(books.flattening)
    kept = only_reducing(working, books.ledger.quantities()) if working and allowed else ()
    for order in working:
        if order.client_id not in kept:
            _cancel(desk, order, "the breaker has tripped")


def _cancel(desk: Desk, order: Order, reason: str) -> None:
    """Cancel an order unless that is under way, or was tried often enough."""
    if desk.books.cancels.get(order.client_id, 0) < desk.settings.query_tries:
        desk.cancel(order, reason)


def _cancel_again(desk: Desk) -> None:
    """Repeat what came to nothing: a cancel may be sent twice, an order may not."""
    books = desk.books
    for client_id, tries in list(books.cancels.items()):
        order = books.orders[client_id]
        if order.state is OrderState.PENDING_CANCEL:
            continue
        if tries < desk.settings.query_tries:
            desk.cancel(order, "")
        else:
            message = f"order {client_id} could not be cancelled in {tries} tries"
            desk.tell_once(f"cancel:{client_id}", "order_stuck", message)


# Groups that the venue knows nothing of


def _follow_groups(desk: Desk) -> None:
    """Do what the rules of brackets want, and forget groups that are over."""
    orders = desk.books.orders
    for group in list(desk.books.groups.values()):
        members = {member: orders[member] for member in group.members if member in orders}
        if len(members) < len(group.members):
            _drop(desk, group, list(members.values()))
        elif not any(order.is_open for order in members.values()):
            over = f"all orders of {group.group_id} have ended"
            desk.note("ungrouped", over, group=group.group_id)
        elif not desk.settings.groups_at_venue:
            for action in reactions(group, members):
                _react(desk, group, action)


def _drop(desk: Desk, group: OrderGroup, exits: list[Order]) -> None:
    """Forget the exits of an entry that was never sent: the engine was killed just before."""
    for order in exits:
        desk.cancel(order, "its entry was never sent")
    desk.note("ungrouped", "its entry was never sent", group=group.group_id)


def _react(desk: Desk, group: OrderGroup, action: GroupAction) -> None:
    """Carry out one thing that the rules of a group want."""
    order = desk.books.orders[action.client_id]
    if action.reaction is Reaction.CANCEL:
        _cancel(desk, order, f"the rules of {group.group_id}")
    elif desk.books.phase is not Phase.READY or not desk.books.enabled:
        return  # nothing is sent before a person says so; it is wanted again then
    elif action.reaction is Reaction.SUBMIT and action.quantity is not None:
        # An exit reduces what its entry opened: no limit of ours may keep it from being sent.
        denial = desk.send([order.sized(action.quantity)], forced=True)
        _tell_denied(desk, order, denial)
    elif action.quantity is not None:
        desk.modify(replace(order, quantity=action.quantity))


def _tell_denied(desk: Desk, order: Order, denial: Denial | tuple[()]) -> None:
    """Drop an order that cannot be sent, and say so."""
    if isinstance(denial, Denial):
        desk.note("dropped", str(denial), client_id=order.client_id)
        desk.alert("rejection", f"order {order.client_id} was not sent: {denial}")


# Closing everything


def _flatten(desk: Desk) -> None:
    """Cancel all orders; once they have ended, close all positions at the market."""
    books = desk.books
    if books.flattening == "cancel":
        for order in books.orders.open():
            _cancel(desk, order, "all positions are being closed")
        if not books.orders.open():
            desk.note("flattening", "all orders have ended", step="close")
            _close_all(desk)
    if books.flattening == "close" and not books.orders.open():
        left = ", ".join(
            f"{units:f} {symbol}" for symbol, units in books.ledger.quantities().items()
        )
        desk.note("flattening", f"positions were closed; left: {left or 'nothing'}", step="")
        severity = Severity.WARNING if left else Severity.INFO
        desk.alert("flattened", f"all positions were closed; left: {left or 'nothing'}", severity)


def _close_all(desk: Desk) -> None:
    """Order the opposite of every position, rounded down to the lot."""
    for symbol, units in sorted(desk.books.ledger.quantities().items()):
        size = desk.instrument(symbol).round_quantity(units.copy_abs())
        if not size:
            continue
        order = Order(
            client_id=desk.books.next_id(),
            symbol=symbol,
            side=Side.SELL if units > ZERO else Side.BUY,
            type=OrderType.MARKET,
            quantity=size,
            created=desk.books.now,
            reduce_only=True,
        )
        desk.send([order], forced=True)


# The end


def begin_stop(desk: Desk) -> None:
    """Limit how long a planned end may take."""
    desk.restart_timer(STOP, desk.settings.stop_within)


def _stop(desk: Desk) -> None:
    """End once nothing is left to wait for."""
    books = desk.books
    cancels = desk.settings.on_stop is OnStop.CANCEL and not books.flattening
    if cancels:
        for order in books.orders.open():
            _cancel(desk, order, "the session is being stopped")
    waits = books.orders.open() if cancels or books.flattening else books.orders.in_flight()
    if not waits and not books.flattening:
        _end(desk, f"stopped: {books.stopping}", 0)


def give_up_stop(desk: Desk) -> None:
    """End although answers are missing: start-up recovers what is open."""
    waiting = ", ".join(order.client_id for order in desk.books.orders.open()[:5])
    desk.alert("stop_incomplete", f"stopped while orders were open: {waiting}", Severity.CRITICAL)
    _end(desk, f"stopped: {desk.books.stopping}, not all orders have ended", 1)


def _end(desk: Desk, reason: str, code: int) -> None:
    """Stop the runner."""
    if STOP in desk.books.timers:
        desk.emit(ClearTimer(name=STOP))
    desk.emit(End(reason=reason, code=code))
    desk.ended = True

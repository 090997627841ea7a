"""What trips the breaker by itself."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from rustybt.model.money import ZERO, divide, multiply, subtract

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from rustybt.risk.limits import TradingHours
    from rustybt.trading.books import Books
    from rustybt.trading.settings import GuardSettings

_LOOKED_AT: Final = 10_000
"""Bars of a gap that the calendar is asked for: a week of minutes."""


def tripwire(books: Books, guard: GuardSettings) -> str | None:
    """Return why trading has to stop, naming limit, value and threshold; ``None`` if it has not.

    What equity has to do with is asked for by :func:`losses` alone: it changes less often.
    """
    return (
        _count("rejections in a row", books.rejections, guard.max_rejections)
        or _count("failed requests", len(books.errors), guard.max_errors, books.window)
        or _count("orders", len(books.sent), guard.max_orders, books.window)
        or _count("failed snapshots in a row", books.snapshot_failures, guard.max_snapshot_failures)
        or _skew(books, guard)
    )


def losses(books: Books, guard: GuardSettings) -> str | None:
    """Return which loss is too large, as :func:`tripwire` does."""
    if guard.daily_loss is None and guard.drawdown is None:
        return None
    if not books.opened:
        return None
    equity = books.equity()
    return _loss("daily loss", books.day_start, equity, guard.daily_loss) or _loss(
        "drawdown", books.peak, equity, guard.drawdown
    )


def _loss(
    name: str, before: Decimal | None, equity: Decimal, threshold: Decimal | None
) -> str | None:
    """Return the cause if equity fell by *threshold* or more."""
    if threshold is None or before is None or before <= ZERO:
        return None
    lost = subtract(before, equity)
    if lost < multiply(before, threshold):
        return None
    return (
        f"{name}: {divide(lost, before):.4f} reached the limit of {threshold}"
        f" (equity went from {before:f} to {equity:f})"
    )


def _count(name: str, value: int, threshold: int | None, window: int | None = None) -> str | None:
    """Return the cause if there were as many as must not be."""
    if threshold is None or value < threshold:
        return None
    within = "" if window is None else f" within {window} s"
    return f"{name}: {value}{within} reached the limit of {threshold}"


def _skew(books: Books, guard: GuardSettings) -> str | None:
    """Return the cause if the clock is too far off the venue's."""
    if guard.max_skew is None or books.skew is None or books.skew <= guard.max_skew:
        return None
    return f"clock skew: {books.skew} ms is above the limit of {guard.max_skew} ms"


def stale(books: Books, guard: GuardSettings, hours: TradingHours | None) -> str | None:
    """Return which symbols have been silent for too long."""
    if guard.stale_after is None:
        return None
    now: datetime = books.now
    silent = {}
    for symbol in books.expected():
        if hours is not None and not hours(symbol, now):
            books_heard = None
        else:
            books_heard = books.heard.get(symbol)
        if books_heard is not None and now - books_heard >= guard.stale_after:
            silent[symbol] = (now - books_heard).total_seconds()
    if not silent:
        return None
    worst = ", ".join(f"{symbol} {seconds:.0f} s" for symbol, seconds in sorted(silent.items())[:5])
    limit = guard.stale_after.total_seconds()
    return f"stale data: no bar of {worst} reached the limit of {limit:.0f} s"


def left_out(
    gap: tuple[str, datetime, datetime], interval: timedelta, hours: TradingHours | None
) -> str | None:
    """Return which bars of a symbol did not come, if its market was open at the start of one.

    *gap* is the symbol, when the next bar should have begun, and when it did.
    """
    symbol, first, until = gap
    count = -((first - until) // interval)
    looked_at = (first + number * interval for number in range(min(count, _LOOKED_AT)))
    if hours is not None and not any(hours(symbol, start) for start in looked_at):
        return None
    bars = "a bar" if count == 1 else f"{count} bars"
    return f"{bars} of {symbol} did not come, from {first.isoformat()} on"

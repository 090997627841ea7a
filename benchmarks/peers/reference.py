"""What the run has to end with, in whole numbers: nothing is ever rounded here."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

from benchmarks.peers.cases import (
    BASIS_POINTS,
    CASH,
    CLOSE,
    FAST,
    OPEN,
    QUANTITY,
    SLOW,
    Case,
    Prices,
)

_UNITS = 10_000  # parts of a cent: a basis point of a cent is one of them


class Rules(NamedTuple):
    """How an engine trades where it cannot follow the rules that were asked for.

    *fill* is the price of an order: ``next_open`` as asked for, or the ``close`` of the signal.
    *mark* is the price at which what is held at the end counts. With *sells_at_end* it is sold
    there, for a fee, and nothing is bought in the last bar. With *last_buy_at_cost* what was bought
    in the last bar counts at what was paid for it.
    """

    fill: str = "next_open"
    mark: str = "close"
    sells_at_end: bool = False
    last_buy_at_cost: bool = False


AS_ASKED: Final = Rules()


class Expected(NamedTuple):
    """The exact end: *equity* in dollars, and the number of *fills*."""

    equity: Decimal
    fills: int


def reference(prices: Prices, case: Case, rules: Rules = AS_ASKED) -> Expected:
    """Return what *rules* lead to on *prices*.

    Go in with so many units when the fast average comes from strictly below to strictly above the
    slow one in one bar, out when it is the other way round.
    """
    cash, fills = CASH * _UNITS, 0
    for number in range(case.symbols):
        flow, count = _trade(prices[number, OPEN].tolist(), prices[number, CLOSE].tolist(), rules)
        cash, fills = cash + flow, fills + count
    return Expected(Decimal(cash) / (100 * _UNITS), fills)


def _trade(opens: list[int], closes: list[int], rules: Rules) -> tuple[int, int]:
    """Return what one symbol brings by the end, in parts of a cent, and its fills."""
    cash = held = fills = 0
    last = (opens if rules.mark == "open" else closes)[-1]
    for row in _turns(closes):
        trade_row = row if rules.fill == "close" else row + 1
        if trade_row == len(closes):
            break
        price = (closes if rules.fill == "close" else opens)[trade_row]
        if rules.sells_at_end and not held and trade_row == len(closes) - 1:
            break
        side = -1 if held else 1
        cash -= side * QUANTITY * price * _UNITS + QUANTITY * price * BASIS_POINTS
        held, fills = held + side * QUANTITY, fills + 1
        if held and rules.last_buy_at_cost and trade_row == len(closes) - 1:
            last = price
    if held and rules.sells_at_end:
        cash, fills = cash - held * last * BASIS_POINTS, fills + 1
    return cash + held * last * _UNITS, fills


def _turns(closes: list[int]) -> list[int]:
    """Return the rows after whose close the position changes: in, out, in, and so on."""
    fast = slow = before = 0
    held = False
    turns = []
    for row, close in enumerate(closes):
        fast += close - (closes[row - FAST] if row >= FAST else 0)
        slow += close - (closes[row - SLOW] if row >= SLOW else 0)
        if row < SLOW - 1:
            continue
        difference = fast * SLOW - slow * FAST
        side = (difference > 0) - (difference < 0)
        if side * before == -1 and (side > 0) is not held:
            held = not held
            turns.append(row)
        before = side
    return turns

"""Write fills and other entries into a ledger and say what the books show after each."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from rustybt.accounting import CostMethod, Ledger, equity, value
from rustybt.model.event import CashMoved, Charged, ChargeKind, DividendPaid
from rustybt.model.fill import Fill
from rustybt.model.instrument import Instrument, InstrumentKind, Side

START = datetime(2026, 1, 5, tzinfo=UTC)
CURRENCY = "USD"
FINE = Decimal("1e-12")

Step = Mapping[str, Any]


def main(arguments: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    """Return, for each of *runs*, what was seen after each of its steps."""
    return [run(**each) for each in arguments["runs"]]


def run(
    steps: Sequence[Step],
    method: str = "average",
    kind: str = "equity",
    multiplier: str = "1",
) -> list[dict[str, Any]]:
    """Return what the books say after each of *steps*: of its symbol, or of all at its prices."""
    symbols = sorted({step["symbol"] for step in steps if "symbol" in step})
    ledger = Ledger(
        (_instrument(symbol, kind, multiplier) for symbol in symbols), method=CostMethod(method)
    )
    return [_taken(ledger, number, step) for number, step in enumerate(steps)]


def _taken(ledger: Ledger, number: int, step: Step) -> dict[str, Any]:
    """Take one step and return what there is to see."""
    if "prices" in step:
        return _valued(ledger, step["prices"])
    at, entry = START + timedelta(minutes=number), f"E{number}"
    if "deposit" in step:
        amount = Decimal(step["deposit"])
        ledger.book(CashMoved(time=at, entry_id=entry, currency=CURRENCY, amount=amount))
        return {"cash": ledger.cash(CURRENCY)}
    symbol = step["symbol"]
    if "dividend" in step:
        per_unit = Decimal(step["dividend"])
        ledger.book(DividendPaid(time=at, entry_id=entry, symbol=symbol, per_unit=per_unit))
    elif "charge" in step:
        ledger.book(
            Charged(
                time=at,
                entry_id=entry,
                kind=ChargeKind.BORROW,
                currency=CURRENCY,
                amount=Decimal(step["charge"]),
                symbol=symbol,
            )
        )
    else:
        ledger.apply(_fill(number, at, step))
    return _position(ledger, symbol)


def _fill(number: int, at: datetime, step: Step) -> Fill:
    """Return the fill that *step* describes; its quantity is signed."""
    quantity = Decimal(step["quantity"])
    return Fill(
        trade_id=f"T{number}",
        client_id=f"O{number}",
        symbol=step["symbol"],
        side=Side.BUY if quantity > 0 else Side.SELL,
        quantity=quantity.copy_abs(),
        price=Decimal(step["price"]),
        time=at,
        fee=Decimal(step.get("fee", "0")),
    )


def _position(ledger: Ledger, symbol: str) -> dict[str, Any]:
    """Return what the books say of one symbol."""
    position = ledger.position(symbol)
    return {
        "quantity": position.quantity,
        "cost": position.cost,
        "average": position.average_price,
        "realised": position.realised,
        "fees": position.fees,
        "income": position.income,
        "cash": ledger.cash(CURRENCY),
        "open": symbol in ledger.positions(),
    }


def _valued(ledger: Ledger, prices: Mapping[str, str]) -> dict[str, Any]:
    """Return what everything is worth at *prices*, and how long it took to find that out."""
    exact = {symbol: Decimal(price) for symbol, price in prices.items()}
    began = time.perf_counter()
    valuation = value(ledger, exact, currency=CURRENCY)
    seconds = time.perf_counter() - began
    names = ("cash", "equity", "realised", "unrealised", "fees", "income", "charges")
    figures = {name: getattr(valuation, name) for name in (*names, "long", "short")}
    positions = ledger.positions()
    return figures | {
        "seconds": seconds,
        "quick_equity": equity(ledger, exact, currency=CURRENCY),
        "positions": {
            symbol: position.unrealised(exact[symbol]) for symbol, position in positions.items()
        },
        "earned": {symbol: ledger.position(symbol).realised for symbol in ledger.symbols},
    }


def _instrument(symbol: str, kind: str, multiplier: str) -> Instrument:
    """Return an instrument that takes any price and quantity."""
    return Instrument(
        symbol=symbol,
        base=symbol,
        quote=CURRENCY,
        tick=FINE,
        lot=FINE,
        kind=InstrumentKind(kind),
        multiplier=Decimal(multiplier),
    )

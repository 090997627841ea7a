"""Results as tables: exact numbers stay exact."""

from __future__ import annotations

import io
from decimal import Decimal, Inexact, InvalidOperation, Overflow
from enum import Enum
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
from msgspec.structs import asdict

from rustybt.files import write_atomic
from rustybt.model.event import Charged, SharesSplit
from rustybt.model.money import EXACT, ZERO, text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from msgspec import Struct

    from rustybt.accounting.trades import RoundTrip
    from rustybt.engine.account import FillLog
    from rustybt.engine.curve import Curve
    from rustybt.engine.tape import Integers
    from rustybt.model.event import BookEntry

SCALE: Final = 18
DECIMAL: Final = pl.Decimal(38, SCALE)
_STEP: Final = Decimal(1).scaleb(-SCALE)
_BOUND: Final = Decimal(10) ** (38 - SCALE)
_UTC: Final = pl.Datetime("us", "UTC")


def exact_series(name: str, values: Sequence[Decimal | None]) -> pl.Series:
    """Return *values* as a column of 38 digits, 18 of them decimals; as text if one does not fit.

    No digit is ever dropped.
    """
    if all(map(_fits, values)):
        return pl.Series(name, values, dtype=DECIMAL)
    return pl.Series(name, [None if each is None else digits(each) for each in values], pl.String)


def _fits(value: Decimal | None) -> bool:
    """Tell whether *value* can be written with 20 digits before and 18 after the point."""
    if value is None or not value:
        return True
    try:
        return EXACT.quantize(value, _STEP).copy_abs() < _BOUND
    except (Inexact, InvalidOperation, Overflow):
        return False


def digits(value: Decimal) -> str:
    """Return all digits of *value*, without zeros at the end of its decimals."""
    shown = text(value)
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def fills_frame(log: FillLog, symbols: Sequence[str]) -> pl.DataFrame:
    """Return one row per fill."""
    frame = _log_frame(log, symbols)
    if not log.entries:
        return frame
    return frame.filter(~pl.int_range(frame.height).is_in(list(log.entries)))


def entries_frame(log: FillLog, symbols: Sequence[str]) -> pl.DataFrame:
    """Return one row per dividend, split and charge."""
    numbers = list(log.entries)
    kinds = [_kind(entry) for entry in log.entries.values()]
    return pl.DataFrame(
        {
            "timestamp": pl.Series([log.times[number] for number in numbers]).cast(_UTC),
            "symbol": [symbols[log.symbols[number]] for number in numbers],
            "kind": kinds,
            "units": exact_series("units", [log.quantities[number] for number in numbers]),
            "amount": exact_series("amount", [log.fees[n].copy_negate() for n in numbers]),
            "cash": exact_series("cash", [log.cash[number] for number in numbers]),
        },
        schema_overrides={"symbol": pl.String, "kind": pl.String},
    )


def _kind(entry: BookEntry) -> str:
    """Return what *entry* is called in a table."""
    if isinstance(entry, Charged):
        return str(entry.kind)
    return "split" if isinstance(entry, SharesSplit) else "dividend"


def _log_frame(log: FillLog, symbols: Sequence[str]) -> pl.DataFrame:
    """Return one row per entry of the log."""
    return pl.DataFrame(
        {
            "timestamp": pl.Series(log.times, dtype=pl.Int64).cast(_UTC),
            "symbol": pl.Series([symbols[index] for index in log.symbols], dtype=pl.String),
            "client_id": pl.Series(log.client_ids, dtype=pl.String),
            "side": pl.Series(
                ["buy" if q > ZERO else "sell" for q in log.quantities], dtype=pl.String
            ),
            "quantity": exact_series("quantity", [q.copy_abs() for q in log.quantities]),
            "price": exact_series("price", log.prices),
            "fee": exact_series("fee", log.fees),
            "cash": exact_series("cash", log.cash),
        }
    )


def trades_frame(trades: Sequence[RoundTrip]) -> pl.DataFrame:
    """Return one row per round trip; prices are averages of 40 digits, shown with 18 decimals."""
    rounded = {
        name: [_rounded(getattr(trade, name)) for trade in trades]
        for name in ("entry_price", "exit_price", "profit", "fees", "net")
    }
    return pl.DataFrame(
        {
            "symbol": pl.Series([trade.symbol for trade in trades], dtype=pl.String),
            "side": pl.Series([str(trade.side) for trade in trades], dtype=pl.String),
            "opened": pl.Series([trade.opened for trade in trades], dtype=_UTC),
            "closed": pl.Series([trade.closed for trade in trades], dtype=_UTC),
            "quantity": exact_series("quantity", [trade.quantity for trade in trades]),
            **{name: exact_series(name, values) for name, values in rounded.items()},
        }
    )


def _rounded(value: Decimal | None) -> Decimal | None:
    """Return a quotient with 18 decimals, half to even."""
    return None if value is None else value.quantize(_STEP, context=_ROUNDING)


_ROUNDING = EXACT.copy()
_ROUNDING.traps[Inexact] = False


def equity_frame(times: Integers, curve: Curve) -> pl.DataFrame:
    """Return one row per instant with bars."""
    peaks = np.maximum.accumulate(curve.equity)
    fallen = np.divide(curve.equity - peaks, peaks, out=np.zeros(peaks.size), where=peaks > 0)
    return pl.DataFrame(
        {
            "timestamp": pl.Series(times).cast(_UTC),
            "equity": curve.equity,
            "cash": curve.cash,
            "gross_exposure": curve.gross,
            "drawdown": fallen,
        }
    )


def write_parquet(frame: pl.DataFrame, path: Path) -> Path:
    """Write *frame* to *path*, whole or not at all."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    write_atomic(path, buffer.getvalue(), mode=0o644)
    return path


def plain(value: object) -> object:
    """Return *value* as JSON can say it."""
    if isinstance(value, Decimal):
        return digits(value)
    return value.value if isinstance(value, Enum) else value


def as_dict(value: Struct) -> dict[str, object]:
    """Return the fields of *value* as JSON can say them."""
    return {name: plain(each) for name, each in asdict(value).items()}

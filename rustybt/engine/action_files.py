"""Corporate actions from CSV and Parquet files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from rustybt.engine.actions import COLUMNS
from rustybt.engine.bar_files import times_of
from rustybt.engine.errors import ActionError, BarDataError

if TYPE_CHECKING:
    from pathlib import Path

_TIME_NAMES: Final = ("timestamp", "date", "datetime", "time")


def read_action_file(path: Path) -> pl.DataFrame:
    """Return the table of actions in a CSV or Parquet file, by the ending of its name.

    Columns are known by their names, whatever their case: symbol, timestamp (or date), kind, and
    amount or ratio. Times are read as those of bars are; amounts of a CSV stay the text they are.
    Raise :class:`~rustybt.engine.errors.ActionError` naming the file.
    """
    kind = path.suffix.lower()
    if kind not in (".csv", ".parquet"):
        raise ActionError(f"{path} is neither a .csv nor a .parquet file")
    try:
        data = path.read_bytes()
        frame = pl.read_csv(data, infer_schema=False) if kind == ".csv" else pl.read_parquet(data)
    except FileNotFoundError:
        raise ActionError(f"there is no file {path}") from None
    except OSError as error:
        raise ActionError(f"cannot read {path}: {error.strerror or error}") from None
    except pl.exceptions.NoDataError:
        raise ActionError(f"{path} is empty") from None
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        first = str(error).splitlines()[0]
        raise ActionError(f"{path} cannot be read: {first}") from None
    frame = _named(path, frame)
    if frame.schema["timestamp"] != pl.String:
        return frame
    try:
        return frame.with_columns(times_of(path, frame["timestamp"]))
    except BarDataError as error:
        raise ActionError(error.problem, expected=error.expected) from None


def _named(path: Path, frame: pl.DataFrame) -> pl.DataFrame:
    """Return *frame* with the names that actions have; raise for missing ones."""
    known = {column.strip().lower(): column for column in frame.columns}
    time = next((known[name] for name in _TIME_NAMES if name in known), None)
    amounts = [pl.col(known[name]) for name in ("amount", "ratio") if name in known]
    missing = [name for name in ("symbol", "kind") if name not in known]
    missing += ["timestamp"] * (time is None) + ["amount"] * (not amounts)
    if missing or time is None:
        raise ActionError(
            f"{path} lacks {', '.join(missing)}; its columns are {', '.join(frame.columns)}",
            expected=", ".join(COLUMNS),
        )
    return frame.select(
        symbol=pl.col(known["symbol"]),
        timestamp=pl.col(time),
        kind=pl.col(known["kind"]),
        amount=pl.coalesce(amounts),
    )

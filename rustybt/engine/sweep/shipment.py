"""Bars on their way to other processes: Arrow files that each reads once, or their bytes."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from rustybt.engine.intake import Bars

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

Table = str | bytes
"""A frame in Arrow's file format: where it is, or what is in it."""


class Parcel(NamedTuple):
    """The bars of one symbol, as :class:`~rustybt.engine.intake.Bars` has them."""

    symbol: str
    frame: Table
    exact: Table | None
    notes: tuple[str, ...]


def pack_files(bars: Iterable[Bars], folder: Path) -> tuple[Parcel, ...]:
    """Write *bars* into *folder*, for processes on this machine."""
    parcels = []
    for number, each in enumerate(bars):
        path, exact = folder / f"{number}.arrow", folder / f"{number}.exact.arrow"
        path.write_bytes(_packed(each.frame))
        if each.exact is not None:
            exact.write_bytes(_packed(each.exact))
        named = None if each.exact is None else str(exact)
        parcels.append(Parcel(each.symbol, str(path), named, each.notes))
    return tuple(parcels)


def pack_bytes(bars: Iterable[Bars]) -> tuple[Parcel, ...]:
    """Return *bars* as bytes, for processes on other machines."""
    return tuple(
        Parcel(
            each.symbol,
            _packed(each.frame),
            None if each.exact is None else _packed(each.exact),
            each.notes,
        )
        for each in bars
    )


def unpack(parcels: Sequence[Parcel]) -> list[Bars]:
    """Return the bars that were packed."""
    return [
        Bars(
            each.symbol,
            _opened(each.frame),
            None if each.exact is None else _opened(each.exact),
            each.notes,
        )
        for each in parcels
    ]


def _packed(frame: pl.DataFrame) -> bytes:
    """Return *frame* as one piece in Arrow's file format."""
    buffer = io.BytesIO()
    frame.rechunk().write_ipc(buffer, compression="uncompressed")
    return buffer.getvalue()


def _opened(table: Table) -> pl.DataFrame:
    """Return the frame."""
    return pl.read_ipc(table if isinstance(table, str) else io.BytesIO(table))


def data_digest(bars: Iterable[Bars]) -> str:
    """Return a digest of all bars: symbols, times and numbers, the exact ones where there are."""
    digest = hashlib.sha256()
    for each in bars:
        digest.update(f"{each.symbol}\n{each.frame.height}\n".encode())
        for column in each.frame.columns:
            digest.update(each.frame[column].to_numpy().tobytes())
        if each.exact is not None:
            for text in each.exact.cast(pl.String).iter_columns():
                digest.update("\n".join(value or "" for value in text).encode())
    return digest.hexdigest()

"""Bars on disk: one Parquet file per series and version, found through a manifest.

.. code-block:: text

    <root>/<symbol>/<interval>/manifest.json        which versions there are; replaced atomically
                               <sha256>.parquet     a version's bars; never changed
                               refused/<sha256>.jsonl   rows that broke a rule, as they came

A version is written and flushed before the manifest names it, and the manifest is renamed into
place: a writer killed at any instant leaves the old version or the new one. A file that no manifest
names is left over from such a death; the next writer removes it.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

import msgspec
import polars as pl

from rustybt.data import manifest as manifests
from rustybt.data.bars import BARS, between, require_bars
from rustybt.data.cache import BarCache
from rustybt.data.errors import (
    CatalogCorruptError,
    CatalogError,
    ConflictingBarsError,
    UnknownSeriesError,
)
from rustybt.data.interval import Interval
from rustybt.data.manifest import Manifest, Span, Version
from rustybt.files import PRIVATE_FOLDER, locked, sweep_temporaries, write_atomic

KEPT: Final = 3
"""How many versions of a series are kept: whoever reads one is not disturbed by two writes."""
_MANIFEST: Final = "manifest.json"
_REFUSED: Final = "refused"
_ATTEMPTS: Final = 3


class Catalog:
    """The series below the folder *root*, which is made by the first write.

    *clock* gives the time that versions are stamped with; what :meth:`read` has verified is kept in
    the *cache*, if there is one, and read from there the next time. Any number of processes may
    read while one at a time writes a series; writers wait for each other.
    """

    def __init__(
        self, root: Path, clock: Callable[[], datetime], *, cache: BarCache | None = None
    ) -> None:
        self.root: Final = root
        self.cache: Final = cache
        self._clock = clock

    def series(self) -> tuple[Manifest, ...]:
        """Return every series, by symbol and interval; raise as `manifest` does."""
        return tuple(self.manifest(symbol, interval) for symbol, interval in self.names())

    def names(self) -> tuple[tuple[str, Interval], ...]:
        """Return symbol and interval of every series, sorted, without looking into any."""
        found = self.root.glob(f"*/*/{_MANIFEST}")
        known = set(Interval)
        pairs = ((unquote(path.parts[-3]), path.parts[-2]) for path in found)
        return tuple(sorted((symbol, Interval(name)) for symbol, name in pairs if name in known))

    def manifest(self, symbol: str, interval: Interval) -> Manifest:
        """Return what is known about a series.

        Raise ``UnknownSeriesError`` if there is none, ``CatalogCorruptError`` if its manifest is
        damaged or another series'.
        """
        folder = self._folder(symbol, interval)
        path = folder / _MANIFEST
        if not path.exists():
            raise UnknownSeriesError(
                f"the catalog has no {interval} bars of {symbol}",
                expected=_names_of(self.names()) or "a series; the catalog is empty",
                remedy="python -m rustybt fetch-data",
            )
        found = manifests.load(path)
        if (found.symbol, found.interval) != (symbol, interval) or not found.versions:
            raise CatalogCorruptError(f"{path} is not that of {symbol} {interval}")
        return found

    def read(
        self,
        symbol: str,
        interval: Interval,
        *,
        version: int | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> pl.DataFrame:
        """Return a series' bars from *start* on and before *end*, of the newest or a named version.

        The file's checksum is verified first, unless the cache has what it held. Raise as
        `manifest` does, ``UnknownSeriesError`` for a version that is not kept,
        ``CatalogCorruptError`` naming the file if it was changed.
        """
        for attempt in range(_ATTEMPTS):
            chosen = _choose(self.manifest(symbol, interval), version)
            try:
                return between(self._cached(symbol, interval, chosen), start, end)
            except CatalogCorruptError as error:
                # Writers may have dropped the version since the manifest was read.
                gone = isinstance(error.__cause__, FileNotFoundError)
                if not gone or attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError  # the loop returns or raises

    def write(
        self,
        symbol: str,
        interval: Interval,
        bars: pl.DataFrame,
        *,
        source: str,
        calendar: str = "24/7",
        covered: Span | None = None,
    ) -> Version:
        """Make *bars* the newest version of a series, whatever it was before, and return it.

        *covered* is the span of time they are complete for; by default that of the bars. Raise
        ``DataError`` if they are no bars or none at all, ``HomeError`` if another writer does not
        end, ``OSError`` if the disk refuses; the version before stays the newest then.
        """
        folder = self._made(symbol, interval)
        with locked(folder):
            old = self._known(symbol, interval)
            spans = manifests.union((), covered or _span(bars, interval))
            return self._commit(folder, old, symbol, interval, calendar, (bars, source, spans))

    def extend(
        self,
        symbol: str,
        interval: Interval,
        bars: pl.DataFrame,
        *,
        source: str,
        calendar: str = "24/7",
        covered: Span | None = None,
        revise: bool = False,
    ) -> Version:
        """Add *bars* to a series, or begin it with them, and return its newest version.

        Nothing is written if they change nothing. Bars that contradict stored ones, or come from
        another source than these, raise ``ConflictingBarsError``; *revise* lets them replace those.
        Otherwise raise as `write` does.
        """
        folder = self._made(symbol, interval)
        with locked(folder):
            old = self._known(symbol, interval)
            spans = manifests.union((), covered or _span(bars, interval))
            if old is not None:
                stored = self._load(symbol, interval, old.newest)
                if not revise:
                    _refuse_conflicts(f"{symbol} {interval}", old.newest, stored, bars, source)
                merged = _merge(stored, bars)
                for span in old.newest.covered:
                    spans = manifests.union(spans, span)
                if merged.equals(stored) and spans == old.newest.covered:
                    return old.newest
                bars = merged
            return self._commit(folder, old, symbol, interval, calendar, (bars, source, spans))

    def set_aside(self, symbol: str, interval: Interval, refused: pl.DataFrame) -> Path | None:
        """Keep *refused* rows with the rules they broke; return the file, None if there are none.

        The same rows are kept once, however often they are refused.
        """
        if refused.is_empty():
            return None
        data = refused.write_ndjson().encode()
        folder = self._made(symbol, interval) / _REFUSED
        folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        path = folder / f"{hashlib.sha256(data).hexdigest()[:32]}.jsonl"
        write_atomic(path, data)
        return path

    def refused(self, symbol: str, interval: Interval) -> tuple[dict[str, object], ...]:
        """Return every row of a series that was set aside."""
        files = sorted((self._folder(symbol, interval) / _REFUSED).glob("*.jsonl"))
        lines = [line for file in files for line in file.read_bytes().splitlines()]
        return tuple(msgspec.json.decode(line, type=dict[str, object]) for line in lines)

    def problems(self, symbol: str, interval: Interval) -> tuple[str, ...]:
        """Read all versions of a series and return what is damaged, nothing if all is sound."""
        try:
            versions = self.manifest(symbol, interval).versions
        except CatalogError as error:
            return (str(error),)
        found = []
        for version in versions:
            try:
                self._load(symbol, interval, version)
            except CatalogError as error:
                found.append(str(error))
        return tuple(found)

    def leftovers(self) -> tuple[Path, ...]:
        """Return folders that hold bars but no manifest: a first write died, or it was deleted."""
        folders = {path.parent for path in self.root.glob("*/*/*.parquet")}
        return tuple(sorted(path for path in folders if not (path / _MANIFEST).exists()))

    def _folder(self, symbol: str, interval: Interval) -> Path:
        if not symbol or len(symbol) > 64:
            raise CatalogError(f"{symbol!r} is no symbol", expected="1 to 64 characters")
        # A dot is spelled out, too: no symbol may lead out of its folder.
        return self.root / quote(symbol, safe="").replace(".", "%2E") / interval.value

    def _made(self, symbol: str, interval: Interval) -> Path:
        folder = self._folder(symbol, interval)
        folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        return folder

    def _known(self, symbol: str, interval: Interval) -> Manifest | None:
        try:
            return self.manifest(symbol, interval)
        except UnknownSeriesError:
            return None

    def _cached(self, symbol: str, interval: Interval, version: Version) -> pl.DataFrame:
        """Return a version's bars, from the cache if they are there."""
        if self.cache is None:
            return self._load(symbol, interval, version)
        found = self.cache.get(version.sha256)
        if found is None:
            found = self._load(symbol, interval, version)
            self.cache.put(version.sha256, found)
        return found

    def _load(self, symbol: str, interval: Interval, version: Version) -> pl.DataFrame:
        path = self._folder(symbol, interval) / version.file
        remedy = "restore it from a backup, or fetch the series again with --replace"
        try:
            data = path.read_bytes()
        except OSError as error:
            raise CatalogCorruptError(
                f"cannot read {path}: {error.strerror}", remedy=remedy
            ) from error
        if hashlib.sha256(data).hexdigest() != version.sha256:
            raise CatalogCorruptError(
                f"{path} is damaged: the checksum of {symbol} {interval}, version "
                f"{version.number}, does not match",
                remedy=remedy,
            )
        return require_bars(pl.read_parquet(io.BytesIO(data)))

    def _commit(
        self,
        folder: Path,
        old: Manifest | None,
        symbol: str,
        interval: Interval,
        calendar: str,
        content: tuple[pl.DataFrame, str, tuple[Span, ...]],
    ) -> Version:
        """Write *content* as a new version after those of *old*; the lock must be held."""
        bars, source, spans = content
        data = _parquet(bars, f"{symbol} {interval}")
        kept = old.versions if old else ()
        version = Version(
            number=kept[-1].number + 1 if kept else 1,
            sha256=hashlib.sha256(data).hexdigest(),
            size=len(data),
            rows=len(bars),
            first=bars["timestamp"][0],
            last=bars["timestamp"][-1],
            source=source,
            written=self._clock(),
            covered=spans,
        )
        versions = (*kept, version)[-KEPT:]
        write_atomic(folder / version.file, data)
        document = manifests.encode(Manifest(symbol, interval, calendar, versions))
        write_atomic(folder / _MANIFEST, document)
        _sweep(folder, versions)
        return version


def _parquet(bars: pl.DataFrame, name: str) -> bytes:
    if require_bars(bars).is_empty():
        raise CatalogError(f"there are no bars to store as {name}")
    buffer = io.BytesIO()
    bars.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()


def _sweep(folder: Path, versions: Sequence[Version]) -> None:
    """Remove what no manifest names: versions no longer kept, what killed writers left."""
    wanted = {version.file for version in versions}
    for path in folder.glob("*.parquet"):
        if path.name not in wanted:
            path.unlink(missing_ok=True)
    for stale in folder.glob(".*.parquet.*.tmp"):
        stale.unlink(missing_ok=True)
    sweep_temporaries(folder / _MANIFEST)


def _choose(manifest: Manifest, number: int | None) -> Version:
    for version in reversed(manifest.versions):
        if number in (None, version.number):
            return version
    kept = ", ".join(str(version.number) for version in manifest.versions)
    raise UnknownSeriesError(
        f"{manifest.symbol} {manifest.interval} has no version {number}", expected=f"one of {kept}"
    )


def _span(bars: pl.DataFrame, interval: Interval) -> Span:
    """Return the span of time that *bars* lie in."""
    if require_bars(bars).is_empty():
        raise CatalogError("there are no bars to store")
    return bars["timestamp"][0], bars["timestamp"][-1] + interval.length


def _merge(stored: pl.DataFrame, bars: pl.DataFrame) -> pl.DataFrame:
    """Return both tables as one; where both have a bar, that of *bars*."""
    kept = stored.join(require_bars(bars).select("timestamp"), on="timestamp", how="anti")
    return pl.concat([kept, bars]).sort("timestamp").select(BARS.names())


def _refuse_conflicts(
    name: str, version: Version, stored: pl.DataFrame, bars: pl.DataFrame, source: str
) -> None:
    """Raise if *bars* of *source* do not continue what is stored."""
    if source != version.source:
        raise ConflictingBarsError(
            f"{name} comes from {version.source}, not from {source}: their bars do not mix",
            remedy="use --replace to fetch it anew, or --revise to let these bars win",
        )
    both = stored.join(bars, on="timestamp", suffix=".new")
    columns = BARS.names()[1:]
    differing = both.filter(
        pl.any_horizontal(pl.col(column) != pl.col(f"{column}.new") for column in columns)
    )
    if differing.is_empty():
        return
    row = differing.row(0, named=True)
    changes = [
        f"{column} {_short(row[column])} is now {_short(row[f'{column}.new'])}"
        for column in columns
        if row[column] != row[f"{column}.new"]
    ]
    raise ConflictingBarsError(
        f"{source} gives other values for {len(differing)} stored bars of {name}; on "
        f"{row['timestamp']:%Y-%m-%d %H:%M} {', '.join(changes)}",
        expected="the values that were stored: otherwise past results would silently change",
        remedy="if the change is right (a split, a correction), use --replace or --revise",
    )


def _short(value: Decimal) -> str:
    return f"{value:f}".rstrip("0").rstrip(".")


def _names_of(names: Sequence[tuple[str, Interval]]) -> str:
    shown = ", ".join(f"{symbol} {interval}" for symbol, interval in names[:5])
    return f"{shown}, ..." if len(names) > 5 else shown

"""Bars that were read from the catalog, kept in memory for whoever reads them again."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import polars as pl

MEGABYTE: Final = 1024 * 1024


class BarCache:
    """Tables by the checksum of the file that they came from, in no more than *capacity* bytes.

    A version of a series never changes, so what is found here is what the file said when it was
    verified. When there is no room the tables that were not asked for the longest go; one that is
    larger than the whole cache is not kept. Threads may share a cache.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity: Final = capacity
        self.hits = 0
        self.misses = 0
        self.size = 0
        self._tables: OrderedDict[str, pl.DataFrame] = OrderedDict()
        self._lock = Lock()

    @classmethod
    def of_megabytes(cls, megabytes: int) -> BarCache:
        """Return a cache of so many megabytes, as ``DATA_CACHE_SIZE_MB`` has them; 0 keeps none."""
        return cls(megabytes * MEGABYTE)

    def __len__(self) -> int:
        return len(self._tables)

    @property
    def hit_rate(self) -> float | None:
        """How many of the reads were answered from here, as a fraction; ``None`` without any."""
        reads = self.hits + self.misses
        return self.hits / reads if reads else None

    def get(self, checksum: str) -> pl.DataFrame | None:
        """Return a table, ``None`` if it is not here; either way the read counts."""
        with self._lock:
            found = self._tables.get(checksum)
            if found is None:
                self.misses += 1
            else:
                self.hits += 1
                self._tables.move_to_end(checksum)
            return found

    def put(self, checksum: str, table: pl.DataFrame) -> None:
        """Keep a table if there is room for it."""
        size = int(table.estimated_size())
        with self._lock:
            if size > self.capacity or checksum in self._tables:
                return
            self._tables[checksum] = table
            self.size += size
            while self.size > self.capacity:
                _, dropped = self._tables.popitem(last=False)
                self.size -= int(dropped.estimated_size())

    def report(self) -> dict[str, float | int | None]:
        """Return the figures, ready for JSON."""
        return {
            "tables": len(self),
            "bytes": self.size,
            "capacity": self.capacity,
            "hits": self.hits,
            "misses": self.misses,
            "hit_rate": self.hit_rate,
        }

"""What can be wrong with market data, its sources and its storage.

.. code-block:: text

    RustyBTError
    └── DataError
        ├── MalformedDataError          text that is no table of bars: all problems at once
        ├── GapError                    bars that the calendar expects are missing
        ├── ConflictingBarsError        a source contradicts what is stored
        ├── SourceError                 a source cannot deliver what was asked of it
        │   └── SourceUnavailableError  it might later: ask again
        └── CatalogError                the catalog cannot do what was asked of it
            ├── CatalogCorruptError     a file is damaged, missing or was changed
            └── UnknownSeriesError      it holds no such series
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rustybt.errors import RustyBTError

if TYPE_CHECKING:
    from collections.abc import Sequence


class DataError(RustyBTError):
    """Market data that cannot be had or used."""


class MalformedDataError(DataError):
    """Input that is no table of bars; ``problems`` are the first ones found, ``total`` counts."""

    def __init__(self, what: str, problems: Sequence[str], total: int) -> None:
        self.what = what
        self.problems = tuple(problems)
        self.total = total
        noun = "problem" if total == 1 else "problems"
        lines = [f"{total} {noun} in {what}; nothing was taken from it:", *problems]
        if total > len(problems):
            lines.append(f"and {total - len(problems)} more")
        super().__init__("\n  ".join(lines))
        self.args = (what, self.problems, total)  # what unpickling passes to __init__


class GapError(DataError):
    """Bars that the calendar expects are missing, and the policy is not to go on without."""


class ConflictingBarsError(DataError):
    """A source gives other values for bars than the ones stored; nothing was changed."""


class SourceError(DataError):
    """A source that cannot deliver what was asked of it."""


class SourceUnavailableError(SourceError):
    """A source that cannot be reached, or refuses for now; asking again later may help."""


class CatalogError(DataError):
    """A catalog that cannot do what was asked of it."""


class CatalogCorruptError(CatalogError):
    """A file of the catalog is damaged, missing, or was changed by something else."""


class UnknownSeriesError(CatalogError):
    """The catalog holds no such series, or not that version of it."""

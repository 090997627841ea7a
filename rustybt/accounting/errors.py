"""What can be wrong with a change of the books.

.. code-block:: text

    RustyBTError
    └── LedgerError                 the books cannot take this change
        ├── UnknownInstrumentError  it trades what the ledger was never told about
        └── MissingPriceError       a valuation lacks prices or exchange rates
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rustybt.errors import RustyBTError

if TYPE_CHECKING:
    from collections.abc import Sequence


class LedgerError(RustyBTError):
    """A change that the books cannot take; nothing was booked."""


class UnknownInstrumentError(LedgerError):
    """A change names an instrument that the ledger was never told about."""


class MissingPriceError(LedgerError):
    """A valuation lacks prices or exchange rates; the message lists all of them."""

    @classmethod
    def of(cls, missing: Sequence[str]) -> MissingPriceError:
        """Return the error for a valuation that lacks all that is *missing*."""
        return cls(
            f"a valuation lacks the {', the '.join(missing)}",
            expected="a price for each open position and a rate for each other currency",
        )

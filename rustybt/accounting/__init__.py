"""Books on exact decimals, what they are worth, and how well they did.

:mod:`rustybt.accounting.performance` needs numpy and is imported by its own name.
"""

from rustybt.accounting.charges import borrow_charge, funding_charge
from rustybt.accounting.errors import LedgerError, MissingPriceError, UnknownInstrumentError
from rustybt.accounting.ledger import Ledger
from rustybt.accounting.portfolio import Valuation, equity, value
from rustybt.accounting.state import Account, CostMethod, LedgerState, Position
from rustybt.accounting.trades import RoundTrip, round_trips

__all__ = [
    "Account",
    "CostMethod",
    "Ledger",
    "LedgerError",
    "LedgerState",
    "MissingPriceError",
    "Position",
    "RoundTrip",
    "UnknownInstrumentError",
    "Valuation",
    "borrow_charge",
    "equity",
    "funding_charge",
    "round_trips",
    "value",
]

"""The journal: what happened, each record bound to all before it by its hash.

The store itself is :class:`rustybt.journal.store.Journal`, which needs a database's library: what
only makes records or looks at them does not load it.
"""

from rustybt.journal.errors import JournalError, LeaseHeldError, LeaseLostError
from rustybt.journal.payload import canonical
from rustybt.journal.records import Break, Head, Record, chain, digest, verify

__all__ = [
    "Break",
    "Head",
    "JournalError",
    "LeaseHeldError",
    "LeaseLostError",
    "Record",
    "canonical",
    "chain",
    "digest",
    "verify",
]

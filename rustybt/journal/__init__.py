"""The journal's records: what happened, each bound to all before it by its hash."""

from rustybt.journal.errors import JournalError
from rustybt.journal.payload import canonical
from rustybt.journal.records import Break, Head, Record, chain, digest, verify

__all__ = ["Break", "Head", "JournalError", "Record", "canonical", "chain", "digest", "verify"]

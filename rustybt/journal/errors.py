"""What can be wrong with a journal and with what it is given.

.. code-block:: text

    RustyBTError
    └── JournalError        a record that a journal cannot keep, or a journal that cannot be used
        ├── LeaseHeldError  another process holds the lease
        └── LeaseLostError  another process took the lease over
"""

from __future__ import annotations

from rustybt.errors import RustyBTError


class JournalError(RustyBTError):
    """A record that a journal cannot keep, or a journal that cannot be used."""


class LeaseHeldError(JournalError):
    """Another process holds the lease: its *problem* names the owner and the expiry."""


class LeaseLostError(JournalError):
    """The lease is another's now: whoever held it must stop at once."""

"""What can be wrong with what a journal is given.

.. code-block:: text

    RustyBTError
    └── JournalError    a record that a journal cannot keep
"""

from __future__ import annotations

from rustybt.errors import RustyBTError


class JournalError(RustyBTError):
    """A record that a journal cannot keep."""

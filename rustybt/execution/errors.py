"""What can go wrong between deciding on an order and its end.

.. code-block:: text

    RustyBTError
    └── ExecutionError          a request that cannot belong to this broker or these orders
        ├── DuplicateOrderError the client id stands for another order
        └── UnknownOrderError   nobody here sent that order: reconcile
"""

from __future__ import annotations

from rustybt.errors import RustyBTError


class ExecutionError(RustyBTError):
    """A request or a report that cannot be right; nothing was changed."""


class DuplicateOrderError(ExecutionError):
    """A client id was used for a second order."""


class UnknownOrderError(ExecutionError):
    """A request or a report names an order that was never sent from here."""

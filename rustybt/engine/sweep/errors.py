"""What can be wrong with a sweep.

.. code-block:: text

    RustyBTError
    └── BacktestError
        └── SweepError          it cannot be run as it was asked for
            └── SweepStateError     the file with earlier results cannot be used
"""

from __future__ import annotations

from rustybt.engine.errors import BacktestError


class SweepError(BacktestError):
    """A sweep that cannot be run as it was asked for."""


class SweepStateError(SweepError):
    """A file with earlier results that cannot be used."""

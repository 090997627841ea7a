"""What can be wrong with a backtest.

.. code-block:: text

    RustyBTError
    └── BacktestError       it cannot be run as it was asked for
        └── BarDataError    the bars cannot be used; the message says which and why
"""

from __future__ import annotations

from rustybt.errors import RustyBTError


class BacktestError(RustyBTError):
    """A backtest that cannot be run as it was asked for."""


class BarDataError(BacktestError):
    """Bars that cannot be used; all problems of one symbol at once."""

"""What can be wrong with a backtest.

.. code-block:: text

    RustyBTError
    └── BacktestError       it cannot be run as it was asked for
        ├── BarDataError    the bars cannot be used; the message says which and why
        ├── ActionError     corporate actions cannot be used; all problems at once
        └── RateError       an amount in another currency has no exchange rate
"""

from __future__ import annotations

from rustybt.errors import RustyBTError


class BacktestError(RustyBTError):
    """A backtest that cannot be run as it was asked for."""


class BarDataError(BacktestError):
    """Bars that cannot be used; all problems of one symbol at once."""


class ActionError(BacktestError):
    """Corporate actions that cannot be used; all problems of a table at once."""


class RateError(BacktestError):
    """Exchange rates that are missing, or cannot be."""

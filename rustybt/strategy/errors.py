"""What can be wrong with a strategy.

.. code-block:: text

    RustyBTError
    └── StrategyError               a strategy asks for what cannot be
        ├── StrategyLoadError       its file holds no strategy that could be used
        └── StrategyFailedError     its own code raised while it ran
"""

from __future__ import annotations

from rustybt.errors import RustyBTError


class StrategyError(RustyBTError):
    """A strategy asks for something that cannot be."""


class StrategyLoadError(StrategyError):
    """A file that holds no strategy, several, or one that cannot be used."""


class StrategyFailedError(StrategyError):
    """The strategy's own code raised; the message says where, and at which bar."""

"""What can be wrong with a value of the model.

.. code-block:: text

    RustyBTError
    └── ModelError                  a value cannot be what it claims to be
        ├── InvalidValueError       all problems of one value at once
        ├── PrecisionError          exact arithmetic would have dropped a digit
        ├── InvalidTransitionError  an order cannot go from this state to that one
        ├── OverfillError           more was filled than was ordered: halt
        └── ConflictingFillError    one trade id, two different trades
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rustybt.errors import RustyBTError

if TYPE_CHECKING:
    from collections.abc import Sequence


class ModelError(RustyBTError):
    """A value of the model that cannot be what it claims to be."""


class InvalidValueError(ModelError):
    """A value that cannot be built; ``problems`` lists everything wrong with it."""

    def __init__(self, what: str, problems: Sequence[str]) -> None:
        self.what = what
        self.problems = tuple(problems)
        super().__init__(f"{what} is not valid: " + "; ".join(self.problems))
        self.args = (what, self.problems)  # what unpickling passes to __init__


class PrecisionError(ModelError):
    """Arithmetic on money that would have dropped a digit or left the supported range."""


class InvalidTransitionError(ModelError):
    """An order cannot go from its state to another one; nothing was changed."""


class OverfillError(ModelError):
    """Fills add up to more than the order's quantity: books and venue disagree, halt."""


class ConflictingFillError(ModelError):
    """Two different trades were reported under one trade id: one of them would be lost."""

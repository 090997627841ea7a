"""What the practice exchange raises.

.. code-block:: text

    RustyBTError
    └── ExchangeError           it cannot be set up or used like that
        └── RefusalError        a request is refused, with the venue's code
"""

from __future__ import annotations

from rustybt.errors import RustyBTError


class ExchangeError(RustyBTError):
    """The practice exchange cannot be set up, restored or driven like that."""


class RefusalError(ExchangeError):
    """The venue refuses a request: *code* and *message* are what it answers, *status* the HTTP one.

    *retry_after* is the number of seconds that a client that asks too often has to wait, *data*
    what the answer holds besides.
    """

    def __init__(
        self,
        code: int,
        message: str,
        *,
        status: int = 400,
        retry_after: int | None = None,
        data: dict[str, object] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.retry_after = retry_after
        self.data = data
        self.args = (code, message)


def missing(name: str) -> RefusalError:
    """Return the refusal of a request that lacks the parameter *name*, or has it malformed."""
    return RefusalError(
        -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    )


def unknown_symbol() -> RefusalError:
    """Return the refusal of a request for a symbol that is not traded here."""
    return RefusalError(-1121, "Invalid symbol.")


def unknown_order() -> RefusalError:
    """Return the refusal of a question about an order that is not known."""
    return RefusalError(-2013, "Order does not exist.")


def failed_filter(name: str) -> RefusalError:
    """Return the refusal of an order that the filter *name* forbids."""
    return RefusalError(-1013, f"Filter failure: {name}")

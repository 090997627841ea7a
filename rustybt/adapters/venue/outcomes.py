"""What an exception of ccxt says about the request that it ended.

A request counts as refused only where the venue itself said so, and as not sent only where it
certainly never left; everything else may have been carried out, and has to be asked about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rustybt.trading.reports import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

_REFUSED: Final = """
    AuthenticationError PermissionDenied AccountNotEnabled AccountSuspended ArgumentsRequired
    BadRequest BadSymbol OperationRejected NoChange MarginModeAlreadySet MarketClosed
    ManualInteractionNeeded RestrictedLocation InsufficientFunds InvalidAddress AddressPending
    InvalidOrder OrderNotFound OrderNotCached OrderImmediatelyFillable OrderNotFillable
    ContractUnavailable NotSupported DDoSProtection RateLimitExceeded InvalidNonce
"""
_NOT_SENT: Final = "InvalidProxySettings"
# A duplicate id: an order with it is there, ours perhaps. 5xx, time-outs and what cannot be read
# say nothing of what was done before. The base classes stand for whatever nobody foresaw.
_UNKNOWN: Final = """
    BaseError ExchangeError OperationFailed NetworkError ExchangeNotAvailable OnMaintenance
    RequestTimeout BadResponse NullResponse DuplicateOrderId CancelPending ChecksumError
    ExchangeClosedByUser UnsubscribeError
"""

OUTCOMES: Final[dict[str, Outcome]] = {
    **dict.fromkeys(_REFUSED.split(), Outcome.REFUSED),
    **dict.fromkeys(_NOT_SENT.split(), Outcome.NOT_SENT),
    **dict.fromkeys(_UNKNOWN.split(), Outcome.UNKNOWN),
}
"""By the name of the class, every class of ``ccxt.base.errors``."""

THROTTLED: Final = frozenset({"RateLimitExceeded", "DDoSProtection"})
"""Errors after which the venue wants to be left alone."""

_NEVER_CONNECTED: Final = frozenset(
    {"ClientConnectorError", "ClientConnectorDNSError", "ClientConnectorCertificateError"}
    | {"ClientConnectorSSLError", "ConnectionTimeoutError", "gaierror", "ConnectionRefusedError"}
)


def outcome_of(error: BaseException) -> Outcome:
    """Return what became of the request that *error* ended."""
    if any(type(each).__name__ in _NEVER_CONNECTED for each in _causes(error)):
        return Outcome.NOT_SENT
    for kind in type(error).__mro__:
        found = OUTCOMES.get(kind.__name__)
        if found is not None:
            return found
    return Outcome.UNKNOWN


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield *error* and what it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__

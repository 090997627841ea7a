"""What an exception of ccxt says of a request: every one of its classes, on purpose."""

import inspect

import aiohttp
import pytest
from ccxt.base import errors  # type: ignore[import-untyped] # it has no types

from rustybt.adapters.venue.outcomes import OUTCOMES, THROTTLED, outcome_of
from rustybt.trading.reports import Outcome

CLASSES = [
    each
    for each in vars(errors).values()
    if inspect.isclass(each) and issubclass(each, errors.BaseError)
]


def test_every_class_of_ccxt_is_mapped_by_its_own_name() -> None:
    """None is mapped by accident, through a class it derives from, and none is made up."""
    assert len(CLASSES) > 30
    assert {each.__name__ for each in CLASSES} == OUTCOMES.keys()
    assert OUTCOMES.keys() >= THROTTLED


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_an_exception_has_the_outcome_of_its_class(kind: type[Exception]) -> None:
    """So has one of a class that a later ccxt derives from it."""
    later = type("Later", (kind,), {})

    assert outcome_of(kind("x")) is OUTCOMES[kind.__name__]
    assert outcome_of(later("x")) is OUTCOMES[kind.__name__]


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        (errors.RequestTimeout, Outcome.UNKNOWN),
        (errors.ExchangeNotAvailable, Outcome.UNKNOWN),
        (errors.BadResponse, Outcome.UNKNOWN),
        (errors.ExchangeError, Outcome.UNKNOWN),
        (errors.DuplicateOrderId, Outcome.UNKNOWN),
        (errors.InsufficientFunds, Outcome.REFUSED),
        (errors.InvalidOrder, Outcome.REFUSED),
        (errors.RateLimitExceeded, Outcome.REFUSED),
    ],
)
def test_only_what_the_venue_refused_is_refused(kind: type[Exception], outcome: Outcome) -> None:
    """A time-out, a 5xx, garbage and an unknown error may all have been carried out."""
    assert outcome_of(kind("x")) is outcome


def test_what_never_connected_was_not_sent() -> None:
    """A refused connection is told by what the exception was raised from."""
    never = aiohttp.ClientConnectionError("refused")
    never.__class__ = type("ClientConnectorError", (aiohttp.ClientConnectionError,), {})
    error = errors.ExchangeNotAvailable("x")
    error.__cause__ = never
    dropped = errors.ExchangeNotAvailable("x")
    dropped.__cause__ = aiohttp.ServerDisconnectedError("x")

    assert outcome_of(error) is Outcome.NOT_SENT
    assert outcome_of(dropped) is Outcome.UNKNOWN


def test_what_is_no_error_of_ccxt_says_nothing() -> None:
    """An exception from anywhere else leaves the order in doubt."""
    assert outcome_of(KeyError("x")) is Outcome.UNKNOWN

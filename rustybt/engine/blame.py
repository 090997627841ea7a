"""Say of an exception where in the strategy's own code it came from."""

from __future__ import annotations

import contextlib
import traceback
from typing import TYPE_CHECKING

from rustybt.strategy.base import Strategy
from rustybt.strategy.errors import StrategyFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rustybt.engine.desk import Desk


@contextlib.contextmanager
def blaming(strategy: Strategy, desk: Desk) -> Iterator[None]:
    """Turn what the strategy's code raises into one error that says where."""
    try:
        yield
    except StrategyFailedError:
        raise
    except Exception as error:
        where = _place(strategy, error)
        if where is None:
            raise
        at = f" after the bar of {desk.base!r}" if desk.base.row >= 0 else ""
        message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise StrategyFailedError(
            f"{type(strategy).__name__} failed in {where}{at}: {message}"
        ) from error


def _place(strategy: Strategy, error: Exception) -> str | None:
    """Return where in the strategy's own code *error* came from; ``None`` if it did not."""
    import inspect

    files = set()
    for kind in type(strategy).__mro__:
        if issubclass(kind, Strategy) and kind is not Strategy:
            with contextlib.suppress(OSError, TypeError):
                files.add(inspect.getfile(kind))
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename in files:
            return f"{frame.name} ({frame.filename}:{frame.lineno})"
    return None

"""What a record says, as JSON of which there is one form only."""

from __future__ import annotations

import msgspec

from rustybt.journal.errors import JournalError

_encode = msgspec.json.Encoder(decimal_format="string", order="sorted").encode


def canonical(value: object) -> bytes:
    """Return *value* as JSON with sorted keys, no blanks, and every decimal as text.

    Equal values give equal bytes. Raise :class:`~rustybt.journal.errors.JournalError` for a float
    anywhere in it (it cannot be exact, and one that is no number would become null), for text that
    is no Unicode, and for what JSON cannot say.
    """
    try:
        _refuse_floats(msgspec.to_builtins(value, order="sorted"))
        return _encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise JournalError(
            f"a {type(value).__name__} cannot be kept in the journal: {error}",
            expected="values that JSON can say, with decimals instead of floats",
        ) from error


def _refuse_floats(raw: object) -> None:
    """Raise ``TypeError`` for a float anywhere in *raw*."""
    if isinstance(raw, float):
        raise TypeError(f"{raw!r} is a float")
    if isinstance(raw, dict):
        for value in raw.values():
            _refuse_floats(value)
    elif isinstance(raw, list | tuple):
        for value in raw:
            _refuse_floats(value)

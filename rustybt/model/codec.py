"""JSON and msgpack, both exact: every decimal travels as text."""

from __future__ import annotations

from types import UnionType
from typing import Any, NoReturn, TypeVar, overload

import msgspec

from rustybt.model.errors import InvalidValueError

T = TypeVar("T")

_to_json = msgspec.json.Encoder(decimal_format="string").encode
_to_msgpack = msgspec.msgpack.Encoder(decimal_format="string").encode


def _refuse_float(digits: str) -> NoReturn:
    """Refuse a JSON number with a point or an exponent."""
    raise msgspec.ValidationError(f"{digits} is a float; decimals must be text")


_decode_json = msgspec.json.Decoder(float_hook=_refuse_float).decode


def to_json(value: object) -> bytes:
    """Return *value* of the model as JSON."""
    return _to_json(value)


def to_msgpack(value: object) -> bytes:
    """Return *value* of the model as msgpack."""
    return _to_msgpack(value)


@overload
def from_json(data: bytes | str, kind: type[T]) -> T: ...
@overload
def from_json(data: bytes | str, kind: UnionType) -> Any: ...
def from_json(data: bytes | str, kind: Any) -> Any:
    """Return the value of type *kind* (a class of the model, or a union of them) in *data*.

    Raise :class:`~rustybt.model.errors.InvalidValueError` for malformed JSON, a number with a
    point (it may have been through a float), an unknown or missing field, and a value that cannot
    be.
    """
    try:
        return msgspec.convert(_decode_json(data), kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise InvalidValueError(f"JSON of {_name(kind)}", [str(error)]) from error


@overload
def from_msgpack(data: bytes, kind: type[T]) -> T: ...
@overload
def from_msgpack(data: bytes, kind: UnionType) -> Any: ...
def from_msgpack(data: bytes, kind: Any) -> Any:
    """Return the value of type *kind* in *data*; raise like :func:`from_json`."""
    try:
        raw = msgspec.msgpack.decode(data)
        _refuse_floats(raw)
        return msgspec.convert(raw, kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise InvalidValueError(f"msgpack of {_name(kind)}", [str(error)]) from error


def _name(kind: object) -> str:
    """Return what to call *kind* in a message; a union has no name of its own."""
    return getattr(kind, "__name__", str(kind))


def _refuse_floats(raw: Any) -> None:
    """Refuse a float anywhere in *raw*."""
    if isinstance(raw, float):
        _refuse_float(repr(raw))
    elif isinstance(raw, dict):
        for value in raw.values():
            _refuse_floats(value)
    elif isinstance(raw, list):
        for value in raw:
            _refuse_floats(value)

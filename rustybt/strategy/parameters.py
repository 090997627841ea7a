"""Parameters of a strategy: public class attributes that hold a plain value."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from rustybt.strategy.errors import StrategyError

Parameter = bool | int | float | str | Decimal
_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def declared(kind: type, root: type) -> dict[str, Parameter]:
    """Return the parameters of the strategy class *kind* and their defaults.

    They are the public attributes of plain types on the classes below *root*. Raise
    :class:`~rustybt.strategy.errors.StrategyError` for one that hides what *root* defines.
    """
    found: dict[str, Parameter] = {}
    for parent in reversed(kind.__mro__):
        if not issubclass(parent, root) or parent is root:
            continue
        found |= {
            name: value
            for name, value in vars(parent).items()
            if not name.startswith("_") and isinstance(value, Parameter)
        }
    hidden = sorted(found.keys() & vars(root).keys())
    if hidden:
        raise StrategyError(
            f"parameters of {kind.__name__} hide what every strategy has: {', '.join(hidden)}",
            remedy="give them other names",
        )
    return found


def checked(
    strategy: str, known: dict[str, Parameter], given: dict[str, object]
) -> dict[str, Parameter]:
    """Return *given* in the types of the defaults; raise one error naming all that is wrong."""
    values: dict[str, Parameter] = {}
    wrong: list[str] = []
    for name, value in given.items():
        if name not in known:
            wrong.append(f"{name!r} is not a parameter")
            continue
        try:
            values[name] = _converted(value, known[name])
        except (ValueError, TypeError, InvalidOperation):
            kind = type(known[name]).__name__
            wrong.append(f"{name} = {value!r} is not of type {kind}")
    if wrong:
        raise StrategyError(
            f"parameters of {strategy}: {'; '.join(wrong)}",
            expected=", ".join(f"{name} (now {known[name]})" for name in known) or "none at all",
        )
    return values


def _converted(value: object, default: Parameter) -> Parameter:
    """Return *value*, which may be text from a command line, in the type of *default*."""
    kind = type(default)
    if isinstance(value, str) and kind is bool:
        return _truth(value)
    if isinstance(value, str):
        return kind(value)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise TypeError
    return value


def _truth(text: str) -> bool:
    """Return what *text* says; raise ``ValueError`` if it says neither."""
    try:
        return _TRUTHS[text.lower()]
    except KeyError:
        raise ValueError(text) from None

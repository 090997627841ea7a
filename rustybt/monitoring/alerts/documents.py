"""YAML that strangers may have written: bounded, without aliases, no key twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rustybt.monitoring.alerts.errors import AlertRulesError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_DEPTH: Final = 20


def parse_document(text: str, name: str) -> Mapping[str, Any]:
    """Return the mapping that *text* is in YAML, ``{}`` if it is empty.

    Raise :class:`AlertRulesError` naming the file *name* and the line for anything else, and for
    aliases (they can make a small file huge), repeated keys, and nesting beyond `MAX_DEPTH`. No
    error quotes the text: it may hold secrets.
    """
    import yaml

    try:
        _refuse_tricks(yaml, text, name)
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise AlertRulesError(name, [_told(error)]) from None
    except (ValueError, OverflowError):
        raise AlertRulesError(name, ["a number or date in it is none"]) from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise AlertRulesError(name, ["it is no mapping (expected channels: and rules:)"])
    return found


def _refuse_tricks(yaml: Any, text: str, name: str) -> None:
    """Raise for aliases and deep nesting before anything is built of them; for repeated keys."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            raise AlertRulesError(name, [f"line {line}: aliases are not allowed"])
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise AlertRulesError(name, [f"line {line}: nested more than {MAX_DEPTH} deep"])
    repeated = list(_repeated(yaml, yaml.compose(text, Loader=yaml.SafeLoader)))
    if repeated:
        raise AlertRulesError(name, repeated)


def _repeated(yaml: Any, node: Any) -> Iterator[str]:
    """Yield where a key stands a second time in its mapping: the last one would win in silence."""
    if isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _repeated(yaml, value)
    if not isinstance(node, yaml.MappingNode):
        return
    seen = set()
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                yield f"line {key.start_mark.line + 1}: this key stands in its mapping twice"
            seen.add(key.value)
        yield from _repeated(yaml, value)


def _told(error: Any) -> str:
    """Return where and why a text is no YAML, without the text."""
    mark = getattr(error, "problem_mark", None)
    where = "" if mark is None else f"line {mark.line + 1}: "
    return f"{where}it is not YAML ({getattr(error, 'problem', None) or type(error).__name__})"

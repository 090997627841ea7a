"""Read a checklist from TOML, and report every problem of the file at once.

The format, in short::

    title = "…"            version = "1.0"        max_waivers = 5
    extends = "rustybt"    # optional: start from the checklist in the package

    [section.security]
    number = 2
    title = "Security"
    subsections."2.1" = "Security audit"

    [item."2.1.1"]
    text = "…"       kinds = ["code"]    stage = "dev"
    how = "…"        fails = ["…"]       remedy = "…"
    thresholds.high_findings = { max = 0, unit = "findings" }
    applies = { fact = "api_enabled", equals = true }

Texts are paragraphs: line breaks and indentation in them do not count. Further keys of an item are
those of :class:`~pytest_rustybt_ready.checklist.Item`. An item of a file that extends another
replaces that item as a whole.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from pytest_rustybt_ready.checklist import Checklist, Item, Section, Threshold
from pytest_rustybt_ready.checklist_rules import Unread, problems_of
from pytest_rustybt_ready.errors import ChecklistError

BUILT_IN = "rustybt"
ITEM_ID = re.compile(r"[1-9]\d*\.[1-9]\d*\.[1-9]\d*(\.[1-9]\d*)?", re.ASCII)
SENSES = ("min", "max", "below")
KEYS = ("title", "version", "max_waivers", "extends", "section", "item")
PARAGRAPHS = ("text", "how", "remedy", "title")

Table = dict[str, Any]
Names = Collection[str]
T = TypeVar("T", Section, Item)
F = TypeVar("F")


@cache
def built_in() -> Checklist:
    """Return the checklist that comes with the package."""
    text = resources.files("pytest_rustybt_ready").joinpath("checklist.toml").read_text("utf-8")
    return parse(text, source="checklist.toml")


def load(path: Path) -> Checklist:
    """Read the checklist at *path*; raise ChecklistError with all its problems."""
    return parse(_read(path), source=path)


def parse(text: str, *, source: Path | str) -> Checklist:
    """Build a checklist from TOML *text*; *source* names it in errors.

    Raise ChecklistError with all the problems that the text has.
    """
    data = _toml(text, source)
    problems = _unknown(data, KEYS) + _missing(data, ("title", "version"))
    sections, items = _base(data, problems)
    sections |= _sections(data.get("section", {}), problems)
    items |= _items(data.get("item", {}), problems)
    title = _line("title", data, problems)
    version = _line("version", data, problems)
    max_waivers = _max_waivers(data.get("max_waivers", 5), problems)
    problems += problems_of(sections, items, Unread(*_unread(data, sections, items)))
    if problems:
        raise ChecklistError(source, problems)
    return Checklist(
        title=title,
        version=version,
        max_waivers=max_waivers,
        sections=tuple(sorted(sections.values(), key=lambda section: section.number)),
        items=tuple(sorted(items.values(), key=lambda item: item.order)),
    )


def _unread(data: Table, sections: Names, items: Names) -> Iterator[frozenset[str]]:
    """Yield the names of the section and of the item tables that are there but could not be read.

    Their own faults are reported already; that they are "missing" is not one of them.
    """
    for tables, read in ((data.get("section"), sections), (data.get("item"), items)):
        yield frozenset(tables if isinstance(tables, dict) else ()) - frozenset(read)


def tighten(checklist: Checklist, path: Path) -> Checklist:
    """Apply a deployment's own thresholds (``["1.1.2"]`` tables of ``name = limit``).

    Limits may only become stricter: a looser one, like an unknown item or name, is a problem.
    Raise ChecklistError with all of them.
    """
    problems: list[str] = []
    changed: dict[str, Item] = {}
    for item_id, limits in _toml(_read(path), path).items():
        item = checklist.find(item_id)
        if item is None or not isinstance(limits, dict):
            problems.append(_no_item(item_id, limits))
            continue
        stricter = dict(_stricter(item, limits, problems))
        changed[item_id] = msgspec.structs.replace(item, thresholds=item.thresholds | stricter)
    if problems:
        raise ChecklistError(path, problems)
    items = tuple(changed.get(item.id, item) for item in checklist.items)
    return msgspec.structs.replace(checklist, items=items)


def _no_item(key: str, value: object) -> str:
    if not isinstance(value, dict):
        return f'{key}: expected a table such as ["1.1.2"], found {value!r}'
    # [1.1.2] without quotes is three nested tables in TOML.
    hint = '; write the id in quotes, as in ["1.1.2"]' if key.isdigit() else ""
    return f'["{key}"] is not an item of the checklist{hint}'


def _stricter(item: Item, limits: Table, problems: list[str]) -> Iterator[tuple[str, Threshold]]:
    for name, raw in limits.items():
        threshold = item.thresholds.get(name)
        limit = _number(raw)
        if threshold is None:
            known = ", ".join(sorted(item.thresholds)) or "none"
            problems.append(f"{item.id} has no threshold {name!r} (it has: {known})")
        elif limit is None:
            problems.append(f"{item.id} {name}: {raw!r} is not a finite number")
        elif threshold.loosened_by(limit):
            problems.append(
                f"{item.id} {name}: {limit} is looser than the checklist's {threshold}; "
                "a deployment may only be stricter"
            )
        else:
            yield name, msgspec.structs.replace(threshold, limit=limit)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise ChecklistError(path, [f"cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ChecklistError(path, [f"cannot be read: {error}"]) from error


def _toml(text: str, source: Path | str) -> Table:
    try:
        return tomllib.loads(text, parse_float=_decimal)
    except RecursionError as error:
        raise ChecklistError(source, ["not valid TOML: nested too deeply"]) from error
    except ValueError as error:  # what TOML forbids, and numbers beyond any use
        raise ChecklistError(source, [f"not valid TOML: {error}"]) from error


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text[:40]} is out of range") from None


def _base(data: Table, problems: list[str]) -> tuple[dict[str, Section], dict[str, Item]]:
    extends = data.get("extends")
    if extends is None:
        return {}, {}
    if extends != BUILT_IN:
        problems.append(f"extends: {extends!r} is not known; expected {BUILT_IN!r}")
        return {}, {}
    base = built_in()
    return {s.key: s for s in base.sections}, {i.id: i for i in base.items}


def _sections(tables: object, problems: list[str]) -> dict[str, Section]:
    return {
        key: section
        for key, table in _tables("section", tables, problems)
        if (section := _struct(f"[section.{key}]", Section, {"key": key} | table, problems))
    }


def _items(tables: object, problems: list[str]) -> dict[str, Item]:
    items = {}
    for item_id, table in _tables("item", tables, problems):
        where = f'[item."{item_id}"]'
        if not ITEM_ID.fullmatch(item_id):
            problems.append(f"{where}: an id looks like 2.1.3, or 4.2.1.1 for a sub-item")
            continue
        values: Table = {"id": item_id} | table
        if "thresholds" in values:
            values["thresholds"] = _thresholds(where, values["thresholds"], problems)
        item = _struct(where, Item, values, problems)
        if item is not None:
            items[item_id] = item
    return items


def _tables(what: str, tables: object, problems: list[str]) -> Iterator[tuple[str, Table]]:
    if not isinstance(tables, dict):
        problems.append(f"{what}: expected a table of tables, found {tables!r}")
        return
    for key, table in tables.items():
        if isinstance(table, dict):
            yield key, table
        else:
            problems.append(f"{what}.{key}: expected a table, found {table!r}")


def _thresholds(where: str, tables: object, problems: list[str]) -> dict[str, Threshold]:
    thresholds = {}
    for name, table in _tables(f"{where} thresholds", tables, problems):
        threshold = _threshold(f"{where} thresholds.{name}", table, problems)
        if threshold is not None:
            thresholds[name] = threshold
    return thresholds


def _threshold(where: str, table: Table, problems: list[str]) -> Threshold | None:
    problems += _unknown(table, (*SENSES, "unit"), where=where)
    unit = _field(f"{where}.unit", table.get("unit", ""), str, problems)
    senses = [sense for sense in SENSES if sense in table]
    limit = _number(table[senses[0]]) if len(senses) == 1 else None
    if limit is None:
        problems.append(f"{where}: needs exactly one of {', '.join(SENSES)}, a finite number")
        return None
    sense: Any = senses[0]
    return Threshold(sense=sense, limit=limit, unit=unit or "")


def _number(raw: object) -> Decimal | None:
    """Return *raw* as a decimal, or None if no value could be compared with it."""
    if isinstance(raw, bool) or not isinstance(raw, int | Decimal):
        return None
    number = Decimal(raw)
    return number if number.is_finite() else None


def _struct(where: str, type_: type[T], table: Table, problems: list[str]) -> T | None:
    """Convert field by field, so that each wrong field is reported, not only the first."""
    fields = _fields(type_)
    required = [name for name, field in fields.items() if field.required]
    found = _unknown(table, fields, where=where) + _missing(table, required, where=where)
    values: Table = {
        name: _field(f"{where} {name}", _reflowed(name, table[name]), field.type, found)
        for name, field in fields.items()
        if name in table
    }
    problems += found
    return None if found else type_(**values)


@cache
def _fields(type_: type[Section | Item]) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.name: field for field in msgspec.structs.fields(type_)}


def _reflowed(name: str, value: object) -> object:
    """Take line breaks and indentation out of paragraphs: they are the file's, not the text's."""
    if name == "fails" and isinstance(value, list):
        return [_reflowed("text", entry) for entry in value]
    if name in PARAGRAPHS and isinstance(value, str):
        return " ".join(value.split())
    return value


def _field(where: str, value: object, type_: type[F], problems: list[str]) -> F | None:
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        problems.append(f"{where}: {error} (found {value!r})")
        return None


def _line(name: str, data: Table, problems: list[str]) -> str:
    """Return a line of text that must not be empty; a missing one is reported elsewhere."""
    text = _field(name, data.get(name, "-"), str, problems)
    if text is not None and not text.strip():
        problems.append(f"{name} is empty")
    return text or ""


def _max_waivers(value: object, problems: list[str]) -> int:
    number = _field("max_waivers", value, int, problems)
    if number is not None and number < 0:
        problems.append(f"max_waivers is {number}, expected 0 or more")
    return number or 0


def _unknown(table: Table, known: Any, where: str = "file") -> list[str]:
    return [f"{where}: unknown key {key!r}" for key in table if key not in known]


def _missing(table: Table, required: Any, where: str = "file") -> list[str]:
    return [f"{where}: {key!r} is missing" for key in required if key not in table]

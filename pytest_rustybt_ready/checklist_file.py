"""Read a checklist from TOML, and report every problem of the file at once.

The format, in short::

    title = "…"            version = "1.0"        max_waivers = 5
    extends = "rustybt"    # optional: start from the checklist in the package

    [section.security]
    number = 2
    title = "Security"
    subsections = { "2.1" = "Security audit" }

    [item."2.1.1"]
    text = "…"       kinds = ["code"]    stage = "dev"
    how = "…"        fails = ["…"]       remedy = "…"
    thresholds.high_findings = { max = 0, unit = "findings" }
    applies = { fact = "api_enabled", equals = true }
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from pytest_rustybt_ready.checklist import Checklist, Item, Section, Threshold
from pytest_rustybt_ready.errors import ChecklistError
from pytest_rustybt_ready.values import Kind

BUILT_IN = "rustybt"
ITEM_ID = re.compile(r"[1-9]\d*\.[1-9]\d*\.[1-9]\d*(\.[1-9]\d*)?")
SENSES = ("min", "max", "below")

Table = dict[str, Any]
T = TypeVar("T", Section, Item)


def built_in() -> Checklist:
    """Return the checklist that comes with the package."""
    text = resources.files("pytest_rustybt_ready").joinpath("checklist.toml").read_text("utf-8")
    return parse(text, source="checklist.toml")


def load(path: Path) -> Checklist:
    """Read the checklist at *path*; raise ChecklistError with all its problems."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ChecklistError(path, [f"cannot be read: {error}"]) from error
    return parse(text, source=path)


def parse(text: str, *, source: Path | str) -> Checklist:
    """Build a checklist from TOML *text*; *source* names it in errors."""
    data = _toml(text, source)
    problems: list[str] = []
    sections, items = _base(data, problems)
    sections |= _sections(data.get("section", {}), problems)
    items |= _items(data.get("item", {}), problems)
    problems += _unknown(data, ("title", "version", "max_waivers", "extends", "section", "item"))
    title = _field("title", data.get("title", ""), str, problems)
    version = _field("version", data.get("version", ""), str, problems)
    max_waivers = _field("max_waivers", data.get("max_waivers", 5), int, problems)
    problems += _missing(data, ("title", "version"), where="file")
    problems += _cross_check(sections, items)
    if problems:
        raise ChecklistError(source, problems)
    return Checklist(
        title=title,
        version=version,
        max_waivers=max_waivers,
        sections=tuple(sorted(sections.values(), key=lambda section: section.number)),
        items=tuple(sorted(items.values(), key=lambda item: item.order)),
    )


def tighten(checklist: Checklist, path: Path) -> Checklist:
    """Apply a deployment's own thresholds (``["1.1.2"]`` tables of ``name = limit``).

    Limits may only become stricter: a looser one, like an unknown item or name, is a problem.
    """
    problems: list[str] = []
    changed: dict[str, Item] = {}
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ChecklistError(path, [f"cannot be read: {error}"]) from error
    for item_id, limits in _toml(text, path).items():
        item = checklist.find(item_id)
        if item is None or not isinstance(limits, dict):
            problems.append(f'["{item_id}"] is not an item of the checklist')
            continue
        stricter = dict(_stricter(item, limits, problems))
        changed[item_id] = msgspec.structs.replace(item, thresholds=item.thresholds | stricter)
    if problems:
        raise ChecklistError(path, problems)
    items = tuple(changed.get(item.id, item) for item in checklist.items)
    return msgspec.structs.replace(checklist, items=items)


def _stricter(item: Item, limits: Table, problems: list[str]) -> Iterator[tuple[str, Threshold]]:
    for name, raw in limits.items():
        threshold = item.thresholds.get(name)
        limit = _number(raw)
        if threshold is None:
            known = ", ".join(sorted(item.thresholds)) or "none"
            problems.append(f"{item.id} has no threshold {name!r} (it has: {known})")
        elif limit is None:
            problems.append(f"{item.id} {name}: {raw!r} is not a number")
        elif threshold.loosened_by(limit):
            problems.append(
                f"{item.id} {name}: {limit} is looser than the checklist's {threshold}; "
                "a deployment may only be stricter"
            )
        else:
            yield name, msgspec.structs.replace(threshold, limit=limit)


def _toml(text: str, source: Path | str) -> Table:
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise ChecklistError(source, [f"not valid TOML: {error}"]) from error


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
        problems.append(f"{what}: expected tables such as [{what}.NAME]")
        return
    for key, table in tables.items():
        if isinstance(table, dict):
            yield key, table
        else:
            problems.append(f"{what}.{key}: expected a table, found {table!r}")


def _thresholds(where: str, tables: object, problems: list[str]) -> dict[str, Threshold]:
    thresholds = {}
    for name, table in _tables(f"{where} thresholds", tables, problems):
        senses = [sense for sense in SENSES if sense in table]
        limit = _number(table[senses[0]]) if len(senses) == 1 else None
        if limit is None:
            problems.append(f"{where} thresholds.{name}: needs exactly one of {SENSES}, a number")
            continue
        problems += _unknown(table, (*SENSES, "unit"), where=f"{where} thresholds.{name}")
        unit = _field(f"{where} thresholds.{name}.unit", table.get("unit", ""), str, problems)
        sense: Any = senses[0]
        thresholds[name] = Threshold(sense=sense, limit=limit, unit=unit)
    return thresholds


def _number(raw: object) -> Decimal | None:
    if isinstance(raw, bool) or not isinstance(raw, int | Decimal):
        return None
    return Decimal(raw)


def _struct(where: str, type_: type[T], table: Table, problems: list[str]) -> T | None:
    """Convert field by field, so that each wrong field is reported, not only the first."""
    fields = {field.name: field for field in msgspec.structs.fields(type_)}
    required = [name for name, field in fields.items() if field.required]
    found = _unknown(table, fields, where=where) + _missing(table, required, where=where)
    values = {
        name: _field(f"{where} {name}", table[name], field.type, found)
        for name, field in fields.items()
        if name in table
    }
    problems += found
    return None if found else type_(**values)


def _field(where: str, value: object, type_: Any, problems: list[str]) -> Any:
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        problems.append(f"{where}: {error} (found {value!r})")
        return None


def _unknown(table: Table, known: Any, where: str = "file") -> list[str]:
    return [f"{where}: unknown key {key!r}" for key in table if key not in known]


def _missing(table: Table, required: Any, *, where: str) -> list[str]:
    return [f"{where}: {key!r} is missing" for key in required if key not in table]


def _cross_check(sections: Mapping[str, Section], items: Mapping[str, Item]) -> list[str]:
    problems = [] if items else ["file: there is no item; a checklist without items proves nothing"]
    numbers = [section.number for section in sections.values()]
    problems += [f"section number {n} is used twice" for n in {*numbers} if numbers.count(n) > 1]
    titles = {key for section in sections.values() for key in section.subsections}
    for item in items.values():
        problems += [f'[item."{item.id}"]: {found}' for found in _doubts(item, items)]
        if item.section_number not in numbers:
            problems.append(f'[item."{item.id}"]: there is no section {item.section_number}')
        elif item.subsection not in titles:
            problems.append(f'[item."{item.id}"]: its section has no subsection {item.subsection}')
    return problems


def _doubts(item: Item, items: Mapping[str, Item]) -> Iterator[str]:
    """Yield what contradicts itself in *item*."""
    for name in ("text", "how", "remedy"):
        if not getattr(item, name).strip():
            yield f"{name} is empty"
    if not item.kinds:
        yield "kinds is empty"
    if item.parent is not None and item.parent not in items:
        yield f"its parent {item.parent} does not exist"
    needs_age = Kind.RECORD in item.kinds or Kind.SIGNED in item.kinds
    if needs_age and item.max_age_days is None:
        yield "a record or signed item needs max_age_days"
    if item.max_age_days is not None and item.max_age_days < 1:
        yield f"max_age_days is {item.max_age_days}, expected 1 or more"
    if Kind.SIGNED in item.kinds and not item.role:
        yield "a signed item needs the role that may sign it"
    if (Kind.DERIVED in item.kinds) is not bool(item.derives):
        yield "derives and the kind 'derived' belong together"
    if item.automated and not item.fails:
        yield "an automated item says in fails how it can fail"

"""Properties of the checklist reader: it never breaks, and a deployment never loosens a limit."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_rustybt_ready.checklist import Checklist, Threshold
from pytest_rustybt_ready.checklist_file import parse, tighten
from pytest_rustybt_ready.errors import ChecklistError

HEAD = """
title = "Mine"
version = "1"
[section.security]
number = 2
title = "Security"
subsections."2.1" = "Audit"
"""
ITEM: dict[str, Any] = {
    "text": "It holds",
    "kinds": ["code"],
    "stage": "dev",
    "how": "Look.",
    "fails": ["it breaks"],
    "remedy": "Repair it.",
}

limits = st.decimals(
    min_value=-1_000_000, max_value=1_000_000, allow_nan=False, allow_infinity=False, places=3
)
Sense = Literal["min", "max", "below"]
senses: st.SearchStrategy[Sense] = st.sampled_from(get_args(Sense))
keys = st.one_of(
    st.sampled_from([*ITEM, "role", "waivable", "thresholds", "applies", "derives", "or_signed"]),
    st.text("abc_", min_size=1, max_size=6),
)
scalars = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["code", "signed", "derived", "dev", "live", "2.1.1", "2"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)


def to_toml(value: Any) -> str:
    """Write *value* as an inline TOML value."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        pairs = (f"{json.dumps(key)} = {to_toml(inner)}" for key, inner in value.items())
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(to_toml, value)) + "]"
    if isinstance(value, str):
        # JSON's escapes are TOML's, but for DEL and lone surrogates, which no text here needs.
        return json.dumps(value).replace("\x7f", "\\u007f")
    return str(value)


def document(item: dict[str, Any], item_id: str = "2.1.1") -> str:
    pairs = "".join(f"{json.dumps(key)} = {to_toml(value)}\n" for key, value in item.items())
    return f'{HEAD}[item."{item_id}"]\n{pairs}'


PLAIN = parse(document(ITEM), source="mine.toml")


def with_threshold(threshold: Threshold) -> Checklist:
    item = msgspec.structs.replace(PLAIN.items[0], thresholds={"one": threshold})
    return msgspec.structs.replace(PLAIN, items=(item,))


def read(text: str) -> tuple[Checklist | None, tuple[str, ...]]:
    try:
        return parse(text, source="mine.toml"), ()
    except ChecklistError as error:
        return None, error.problems


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("limits") / "thresholds.toml"


@given(sense=senses, ours=limits, theirs=limits, near=st.booleans())
def test_tighten_accepts_exactly_what_is_at_least_as_strict(
    file: Path, sense: Sense, ours: Decimal, theirs: Decimal, *, near: bool
) -> None:
    """A minimum may only rise, a maximum only fall; anything else is refused."""
    theirs = ours + theirs / 1_000_000_000 if near else theirs
    checklist = with_threshold(Threshold(sense=sense, limit=ours))
    file.write_text(f'["2.1.1"]\none = {theirs:f}\n', "utf-8")
    strict_enough = theirs >= ours if sense == "min" else theirs <= ours
    if strict_enough:
        tightened = tighten(checklist, file).items[0].thresholds["one"]
        assert tightened == Threshold(sense=sense, limit=theirs)
    else:
        with pytest.raises(ChecklistError, match="may only be stricter"):
            tighten(checklist, file)


@given(sense=senses, ours=limits, theirs=limits, observed=limits)
def test_a_tightened_limit_never_accepts_more(
    sense: Sense, ours: Decimal, theirs: Decimal, observed: Decimal
) -> None:
    """What keeps to a limit that is not looser keeps to the limit of the checklist."""
    limit = Threshold(sense=sense, limit=ours)
    other = Threshold(sense=sense, limit=theirs)
    if not limit.loosened_by(theirs) and other.met_by(observed):
        assert limit.met_by(observed)


@given(sense=senses, limit=limits)
def test_limits_are_read_to_the_last_digit(sense: Sense, limit: Decimal) -> None:
    """A limit comes out as it was written, and is printed without exponent or loss."""
    text = document(ITEM | {"thresholds": {"one": {sense: limit}}})
    threshold = parse(text, source="mine.toml").items[0].thresholds["one"]
    assert threshold.limit == limit
    assert Decimal(str(threshold).split(" ")[1]) == limit


@given(key=keys, value=values)
def test_any_item_is_read_or_refused_with_reasons(key: str, value: Any) -> None:
    """No value of any key brings the reader down: it gives a checklist or a list of problems."""
    checklist, problems = read(document(ITEM | {key: value}))
    assert (checklist is None) is bool(problems)
    assert all(problem.strip() for problem in problems)
    assert checklist is None or checklist.items[0].id == "2.1.1"


@given(text=st.text(max_size=60))
def test_any_text_is_refused_with_reasons(text: str) -> None:
    """Whatever stands in a file, the answer is a list of problems and not a traceback."""
    with pytest.raises(ChecklistError) as caught:
        parse(text, source="mine.toml")
    assert caught.value.problems


@given(
    missing=st.sets(st.sampled_from(sorted(ITEM))),
    unknown=st.sets(st.text("xyz", min_size=1, max_size=6), max_size=4),
)
def test_every_wrong_key_is_reported(missing: set[str], unknown: set[str]) -> None:
    """However many keys are missing or unknown, each is named in one go, and nothing else is."""
    kept = {key: value for key, value in ITEM.items() if key not in missing}
    _, problems = read(document(kept | dict.fromkeys(unknown, 1)))
    where = '[item."2.1.1"]'
    expected = {f"{where}: {key!r} is missing" for key in missing}
    expected |= {f"{where}: unknown key {key!r}" for key in unknown}
    assert set(problems) == expected


@given(
    words=st.lists(st.text("abc.`", min_size=1, max_size=5), min_size=1, max_size=8),
    gaps=st.lists(
        st.sampled_from([" ", "\n", "\t", "  ", "\r\n", "\n\n    "]), min_size=9, max_size=9
    ),
)
def test_layout_never_matters(words: list[str], gaps: list[str]) -> None:
    """The same words give the same text, however they are laid out in the file."""
    laid_out = gaps[0] + "".join(word + gap for word, gap in zip(words, gaps[1:], strict=False))
    plain = " ".join(words)
    for key in ("text", "how", "remedy"):
        item = parse(document(ITEM | {key: laid_out}), source="mine.toml").items[0]
        assert getattr(item, key) == plain


@given(
    numbers=st.sets(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=6),
    data=st.data(),
)
def test_order_is_by_number(numbers: set[tuple[int, int]], data: st.DataObject) -> None:
    """Items come out in the order of their numbers, however the file orders them."""
    shuffled = data.draw(st.permutations(sorted(numbers)))
    titles = "".join(f'subsections."2.{n}" = "T"\n' for n in sorted({n for n, _ in numbers}))
    head = HEAD.replace('subsections."2.1" = "Audit"\n', titles)
    body = "".join(document(ITEM, f"2.{n}.{m}").removeprefix(HEAD) for n, m in shuffled)
    checklist = parse(head + body, source="mine.toml")
    assert [item.id for item in checklist.items] == [f"2.{n}.{m}" for n, m in sorted(numbers)]

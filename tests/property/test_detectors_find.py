"""Properties of the detectors: depth hides nothing, use of an input excuses, nothing crashes."""

from __future__ import annotations

import ast
from pathlib import Path
from textwrap import indent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness_tests.detectors import Finding
from readiness_tests.detectors.constants import hardcoded
from readiness_tests.detectors.families import Families
from readiness_tests.detectors.mocks import stand_ins
from readiness_tests.detectors.neutralise import NotNeutralisableError, neutralise, observe
from readiness_tests.detectors.source import Source, parse, read
from readiness_tests.detectors.validators import Validator, find_validators
from readiness_tests.detectors.vocabulary import ABOUT, WORDS, is_stand_in, words

WRAPPERS = [
    "def outer{n}(a):\n{code}\n    return a",
    "async def outer{n}(a):\n{code}\n    return await a",
    "class Outer{n}:\n{code}",
    "class Outer{n}(Base):\n    x = 1\n{code}",
    "if a:\n{code}",
    "if a:\n    b()\nelse:\n{code}",
    "for a in b:\n{code}",
    "while a:\n{code}",
    "with a:\n{code}",
    "try:\n{code}\nfinally:\n    b()",
    "try:\n    b()\nexcept ValueError:\n{code}",
    "match a:\n    case 1:\n        b()\n    case _:\n{deeper}",
]

STAND_INS = [
    ("mock-library", "from unittest import mock as m"),
    ("mock-library", "x = importlib.import_module('unittest.mock')"),
    ("mock-fixture", "def test_x(mocker):\n    return mocker"),
    ("mock-name", "fake_price: int = 1"),
    ("mock-name", "self.stub = 1"),
    ("empty-body", "def f(x):\n    pass"),
    ("empty-body", "async def f(x):\n    '''Later.'''"),
    ("swallowed-exception", "try:\n    f()\nexcept KeyError:\n    pass"),
    ("unfinished", "print('coming soon')"),
    ("patched", "monkeypatch.setattr('rustybt.x', 1)"),
]

HARDCODED = [
    ("hardcoded-amount", "def fee(self, order):\n    return Decimal('0.001')"),
    (
        "hardcoded-amount",
        "def fee(self, order):\n    if order:\n        return 0.5\n    return 0.5",
    ),
    ("ignores-inputs", "def is_open(self, symbol):\n    return True"),
    ("ignores-inputs", "async def positions(self, symbol):\n    return []"),
]


def wrapped(code: str, wrappers: list[str]) -> str:
    """Return *code* inside all *wrappers*, the first one innermost."""
    for number, wrapper in enumerate(wrappers):
        deeper = indent(code, " " * 8)
        code = wrapper.format(n=number, code=indent(code, " " * 4), deeper=deeper)
    return f"import importlib\nfrom decimal import Decimal\n{code}\n"


def source_of(code: str) -> Source:
    """Parse *code*."""
    return parse(code.encode())


@given(st.sampled_from(STAND_INS), st.lists(st.sampled_from(WRAPPERS), max_size=5))
def test_a_stand_in_is_found_at_any_depth(case: tuple[str, str], wrappers: list[str]) -> None:
    """However deep in functions, classes and blocks, a stand-in is found."""
    rule, code = case
    source = source_of(wrapped(code, wrappers))

    assert rule in {f.rule for f in stand_ins(source, Families([source]), strict=True)}


@given(st.sampled_from(HARDCODED), st.lists(st.sampled_from(WRAPPERS), max_size=5))
def test_a_hardcoded_value_is_found_at_any_depth(
    case: tuple[str, str], wrappers: list[str]
) -> None:
    """However deep, a function that ignores its inputs is found, and it alone."""
    rule, code = case
    source = source_of(wrapped(code, wrappers))

    assert [f.rule for f in hardcoded(source, Families([source]))] == [rule]


literals = st.one_of(
    st.booleans().map(repr),
    st.integers(-9, 9).map(repr),
    st.floats(0.001, 9).map(repr),
    st.sampled_from(["'a'", "b'b'", "()", "[1, 2]", "{'a': 1}", "Decimal('0.1')"]),
)


def combined(leaves: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return expressions over *leaves* in which every leaf takes part."""
    pairs = st.tuples(leaves, st.sampled_from(["+", "*", "<", "==", "and", "or", "in"]), leaves)
    return st.one_of(
        pairs.map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        leaves.map(lambda e: f"(not {e})"),
        leaves.map(lambda e: f"[{e}, 1]"),
        leaves.map(lambda e: f"{{'k': {e}}}"),
        leaves.map(lambda e: f"Decimal({e})"),
        st.tuples(leaves, leaves).map(lambda p: f"({p[0]} if {p[1]} else {p[0]})"),
    )


constants = st.recursive(literals, combined, max_leaves=4)
inputs = st.sampled_from(["x", "x.price", "x[0]", "f(x)", "self.rate", "*x,", "x.f()", "-x"])


def using(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return expressions in which an expression of *inner* takes part, beside constants."""
    return st.one_of(
        st.tuples(inner, literals).map(lambda p: f"({p[0]} + {p[1]})"),
        st.tuples(literals, inner).map(lambda p: f"({p[0]} == {p[1]})"),
        st.tuples(literals, inner).map(lambda p: f"({p[0]}, ({p[1]}))"),
        inner.map(lambda e: f"Decimal({e})"),
        inner.map(lambda e: f"[({e}) for _ in range(3)]"),
        st.tuples(inner, literals).map(lambda p: f"(1 if ({p[0]}) else {p[1]} == 9)"),
        inner.map(lambda e: "f'{(" + e.replace("'", '"') + ")}'"),
    )


dependent = st.recursive(inputs.map(lambda e: f"({e})"), using, max_leaves=3)
harmless = st.sampled_from(["print(x)", "y = 1", "if x: log.info(x)", "for _ in x: y = 2", "''"])


@given(dependent, st.lists(harmless, max_size=3), st.booleans())
def test_a_function_that_uses_an_input_is_never_flagged(
    expression: str, before: list[str], named: bool
) -> None:
    """Whatever is made of an input, with whatever constants, is not hardcoded."""
    answer = ["result = " + expression, "return result"] if named else ["return " + expression]
    body = "\n".join([*before, *answer])
    source = source_of(f"class A:\n    def fee(self, x):\n{indent(body, ' ' * 8)}\n")

    assert list(hardcoded(source, Families([source]))) == []


@given(constants, st.lists(harmless, max_size=3), st.integers(1, 3))
def test_a_function_that_repeats_one_constant_is_always_flagged(
    expression: str, before: list[str], returns: int
) -> None:
    """One constant answer is found, however it is computed and however often it is written."""
    branches = [f"if x == {n}: return {expression}" for n in range(returns - 1)]
    body = "\n".join([*before, *branches, f"return {expression}"])
    source = source_of(f"def fee(x):\n{indent(body, ' ' * 4)}\n")
    found = list(hardcoded(source, Families([source])))

    assert len(found) == 1


@given(dependent, st.sampled_from(["0.1, 0.2", "True, False", "[], [1]", "'a', None"]))
def test_a_choice_by_an_input_is_never_flagged(test: str, answers: str) -> None:
    """Different constants chosen by an input depend on it."""
    first, second = ast.unparse(ast.parse(answers)).strip("()").rsplit(", ", 1)
    code = f"class A:\n  def fee(self, x):\n    if {test}: return {first}\n    return {second}\n"
    source = source_of(code)

    assert list(hardcoded(source, Families([source]))) == []


plain_words = st.sampled_from(["smock", "stubborn", "order", "price", "mocking2x", "unfaked", "x"])
plain_words = plain_words.filter(lambda word: WORDS.isdisjoint(words(word)))


@given(st.lists(plain_words, max_size=4), st.lists(plain_words, max_size=4), st.booleans())
def test_only_a_whole_word_makes_a_stand_in(
    before: list[str], after: list[str], camel: bool
) -> None:
    """Plain words never do, one of the listed words always does, in both ways of writing."""
    for word in ["", *sorted(WORDS)]:
        parts = [*before, *([word] if word else []), *after]
        name = "".join(p.capitalize() for p in parts) if camel else "_".join(parts)

        assert is_stand_in(name) is bool(word)
        assert not is_stand_in(f"{min(ABOUT)}_{name}")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file to write anything to."""
    return tmp_path_factory.mktemp("any") / "any.py"


code_like = st.text(st.sampled_from("abc =():\n\t'\"\\#@[]{}0123.é\r\f\x00"), max_size=60)


@given(st.one_of(st.binary(max_size=60), code_like.map(str.encode)))
def test_any_bytes_are_a_module_or_a_finding(file: Path, data: bytes) -> None:
    """Reading never raises; what is parsed has lines for all its nodes."""
    file.write_bytes(data)

    result = read(file)

    assert isinstance(result, Source | Finding)
    if isinstance(result, Source):
        last = max((getattr(n, "end_lineno", 1) for n in ast.walk(result.tree)), default=1)
        assert len(result.lines) >= last


results = st.sampled_from(["", " -> bool", " -> None", " -> str", " -> list[str]", " -> Open"])
signatures = st.sampled_from(["x", "x: str", "self, x", "*, x: int", "x, *args", "x, é='ü'"])
bodies = st.lists(
    st.sampled_from(
        [
            "if not x: raise ValueError('ö')",
            "assert x, 'é'",
            "y = [x]",
            "return x",
            "return [x]",
            "for z in y:\n    if z: return False",
            "'text'",
            "@f\ndef g(): return x",
            "yield x",
        ]
    ),
    min_size=1,
    max_size=5,
)


@given(results, signatures, bodies, st.sampled_from(["  ", "\t", "      "]))
def test_changed_validators_are_still_python(
    result: str, signature: str, body: list[str], space: str
) -> None:
    """Neutralised or observed, the module parses and all but the validator stays."""
    head = f"é = 1\ndef before(): return é\ndef check({signature}){result}:\n"
    tail = "\n\ndef after(): return 'ü'\n"
    text = head + indent("\n".join(body), space) + tail
    validators = find_validators([source_of(text)], Path.cwd())
    for validator in validators:
        for changed in (observe(text, validator, "hit(1)"), passing(text, validator)):
            assert changed.startswith(head)
            assert changed.endswith(tail)
            assert len(ast.parse(changed).body) == 4


def passing(text: str, validator: Validator) -> str:
    """Neutralise, or return the text as it is where that is refused."""
    try:
        return neutralise(text, validator)
    except NotNeutralisableError:
        return text

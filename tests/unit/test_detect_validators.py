"""Which functions count as validators, and what neutralising does to them."""

from __future__ import annotations

import ast
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from readiness_tests.detectors.neutralise import NotNeutralisableError, neutralise, observe
from readiness_tests.detectors.source import load
from readiness_tests.detectors.validators import Validator, find_validators

if TYPE_CHECKING:
    from pathlib import Path


def find(folder: Path, **modules: str) -> list[Validator]:
    """Return the validators in *modules*, given as texts by name."""
    for name, code in modules.items():
        file = folder / "pkg" / f"{name}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(dedent(code), encoding="utf-8")
    return find_validators(load([folder])[0], folder)


def found(folder: Path, code: str) -> list[tuple[str, str]]:
    """Return name and reason of each validator in *code*."""
    return [(validator.qualname, validator.how) for validator in find(folder, a=code)]


def neutral(folder: Path, code: str) -> str:
    """Return *code* with its only validator neutralised."""
    code = dedent(code)
    (validator,) = find(folder, a=code)
    return neutralise(code, validator)


def run(code: str) -> dict[str, object]:
    """Execute *code* and return its names."""
    names: dict[str, object] = {}
    exec(code, names)  # noqa: S102 - the code is written in this file
    return names


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def validate_price(x): return x", "validate_price"),
        ("def _validate(x): return x", "_validate"),
        ("def check_limits(x): return x", "check_limits"),
        ("def verify(x): return x", "verify"),
        ("def ensure_open(x): return x", "ensure_open"),
        ("def is_valid_price(x): return x", "is_valid_price"),
        ("def isValid(x): return x", "isValid"),
        ("async def check(x): return x", "check"),
        ("class A:\n    def _check(self, x): return x", "A._check"),
        ("def make():\n    def check(x): return x\n    return check", "make.<locals>.check"),
    ],
)
def test_validators_are_found_by_name(tmp_path: Path, code: str, expected: str) -> None:
    """The first word of the name tells."""
    assert found(tmp_path, code) == [(expected, "name")]


@pytest.mark.parametrize(
    ("decorator", "how"),
    [
        ("field_validator('x')", "field_validator"),
        ("pydantic.field_validator('x', mode='before')", "field_validator"),
        ("model_validator(mode='after')", "model_validator"),
        ("validator('x')", "validator"),
        ("root_validator(pre=True)", "root_validator"),
        ("price.validator", "validator"),
        ("orm.validates('x')", "validates"),
        ("classmethod\n    @field_validator('x')", "field_validator"),
    ],
)
def test_validators_are_found_by_decorator(tmp_path: Path, decorator: str, how: str) -> None:
    """Decorators of pydantic, attrs and SQLAlchemy make a validator of any function."""
    code = f"class A:\n    @{decorator}\n    def f(self, x): return x\n"

    assert found(tmp_path, code) == [("A.f", how)]


@pytest.mark.parametrize(
    ("use", "how"),
    [
        ("X = Annotated[int, AfterValidator(f)]", "AfterValidator"),
        ("X = Annotated[int, pydantic.BeforeValidator(f)]", "BeforeValidator"),
        ("X = Annotated[int, PlainValidator(func=f)]", "PlainValidator"),
        ("from pydantic import WrapValidator as W\nX = Annotated[int, W(f)]", "WrapValidator"),
        ("x = typer.Option(1, callback=f)", "callback"),
        ("x = typer.Argument(callback=f)", "callback"),
        ("@click.option('--x', callback=f)\ndef g(x): return x", "callback"),
        ("x = attrs.field(validator=f)", "validator"),
        ("x = field(validator=[other, f])", "validator"),
        ("x = attr.ib(validator=(f, other))", "validator"),
    ],
)
def test_validators_are_found_by_use(tmp_path: Path, use: str, how: str) -> None:
    """A function that is handed over as a validator is one."""
    assert found(tmp_path, f"def f(x): return x\n{use}\n") == [("f", how)]


def test_validators_are_found_by_use_in_another_module(tmp_path: Path) -> None:
    """The use counts wherever it is, by imported name or through the module."""
    validators = find(
        tmp_path,
        rules="def f(x): return x\ndef g(x): return x\ndef h(x): return x\n",
        use="from pkg.rules import f as rule\nfrom pkg import rules\n"
        "A = AfterValidator(rule)\nB = AfterValidator(rules.g)\nC = AfterValidator(int)\n",
    )

    assert [(v.path, v.qualname) for v in validators] == [
        ("pkg/rules.py", "f"),
        ("pkg/rules.py", "g"),
    ]


def test_a_package_is_known_by_its_folder(tmp_path: Path) -> None:
    """A function in `__init__` is imported from the package."""
    code = {"__init__": "def f(x): return x\n", "use": "from pkg import f\nA = AfterValidator(f)\n"}

    assert [v.path for v in find(tmp_path, **code)] == ["pkg/__init__.py"]


def test_inline_validators_are_found(tmp_path: Path) -> None:
    """A lambda that is used as a validator is one without a name."""
    code = "A = AfterValidator(lambda v: v + 1)\nB = sorted([], key=lambda v: v)\n"

    (validator,) = find(tmp_path, a=code)

    assert (validator.qualname, validator.line, validator.column) == ("<lambda>", 1, 20)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("class A:\n    def __post_init__(self):\n        if self.x: raise ValueError", True),
        ("class A:\n    def __attrs_post_init__(self): raise ValueError", True),
        ("class A:\n    def __post_init__(self): self.x = 1", False),
    ],
)
def test_what_refuses_after_init_is_a_validator(tmp_path: Path, code: str, expected: bool) -> None:
    """A `__post_init__` that raises refuses values; one that does not only fills in."""
    assert [how for _, how in found(tmp_path, code)] == ["after init"] * expected


@pytest.mark.parametrize(
    "code",
    [
        "def checkout(x): return x",
        "def checks(x): return x",
        "def validator(x): return x",
        "def is_valued(x): return x",
        "check = 1",
        "class A(Protocol):\n    def check(self, x): ...",
        "class A:\n    @abstractmethod\n    def validate(self, x): raise NotImplementedError",
        "@overload\ndef check(x): ...\n",
        "class A:\n    def check(self, x):\n        '''Hook.'''",
        "def f(x): return x\nx = button(callback=f)\ny = AfterValidator(other(f))\n",
    ],
)
def test_what_only_looks_like_a_validator_is_none(tmp_path: Path, code: str) -> None:
    """Other words, declarations and other uses do not count."""
    assert found(tmp_path, code) == []


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("def validate(x) -> bool", "return True"),
        ("def validate(x: bool) -> bool", "return True"),
        ("def validate(x) -> TypeGuard[int]", "return True"),
        ("def validate(x) -> None", "return None"),
        ("def validate(x: None) -> None", "return None"),
        ("def validate(x: str) -> str", "return x"),
        ("def validate(a: int, x: str) -> str", "return x"),
        ("def validate(x: 'str') -> 'str'", "return x"),
        ("def validate(x) -> str | None", "return None"),
        ("def validate(x) -> Optional[str]", "return None"),
        ("def validate(x: str | None) -> str | None", "return x"),
        ("def validate(x) -> list[str]", "return []"),
        ("def validate(x) -> Sequence[str]", "return []"),
        ("def validate(x) -> typing.List[str]", "return []"),
        ("def validate(x) -> tuple[str, ...]", "return ()"),
        ("def validate(x) -> set[str]", "return set()"),
        ("def validate(x) -> frozenset[str]", "return frozenset()"),
        ("def validate(x) -> Mapping[str, str]", "return {}"),
        ("def validate(x) -> Iterator[str]", "return iter(())"),
        ("def validate(x)", "return None"),
        ("class A:\n  def validate(self, x: A) -> A", "return x"),
        ("class A:\n  @staticmethod\n  def validate(x: A) -> A", "return x"),
        ("async def validate(x) -> bool", "return True"),
    ],
)
def test_the_type_tells_what_passing_is(tmp_path: Path, head: str, body: str) -> None:
    """What the function promises to return decides what it returns when all is well."""
    indent = "    " if head.startswith("class") else "  "
    code = f"{head}:\n{indent}'''Doc.'''\n{indent}if not x:\n{indent}  raise ValueError\n"

    assert neutral(tmp_path, code) == f"{head}:\n{indent}'''Doc.'''\n{indent}{body}\n"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return x", "return x"),
        ("if x: raise ValueError\n    return x", "return x"),
        ("return x > 0", "return True"),
        ("return not x", "return True"),
        ("if x: return True\n    return False", "return True"),
        ("f(x)", "return None"),
        ("return", "return None"),
        ("yield x", "yield from ()"),
        ("yield from x", "yield from ()"),
    ],
)
def test_without_a_type_the_answers_tell(tmp_path: Path, body: str, expected: str) -> None:
    """An untyped function passes what it returned, or is true, or says nothing."""
    assert neutral(tmp_path, f"def check(x):\n    {body}\n") == f"def check(x):\n    {expected}\n"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("@field_validator('x')\n  @classmethod\n  def f(cls, v, info)", "return v"),
        ("@field_validator('x')\n  def f(cls, v)", "return v"),
        ("@field_validator('x')\n  @staticmethod\n  def f(v)", "return v"),
        ("@field_validator('x', mode='wrap')\n  @classmethod\n  def f(cls, v, h)", "return h(v)"),
        ("@model_validator(mode='after')\n  def f(self)", "return self"),
        ("@model_validator(mode='before')\n  @classmethod\n  def f(cls, d)", "return d"),
        ("@model_validator(mode='wrap')\n  @classmethod\n  def f(cls, d, h)", "return h(d)"),
        ("@validator('x', pre=True)\n  def f(cls, v)", "return v"),
        ("@root_validator\n  def f(cls, values)", "return values"),
        ("@validates('x')\n  def f(self, key, v)", "return v"),
        ("@x.validator\n  def f(self, attribute, v)", "return None"),
    ],
)
def test_the_decorator_tells_what_passing_is(tmp_path: Path, head: str, expected: str) -> None:
    """Each library's protocol decides what an accepting validator returns."""
    code = f"class A:\n  {head}:\n    raise ValueError\n"

    assert neutral(tmp_path, code) == f"class A:\n  {head}:\n    {expected}\n"


@pytest.mark.parametrize(
    ("head", "use", "expected"),
    [
        ("def f(v)", "AfterValidator(f)", "return v"),
        ("def f(v, info)", "BeforeValidator(f)", "return v"),
        ("def f(v, handler)", "WrapValidator(f)", "return handler(v)"),
        ("def f(v: str)", "typer.Option(callback=f)", "return v"),
        ("def f(ctx: typer.Context, v: str)", "typer.Option(callback=f)", "return v"),
        ("def f(ctx, param, value)", "click.option(callback=f)", "return value"),
        ("def f(value, ctx: Context)", "typer.Option(callback=f)", "return value"),
        ("def f(ctx: Context)", "typer.Option(callback=f)", "return None"),
        ("def f()", "AfterValidator(f)", "return None"),
        ("def f(instance, attribute, v)", "attrs.field(validator=f)", "return None"),
    ],
)
def test_the_use_tells_what_passing_is(tmp_path: Path, head: str, use: str, expected: str) -> None:
    """Who calls the function decides what an accepting one returns."""
    code = f"{head}:\n    raise ValueError\nX = {use}\n"

    assert neutral(tmp_path, code) == f"{head}:\n    {expected}\nX = {use}\n"


def test_a_lambda_gives_back_what_it_was_given(tmp_path: Path) -> None:
    """An inline validator becomes the identity; one without parameters gives nothing."""
    assert neutral(tmp_path, "A = AfterValidator(lambda v: v + 1)\n") == (
        "A = AfterValidator(lambda v: v)\n"
    )
    assert neutral(tmp_path, "A = AfterValidator(lambda: 1)\n") == (
        "A = AfterValidator(lambda: None)\n"
    )


def test_where_the_type_tells_nothing_the_guards_go(tmp_path: Path) -> None:
    """Raises, asserts and early ends vanish; what is made along the way stays."""
    code = """\
    def check(x) -> Result:
        if x.odd:
            raise ValueError("odd")
        if x.small:
            return Result(None)
        elif x.big:
            x = x - 1
        assert x.good
        with lock:
            for part in x:
                if part.bad:
                    raise ValueError(part)
        def inner(y):
            raise KeyError(y)
        return Result(x)
    """
    expected = """\
    def check(x) -> Result:
        pass
        if x.big:
            x = x - 1
        pass
        with lock:
            for part in x:
                pass
        def inner(y):
            raise KeyError(y)
        return Result(x)
    """

    assert ast.unparse(ast.parse(neutral(tmp_path, code))) == ast.unparse(
        ast.parse(dedent(expected))
    )


def test_after_init_only_the_refusals_go(tmp_path: Path) -> None:
    """What a `__post_init__` fills in is still filled in."""
    code = (
        "class A:\n    def __post_init__(self):\n"
        "        if self.x < 0: raise ValueError\n        self.y = 1\n"
    )

    names = run(neutral(tmp_path, code) + "a = A()\na.x = -1\na.__post_init__()\ny = a.y\n")

    assert names["y"] == 1


def test_a_translated_exception_is_not_raised_either(tmp_path: Path) -> None:
    """A raise in a handler is a refusal like any other."""
    code = """\
    def check(x) -> Result:
        try:
            return Result(x)
        except KeyError as error:
            raise ValueError(x) from error
    """

    assert "raise" not in neutral(tmp_path, code)


def test_what_cannot_be_told_is_refused(tmp_path: Path) -> None:
    """No type, no protocol, no guard: guessing would prove nothing."""
    with pytest.raises(NotNeutralisableError, match="it has no guard"):
        neutral(tmp_path, "def check(x) -> Report: return Report(x)\n")


def test_a_function_without_a_body_is_refused_and_can_be_observed() -> None:
    """A docstring alone decides nothing."""
    code = "calls = []\ndef check(x):\n    'Doc.'\n"
    validator = Validator("a.py", 2, 1, "check", "name")

    with pytest.raises(NotNeutralisableError, match="it has no body"):
        neutralise(code, validator)
    assert run(observe(code, validator, "calls.append(1)") + "check(1)\n")["calls"] == [1]


def test_a_function_on_one_line_stays_on_it(tmp_path: Path) -> None:
    """A body beside its head is replaced in place."""
    assert neutral(tmp_path, "def check(x) -> bool: return x > 0  # why\n") == (
        "def check(x) -> bool: return True  # why\n"
    )
    assert neutral(tmp_path, "def check(x) -> R: assert x; return R()\n") == (
        "def check(x) -> R: pass; return R()\n"
    )


def test_decorated_first_statements_go_as_a_whole(tmp_path: Path) -> None:
    """A body that starts with a decorated function loses its decorator, too."""
    code = "def check(x) -> bool:\n    @cache\n    def f(): return x\n    return f()\n"

    assert neutral(tmp_path, code) == "def check(x) -> bool:\n    return True\n"


def test_only_the_one_validator_changes(tmp_path: Path) -> None:
    """Namesakes, comments and odd characters around it stay."""
    code = (
        "é = 'ü'; x = 1  # ö\nclass A:\n\tdef check(self) -> bool:\n\t\treturn 'ä' in é\n\n"
        "class B:\n\tdef check(self) -> bool:\n\t\treturn False  # keep\n"
    )
    first, second = find(tmp_path, a=code)

    assert neutralise(code, first) == code.replace("return 'ä' in é", "return True")
    assert neutralise(code, second) == code.replace("return False  #", "return True  #")


def test_a_text_without_the_validator_is_an_error(tmp_path: Path) -> None:
    """A text that changed meanwhile is noticed."""
    (validator,) = find(tmp_path, a="def check(x): return x\n")

    with pytest.raises(LookupError, match="check is not in the text"):
        neutralise("\ndef check(x): return x\n", validator)
    with pytest.raises(LookupError, match="<lambda> is not in the text"):
        neutralise("f = lambda x: x\n", Validator("a.py", 1, 1, "<lambda>", "AfterValidator"))


@pytest.mark.parametrize(
    "code",
    [
        "def check(x):\n    return x + 1\n",
        "def check(x):\n    '''Doc.'''\n    return x + 1\n",
        "def check(x): return x + 1\n",
        "def check(x):\n    '''Doc.'''; return x + 1\n",
        "def check(x):\n    @str\n    def f(): return 1\n    return x + 1\n",
        "def check(x):\n\tif x:\n\t\treturn x + 1\n",
        "def AfterValidator(f): return f\ncheck = AfterValidator(lambda x: x + 1)\n",
    ],
)
def test_observed_validators_report_and_work_as_before(tmp_path: Path, code: str) -> None:
    """The report is evaluated at each call, and the answer stays the same."""
    (validator,) = find(tmp_path, a=code)

    names = run("calls = []\n" + observe(code, validator, "calls.append(1)"))
    check = names["check"]

    assert callable(check)
    assert [check(1), check(2)] == [2, 3]
    assert names["calls"] == [1, 1]

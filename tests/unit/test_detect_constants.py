"""What the detector of hardcoded values finds, and what it leaves alone.

Offending code stands in texts, which are written to files: a text is no code.
"""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from readiness_tests.detectors import DetectorError, scan_constants

if TYPE_CHECKING:
    from pathlib import Path


def found(folder: Path, code: str) -> list[tuple[str, str]]:
    """Return the rule and the message of each finding in *code*."""
    (folder / "module.py").write_text(dedent(code), encoding="utf-8")
    return [(finding.rule, finding.message) for finding in scan_constants([folder]).findings]


AMOUNTS = [
    'def fee(order): return Decimal("0.001")',
    "def fee(order): return 0.001",
    "def fee(order): return -0.001",
    'def fee(order): return +Decimal("1") / Decimal("3")',
    'def fee(order): return Decimal("1").quantize(Decimal("0.01"))',
    "def fee(order): return Decimal(value='0.001')",
    "import decimal\ndef fee(order): return decimal.Decimal('0.001')",
    "from decimal import Decimal as D\ndef fee(order): return D('0.001')",
    "from fractions import Fraction\ndef fee(order): return Fraction(1, 3)",
    "def fee(order): return float('0.001')",
    "def fee(order): return Decimal(' 0.001 '.strip())",
    "RATE = Decimal('0.001')\ndef fee(order): return RATE",
    "RATE: float = 0.001\ndef fee(order): return RATE",
    "A = 0.001\nB = A * 2\ndef fee(order): return B",
    "def fee(order):\n    rate = 0.001\n    return rate",
    "def fee(order):\n    a = b = 0.001\n    return a + b",
    "def fee(order):\n    return (rate := 0.001)",
    "def fee(order): return {'maker': 0.001, 'taker': 0.002}",
    "def quote(symbol): return (100.5, 100.7)",
    "def quote(symbol): return Quote(bid=Decimal('1.0'), ask=Decimal('1.1'))",
    "def fee(order):\n    if order.size: return 0.001\n    return 0.001",
    "def fee(order):\n    if order.size: return 0.001\n    else: return 0.001",
    "def fee(order): return 0.001 if order else 0.001",
    "def fee(order):\n    for fill in order: return 0.001\n    return 0.001",
    "def fee(order):\n    try:\n        return 0.001\n    except A:\n        return 0.001",
    "def fee(order):\n    match order:\n        case 1: return 0.001\n        case _: return 0.001",
    "def fee(order):\n    if True: return 0.001\n    return 0.002",
    "def fee(order):\n    order.seen = True\n    return 0.001",
    "def fee(order):\n    log.info(order)\n    venue.ask(order)\n    return 0.001",
    "def fee(order):\n    if not order: raise ValueError\n    return 0.001",
    "async def fee(order):\n    await sleep(0.1)\n    return 0.001",
    "def prices(symbol):\n    yield 100.5",
    "def fee(): return 0.001",
    "class A:\n    def fee(self): return Decimal('0.001')",
    "class A:\n    @property\n    def fee(self): return 0.001",
    "class A(B):\n    @override\n    def fee(self, order): return 0.001",
    "class A:\n    @staticmethod\n    def fee(order): return 0.001",
    "class A:\n    @classmethod\n    def fee(cls, order): return 0.001",
    "class A:\n    def __call__(self, order): return 0.001",
    "def outer(x):\n    def fee(order): return 0.001\n    return fee(x)",
    "if FAST:\n    def fee(order): return 0.001\nelse:\n    def fee(order): return order * 2",
    "def fee(order):\n    del order\n    return 0.001",
    "def fee(_order): return 0.001",
    "def fee(*args, **kwargs): return 0.001",
]


@pytest.mark.parametrize("code", AMOUNTS)
def test_hardcoded_amounts_are_found(tmp_path: Path, code: str) -> None:
    """An amount that is the same for every input is found, however it is dressed up."""
    assert {rule for rule, _ in found(tmp_path, code)} == {"hardcoded-amount"}


IGNORING = [
    "def is_open(symbol): return True",
    "def is_open(symbol): return False",
    "def is_open(symbol): return not False",
    "def is_open(symbol): return 1 < 2 and True",
    "def is_open(symbol):\n    if symbol: return True\n    return True",
    (
        "def is_open(symbol):\n    if symbol == 'X':\n        return True\n"
        "    elif symbol:\n        return True\n    else:\n        return True"
    ),
    (
        "def is_open(symbol):\n    log.debug('asked for %s', symbol)\n"
        "    print(symbol)\n    return True"
    ),
    "def is_open(symbol):\n    asked = symbol\n    return True",
    "def is_open(symbol):\n    _ = symbol.name\n    return True",
    "def is_open(symbol):\n    while True: return True",
    "def is_open(symbol):\n    while symbol:\n        if symbol: break\n    return True",
    "def is_open(symbol):\n    while True:\n        if symbol: break\n    return True",
    "def is_open(symbol):\n    try:\n        print(symbol)\n    finally:\n        return True",
    "def is_open(symbol):\n    with symbol: return True",
    "def status(order): return 'FILLED'",
    "def status(order): return f'{1}-OK'",
    "def status(order): return OrderStatus.FILLED",
    "import venue\ndef status(order): return venue.OrderStatus.FILLED",
    "def positions(account): return []",
    "def positions(account): return {'a': [1, 2], **{'b': ()}}",
    "def positions(account): return list()",
    "def positions(account):\n    result = []\n    return result",
    "def quantity(order): return 42",
    "def fee(order): return Decimal(0)",
    "def when(order): return datetime(2020, 1, 1)",
    "def health(request): return {'status': 'ok'}",
    "class A:\n    def is_open(self, symbol): return True",
    "class A(Port):\n    def is_open(self, symbol): return True",
    (
        "from typing import Protocol\nclass P(Protocol):\n"
        "    def f(self, x): ...\nclass A(P):\n    def f(self, x): return True"
    ),
    "class A:\n    def __eq__(self, other): return True",
    "async def is_open(symbol): return True",
    "def is_open(symbol):\n    result = True\n    return result",
    "OPEN = True\ndef is_open(symbol): return OPEN",
    "def outer(fs):\n    def f(x): return True\n    def g(x): return x\n    return (f, g)",
]


@pytest.mark.parametrize("code", IGNORING)
def test_functions_that_ignore_their_inputs_are_found(tmp_path: Path, code: str) -> None:
    """A function with parameters, one answer and no effect is found."""
    assert {rule for rule, _ in found(tmp_path, code)} == {"ignores-inputs"}


@pytest.mark.parametrize(
    "code",
    [
        "def is_connected(): return True",
        "def get_balance(): return 10000",
        "async def fetch_count(): return -1",
        "class A:\n    def is_connected(self): return True",
        "class A:\n    @classmethod\n    def has_credit(cls): return not False",
        "def check():\n    print('checking')\n    return True",
    ],
)
def test_answers_without_a_question_are_found(tmp_path: Path, code: str) -> None:
    """A name that promises to find something out must not know it beforehand."""
    assert {rule for rule, _ in found(tmp_path, code)} == {"hardcoded-answer"}


INNOCENT = [
    # the answer depends on an input
    "def fee(order): return order.size * Decimal('0.001')",
    "def fee(order): return Decimal('0.001') if order.maker else Decimal('0.002')",
    "def fee(order):\n    if order.maker: return 0.001\n    return 0.002",
    "def fee(order):\n    rate = 0.001\n    if order.maker: rate = 0.002\n    return rate",
    "def fee(order):\n    rate = 0.001\n    rate += order.size\n    return rate",
    "def fee(order):\n    for rate in order: return rate",
    "def fee(order):\n    with order as rate: return rate",
    "def fee(order):\n    match order:\n        case {'rate': rate}: return rate",
    (
        "def fee(order):\n    match order.kind:\n"
        "        case 'a': return 0.1\n        case _: return 0.2"
    ),
    "def fee(order):\n    rates = []\n    rates.append(order)\n    return rates",
    "def fee(order):\n    rates = {}\n    rates[order] = 1\n    return rates",
    "def fee(order):\n    import rates\n    return rates",
    "def fee(order, rate=0.001): return rate",
    "def fee(*orders): return orders",
    "def fee(order, *, rate): return f'{rate}'",
    "def fee(order):\n    rate, other = 0.1, 0.2\n    return rate",
    (
        "def known(x):\n    try:\n        return int(x) > 0\n"
        "    except ValueError:\n        return False"
    ),
    (
        "def known(x):\n    try:\n        int(x)\n"
        "    except ValueError:\n        return False\n    return True"
    ),
    "def known(xs):\n    for x in xs:\n        if x: return True\n    return False",
    "def known(xs):\n    while xs.pop(): return True\n    return False",
    "def known(x): return x in {1, 2}",
    "def known(x): return not x",
    "def known(x): return [y for y in (1, 2) if y == x]",
    "def code(x):\n    if x: return 1",
    # ... or on something else that is not written in the source
    "class A:\n    def fee(self, order): return self.rate",
    "class A:\n    @classmethod\n    def fee(cls, order): return cls.RATE",
    "def make(rate):\n    def fee(order): return rate\n    return fee",
    "rate = 0.001\ndef change(x):\n    global rate\n    rate = x\ndef fee(order): return rate",
    "rates = []\ndef fee(order): return rates",
    "def fee(order): return time.time()",
    "def fee(order): return load_rate()",
    "def fee(order): return Path('rate').exists()",
    "def fee(order): return 'rate'.join(order)",
    "def fee(order):\n    match order:\n        case [*rates]: return rates",
    "def fee(order):\n    match order:\n        case {'a': 1, **rates}: return rates",
    "def fee(order):\n    class rate: value = order\n    return rate",
    "from time import time\ndef now(order): return time()",
    "def fee(order): return os.environ['RATE']",
    "def fee(order): return UNKNOWN",
    "def fee(order): return settings.RATE",
    "from rates import RATE\ndef fee(order): return RATE",
    "def fee(order):\n    if time.time() > 5: return 0.1\n    return 0.2",
    "def make(x): return Engine()",
    "def make(x): return Engine('name')",
    "def fee(order): return (await_ for await_ in order)",
    "async def fee(order): return await order.rate()",
    # it does something with what it is given
    "def save(x):\n    db.write(x)\n    return True",
    "def save(x):\n    x.saved = True\n    return True",
    "def save(x):\n    store[x] = 1\n    return True",
    "def check(x):\n    if not x: raise ValueError(x)\n    return True",
    "def check(x):\n    assert x\n    return True",
    "def main(argv):\n    run(argv)\n    return 0",
    "async def save(x):\n    await x\n    return True",
    "def count(x):\n    nonlocal_free = x()\n    return 0",
    "def see(x):\n    yield True",
    "def lines(x):\n    yield from x\n    return 1",
    # it gives nothing
    "def f(x): print(x)",
    "def f(x): return None",
    "def f(x): raise ValueError(x)",
    # declarations
    "from typing import Protocol\nclass A(Protocol):\n    def f(self, x): return True",
    "from abc import abstractmethod\nclass A:\n    @abstractmethod\n    def f(self, x): return 0.1",
    "from typing import overload\n@overload\ndef f(x: int): return 0.1\ndef f(x): return x",
    # constants by another name
    "def default_name(): return 'x'",
    "def empty(): return []",
    "def version(): return '1.0'",
    "class A:\n    def get_name(self): return 'a'",
    "class A:\n    @property\n    def is_open(self): return True",
    "class A(B):\n    def is_connected(self): return True",
    "class A:\n    def __repr__(self): return 'A'",
    "class A:\n    def __bool__(self): return False",
    "class A:\n    def __exit__(self, *args): return False",
    "class A:\n    async def __aexit__(self, a, b, c): return True",
    (
        "from enum import Enum\nclass A(Enum):\n    ONE = 1\n"
        "    def is_one(self): return self is A.ONE"
    ),
    "class A:\n    def __lt__(self, other): return NotImplemented",
    # someone else answers differently
    "class A:\n    def f(self, x): return True\nclass B(A):\n    def f(self, x): return x",
    "class A:\n    def f(self, x): return x\nclass B(A):\n    def f(self, x): return True",
    "class A(B):\n    @override\n    def f(self, x): return True",
    "class A(NodeVisitor):\n    def visit_Name(self, node): return True",
    "def f(x): return True\ndef g(x): return x\nTABLE = {'f': f, 'g': g}",
    (
        "class A:\n    def f(self, x): return True\n"
        "    def g(self, x): return x\nT = ((1, A.f), (2, A.g))"
    ),
    (
        "import sys\nif sys.platform == 'win32':\n"
        "    def f(x): return True\nelse:\n    def f(x): return g(x)"
    ),
    (
        "try:\n    import a\n    def f(x): return a.g(x)\n"
        "except ImportError:\n    def f(x): return True"
    ),
    # the framework decides the signature
    "import pytest\n@pytest.fixture\ndef limit(deployment): return 0.5",
    "def pytest_report_header(config): return 'x'",
    # functions without a name of their own
    "key = sorted(xs, key=lambda x: 0.5)",
]


@pytest.mark.parametrize("code", INNOCENT)
def test_honest_functions_are_left_alone(tmp_path: Path, code: str) -> None:
    """What depends on anything, does anything or is answered elsewhere is no finding."""
    assert found(tmp_path, code) == []


def test_the_message_shows_the_answer(tmp_path: Path) -> None:
    """A finding names the function and what it always gives."""
    code = "class A:\n    def fee(self, order):\n        return Decimal('0.001')\n"

    assert found(tmp_path, code) == [("hardcoded-amount", "A.fee always gives Decimal('0.001')")]


def test_families_are_known_across_files(tmp_path: Path) -> None:
    """A default is one wherever the class that overrides it is defined."""
    (tmp_path / "base.py").write_text("class A:\n    def f(self, x): return True\n")
    assert not scan_constants([tmp_path]).clean

    (tmp_path / "other.py").write_text(
        "class B(base.A): x = 1\nclass C(B):\n    def f(self, x): return x\n"
    )
    assert scan_constants([tmp_path]).clean


def test_nothing_to_examine_is_an_error(tmp_path: Path) -> None:
    """An empty folder is not a clean one."""
    with pytest.raises(DetectorError, match="no Python file"):
        scan_constants([tmp_path])


def test_functions_are_counted(tmp_path: Path) -> None:
    """A scan says how much it looked at, nested functions included."""
    (tmp_path / "a.py").write_text("def f(x):\n    def g(y): return y\n    return g(x)\n")
    (tmp_path / "b.py").write_text("X = 1\n")

    scan = scan_constants([tmp_path])

    assert (scan.files_examined, scan.functions_examined, scan.clean) == (2, 2, True)

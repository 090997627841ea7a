"""What the mock detector finds, and what it leaves alone.

Offending code stands in texts, which are written to files: a text is no code.
"""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from readiness_tests.detectors import DetectorError, Scan, scan_mocks
from readiness_tests.detectors.libraries import LIBRARIES
from readiness_tests.detectors.vocabulary import is_stand_in, words

if TYPE_CHECKING:
    from pathlib import Path


def scan(folder: Path, code: str, *, strict: bool = True) -> Scan:
    """Return what the detector says to one file with *code*."""
    file = folder / "module.py"
    file.write_text(dedent(code), encoding="utf-8")
    return scan_mocks([file], strict=strict)


def rules(folder: Path, code: str, *, strict: bool = True) -> set[str]:
    """Return the rules that *code* breaks."""
    return {finding.rule for finding in scan(folder, code, strict=strict).findings}


@pytest.mark.parametrize(
    "code",
    [
        "import unittest.mock",
        "import unittest.mock as um",
        "import os, unittest.mock",
        "from unittest import mock",
        "from unittest import mock as m",
        "from unittest import (case, mock)",
        "from unittest.mock import *",
        "from unittest.mock import patch as replaced",
        "import mock",
        "from mock.mock import patch",
        "def f():\n    from unittest import mock",
        "try:\n    import mock\nexcept ImportError as error:\n    print(error)",
        "import importlib\nx = importlib.import_module('unittest.mock')",
        "from importlib import import_module as load\nx = load('unittest.mock')",
        "from importlib import import_module\nx = import_module('.mock', 'unittest')",
        "from importlib import import_module\nx = import_module('.mock', package='unittest')",
        "from importlib import import_module\nx = import_module(name='unittest' + '.mock')",
        "from importlib import import_module\nx = import_module(f'unittest.{\"mock\"}')",
        "x = __import__('mock')",
        "x = __import__('unittest.mock', fromlist=['patch'])",
        "import builtins\nx = builtins.__import__('mock')",
        "import pytest\nx = pytest.importorskip('flexmock')",
        "import pkgutil\nx = pkgutil.resolve_name('unittest.mock:patch')",
        "import unittest\nx = unittest.mock.patch",
        "import unittest as u\nx = u.mock.patch",
        "import unittest\nx = getattr(unittest, 'mock')",
        "import sys\nx = sys.modules['unittest.mock']",
        "exec('from unittest import mock')",
        "x = eval(\"__import__('mock')\")",
        "pytest_plugins = ['pytest_mock']",
        "pytest_plugins: str = 'pytest_httpx'",
        "import responses",
        "import respx as r",
        "import vcr",
        "from freezegun import freeze_time",
        "import fakeredis.aioredis",
    ],
)
def test_a_mock_library_is_found_however_it_is_reached(tmp_path: Path, code: str) -> None:
    """Every way to import a mock library is one finding at least."""
    assert "mock-library" in rules(tmp_path, code)


@pytest.mark.parametrize("library", sorted(LIBRARIES))
def test_each_listed_library_is_found(tmp_path: Path, library: str) -> None:
    """A listed library and whatever lies below it is found; a longer name is another library."""
    assert rules(tmp_path, f"import {library} as x") >= {"mock-library"}
    assert rules(tmp_path, f"from {library}.inner import x") >= {"mock-library"}
    assert "mock-library" not in rules(tmp_path, f"import {library}x as x")


@pytest.mark.parametrize(
    "code",
    [
        "def test_x(mocker): assert mocker",
        "async def test_x(*, requests_mock): assert requests_mock",
        "import pytest\n@pytest.fixture\ndef broker(mocker): return mocker.Thing()",
        "import pytest\n@pytest.mark.usefixtures('respx_mock')\ndef test_x(): assert True",
        "def test_x(request): assert request.getfixturevalue('mocker')",
        "import pytest\n@pytest.mark.vcr\ndef test_x(): assert True",
        "import pytest\n@pytest.mark.freeze_time('2020-01-01')\ndef test_x(): assert True",
        "import pytest\npytestmark = pytest.mark.respx(base_url='x')",
    ],
)
def test_fixtures_and_marks_of_mock_libraries_are_found(tmp_path: Path, code: str) -> None:
    """A plugin's fixture needs no import, and is found all the same."""
    assert "mock-fixture" in rules(tmp_path, code)


@pytest.mark.parametrize(
    "code",
    [
        "fake_broker = 1",
        "broker_fake: int = 1",
        "fake_broker: int",
        "self.fake_broker = 1",
        "self.fake_broker: int = 1",
        "class MockBroker(Broker): x = 1",
        "class HTTPMock(Broker): x = 1",
        "def stub_(x): return x",
        "def make(dummy): return dummy",
        "def make(*, a, dummy_price=1): return a",
        "def make(*stubs, **fakes): return stubs, fakes",
        "from broker import StubBroker",
        "from broker import Broker as FakeBroker",
        "import dummy_feed",
        "x = broker.mock_fill(1)",
        "Engine(fake_clock=1)",
        "for fake in x: print(fake)",
        "with x as mocked: print(mocked)",
        "if (dummy := x): print(dummy)",
        "x = [stub for stub in y]",
        "def f():\n    global MOCK_PRICE\n    MOCK_PRICE = 1",
        "match x:\n    case {'a': fake, **fakes}: print(fake)",
        "match x:\n    case [1, *dummies]: print(x)",
        "match x:\n    case P(stub=1): print(x)",
        "try:\n    f()\nexcept E as mock_error:\n    print(1)",
        "x = lambda fake: fake",
        "mock2 = 1",
        "class A:\n    def __init__(self): self._mocked = 1",
    ],
)
def test_names_of_stand_ins_are_found(tmp_path: Path, code: str) -> None:
    """A stand-in's name is found wherever a name may stand."""
    assert "mock-name" in rules(tmp_path, code)


def test_one_name_is_reported_once_where_it_first_stands(tmp_path: Path) -> None:
    """Using a name again is not another finding; another file's use is."""
    found = scan(tmp_path, "print(1)\nfake = 1\nprint(fake, fake)\n").findings

    assert [(finding.line, finding.column, finding.rule) for finding in found] == [
        (2, 1, "mock-name")
    ]
    assert found[0].source_line == "fake = 1"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("smock", False), ("stubborn", False), ("stubs", True), ("hammock_price", False),
        ("mockingbird", False), ("dummyness", False), ("fakery", False), ("unfaked", False),
        ("double", False), ("spy", False), ("SPY", False), ("simulated_broker", False),
        ("scan_mocks", False), ("detect_fakes", False), ("refuse_mock", False),
        ("MOCK_PRICES", True), ("FakeHTTPBroker", True), ("_dummy", True), ("price_stub2", True),
        ("is_mocked", True), ("", False), ("_", False), ("__", False), ("été_fake", True),
    ],
)  # fmt: skip
def test_only_whole_words_make_a_stand_in(name: str, expected: bool) -> None:
    """Words are told apart by underscores, case and digits, never by letters alone."""
    assert is_stand_in(name) is expected


def test_words_of_a_name() -> None:
    """snake_case, CamelCase, abbreviations and digits come apart as people read them."""
    assert words("fake_HTTPMockV2") == ["fake", "http", "mock", "v", "2"]
    assert words("MOCKBroker") == ["mock", "broker"]


@pytest.mark.parametrize(
    "code",
    [
        "def f(x): pass",
        "def f(x): ...",
        "def f(x):\n    '''Do it.'''",
        "def f(x):\n    '''Do it.'''\n    pass",
        "def f(x): return",
        "def f(x): return None",
        "def f(x):\n    '''Do it.'''\n    return None",
        "def f(x): raise NotImplementedError",
        "def f(x): raise NotImplementedError('later')",
        "async def f(x): ...",
        "def outer():\n    def inner(x): pass\n    return inner",
        "class A:\n    def price(self, x): ...",
        "class A(B):\n    def price(self, x):\n        '''Tell the price.'''",
        "class A(B):\n    def on_bar(self, x):\n        '''Handle a bar.'''",
        "class A:\n    def __exit__(self, *args): pass",
        "class A: pass",
        "class A: ...",
        "class A:\n    class B: pass",
        "def test_x(): pass",
        "def test_x():\n    def check(): pass\n    assert check",
        "class A:\n  def f(self): raise NotImplementedError\nclass B(A):\n  def f(self): g()",
        "class A:\n    def on_bar(self, x):\n        'Go.'\n        raise NotImplementedError",
        "import pytest\n@pytest.fixture\ndef broker():\n    '''A broker.'''",
        "from functools import singledispatch\n@singledispatch\ndef f(x): pass",
        "import functools\n@functools.cache\ndef f(x): ...",
    ],
)
def test_empty_bodies_are_found(tmp_path: Path, code: str) -> None:
    """A function that does nothing is found, whatever the nothing is made of."""
    assert rules(tmp_path, code) == {"empty-body"}


@pytest.mark.parametrize(
    "code",
    [
        "def f(x): print('Coming soon!')",
        "def f(x): typer.echo('not yet implemented')",
        "def f(x): log.warning('this is not implemented')",
        "def f(x):\n    if x: raise SystemExit('under construction')",
        "def f(x): console.print(f'export: {\"to be done\"}')",
    ],
)
def test_what_announces_its_own_absence_is_found(tmp_path: Path, code: str) -> None:
    """A command that prints "coming soon" is not a command."""
    assert rules(tmp_path, code) == {"unfinished"}


@pytest.mark.parametrize(
    "code",
    [
        "try:\n    f()\nexcept ValueError:\n    pass",
        "try:\n    f()\nexcept (A, B):\n    ...",
        "try:\n    f()\nexcept A as a:\n    'ignored'",
        "try:\n    f()\nexcept:\n    pass",
        "try:\n    f()\nexcept* A:\n    pass",
        "for x in y:\n    try:\n        f()\n    except Exception:\n        continue",
        "while x:\n    try:\n        f()\n    except (A, BaseException):\n        break",
        "def f():\n    try:\n        return g()\n    except Exception:\n        return None",
        "def f():\n    try:\n        return g()\n    except Exception:\n        return False",
        "def f():\n    try:\n        return g()\n    except:\n        return",
        "try:\n    f()\nexcept Exception:\n    pass\nelse:\n    g()",
        "try:\n    f()\nexcept Exception:  # noqa: BLE001 - who cares\n    pass",
        (
            "for x in y:\n    try:\n        f()\n"
            "    except Exception:  # noqa: BLE001\n        continue"
        ),
        (
            "for x in y:\n    try:\n        f()\n"
            "    except Exception:  # noqa: S112 - why\n        break"
        ),
        "import contextlib\nwith contextlib.suppress(Exception): f()",
        "from contextlib import suppress as quiet\nwith quiet(A, BaseException): f()",
        "import contextlib, builtins\nwith contextlib.suppress(builtins.Exception): f()",
        "import contextlib\nwith contextlib.suppress(*[A, Exception]): f()",
    ],
)
def test_swallowed_exceptions_are_found(tmp_path: Path, code: str) -> None:
    """An exception that vanishes is found; naming it in `suppress` is how to say it may."""
    assert rules(tmp_path, code) == {"swallowed-exception"}


PATCHES = [
    "def test_x(monkeypatch): monkeypatch.setattr('rustybt.engine.now', 1)",
    "import rustybt.engine\ndef test_x(monkeypatch): monkeypatch.setattr(rustybt.engine, 'x', 1)",
    "import time\ndef test_x(monkeypatch): monkeypatch.setattr(time, 'time', 1)",
    "def test_x(monkeypatch, broker): monkeypatch.delattr(broker, 'x')",
    "def test_x(monkeypatch): monkeypatch.setitem(make().prices, 'x', 1)",
    "import sys\ndef test_x(monkeypatch): monkeypatch.setitem(sys.modules, 'x', None)",
    "import pytest\ndef test_x(mp: pytest.MonkeyPatch): mp.setattr('rustybt.x', 1)",
    "import pytest\ndef test_x(mp: 'pytest.MonkeyPatch'): mp.setattr('rustybt.x', 1)",
    "import pytest\nwith pytest.MonkeyPatch.context() as mp: mp.setattr('rustybt.x', 1)",
    "def test_x(monkeypatch):\n    with monkeypatch.context() as m: m.setattr('rustybt.x', 1)",
    "from pytest import MonkeyPatch\nmp = MonkeyPatch()\nmp.setattr('rustybt.x', 1)",
    "import rustybt.engine\nrustybt.engine.now = 1",
    "from rustybt import engine\nengine.now = 1",
    "from rustybt import engine as e\ne.prices['x'] = 1",
    "from rustybt.engine import Engine\nEngine.now = 1",
    "from rustybt.engine import Engine\ndel Engine.now",
    "from rustybt import engine\nsetattr(engine, 'now', 1)",
    "from pytest_rustybt_ready import plugin\ndelattr(plugin, 'now')",
    "from rustybt import engine\nengine.count += 1",
]


@pytest.mark.parametrize("code", PATCHES)
def test_replaced_attributes_are_found_when_strict(tmp_path: Path, code: str) -> None:
    """A strict scan finds objects that a test changes under the product."""
    assert rules(tmp_path, code) == {"patched"}
    assert rules(tmp_path, code, strict=False) == set()


INNOCENT = [
    # declarations
    "from typing import Protocol\nclass A(Protocol):\n    def f(self): ...",
    "import typing as t\nclass A(t.Protocol[T]):\n    def f(self):\n        '''Do it.'''",
    "from abc import abstractmethod\nclass A:\n    @abstractmethod\n    def f(self): ...",
    (
        "import abc\nclass A:\n    @property\n    @abc.abstractmethod\n"
        "    def f(self): raise NotImplementedError"
    ),
    "from abc import abstractmethod as must\nclass A:\n    @must\n    def f(self): pass",
    "from typing import overload\n@overload\ndef f(x: int) -> int: ...\ndef f(x): return x",
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    def f(x: int) -> int: ...",
    "import pluggy\nhookspec = pluggy.HookspecMarker('x')\n@hookspec\ndef f(x):\n    '''Hook.'''",
    "import pytest\n@pytest.hookspec(firstresult=True)\ndef pytest_x(x):\n    '''Hook.'''",
    # nothing to do, and said so
    "class A(Exception): pass",
    "class A(Exception):\n    '''It went wrong.'''",
    "class A(B): ...",
    "class A:\n    '''A marker.'''",
    "from dataclasses import dataclass\n@dataclass\nclass A: pass",
    "class A:\n    def __init__(self) -> None:\n        '''Nothing to prepare.'''",
    "class A:\n    def __exit__(self, *args: object) -> None:\n        '''Nothing to release.'''",
    "class A:\n    def on_bar(self, bar) -> None:\n        '''Called with each bar.'''",
    (
        "class A:\n  def f(self):\n    'Do.'\n    raise NotImplementedError\n"
        "class B(A):\n  def f(self): g()"
    ),
    "def test_it():\n    @subject\n    def check():\n        'Hold.'\n    assert check",
    "class A:\n  def check(self):\n    'Nothing here.'\nclass B(A):\n  def check(self): f()",
    (
        "from typing import override\nclass A(B):\n"
        "    @override\n    def f(self):\n        '''Drop it.'''"
    ),
    "import typer\napp = typer.Typer()\n@app.callback()\ndef main():\n    '''The help text.'''",
    "import click\n@click.group()\ndef main():\n    '''The help text.'''",
    "import pytest\n@pytest.fixture(autouse=True)\ndef all_set(home, clock):\n    '''Both.'''",
    "from functools import singledispatch\n@singledispatch\ndef f(x): raise NotImplementedError(x)",
    # exceptions that do not vanish
    "import contextlib\nwith contextlib.suppress(FileNotFoundError): f()",
    "try:\n    f()\nexcept ValueError:\n    g()",
    "try:\n    f()\nexcept Exception:\n    raise",
    "try:\n    f()\nexcept Exception:\n    log.exception('x')\n    pass",
    (
        "for x in y:\n    try: f()\n"
        "    except Exception:  # noqa: BLE001 - a plugin's\n        continue"
    ),
    "for x in y:\n    try: f()\n    except Exception:  # noqa: S112, BLE001 -- why\n        break",
    "try:\n    f()\nexcept StopIteration:\n    pass\nelse:\n    raise RuntimeError",
    "for x in y:\n    try:\n        f()\n    except KeyError:\n        continue",
    "def f():\n    try:\n        return g()\n    except KeyError:\n        return None",
    "def f(x):\n    if x:\n        raise NotImplementedError\n    return 1",
    "def f(x):\n    print('implemented')",
    "def f(x): parse('not implemented')",
    # the state of the process belongs to the test
    "import sys\ndef test_x(monkeypatch): monkeypatch.setattr(sys, 'argv', [])",
    "def test_x(monkeypatch): monkeypatch.setattr('sys.stdin', 1)",
    "import os\ndef test_x(monkeypatch): monkeypatch.setitem(os.environ, 'A', '1')",
    "def test_x(monkeypatch): monkeypatch.setenv('A', '1'); monkeypatch.chdir('/')",
    "def test_x(thing): thing.setattr(other, 'x', 1)",
    "from rustybt.engine import Engine\nengine = Engine()\nengine.speed = 1",
    "from rustybt.engine import Engine\nEngine().speed = 1",
    "import logging\nlogging.raiseExceptions = False",
    "class A:\n    def __init__(self): self.x = 1",
    # words and texts that only look alike
    "smock = hammock = stubborn = 1",
    "x = 'from unittest import mock'\ny = 'fake_broker'",
    "# fake_broker = unittest.mock.Mock()\nx = 1",
    "import unittest\nx = unittest.case",
    "import importlib\nx = importlib.import_module('unittest.case')",
    "import importlib\nx = importlib.import_module(name)",
    "exec('not python at all')",
    "from . import engine\nx = engine.mode",
    "from readiness_tests.detectors import scan_mocks\nscan_mocks([])",
    "def test_no_fake_fills_are_booked(): assert True",
    "def test_no_mock(): assert True\n@test_no_mock.fails_when\ndef a_mock_enters(x): x.write(1)",
    "def f(freezer): return freezer.temperature",
    "import pytest\n@pytest.mark.slow\ndef test_x(): assert True",
]


@pytest.mark.parametrize("code", INNOCENT)
def test_honest_code_is_left_alone(tmp_path: Path, code: str) -> None:
    """Declarations, explained nothings, handled exceptions and look-alikes are no findings."""
    assert [str(finding) for finding in scan(tmp_path, code).findings] == []


def test_an_allowance_needs_a_reason(tmp_path: Path) -> None:
    """With a reason the line is allowed, unless the scan is strict; it is listed either way."""
    code = "fake = 1  # allow-mock: the venue calls it so\n"

    lenient, strict = scan(tmp_path, code, strict=False), scan(tmp_path, code)

    assert lenient.clean
    assert [(a.line, a.reason, a.accepted) for a in lenient.allowances] == [
        (1, "the venue calls it so", True)
    ]
    assert [finding.rule for finding in strict.findings] == ["mock-name"]
    assert [allowance.accepted for allowance in strict.allowances] == [False]


@pytest.mark.parametrize("comment", ["# allow-mock", "# allow-mock:", "# allow-mock:  "])
def test_an_allowance_without_a_reason_is_a_finding(tmp_path: Path, comment: str) -> None:
    """No reason, no allowance: both the name and the comment are reported."""
    found = scan(tmp_path, f"fake = 1  {comment}\n", strict=False).findings

    assert [(finding.rule, finding.column) for finding in found] == [
        ("mock-name", 1),
        ("allowance", 11),
    ]


def test_an_allowance_for_nothing_is_a_finding(tmp_path: Path) -> None:
    """An allowance that outlived what it allowed must go."""
    found = scan(tmp_path, "real = 1  # allow-mock: once it was not\n", strict=False).findings

    assert [finding.rule for finding in found] == ["allowance"]


def test_findings_say_where_and_what(tmp_path: Path) -> None:
    """A finding prints as path, line, column, rule and message."""
    (finding,) = scan(tmp_path, "x = 1\nclass A:\n    fake: int = 1\n").findings

    assert str(finding).endswith("module.py:3:5 mock-name fake is named like a stand-in")
    assert finding.source_line == "fake: int = 1"


def test_an_overridden_hook_is_known_across_files(tmp_path: Path) -> None:
    """A documented default that a class in another file overrides is a hook."""
    (tmp_path / "base.py").write_text("class A:\n    def go(self):\n        '''Go.'''\n")
    alone = scan_mocks([tmp_path])
    (tmp_path / "derived.py").write_text("class B(A): x = 1\nclass C(B):\n    def go(self): f()\n")

    assert [finding.rule for finding in alone.findings] == ["empty-body"]
    assert scan_mocks([tmp_path]).clean


def test_nothing_to_examine_is_an_error(tmp_path: Path) -> None:
    """An empty folder is not a clean one."""
    with pytest.raises(DetectorError, match="no Python file"):
        scan_mocks([tmp_path])

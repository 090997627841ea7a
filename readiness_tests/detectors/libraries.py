"""Find the libraries, fixtures and marks that replace real collaborators.

Listed is what stands in for a real object, server, clock or file system. Not listed, on purpose:
real servers on loopback (pytest-httpserver, pytest-localserver), generators of test data
(Hypothesis, Faker, factory_boy) and simulators that are products of their own.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from readiness_tests.detectors.source import Function, Source
from readiness_tests.detectors.syntax import Names, last_part, text_of, texts_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from readiness_tests.detectors.finding import Finding

LIBRARIES = frozenset(
    # objects
    {"unittest.mock", "mock", "pytest_mock", "asynctest", "asyncmock", "aiomock", "flexmock"}
    | {"doublex", "mockito", "mox", "mox3", "fudge", "dingus", "minimock", "ludibrio", "chai"}
    | {"mock_alchemy", "alchemy_mock", "pytest_mockito", "pytest_when", "decoy", "testfixtures"}
    # servers and connections
    | {"responses", "requests_mock", "respx", "pytest_httpx", "httpretty", "aioresponses", "moto"}
    | {"httmock", "pook", "mocket", "vcr", "pytest_vcr", "pytest_recording", "betamax", "placebo"}
    | {"requests_testadapter", "mockserver", "mockupdb", "aws_lambda_powertools_mock"}
    # stores, files and time
    | {"fakeredis", "mockredis", "birdisle", "mongomock", "mongomock_motor", "pyfakefs"}
    | {"fake_filesystem", "freezegun", "pytest_freezegun", "pytest_freezer", "time_machine"}
    | {"libfaketime"}
)
"""Modules that count as mock libraries, with everything below them."""

FIXTURES = frozenset(
    {"mocker", "class_mocker", "module_mocker", "package_mocker", "session_mocker"}
    | {"requests_mock", "respx_mock", "httpx_mock", "aioresponses", "mocked_responses"}
    | {"freezer", "time_machine", "vcr", "vcr_cassette", "betamax_session", "flexmock", "decoy"}
    | {"fs_module", "fs_class", "fs_session", "pook", "mongomock"}
)
"""Fixtures that those libraries' pytest plugins provide."""

MARKS = frozenset({"vcr", "respx", "freeze_time", "time_machine", "default_cassette", "pook"})
"""Marks that those plugins read."""

_IMPORTERS = frozenset(
    {"importlib.import_module", "importlib.__import__", "__import__", "builtins.__import__"}
    | {"pytest.importorskip", "pkgutil.resolve_name", "importlib.util.find_spec"}
)
_INTERPRETERS = frozenset({"exec", "eval", "compile", "builtins.exec", "builtins.eval"})


def library_findings(source: Source, names: Names) -> Iterator[Finding]:
    """Yield a finding for each way in which a mock library enters the module."""
    for node in source.nodes:
        for library in sorted(set(_libraries_at(node, names))):
            yield source.finding(node, "mock-library", f"uses the mock library {library}")
        for fixture in sorted(set(_fixtures_at(node, names))):
            yield source.finding(node, "mock-fixture", f"uses the mock fixture or mark {fixture}")


def library_of(dotted: str) -> str | None:
    """Return the mock library that *dotted* lies in, or None."""
    parts = dotted.split(".")
    prefixes = (".".join(parts[:end]) for end in range(1, len(parts) + 1))
    return next((prefix for prefix in prefixes if prefix in LIBRARIES), None)


def _libraries_at(node: ast.AST, names: Names) -> Iterator[str]:
    for dotted in _modules_at(node, names):
        library = library_of(dotted)
        if library:
            yield library


def _modules_at(node: ast.AST, names: Names) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and not node.level:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Call):
        yield from _modules_of_call(node, names)
    elif isinstance(node, ast.Attribute):
        yield _submodule(names.resolve(node))
    elif isinstance(node, ast.Subscript) and names.resolve(node.value) == "sys.modules":
        yield from texts_in(node.slice)
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        yield from _plugins(node)


def _submodule(dotted: str) -> str:
    # `unittest.mock` reached without importing it; other libraries are seen at their import.
    return dotted if dotted == "unittest.mock" else ""


def _modules_of_call(node: ast.Call, names: Names) -> Iterator[str]:
    function = names.resolve(node.func)
    arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
    texts = [text for text in map(text_of, arguments) if text is not None]
    if function in _IMPORTERS:
        relative = [text for text in texts if text.startswith(".")]
        yield from (text.replace(":", ".") for text in texts)
        yield from (package + text for text in relative for package in texts)
    elif function in _INTERPRETERS:
        yield from (module for text in texts for module in _modules_in_text(text))
    elif function == "getattr" and node.args:
        yield from (_submodule(f"{names.resolve(node.args[0])}.{text}") for text in texts)


def _modules_in_text(text: str) -> Iterator[str]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    nodes = list(ast.walk(tree))
    names = Names(nodes)
    for node in nodes:
        yield from _modules_at(node, names)


def _plugins(node: ast.Assign | ast.AnnAssign) -> Iterator[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    if any(isinstance(target, ast.Name) and target.id == "pytest_plugins" for target in targets):
        yield from texts_in(node.value)


def _fixtures_at(node: ast.AST, names: Names) -> Iterator[str]:
    if isinstance(node, Function):
        arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        yield from (a.arg for a in arguments if a.arg in FIXTURES and _is_test_code(node, names))
    elif isinstance(node, ast.Call) and _asks_for_fixture(names.resolve(node.func)):
        yield from (text for text in map(text_of, node.args) if text in FIXTURES)
    elif isinstance(node, ast.Attribute) and names.resolve(node.value) == "pytest.mark":
        yield from {node.attr} & MARKS


def _is_test_code(node: Function, names: Names) -> bool:
    decorators = {last_part(names.resolve(decorator)) for decorator in node.decorator_list}
    return node.name.startswith("test") or "fixture" in decorators


def _asks_for_fixture(dotted: str) -> bool:
    return last_part(dotted) in {"usefixtures", "getfixturevalue"}

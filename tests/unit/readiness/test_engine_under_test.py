"""How checks drive the engine: in a process of its own, from sources that a control may edit."""

from __future__ import annotations

from pathlib import Path

import pytest

from readiness_tests.engine import EngineUnderTest, ProbeError, copy_engine

ROOT = Path(__file__).parents[3]
PACKAGE = "rustybt/__init__.py"


def package_in(root: Path, text: str = "") -> EngineUnderTest:
    """Return a throwaway engine in *root* that consists of one file."""
    (root / PACKAGE).parent.mkdir()
    (root / PACKAGE).write_text(text, "utf-8")
    return EngineUnderTest(root, throwaway=True)


def test_a_probe_answers_from_the_named_sources(tmp_path: Path) -> None:
    """The engine that a probe imports is the one in the root, not the one that is installed."""
    engine = package_in(tmp_path)

    answer = engine.run("origin", price="1.10", bars=[1, 2.5, None])

    assert answer["package"] == str(tmp_path.resolve() / PACKAGE)
    assert answer["arguments"] == {"price": "1.10", "bars": [1, 2.5, None]}


def test_what_the_engine_prints_is_no_part_of_the_answer(tmp_path: Path) -> None:
    """Output of the engine does not mix with the answer."""
    engine = package_in(tmp_path, "import os\nprint('{')\nos.write(1, b'}')\n")

    assert engine.run("origin")["arguments"] == {}


def test_a_probe_that_fails_is_no_assertion(tmp_path: Path) -> None:
    """An engine that crashes proves nothing: the error shows its last words."""
    engine = package_in(tmp_path, "raise RuntimeError('no such luck')\n")

    with pytest.raises(ProbeError, match=r"exit code 1:(?s:.*)no such luck") as caught:
        engine.run("origin")
    assert not isinstance(caught.value, AssertionError)


def test_a_probe_that_hangs_is_ended(tmp_path: Path) -> None:
    """A probe that never comes back costs no more than its time."""
    engine = package_in(tmp_path, "import time\ntime.sleep(600)\n")

    with pytest.raises(ProbeError, match=r"probe origin: not done after 0\.5 s"):
        engine.run("origin", timeout_s=0.5)


def test_modules_from_elsewhere_are_refused(tmp_path: Path) -> None:
    """Sources that take a module of the engine from another place are not what is judged."""
    elsewhere = f"__path__.append({str(ROOT / 'rustybt')!r})\nimport rustybt.home\n"

    with pytest.raises(ProbeError, match=r"to be loaded from(?s:.*)rustybt\.home from"):
        package_in(tmp_path, elsewhere).run("origin")


def test_a_copy_can_be_edited(tmp_path: Path) -> None:
    """A copy holds the sources alone, and an edit changes nothing but the copy."""
    engine = EngineUnderTest(copy_engine(ROOT, tmp_path), throwaway=True)
    before = (ROOT / PACKAGE).read_text("utf-8")

    engine.edit(PACKAGE, "trading engine", "broken engine")

    assert "broken engine" in (tmp_path / PACKAGE).read_text("utf-8")
    assert (ROOT / PACKAGE).read_text("utf-8") == before
    assert not list(tmp_path.rglob("*.pyc"))


@pytest.mark.parametrize(("old", "found"), [("c = 3", 0), ("= 1", 2)])
def test_an_edit_has_to_meet_one_place(tmp_path: Path, old: str, found: int) -> None:
    """An edit that would change nothing, or more than was meant, is refused."""
    engine = package_in(tmp_path, "a = 1\nb = 1\n")

    with pytest.raises(ValueError, match=f"to be replaced once, found {found} times"):
        engine.edit(PACKAGE, old, "d = 4")
    assert (tmp_path / PACKAGE).read_text("utf-8") == "a = 1\nb = 1\n"


def test_the_engine_under_judgement_is_never_edited(tmp_path: Path) -> None:
    """Only throwaway copies can be changed."""
    package_in(tmp_path, "a = 1\n")

    with pytest.raises(ValueError, match="under judgement"):
        EngineUnderTest(tmp_path).edit(PACKAGE, "a = 1", "a = 2")
    with pytest.raises(ValueError, match="under judgement"):
        EngineUnderTest(tmp_path).append(PACKAGE, "a = 2")
    assert (tmp_path / PACKAGE).read_text("utf-8") == "a = 1\n"


def test_code_can_be_added(tmp_path: Path) -> None:
    """What is added at the end of a file counts, and may be written with an indent."""
    engine = package_in(tmp_path, "__file__ = __file__\n")

    engine.append(
        PACKAGE,
        """
        def renamed():
            return __file__ + "c"
        __file__ = renamed()
    """,
    )

    assert engine.run("origin")["package"].endswith("__init__.pyc")

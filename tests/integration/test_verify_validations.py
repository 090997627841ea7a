"""Validators are neutralised in copies of small projects, and their tests really run there."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from readiness_tests.detectors import DetectorError, Limits, Verification, verify_validators
from readiness_tests.detectors.workspace import Workspace, copy_tree

if TYPE_CHECKING:
    from collections.abc import Mapping

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "verify_validations.py"

# Plugins that these projects do not need, and that take a second to load.
QUICK = "[pytest]\naddopts = " + " ".join(
    f"-p no:{name}"
    for name in (
        "benchmark", "hypothesispytest", "pytest_cov", "rustybt_ready", "timeout",
        "xdist", "xdist.looponfail",
    )
)  # fmt: skip

MODEL = """\
from typing import Annotated
from pydantic import AfterValidator, BaseModel, field_validator
from shop.rules import even


class Order(BaseModel):
    lots: Annotated[int, AfterValidator(even)]
    symbol: str

    @field_validator("symbol")
    @classmethod
    def _capital(cls, value: str) -> str:
        if not value.isupper():
            raise ValueError("small letters")
        return value
"""

MODEL_TESTS = """\
import pytest
from shop.model import Order


def test_lots():
    with pytest.raises(ValueError):
        Order(lots=1, symbol="A")


def test_symbol():
    with pytest.raises(ValueError):
        Order(lots=2, symbol="a")
"""

RULES = """\
from typing import Annotated


def check_price(price: int) -> None:
    if price <= 0:
        raise ValueError("a price is positive")


def check_size(size: int) -> None:
    if size <= 0:
        raise ValueError("a size is positive")


def is_valid_side(side: str) -> bool:
    return side in {"buy", "sell"}


def even(value: int) -> int:
    if value % 2:
        raise ValueError("odd")
    return value


def ensure_currency(text: str) -> str:
    if len(text) != 3:
        raise ValueError("a currency has three letters")
    return text.upper()


HOME = ensure_currency("eur")
assert HOME == "EUR"


def check_alone(value: int) -> bool:
    return value > 0


def check_shared(value: int) -> bool:
    return value > 0


def verify_account(name: str) -> list[str]:
    return [] if name.isalpha() else ["not a name"]


def check_never(value: int) -> bool:
    return value > 0


def check_vaguely(value: int) -> Annotated[int, "good or bad"]:
    return value + 1


def validate_nothing(value: int) -> bool:
    return True
"""

TESTS = """\
import subprocess
import sys

import pytest

from shop.rules import *

seen = []


def test_price():
    check_price(1)
    with pytest.raises(ValueError):
        check_price(0)


def test_size_only_in_passing():
    check_size(1)


@pytest.mark.parametrize("side", ["bid", "ask::[1]"])
def test_side(side):
    assert not is_valid_side(side)


def test_currency():
    assert ensure_currency("usd") == "USD"


def test_leaves_a_trace():
    seen.append(1)


def test_fails_when_run_alone():
    assert check_alone(1) and seen


@pytest.fixture(scope="module")
def shared():
    return check_shared(0)


def test_first_user_of_the_fixture(shared):
    assert shared in {True, False}


def test_second_user_of_the_fixture(shared):
    assert shared is False


def test_what_cannot_fail():
    assert validate_nothing(1) and check_vaguely(1)


def test_account_in_another_process():
    code = "from shop.rules import verify_account; print(verify_account('x1'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "['not a name']\\n"
"""


def make(folder: Path, files: Mapping[str, str]) -> Path:
    """Write *files* and return their folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(dedent(text), encoding="utf-8")
    return folder


def digest(folder: Path) -> str:
    """Return a digest of all names and contents below *folder*."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    parts = [f"{path}:{path.stat().st_mtime_ns}:".encode() + path.read_bytes() for path in files]
    return hashlib.sha256(b"".join(parts)).hexdigest()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package with validators of all kinds, and tests of unequal care."""
    files = {
        "pytest.ini": QUICK,
        "shop/__init__.py": "",
        "shop/broken.py": "def f(:\n",
        "shop/model.py": MODEL,
        "shop/rules.py": RULES,
        "tests/test_model.py": MODEL_TESTS,
        "tests/test_rules.py": TESTS,
    }
    return make(tmp_path_factory.mktemp("shop"), files)


@pytest.fixture(scope="module")
def verified(shop: Path) -> tuple[Verification, list[str], bool]:
    """What verification says about the shop, its progress, and whether the shop is untouched."""
    said: list[str] = []
    before = digest(shop)
    result = verify_validators(shop, ["shop"], progress=said.append)
    return result, said, digest(shop) == before


def test_each_validator_is_noticed_by_the_test_that_asserts_it(
    verified: tuple[Verification, list[str], bool],
) -> None:
    """By name, by decorator, by use, in a subprocess, in a shared fixture, at import."""
    noticed = {o.validator.qualname: o.noticed_by for o in verified[0].outcomes if o.noticed_by}

    tests = "tests/test_rules.py"
    assert noticed.pop("is_valid_side").startswith(f"{tests}::test_side[")
    assert noticed == {
        "check_price": f"{tests}::test_price",
        "even": "tests/test_model.py::test_lots",
        "Order._capital": "tests/test_model.py::test_symbol",
        "ensure_currency": tests,
        "check_shared": f"{tests}::test_second_user_of_the_fixture",
        "verify_account": f"{tests}::test_account_in_another_process",
    }


def test_validators_that_nobody_misses_are_findings(
    verified: tuple[Verification, list[str], bool],
) -> None:
    """Being run is not being tested; a test that fails anyhow, or cannot fail, notices nothing."""
    result = verified[0]

    assert [(f.path, f.rule, f.message) for f in result.findings] == [
        ("shop/broken.py", "syntax-error", "is not valid Python: invalid syntax"),
        ("shop/rules.py", "validator", "check_size: none of 1 tests notices that it passes all"),
        ("shop/rules.py", "validator", "check_alone: none of 1 tests notices that it passes all"),
        ("shop/rules.py", "validator", "check_never: no test runs it"),
        (
            "shop/rules.py",
            "validator",
            "check_vaguely: it has no guard, and its result type is open",
        ),
        (
            "shop/rules.py",
            "validator",
            "validate_nothing: none of 1 tests notices that it passes all",
        ),
    ]
    assert not result.clean
    assert (result.files_examined, len(result.outcomes)) == (4, 12)


def test_progress_names_each_validator(verified: tuple[Verification, list[str], bool]) -> None:
    """Whoever waits sees what is going on."""
    said = verified[1]

    assert said[0].startswith("12 validators")
    assert any("shop/rules.py:4 check_price: tests/" in message for message in said)
    assert len(said) == 13


def test_the_tree_itself_is_untouched(verified: tuple[Verification, list[str], bool]) -> None:
    """All changes happen in copies."""
    assert verified[2]


def small(folder: Path, rules: str, tests: str) -> Path:
    """Make a project of one module and one file of tests."""
    files = {"shop/__init__.py": "", "shop/rules.py": rules, "tests/test_a.py": tests}
    return make(folder, {"pytest.ini": QUICK, **files})


CHECK = "def check(x):\n    if x < 0: raise ValueError\n"
TEST = """\
import pytest
from shop.rules import check

def test_check():
    with pytest.raises(ValueError):
        check(-1)
"""


def test_a_copy_wins_over_an_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests import the copy, although another `shop` is importable."""
    root = small(tmp_path / "here", CHECK, TEST)
    installed = small(tmp_path / "site", CHECK, TEST)
    monkeypatch.setenv("PYTHONPATH", str(installed))

    assert verify_validators(root, ["shop"]).clean


def test_importing_a_package_from_elsewhere_is_an_error(tmp_path: Path) -> None:
    """Tests that insist on another copy prove nothing about this one."""
    elsewhere = small(tmp_path / "site", CHECK, TEST)
    insisting = f"import sys\nsys.path.insert(0, {str(elsewhere)!r})\n" + TEST
    root = small(tmp_path / "here", CHECK, insisting)

    with pytest.raises(DetectorError, match="the tests import shop from"):
        verify_validators(root, ["shop"])


def test_the_tests_must_pass_to_begin_with(tmp_path: Path) -> None:
    """Tests that fail anyhow cannot tell."""
    root = small(tmp_path, CHECK, TEST + "\ndef test_red(): assert False\n")

    with pytest.raises(DetectorError, match=r"to begin with: tests/test_a.py::test_red"):
        verify_validators(root, ["shop"])


def test_tests_that_hang_are_stopped(tmp_path: Path) -> None:
    """The first run has a limit, too."""
    root = small(tmp_path, CHECK, TEST + "\nimport time\ndef test_slow(): time.sleep(60)\n")

    with pytest.raises(DetectorError, match="ran out of time"):
        verify_validators(root, ["shop"], limits=Limits(baseline_seconds=3))


def test_hanging_without_the_validator_is_no_notice(tmp_path: Path) -> None:
    """A run that ends by its limit told nothing, and that is a finding."""
    hanging = "\nimport time\ndef test_wait():\n    while not refused(): time.sleep(0.1)\n"
    refused = "def refused():\n    try: check(-1)\n    except ValueError: return True\n"
    root = small(tmp_path, CHECK, "from shop.rules import check\n" + refused + hanging)

    (finding,) = verify_validators(root, ["shop"], limits=Limits(seconds=4)).findings

    assert finding.message == "check: no test failed within 4 seconds"


def test_tests_that_cannot_be_repeated_tell_nothing(tmp_path: Path) -> None:
    """A module that can be imported once in each copy cannot be asked again."""
    once = "from pathlib import Path\nPath('imported').mkdir()\n"
    root = small(tmp_path, CHECK, once + TEST)

    (finding,) = verify_validators(root, ["shop"]).findings

    assert finding.message.startswith("check: its tests cannot be run alone")


@pytest.mark.parametrize(
    ("package", "message"),
    [
        ("missing", "missing: no such file or folder"),
        ("../outside.py", "not a package below"),
        (".", "not a package below"),
        ("empty", "no validator in the given packages"),
        ("ignored", "ignored by git"),
    ],
)
def test_nothing_to_verify_is_an_error(tmp_path: Path, package: str, message: str) -> None:
    """No validator found means nothing verified."""
    root = small(tmp_path / "here", CHECK, TEST)
    make(root, {"empty/__init__.py": "X = 1\n", "ignored/a.py": CHECK, ".gitignore": "ignored\n"})
    make(tmp_path, {"outside.py": CHECK})
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)

    with pytest.raises(DetectorError, match=message):
        verify_validators(root, [package])


def test_a_copy_holds_what_git_would_hold(tmp_path: Path) -> None:
    """Ignored and deleted files are not copied, untracked ones are, and links stay links."""
    root = make(tmp_path / "here", {"a.py": "", "gone.py": "", "é/b.py": "", "x.log": ""})
    (root / ".gitignore").write_text("*.log\n")
    (root / "link.py").symlink_to("a.py")
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    subprocess.run(["git", "add", "a.py", "gone.py"], cwd=root, check=True)
    (root / "gone.py").unlink()

    copy_tree(root, tmp_path / "there")

    copied = [p.relative_to(tmp_path / "there") for p in (tmp_path / "there").rglob("*.*")]
    assert sorted(map(str, copied)) == [".gitignore", "a.py", "link.py", "é/b.py"]
    assert (tmp_path / "there" / "link.py").is_symlink()


def test_without_git_caches_stay_behind(tmp_path: Path) -> None:
    """A plain folder is copied without tools' folders."""
    files = {"a.py": "", ".tox/x.py": "", "__pycache__/a.pyc": "", "data/b.csv": ""}
    root = make(tmp_path / "here", files)

    copy_tree(root, tmp_path / "there")

    copied = [p for p in (tmp_path / "there").rglob("*") if p.is_file()]
    assert sorted(p.name for p in copied) == ["a.py", "b.csv"]


def test_a_machine_without_git_copies_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No git, no repository: the folder is copied."""
    root = make(tmp_path / "here", {"a.py": ""})
    monkeypatch.setenv("PATH", str(tmp_path))

    copy_tree(root, tmp_path / "there")

    assert (tmp_path / "there" / "a.py").is_file()


def test_a_run_tells_its_last_line(tmp_path: Path) -> None:
    """What pytest said last is kept for messages."""
    root = small(tmp_path / "here", CHECK, TEST)
    workspace = Workspace(root, tmp_path / "room", ["shop"])

    run = workspace.run(["tests/test_missing.py"], 60)

    assert run.exit_code == 4
    assert run.tests("failed") == []
    assert "no tests ran" in run.last_line or "test_missing" in run.output


def test_the_script_reports_as_json(tmp_path: Path) -> None:
    """The document says which test noticed each validator."""
    root = small(tmp_path, CHECK, TEST)

    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--root", str(root), "--json", "shop"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    document = json.loads(done.stdout)

    assert done.returncode == 0
    assert document["clean"] is True
    assert document["outcomes"] == [
        {
            "validator": {
                "path": "shop/rules.py",
                "line": 1,
                "column": 1,
                "qualname": "check",
                "how": "name",
            },
            "noticed_by": "tests/test_a.py::test_check",
            "problem": "",
            "tests": 1,
        }
    ]
    assert "1 validators; running the tests unchanged" in done.stderr


def test_an_interrupted_script_leaves_nothing_behind(tmp_path: Path) -> None:
    """Ctrl-C ends the tests as well, with one line, and nothing stays in the temporary folder."""
    slow = TEST + "\nimport os, time\nfrom pathlib import Path\n"
    slow += f"def test_slow():\n    Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\n"
    slow += "    time.sleep(60)\n"
    root = small(tmp_path / "here", CHECK, slow)
    (tmp_path / "temporary").mkdir()
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), "--root", str(root), "--quiet", "shop"],
        cwd=root,
        env=os.environ | {"TMPDIR": str(tmp_path / "temporary")},
        stderr=subprocess.PIPE,
        text=True,
    )
    pid = wait_for_text(tmp_path / "pid")

    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)

    assert (process.returncode, err) == (2, "verify_validations: interrupted; nothing is known\n")
    assert list((tmp_path / "temporary").iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


def wait_for_text(file: Path, seconds: float = 30) -> str:
    """Return the text of *file* as soon as it has one."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if file.exists() and file.read_text():
            return file.read_text()
        time.sleep(0.05)
    raise TimeoutError(f"{file} was not written within {seconds} seconds")


def test_the_script_prints_findings_and_fails(tmp_path: Path) -> None:
    """A validator that nobody misses makes exit code 1."""
    root = small(tmp_path, CHECK, "from shop.rules import check\ndef test_it(): check(1)\n")

    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--root", str(root), "--quiet", "--processes=1", "shop"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stdout.startswith("shop/rules.py:1:1 validator check: none of 1 tests")
    assert done.stderr.count("\n") == 1

"""What mutmut leaves, read and counted."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from readiness_tests.mutants import (
    NAMES_KEPT,
    MutationError,
    configure,
    judge,
    progress_of,
    read_codes,
)
from readiness_tests.mutation import (
    RECORD,
    PackageRecord,
    basis_of,
    keep,
    main,
    on_record,
    read_record,
    required,
)
from readiness_tests.suite.runner import FINANCIAL


def record(package: str = "model", digest: str = "sha256:00", **counts: int) -> PackageRecord:
    """Return a record with *counts*, 0 where nothing else is said."""
    none = {"killed": 0, "survived": 0, "timeout": 0, "no_tests": 0, "suspicious": 0}
    return PackageRecord(
        package=package,
        tests="tests/unit",
        digest=digest,
        when=datetime(2026, 1, 2, tzinfo=UTC),
        tool="mutmut 3",
        python="CPython 3.11",
        seconds=1.0,
        survivors=(),
        **(none | counts),
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a checkout with one package and its tests."""
    for name in ("rustybt/model/money.py", "tests/unit/model/test_money.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("VALUE = 1\n", "utf-8")
    return tmp_path


def test_each_fate_is_counted() -> None:
    """Exit codes are told apart; unknown ones are suspicious; unnoticed mutants are named."""
    codes = {"a": 1, "b": 3, "c": 0, "d": 33, "e": 5, "f": 36, "g": -24, "h": -11, "i": 77}
    counts, survivors = judge(codes)
    assert counts == {"killed": 2, "survived": 1, "no_tests": 2, "timeout": 2, "suspicious": 2}
    assert survivors == ("c", "d", "e", "h", "i")


def test_names_are_bounded_and_counts_are_not() -> None:
    """A record stays small however many mutants survive."""
    counts, survivors = judge({f"m{number:03}": 0 for number in range(NAMES_KEPT + 9)})
    assert counts["survived"] == NAMES_KEPT + 9
    assert len(survivors) == NAMES_KEPT


def test_no_mutants_are_no_result() -> None:
    """Where nothing was changed nothing can be noticed."""
    with pytest.raises(MutationError, match="found nothing to change"):
        judge({})


@pytest.mark.parametrize("code", [None, 2])
def test_an_unfinished_run_is_no_result(code: int | None) -> None:
    """A mutant that was not tried, or whose tests were interrupted, leaves the run without one."""
    with pytest.raises(MutationError, match="before 1 of 2 mutants"):
        judge({"a": 1, "b": code})


def test_codes_are_read_from_all_files(tmp_path: Path) -> None:
    """The mutants of all files count; what else mutmut writes there does not matter."""
    for name, code in (("a", 0), ("b", None)):
        document = {"exit_code_by_key": {name: code}, "durations_by_key": {name: 0.5}}
        (tmp_path / f"{name}.py.meta").write_text(json.dumps(document), "utf-8")
    assert read_codes(sorted(tmp_path.glob("*.meta"))) == {"a": 0, "b": None}


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"exit_code_by_key": {"a": "killed"}}'])
def test_unknown_files_are_refused(tmp_path: Path, text: str) -> None:
    """What mutmut is not known to write is not guessed at."""
    path = tmp_path / "money.py.meta"
    path.write_text(text, "utf-8")
    with pytest.raises(MutationError, match=r"money\.py\.meta: not what this version"):
        read_codes([path])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("3/5  \N{PARTY POPPER} 2  \N{SLIGHTLY FROWNING FACE} 1", (3, 5)),
        ("\N{BRAILLE PATTERN DOTS-1} 12/345  \N{PARTY POPPER} 2", (12, 345)),
        ("done in 106ms (2 files mutated, 7 ignored)", None),
        ("13.61 mutations/second", None),
        ("rustybt/model/money.py", None),
        ("", None),
    ],
)
def test_progress_is_recognised(line: str, expected: tuple[int, int] | None) -> None:
    """Progress lines are told from everything else that mutmut prints."""
    assert progress_of(line) == expected


@pytest.mark.parametrize(
    ("counts", "score"),
    [
        ({}, "0.00"),
        ({"killed": 1}, "100.00"),
        ({"killed": 84, "timeout": 1, "survived": 15}, "85.00"),
        ({"killed": 1, "survived": 1, "no_tests": 1, "suspicious": 1}, "25.00"),
        # rounded down: 99.996 % is not all of them
        ({"killed": 24999, "survived": 1}, "99.99"),
    ],
)
def test_the_score_is_the_noticed_share(counts: dict[str, int], score: str) -> None:
    """Killed and endless mutants are noticed, all others not, and nothing is rounded up."""
    made = record("model", "sha256:00", **counts)
    assert made.score == Decimal(score)
    assert str(made).startswith(f"{sum(counts.values())} mutants: ")


def test_a_record_holds_for_its_sources_and_tests_only(root: Path) -> None:
    """A change of package or tests puts the record out of date; any other change does not."""
    keep(root, record(digest=basis_of(root, "model").digest(root), killed=1))
    (root / "README.md").write_text("New\n", "utf-8")
    assert on_record(root, "model") is not None
    for name in ("rustybt/model/money.py", "tests/unit/model/test_money.py"):
        path = root / name
        old = path.read_text("utf-8")
        path.write_text("VALUE = 2\n", "utf-8")
        assert on_record(root, "model") is None
        path.write_text(old, "utf-8")
    assert on_record(root, "model") is not None


def test_packages_are_recorded_one_at_a_time(root: Path) -> None:
    """A new record replaces that of its package; equal records give equal bytes."""
    keep(root, record("risk", killed=1))
    keep(root, record("model", killed=1))
    keep(root, record("model", killed=2))
    first = (root / RECORD).read_bytes()
    keep(root, record("risk", killed=1))
    assert (root / RECORD).read_bytes() == first
    assert {n: r.killed for n, r in read_record(root).packages.items()} == {"model": 2, "risk": 1}


@pytest.mark.parametrize("text", ["", "[]", '{"packages": {"model": {}}}', '{"other": 1}'])
def test_a_damaged_record_is_told(root: Path, text: str) -> None:
    """A record that cannot be read is no record, and the message says what to do."""
    (root / RECORD).parent.mkdir(parents=True)
    (root / RECORD).write_text(text, "utf-8")
    with pytest.raises(MutationError, match=r"mutation\.json cannot be read .* delete it and run"):
        on_record(root, "model")


def test_tests_of_the_package_are_preferred(root: Path) -> None:
    """A package's own unit tests judge it; without such a folder all unit tests do."""
    assert basis_of(root, "model").tests == "tests/unit/model"
    (root / "tests/unit/model").rename(root / "tests/unit/other")
    basis = basis_of(root, "model")
    assert basis.tests == "tests/unit"
    assert basis.files == ("rustybt/model/money.py", "tests/unit/other/test_money.py")


def test_there_must_be_a_package_and_tests(root: Path) -> None:
    """Nothing is judged where there is nothing to judge."""
    with pytest.raises(MutationError, match="no package rustybt/risk"):
        basis_of(root, "risk")
    (root / "tests/unit/model/test_money.py").unlink()
    with pytest.raises(MutationError, match="no folder of tests tests/unit/model"):
        basis_of(root, "model")


@pytest.mark.parametrize(
    ("text", "message"),
    [("[tool.mutmut]\ndebug = true\n", "has a table tool.mutmut"), ("[tool", "cannot be read")],
)
def test_foreign_settings_are_refused(tmp_path: Path, text: str, message: str) -> None:
    """Settings that would make the run another one are not overlooked."""
    (tmp_path / "pyproject.toml").write_text(text, "utf-8")
    with pytest.raises(MutationError, match=message):
        configure(tmp_path, "model", "tests/unit")


def test_packages_on_record_are_not_run_again(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command tells the recorded score, and fails where there is something it cannot run."""
    keep(root, record(digest=basis_of(root, "model").digest(root), killed=9, survived=1))
    assert main(["--checkout", str(root)]) == 2
    told = capsys.readouterr()
    assert told.out.startswith("model: 90.00 % of 10 mutants: 9 killed, 1 survived")
    assert told.err == "error: there is no package rustybt/accounting in this checkout\n"


@pytest.mark.parametrize(("survived", "code"), [(1, 0), (2, 1)])
def test_the_exit_code_tells_whether_all_meet_the_limit(
    root: Path, survived: int, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """One package below the limit is enough to fail."""
    for name in FINANCIAL:
        (root / "rustybt" / name).mkdir(exist_ok=True)
        (root / "rustybt" / name / "money.py").write_text("VALUE = 1\n", "utf-8")
        keep(root, record(name, basis_of(root, name).digest(root), killed=9))
    keep(root, record("risk", basis_of(root, "risk").digest(root), killed=8, survived=survived))
    assert main(["--checkout", str(root)]) == code
    assert len(capsys.readouterr().out.splitlines()) == len(FINANCIAL)


@pytest.mark.parametrize("number", ["0", "-1", "many", "1.5", "²"])
def test_counts_are_whole_and_positive(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is no number of processes is refused before anything runs."""
    with pytest.raises(SystemExit) as ended:
        main([f"--processes={number}"])
    assert ended.value.code == 2
    assert "expected a whole number of 1 or more" in capsys.readouterr().err


def test_the_limit_is_the_checklists() -> None:
    """The command holds scores to the limit that the readiness check uses."""
    assert required() == 85

"""``--ready-report DIR`` and the ini key: where the reports go."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = ["pytester"]
FILES = {"index.html", "junit.xml", "readiness.json", "checklist.md"}


@pytest.mark.parametrize(
    ("ini", "args", "folder"),
    [
        ("", (), "readiness-report"),
        ("ready_report = out/ini", (), "out/ini"),
        ("ready_report = out/ini", ("--ready-report", "out/option"), "out/option"),
    ],
)
def test_all_reports_are_written_in_one_go(
    project: Any, ini: str, args: tuple[str, ...], folder: str
) -> None:
    """The option wins over the ini key; the folder is made; the summary says where."""
    project.ini(ini)
    project.passing("1.1.1")
    run = project.run("-m", "readiness", *args)
    assert {path.name for path in (project.root / folder).iterdir()} == FILES
    assert f"report: {project.root / folder / 'index.html'}" in run.output


def test_the_option_is_relative_to_where_one_stands(project: Any, tmp_path: Path) -> None:
    """The ini key is relative to the root, the option to the working folder."""
    project.passing("1.1.1")
    (project.root / "below").mkdir()
    os.chdir(project.root / "below")
    root = f"--rootdir={project.root}"
    ini = f"-c{project.root / 'pytest.ini'}"
    target = str(project.root / "readiness_tests")
    project.run(root, ini, target, "--ready-report", "here")
    project.run(root, ini, target)
    project.run(root, ini, target, "--ready-report", str(tmp_path / "elsewhere"))
    for folder in (project.root / "below/here", project.root / "readiness-report"):
        assert {path.name for path in folder.iterdir()} == FILES
    assert (tmp_path / "elsewhere" / "index.html").exists()


def test_the_option_alone_asks_for_checks(project: Any) -> None:
    """Naming a report folder asks for the checks, and only for them: no other file is imported."""
    project.passing("1.1.1", "1.1.2", "2.1.1", "2.2.3")
    project.write("tests/test_plain.py", "import there_is_no_such_module\n")
    run = project.run("--ready-report", "readiness-report")
    run.counts(passed=4)
    assert run.code == 0


@pytest.mark.parametrize("kind", ["a file", "below a file"])
def test_an_unwritable_folder_is_a_report_error(project: Any, kind: str) -> None:
    """What stands in the way is named with what to do; the verdict is printed, the exit code 7."""
    project.passing("1.1.1", "1.1.2", "2.1.1", "2.2.3")
    project.write("taken", "precious")
    folder = "taken" if kind == "a file" else "taken/below"
    run = project.run("-m", "readiness", "--ready-report", folder)
    assert run.code == 7
    assert f"the reports cannot be written to {project.root / folder}" in run.output
    assert "READY at stage dev" in run.output
    assert (project.root / "taken").read_text() == "precious"
    assert "Traceback" not in run.output


def test_a_second_report_replaces_the_first_and_nothing_else(project: Any) -> None:
    """Other files in the folder stay; the record is the newer run's."""
    project.passing("1.1.1")
    first = project.run().record.digest
    project.write("readiness-report/mine.txt", "mine")
    second = project.run()
    assert second.record.digest != first
    assert (project.root / "readiness-report" / "mine.txt").read_text() == "mine"

"""Runs in adverse conditions: they end with a report of what there is, and never with READY."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = ["pytester"]
ALL = ("1.1.1", "1.1.2", "2.1.1", "2.2.3")
HOSTILE = "<script>alert(1)</script> ]]> & \x00\x07\x1b[31m \ufffe \ud800 `|* [x](y) \u202e"


def test_an_interrupt_leaves_a_report_of_what_there_is(project: Any) -> None:
    """Ctrl-C ends with pytest's code 2; what had passed by then is in the report."""
    project.passing("1.1.1", name="readiness_tests/test_a.py")
    project.checks(
        "@ready.testing('1.1.2')\ndef test_it(evidence): raise KeyboardInterrupt\n",
        "readiness_tests/test_b.py",
    )
    run = project.run()
    assert (run.code, run.status) == (2, "INCOMPLETE")
    assert [run.item(i) for i in ("1.1.1", "1.1.2", "2.1.1")] == ["passed", "not run", "not run"]
    assert "the run was interrupted" in run.output


def test_an_interrupt_after_everything_passed_is_no_ready(project: Any) -> None:
    """A run that was interrupted is never READY, even if every check had passed by then."""
    project.passing(*ALL)
    project.write(
        "conftest.py",
        """
        import pytest

        @pytest.hookimpl(wrapper=True)
        def pytest_runtestloop(session):
            yield
            raise KeyboardInterrupt
        """,
    )
    run = project.run()
    assert (run.code, run.status, run.item("2.2.3")) == (2, "INCOMPLETE", "passed")


def test_collect_only_judges_nothing(project: Any) -> None:
    """--collect-only lists the checks and writes neither report nor history."""
    project.passing(*ALL)
    run = project.run("-m", "readiness", "--collect-only", "-q")
    assert "test_passing.py::test_1_1_1" in run.output
    assert not run.judged
    assert not (project.root / ".readiness").exists()


@pytest.mark.parametrize(
    "args",
    [
        ("-p", "no:cacheprovider"),
        ("-p", "no:xdist"),
        ("-p", "no:randomly"),
        ("-p", "no:terminal"),
        ("-p", "no:junitxml"),
        ("-s",),
        ("-p", "no:logging"),
        ("-p", "no:subtests"),
        ("-p", "no:warnings", "-p", "no:unraisableexception", "-p", "no:faulthandler"),
        ("--assert=plain",),
        ("--tb=native", "-vv", "-rA", "-l"),
        ("-qq", "--no-header", "--no-summary"),
    ],
    ids=" ".join,
)
def test_nothing_optional_is_needed(project: Any, args: tuple[str, ...]) -> None:
    """The same verdict without any of pytest's optional parts, and with others of its options."""
    project.passing(*ALL)
    run = project.run("-m", "readiness", *args)
    assert (run.code, run.status) == (0, "READY")


def test_pytests_own_junit_report_stays(project: Any) -> None:
    """--junitxml works beside the plugin's own, and carries the item ids."""
    project.passing("1.1.1")
    project.run("-m", "readiness", "--junitxml=own.xml")
    assert '<property name="ready.item" value="1.1.1"' in (project.root / "own.xml").read_text()
    assert (project.root / "readiness-report" / "junit.xml").exists()


@pytest.mark.parametrize("what", ["a file", "a folder in place of the history", "a cut history"])
def test_a_state_folder_that_cannot_be_used_is_told(project: Any, what: str) -> None:
    """Where history and proofs cannot be kept, the verdict stands and the summary says so."""
    project.passing(*ALL)
    if what == "a file":
        project.write(".readiness", "a file")
    elif what == "a cut history":
        project.run()
        history = project.root / ".readiness" / "history.jsonl"
        history.write_bytes(history.read_bytes()[:-20])
    else:
        project.write(".readiness/history.jsonl/x", "")
    run = project.run()
    assert (run.code, run.status) == (0, "READY")
    if what == "a cut history":
        assert "the broken file is kept as history.broken-1.jsonl" in run.output
    else:
        assert "history and proofs were not kept" in run.output
    assert "Traceback" not in run.output


def test_a_broken_history_that_cannot_be_moved(project: Any) -> None:
    """Where the broken history must stay, it stays as it is, and the summary says so."""
    project.passing(*ALL)
    history = project.write("state/history.jsonl", "broken\n")
    project.ini("ready_state = state")
    (project.root / "state").chmod(0o500)
    subprocess.run(["chattr", "+i", str(history)], check=False, capture_output=True)
    try:
        run = project.run()
    finally:
        subprocess.run(["chattr", "-i", str(history)], check=False, capture_output=True)
        (project.root / "state").chmod(0o700)
    assert (run.code, run.status) == (0, "READY")
    assert "history: " in run.output
    kept = [path.read_text() for path in history.parent.glob("history*.jsonl")]
    assert "broken\n" in kept


@pytest.mark.skipif(not Path("/proc/self/mounts").exists(), reason="needs Linux")
def test_a_read_only_working_directory(project: Any) -> None:
    """Where nothing can be written, not even by root, the run ends with the verdict and code 7."""
    project.passing(*ALL)
    project.ini("ready_report = /proc/report", "ready_state = /proc/state")
    run = project.run("-m", "readiness", "-p", "no:cacheprovider")
    assert run.code == 7
    assert "READY at stage dev" in run.output
    assert "the reports cannot be written to /proc/report" in run.output
    assert "history and proofs were not kept: /proc/state" in run.output
    assert "Traceback" not in run.output


@pytest.mark.parametrize(
    "name", ["test_ä.py", "test_a b.py", "test_[x].py", "test_'q'.py", "test_%s&.py"]
)
def test_odd_file_names(project: Any, name: str) -> None:
    """Names with odd characters are collected, judged, and written down as they are."""
    project.passing(*ALL, name=f"readiness_tests/{name}")
    run = project.run()
    assert (run.code, run.status) == (0, "READY")
    assert run.record.checks[0].check.startswith(f"readiness_tests/{name}::")


def test_file_names_that_are_no_utf_8(project: Any) -> None:
    """A name that UTF-8 cannot say is spelled out; such a file in the tree disturbs nothing."""
    project.passing(*ALL)
    raw = os.fsencode(project.root) + b"/readiness_tests/test_\xff.py"
    text = (
        "from pytest_rustybt_ready import ready\n@ready.testing('1.1.1')\ndef test_it(evidence):\n"
    )
    Path(os.fsdecode(raw)).write_text(text + "    assert 0\n")
    # pytest's own cache cannot write such a name down
    run = project.run("-m", "readiness", "-p", "no:cacheprovider")
    assert (run.code, run.item("1.1.1")) == (1, "failed")
    assert "readiness_tests/test_\\udcff.py::test_it" in run.record.verdict.of("1.1.1").checks


def test_another_plugin_that_fails_at_the_end(project: Any) -> None:
    """Where another plugin cannot finish, there is a record all the same, and it is not READY."""
    project.passing(*ALL)
    project.write("conftest.py", "def pytest_sessionfinish(): raise ValueError('no disk')\n")
    run = project.run()
    assert (run.code, run.status, run.item("2.2.3")) == (3, "INCOMPLETE", "passed")
    assert "ValueError: no disk" in run.output


def test_odd_links_in_the_tree_do_no_harm(project: Any) -> None:
    """Links to nowhere, to folders and around in a circle are part of the tree as links."""
    project.passing(*ALL)
    for name, target in (("gone", "nowhere"), ("folder", "readiness_tests"), ("self", "self")):
        (project.root / name).symlink_to(target)
    first = project.run().record
    assert first.verdict.scope_status == "READY"
    (project.root / "gone").unlink()
    (project.root / "gone").symlink_to("elsewhere")
    assert project.run().record.subject.tree != first.subject.tree


def test_hostile_text_everywhere(project: Any) -> None:
    """Text that would break HTML, XML, Markdown or JSON reaches no report unescaped."""
    project.passing("1.1.1", "2.2.3")
    project.checks(f"""
        HOSTILE = {HOSTILE!r}

        @ready.testing("1.1.2")
        @pytest.mark.parametrize("x", [HOSTILE])
        def test_hostile(evidence, x):
            evidence.record(HOSTILE, [HOSTILE])
            evidence.attach(HOSTILE, name=HOSTILE)
            print(HOSTILE.encode("utf-8", "replace").decode())
            raise RuntimeError(HOSTILE)

        @ready.security("2.1.1")
        def test_skipped(evidence):
            evidence.unproven(HOSTILE, remedy=HOSTILE)

        test_hostile.__doc__ = HOSTILE
        """)
    run = project.run()
    assert (run.code, run.item("1.1.2"), run.item("2.1.1")) == (1, "error", "unproven")
    page = (run.folder / "index.html").read_text("utf-8")
    assert "<script>alert(1)" not in page
    import xml.etree.ElementTree as ET

    ET.parse(run.folder / "junit.xml")  # noqa: S314 - our own output


def test_output_that_is_no_utf_8(project: Any) -> None:
    """Bytes that are no text are kept with replacements, and their digest is of the bytes."""
    project.passing("1.1.1", "2.1.1", "2.2.3")
    project.checks(r"""
        import hashlib

        @ready.testing("1.1.2")
        def test_it(evidence, capfd):
            os.write(1, b"\xff\xfe\x80 raw")
            evidence.attach(b"\xff\xfe\x80 raw", name="output")
        """)
    run = project.run()
    assert run.code == 0


@pytest.mark.parametrize("how", ["attachment", "observation", "message", "output"])
def test_ten_megabytes_of_evidence(project: Any, how: str) -> None:
    """Much text is cut, with its size and digest, in bounded time; the record stays small."""
    body = {
        "attachment": "evidence.attach('secret=' + 'x' * 10_000_000)",
        "observation": "evidence.record('x', 'token ' * 1_700_000)",
        "message": "evidence.record('x', 1)\n    raise RuntimeError('a.' * 5_000_000)",
        "output": "evidence.record('x', 1)\n    print('x' * 10_000_000)",
    }[how]
    project.passing("1.1.1", "2.1.1", "2.2.3")
    project.checks(f"@ready.testing('1.1.2')\ndef test_it(evidence):\n    {body}\n")
    start = time.process_time()
    run = project.run("-m", "readiness", "--tb=line")
    assert run.code == (1 if how == "message" else 0)
    assert (run.folder / "readiness.json").stat().st_size < 100_000
    assert time.process_time() - start < 60


def test_many_cases_of_one_item_stay_small(project: Any) -> None:
    """A thousand cases of one check do not tell of each other a thousand times."""
    project.passing("1.1.2", "2.1.1", "2.2.3")
    project.checks("""
        @ready.testing("1.1.1")
        @pytest.mark.parametrize("n", range(300))
        def test_it(evidence, n):
            evidence.record("n", n)
        """)
    run = project.run()
    assert (run.code, len(run.record.verdict.of("1.1.1").checks)) == (0, 300)


def test_a_check_that_changes_folder_and_environment(project: Any, tmp_path: Path) -> None:
    """Reports and history go where they were to go, whatever a check does to the process."""
    project.passing("1.1.2", "2.1.1", "2.2.3")
    project.checks(f"""
        @ready.testing("1.1.1")
        def test_it(evidence, monkeypatch):
            os.chdir({str(tmp_path)!r})
            monkeypatch.setenv("GIT_DIR", "/nowhere")
            evidence.record("x", 1)
        """)
    run = project.run("-m", "readiness", "--ready-report", "readiness-report")
    assert (run.code, run.status) == (0, "READY")

"""Writing all reports at once: all of them, or none."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from pytest_rustybt_ready import record as records_module
from pytest_rustybt_ready.errors import ReadyError, ReportError
from pytest_rustybt_ready.report import write_reports

NAMES = ("index.html", "junit.xml", "readiness.json", "checklist.md")


def content(folder: Path) -> dict[str, bytes]:
    """Return the files below *folder* with their bytes."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_writes_the_four_reports(records: Any, tmp_path: Path) -> None:
    """The four files appear in a folder that is made when missing, and nothing else."""
    folder = tmp_path / "a" / "readiness report ü"

    written = write_reports(records.make(), folder)

    assert written == tuple(folder / name for name in NAMES)
    assert set(content(folder)) == set(NAMES)


def test_written_record_reads_back(records: Any, tmp_path: Path) -> None:
    """`readiness.json` is the record itself: it loads, and its verdict still follows from it."""
    record = records.make()
    write_reports(record, tmp_path)

    assert records_module.load(tmp_path / "readiness.json") == record


def test_foreign_files_are_left_alone(records: Any, tmp_path: Path) -> None:
    """Only the four names are written; what else lies in the folder stays as it was."""
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "index.html").write_text("old", encoding="utf-8")

    write_reports(records.make(), tmp_path)

    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"
    assert set(content(tmp_path)) == {"notes.txt", *NAMES}
    assert content(tmp_path)["index.html"].startswith(b"<!doctype html>")


def test_same_record_same_files(records: Any, tmp_path: Path) -> None:
    """Equal records give equal files, byte for byte."""
    write_reports(records.make(), tmp_path / "a")
    write_reports(records.make(), tmp_path / "b")

    assert content(tmp_path / "a") == content(tmp_path / "b")


def test_symbolic_links_are_replaced_not_followed(records: Any, tmp_path: Path) -> None:
    """A link that lies under a report's name is replaced; what it points to stays untouched."""
    outside = tmp_path / "outside.txt"
    outside.write_text("precious", encoding="utf-8")
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "junit.xml").symlink_to(outside)

    write_reports(records.make(), folder)

    assert outside.read_text(encoding="utf-8") == "precious"
    assert not (folder / "junit.xml").is_symlink()


def test_folder_that_is_a_file(records: Any, tmp_path: Path) -> None:
    """A path that cannot be a folder gives one clear error that names it and what to do."""
    path = tmp_path / "report"
    path.write_text("a file", encoding="utf-8")

    with pytest.raises(ReportError) as caught:
        write_reports(records.make(), path)

    assert isinstance(caught.value, ReadyError)
    message = str(caught.value)
    assert str(path) in message
    assert "--ready-report DIR" in message
    assert "\n" not in message
    assert path.read_text(encoding="utf-8") == "a file"


def test_folder_in_the_way_of_a_report(records: Any, tmp_path: Path) -> None:
    """If one report cannot be put in place, none is, and no temporary file stays behind."""
    (tmp_path / "readiness.json").mkdir()
    (tmp_path / "index.html").write_text("old", encoding="utf-8")

    with pytest.raises(ReportError, match=r"readiness\.json is a folder"):
        write_reports(records.make(), tmp_path)

    assert {p.name for p in tmp_path.iterdir()} == {"readiness.json", "index.html"}
    assert (tmp_path / "index.html").read_text(encoding="utf-8") == "old"


def test_read_only_folder(records: Any, tmp_path: Path) -> None:
    """A folder without write permission gives one clear error."""
    tmp_path.chmod(0o555)
    try:
        if os.access(tmp_path, os.W_OK):  # root may, unless it has given up its capabilities
            pytest.skip("this user may write to read-only folders")
        with pytest.raises(ReportError, match="Permission denied"):
            write_reports(records.make(), tmp_path)
    finally:
        tmp_path.chmod(0o755)
    assert content(tmp_path) == {}


def test_no_space_leaves_the_old_reports(records: Any, tmp_path: Path) -> None:
    """When the disk gives out half-way, the reports of the run before stay whole."""
    write_reports(records.make(), tmp_path / "report")
    before = content(tmp_path / "report")
    source = tmp_path / "record.json"
    source.write_bytes(before["readiness.json"])
    limit = sorted(len(data) for data in before.values())[1] + 10
    script = f"""
        import resource, signal
        from pathlib import Path
        from pytest_rustybt_ready import record
        from pytest_rustybt_ready.errors import ReadyError
        from pytest_rustybt_ready.report import write_reports

        loaded = record.load(Path({str(source)!r}))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
        try:
            write_reports(loaded, Path({str(tmp_path / "report")!r}))
        except ReadyError as error:
            print(error)
    """

    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True
    )

    assert "cannot be written to" in done.stdout
    assert "Nothing was changed there" in done.stdout
    assert content(tmp_path / "report") == before


def test_importing_the_reports_does_not_load_jinja() -> None:
    """Jinja2 is loaded when HTML is rendered, not before."""
    script = "import sys, pytest_rustybt_ready.report; print('jinja2' in sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "False"

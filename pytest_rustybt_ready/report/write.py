"""Write all reports of a run into one folder: all of them, or none."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping
from pathlib import Path

from pytest_rustybt_ready import record as records
from pytest_rustybt_ready.errors import ReportError
from pytest_rustybt_ready.record import Record
from pytest_rustybt_ready.report.html import render_html
from pytest_rustybt_ready.report.junit import render_junit
from pytest_rustybt_ready.report.markdown import render_markdown


def write_reports(record: Record, directory: Path) -> tuple[Path, ...]:
    """Write ``index.html``, ``junit.xml``, ``readiness.json`` and ``checklist.md``.

    *directory* is made if it is missing; other files in it are left alone. Everything is rendered
    and written beside its final name first, and renamed only then. Returns the paths written, in
    that order; raises ReportError if the folder cannot be written to.
    """
    contents = {
        "index.html": render_html(record).encode("utf-8"),
        "junit.xml": render_junit(record),
        "readiness.json": records.dump(record),
        "checklist.md": render_markdown(record).encode("utf-8"),
    }
    try:
        return _replace_all(directory, contents)
    except OSError as error:
        raise ReportError(_advice(directory, error)) from error


def _replace_all(directory: Path, contents: Mapping[str, bytes]) -> tuple[Path, ...]:
    directory.mkdir(parents=True, exist_ok=True)
    targets = [directory / name for name in contents]
    for target in targets:
        if target.is_dir():
            raise IsADirectoryError(f"{target.name} is a folder there")
    # Unpredictable names, created exclusively: nothing that lies there can be written through.
    parts = [directory / f".{name}.{secrets.token_hex(6)}.part" for name in contents]
    try:
        for part, content in zip(parts, contents.values(), strict=True):
            with part.open("xb") as file:
                file.write(content)
        for part, target in zip(parts, targets, strict=True):
            part.replace(target)
    finally:
        for part in parts:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
    return tuple(targets)


def _advice(directory: Path, error: OSError) -> str:
    return (
        f"the reports cannot be written to {directory}: {error.strerror or error}. "
        "Nothing was changed there. Make the folder writable, free some space, or name another "
        "one with --ready-report DIR"
    )

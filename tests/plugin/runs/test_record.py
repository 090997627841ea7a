"""The record: complete, canonical, and refused when it was altered."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_rustybt_ready import canonical
from pytest_rustybt_ready.errors import RecordError
from pytest_rustybt_ready.record import dump, load

pytest_plugins = ["pytester"]


@pytest.fixture
def written(project: Any) -> Path:
    """Return the path of a record with passed, failed and open items."""
    project.passing("1.1.1", "2.2.3")
    project.checks(
        "@ready.security('2.1.1')\ndef test_it(evidence): evidence.expect('x', 1, observed=2)"
    )
    return Path(project.run().folder / "readiness.json")


def seal(data: dict[str, Any]) -> dict[str, Any]:
    """Give altered *data* the digest that fits it, as a careful forger would."""
    return {**data, "digest": canonical.digest({**data, "digest": ""})}


def test_a_record_survives_the_round_trip(written: Path) -> None:
    """What was read and is written again is the same, byte for byte."""
    assert dump(load(written)) == written.read_bytes()


def test_layout_does_not_matter(written: Path) -> None:
    """A record that somebody indented says the same, and is accepted."""
    before = load(written)
    written.write_text(json.dumps(json.loads(written.read_text()), indent=4))
    assert load(written) == before


def _set(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        *parents, last = path.split("/")
        target: Any = data
        for parent in parents:
            target = target[int(parent) if parent.isdigit() else parent]
        target[int(last) if last.isdigit() else last] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        _set("results/0/outcome", "passed"),
        _set("verdict/status", "READY"),
        _set("verdict/scope_status", "READY"),
        _set("subject/commit", "0" * 40),
        _set("run/stage", "live"),
        _set("checklist/items/0/waivable", False),
        _set("digest", ""),
        _set("digest", "sha256:" + "0" * 64),
        lambda data: data["results"].pop(),
        lambda data: data["checks"].append(data["checks"][0]),
    ],
)  # fmt: skip
def test_an_altered_record_is_refused(written: Path, change: Any) -> None:
    """Any change of the contents shows in the digest."""
    data = json.loads(written.read_text())
    change(data)
    written.write_text(json.dumps(data))
    with pytest.raises(RecordError, match=r"altered since it was written: it says .*, its"):
        load(written)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_set("verdict/items/2/disposition", "passed"), "2.1.1 is failed, it says passed"),
        (_set("verdict/status", "READY"), "different status"),
        (_set("verdict/items", []), "different items"),
        (_set("checklist/items/0/id", "x.y"), r"it cannot be judged \(ValueError"),
        (_set("checklist/sections", []), r"it cannot be judged \(KeyError"),
    ],
)
def test_a_resealed_forgery_is_refused(written: Path, change: Any, said: str) -> None:
    """A verdict that does not follow from what is recorded is refused, whatever the digest says."""
    data = json.loads(written.read_text())
    change(data)
    written.write_text(json.dumps(seal(data)))
    with pytest.raises(RecordError, match=f"its verdict does not follow .*: {said}"):
        load(written)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a readiness record"),
        (b"{}", "not a readiness record: Object missing required field"),
        (b"[1, 2]", "not a readiness record: Expected `object`"),
        (b"\xff\xfe\x00", "not a readiness record"),
        (b'{"format": "other/1"}', "not a readiness record: Invalid enum value"),
        (b"[" * 100_000, "not a readiness record"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_what_is_no_record_is_refused(tmp_path: Path, content: bytes | None, said: str) -> None:
    """Files that are missing, damaged or something else are refused in one line."""
    path = tmp_path / "readiness.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RecordError, match=f"readiness.json: {said}") as refused:
        load(path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_set("extra", 1), "unknown field"),
        (_set("verdict/at", "2026-01-01T00:00:00"), "Expected `datetime` with a timezone"),
        (_set("results/0/started", "yesterday"), "Invalid RFC3339"),
        (_set("run/stage", "soon"), "Invalid enum value 'soon'"),
    ],
)
def test_values_that_cannot_be_are_refused(written: Path, change: Any, said: str) -> None:
    """Unknown fields, times without a zone and unknown words are no record."""
    data = json.loads(written.read_text())
    change(data)
    written.write_text(json.dumps(seal(data)))
    with pytest.raises(RecordError, match=f"not a readiness record: .*{said}"):
        load(written)


def test_canonical_bytes_do_not_depend_on_order() -> None:
    """Equal values give equal bytes and digests."""
    assert (
        canonical.to_bytes({"b": 1, "a": [2, {"d": 1, "c": 2}]}) == b'{"a":[2,{"c":2,"d":1}],"b":1}'
    )
    assert canonical.digest({"a": 1, "b": 2}) == canonical.digest({"b": 2, "a": 1})
    assert canonical.digest_bytes(b"") == (
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )

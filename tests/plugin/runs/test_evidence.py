"""What a check leaves behind: expectations, records, attachments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
import pytest

import pytest_rustybt_ready as ready_package
from pytest_rustybt_ready.checklist import Item, Threshold
from pytest_rustybt_ready.evidence import ATTACHMENT_LIMIT, TEXT_LIMIT, Evidence, Unproven, describe
from pytest_rustybt_ready.expectations import Limit, at_least, at_most, below, containing, one_of
from pytest_rustybt_ready.redaction import Redactor
from pytest_rustybt_ready.values import EvidenceEntry, Kind, Provenance, Stage

pytest_plugins = ["pytester"]
AT = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)


def item(item_id: str, **limits: Threshold) -> Item:
    """Return an item with these thresholds."""
    return Item(
        id=item_id,
        text="t",
        kinds=(Kind.CODE,),
        stage=Stage.DEV,
        how="h",
        fails=("f",),
        remedy="r",
        thresholds=limits,
    )


def evidence(*items: Item, secrets: tuple[str, ...] = ()) -> Evidence:
    """Return evidence of a check of *items*, at a fixed time."""
    return Evidence(items=items, clock=lambda: AT, redact=Redactor(secrets))


def test_a_met_expectation_is_kept() -> None:
    """What was expected and what was seen are kept in words, with the time and the provenance."""
    found = evidence()
    found.provenance = Provenance.PRACTICE
    found.expect("mode", "0600", observed="0600")
    assert found.entries == (
        EvidenceEntry(
            kind="expectation",
            name="mode",
            observed="0600",
            at=AT,
            expected="0600",
            ok=True,
            provenance=Provenance.PRACTICE,
        ),
    )


def test_an_unmet_expectation_fails_the_check_and_is_kept() -> None:
    """The assertion says name, expected and observed; so does the entry."""
    found = evidence()
    with pytest.raises(AssertionError, match=r"^cores: expected ≥ 2, observed 1$"):
        found.expect("cores", at_least(2), observed=1)
    (entry,) = found.entries
    assert (entry.ok, entry.expected, entry.observed) == (False, "≥ 2", "1")


@pytest.mark.parametrize(
    ("expectation", "good", "bad"),
    [
        (at_least(90), [90, "90.0", Decimal("1e3"), 90.5], [89, "89.999", float("inf"), "nan"]),
        (at_most("0.1"), ["0.1", 0, -5], ["0.10000001", float("-inf"), Decimal("sNaN")]),
        (below(100, "ms"), [99, Decimal("99.9999")], [100, "1e2"]),
        (one_of("info", "warning"), ["info"], ["debug", None, 3]),
        (containing("deny"), ["default deny", ["deny"], {"deny": 1}], ["allow", 5, None, []]),
        (True, [True, 1], [False, None]),
        (None, [None], [0, ""]),
    ],
)
def test_expectations(expectation: Any, good: list[Any], bad: list[Any]) -> None:
    """Each expectation is met by what it says and by nothing else; no infinity meets a limit."""
    for value in good:
        evidence().expect("x", expectation, observed=value)
    for value in bad:
        with pytest.raises(AssertionError):
            evidence().expect("x", expectation, observed=value)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: at_least("nan"), "a limit of nan would never or always be met"),
        (lambda: below(float("inf")), "would never or always be met"),
        (lambda: at_most("ten"), "expected a number, found 'ten'"),
        (lambda: at_least(True), "expected a number, found True"),
        (lambda: at_least(1).met_by("much"), "expected a number, found 'much'"),
        (lambda: at_least(1).met_by(None), "expected a number, found None"),
        (lambda: at_least(1).met_by(True), "expected a number, found True"),
        (one_of, "one_of needs at least one option"),
        (lambda: containing(""), "every text contains the empty one"),
    ],
)
def test_expectations_that_mean_nothing_are_refused(make: Any, said: str) -> None:
    """An expectation that could never or always be met is an error, and so is no number."""
    with pytest.raises(ValueError, match=said):
        make()


def test_expectations_say_themselves() -> None:
    """Reports show an expectation in words."""
    words = [str(e) for e in (at_least(1, "cores"), below(5, "%"), one_of(1, 2), containing("x"))]
    assert words == ["≥ 1 cores", "< 5%", "one of 1, 2", "containing x"]


def test_thresholds_come_from_the_checklist() -> None:
    """``meets`` and ``threshold`` take the limit of the item under check, by name."""
    coverage = Threshold(sense="min", limit=Decimal(90), unit="%")
    found = evidence(item("1.1.1"), item("1.1.2", coverage=coverage))
    found.meets("coverage", observed="90.00")
    assert isinstance(found.threshold("coverage"), Limit)
    with pytest.raises(AssertionError, match=r"coverage: expected ≥ 90%, observed 89\.99"):
        found.meets("coverage", observed="89.99")
    with pytest.raises(
        LookupError, match=r"1\.1\.1, 1\.1\.2: no threshold 'covrage' .*\['coverage'\]"
    ):
        found.meets("covrage", observed=1)
    with pytest.raises(LookupError, match="no item: no threshold"):
        evidence().threshold("coverage")


def test_a_threshold_that_differs_between_items_is_ambiguous() -> None:
    """A check of two items has to say which limit it means; equal limits are one."""
    loose, tight = (Threshold(sense="max", limit=Decimal(n)) for n in (9, 1))
    found = evidence(item("1.1.1", errors=loose), item("1.1.2", errors=loose))
    found.meets("errors", observed=9)
    found = evidence(item("1.1.1", errors=loose), item("1.1.2", errors=tight))
    with pytest.raises(LookupError, match=r"'errors' differs between 1\.1\.1, 1\.1\.2"):
        found.meets("errors", observed=0)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "none"),
        ({}, "nothing"),
        (["b", "a", ["c"]], "b, a, c"),
        ({"b", "a"}, "a, b"),
        ({"x": 1, "y": {"z": [True, None]}}, "x: 1, y: z: True, None"),
        (Decimal("1.50"), "1.50"),
        ("", ""),
        (b"raw", "b'raw'"),
        ({"api_key": "plain", "token": 3, "n": {"password": ["a", "b"]}},
         "api_key: [redacted], token: 3, n: password: [redacted]"),
    ],
)  # fmt: skip
def test_values_are_said_in_words(value: Any, words: str) -> None:
    """Collections are said item by item; what stands under a secret's name is masked."""
    assert describe(value) == words


def test_long_texts_are_cut_with_their_size_and_digest() -> None:
    """A long observation keeps its beginning, its size in bytes and the digest of all of it."""
    found = evidence()
    found.record("long", "é" * 3000)
    found.record("short", "é" * TEXT_LIMIT)
    long, short = found.entries
    assert (len(long.observed), long.size, long.truncated) == (TEXT_LIMIT, 6000, True)
    assert long.sha256 is not None
    assert (short.size, short.sha256, short.truncated) == (None, None, False)


def test_attachments_keep_text_bytes_and_files(tmp_path: Any) -> None:
    """An attachment has a name, the size of its original, and its digest, cut or not."""
    path = tmp_path / "output.txt"
    path.write_bytes(b"\xff\xfe raw \0")
    found = evidence()
    found.attach("text", name="log")
    found.attach(path)
    found.attach(b"x" * 20_000)
    text, file, cut = found.entries
    assert (text.name, text.observed, text.size, text.truncated) == ("log", "text", 4, False)
    assert (file.name, file.observed, file.size) == ("output.txt", "\ufffd\ufffd raw \0", 8)
    assert (cut.name, len(cut.observed), cut.size) == ("attachment", ATTACHMENT_LIMIT, 20_000)
    assert cut.truncated
    assert len({entry.sha256 for entry in found.entries}) == 3


@pytest.mark.parametrize(
    "text", ["\ud800", "a\udcff", "\0", "\x1b[31m", "<script>", "]]>", "\u202e"]
)
def test_any_text_survives_as_json(text: str) -> None:
    """Odd characters in names, values and attachments never keep a record from being written."""
    found = evidence()
    found.record(text, [text])
    found.attach(text, name=text)
    with pytest.raises(Unproven) as unproven:
        found.unproven(text, remedy=text)
    for entry in found.entries:
        assert msgspec.json.decode(msgspec.json.encode(entry), type=EvidenceEntry) == entry
    msgspec.json.encode([unproven.value.reason, unproven.value.remedy])


def test_times_are_aware_and_in_utc() -> None:
    """A recorded value has the time at which it was observed; one without a zone is refused."""
    found = evidence()
    east = timezone(timedelta(hours=2))
    found.record("x", 1, at=datetime(2026, 1, 1, 12, tzinfo=east))
    assert found.entries[0].at.isoformat() == "2026-01-01T10:00:00+00:00"
    with pytest.raises(ValueError, match="its time 2026-01-01 00:00:00 has no zone"):
        found.record("x", 1, at=datetime(2026, 1, 1))  # noqa: DTZ001 - the point of it


@pytest.mark.parametrize(
    ("subject", "ids", "provenance"),
    [
        ("sandbox", '"2.2.3"', "practice"),
        ("sandbox", '"2.1.1"', "real"),
        ("sandbox", '"2.1.1", "2.1.2"', "practice"),
        ("deployment", '"2.2.3"', "real"),
    ],
)
def test_what_a_sandbox_shows_is_practice(
    project: Any, subject: str, ids: str, provenance: str
) -> None:
    """Evidence of host, engine and record items from a sandbox is not real; of code it is."""
    project.write(
        "conftest.py",
        f"""
        from pytest_rustybt_ready import Subject

        def pytest_ready_subject(config):
            return Subject(name="s", kind="{subject}")
        """,
    )
    project.checks(f"@ready.security({ids})\ndef test_it(evidence): evidence.record('x', 1)\n")
    (result,) = project.run().record.results
    assert [str(entry.provenance) for entry in result.evidence] == [provenance]


def test_unproven_is_neither_passed_nor_failed(project: Any) -> None:
    """A check that cannot be evaluated here says why and what to do; pytest shows it skipped."""
    project.passing("1.1.1", "1.1.2", "2.2.3")
    project.checks("""
        @ready.security("2.1.1")
        def test_it(evidence):
            evidence.record("tried", "the service")
            evidence.unproven("the service does not answer", remedy="configure a mirror")
        """)
    run = project.run()
    run.counts(passed=3, skipped=1)
    assert (run.code, run.item("2.1.1")) == (6, "unproven")
    (blocker,) = run.record.verdict.blockers
    assert (blocker.reason, blocker.remedy) == ("the service does not answer", "configure a mirror")


def test_the_package_gives_its_names_lazily() -> None:
    """Everything in ``__all__`` is there, and nothing else is."""
    assert {name for name in ready_package.__all__ if getattr(ready_package, name)} == {
        "Evidence", "Provenance", "Subject", "at_least", "at_most", "below", "containing",
        "one_of", "ready",
    }  # fmt: skip
    with pytest.raises(AttributeError, match="has no attribute 'unready'"):
        ready_package.unready  # noqa: B018 - it is looked up

"""The HTML report, as bytes: what is in it, and what cannot get into it."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from pytest_rustybt_ready import checklist_file
from pytest_rustybt_ready.record import Changes, Record
from pytest_rustybt_ready.report.html import MAX_BYTES, render_html
from pytest_rustybt_ready.values import Disposition, EvidenceEntry, Kind, Outcome, Scope, Stage

BLOCKS = {"p", "dt", "dd", "div", "li", "small", "h1", "summary", "option"}
VOID = {"meta", "link", "input", "rect", "circle"}


class Page(HTMLParser):
    """A page taken apart: elements with their attributes, ids, open details, text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.stack: list[str] = []
        self.chunks: list[str] = []
        self.code: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in BLOCKS:
            self.chunks.append(" ")
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.stack and self.stack[-1] in ("style", "script"):
            self.code[self.stack[-1]] = data
        else:
            self.chunks.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.chunks))

    def ids(self) -> list[str]:
        return [value for _, attrs in self.elements if (value := attrs.get("id"))]

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]


@pytest.fixture(scope="module")
def full(records: Any) -> Record:
    """Give a record of the whole built-in checklist."""
    record: Record = records.make(checklist_file.built_in())
    return record


@pytest.fixture(scope="module")
def page(full: Record) -> Page:
    """Give its page, taken apart."""
    return Page(render_html(full))


def test_page_is_well_formed(page: Page) -> None:
    """Every element is closed in order, and no id is used twice."""
    assert page.stack == []
    ids = page.ids()
    assert len(ids) == len(set(ids))


def test_every_item_has_its_anchor(page: Page, full: Record) -> None:
    """Each item and sub-item is there once, under `#item-<id>`."""
    found = [name for name in page.ids() if name.startswith("item-")]

    assert found == [f"item-{item.id}" for item in full.checklist.items]


def test_links_within_the_page_lead_somewhere(page: Page) -> None:
    """Every link is to an anchor of the page itself."""
    hrefs = {attrs["href"] for attrs in page.all("a")}

    assert hrefs <= {f"#{name}" for name in page.ids()}


def test_what_blocks_is_open_and_the_rest_is_folded(full: Record) -> None:
    """Details are open for exactly the items that block and are not satisfied."""
    pattern = r'<details class="item(?: sub)?"[^>]* open>\s*<summary>.*?<span class="id">([\d.]+)<'
    opened = re.findall(pattern, render_html(full))

    expected = [v.id for v in full.verdict.items if v.blocking and not v.disposition.satisfied]
    assert opened == expected


def test_banner_tells_the_verdict_and_adds_up(page: Page, full: Record) -> None:
    """Status, stage, commit, subject, time, lapse, and a sum of all dispositions that is right."""
    banner = page.text.partition("Since the previous run")[0]

    assert "NOT READY" in banner
    assert f"Commit {full.subject.commit[:12]} with uncommitted changes" in banner
    assert "Judged 2026-03-14 09:26 UTC" in banner
    assert "Subject rustybt sandbox" in banner
    sums = re.search(r"175 items = (.*?) Sub-items, counted apart: 28 = (.*)", banner)
    assert sums is not None
    for part, total in zip(sums.groups(), (175, 28), strict=True):
        terms = re.findall(
            r"(\d+) (passed|signed|waived|not applicable|failed|error|unproven|awaiting|not run)",
            part,
        )
        assert [name for _, name in terms] == [str(d) for d in Disposition]
        assert sum(int(number) for number, _ in terms) == total


def test_items_tell_how_and_how_to_run_again(page: Page, full: Record) -> None:
    """Each item says how it is checked and can fail, and the command that reruns or signs it."""
    text = page.text
    for item in full.checklist.items:
        assert re.sub(r"\s+", " ", item.how.replace("`", "")) in text
        by_hand = item.role and not item.automated
        command = "rustybt-ready sign" if by_hand else "pytest --ready-item"
        assert f"{command} {item.id}" in text
        if item.fails:
            assert "; ".join(item.fails).replace("`", "") in text


def test_open_items_carry_their_remedy(page: Page, full: Record) -> None:
    """Every item that is not satisfied says how to fix it."""
    open_ = [v for v in full.verdict.items if not v.disposition.satisfied]

    assert page.text.count("How to fix") == len(open_) + sum(
        v.disposition is Disposition.WAIVED for v in full.verdict.items
    )


def test_nothing_is_loaded_from_anywhere(page: Page) -> None:
    """No element names a resource outside the page, and the policy forbids all but its own code."""
    for _, attrs in page.elements:
        assert "src" not in attrs
        assert not any(name.startswith("on") for name in attrs)
        assert "style" not in attrs
    assert [link["href"] for link in page.all("link")] == ["data:,"]
    assert re.findall(r"url\((?!\"data:)", page.code["style"]) == []
    assert "@import" not in page.code["style"]
    policy = next(m["content"] for m in page.all("meta") if "http-equiv" in m) or ""
    assert policy.startswith("default-src 'none'; ")
    for kind in ("style", "script"):
        digest = hashlib.sha256(page.code[kind].encode()).digest()
        assert f"{kind}-src 'sha256-{base64.b64encode(digest).decode()}'" in policy


def test_headings_are_in_order(page: Page) -> None:
    """One h1 comes first, and no heading level is skipped."""
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_page_stays_small_however_much_was_seen(records: Any, full: Record) -> None:
    """With megabytes of evidence the page keeps every item, stays under 500 kB, and says so."""
    entries = tuple(
        EvidenceEntry(
            kind="attachment",
            name=f"log {n}",
            observed="<&>\"'" * 3000,
            at=records.at,
            size=10_000_000,
            sha256="ab" * 32,
            truncated=True,
        )
        for n in range(12)
    )
    results = tuple(msgspec.structs.replace(r, evidence=entries) for r in full.results)

    text = render_html(msgspec.structs.replace(full, results=results))

    assert len(text.encode()) < MAX_BYTES
    found = Page(text)
    assert sum(name.startswith("item-") for name in found.ids()) == len(full.checklist.items)
    assert "more characters in readiness.json)" in found.text
    assert "more in readiness.json" in found.text


def test_page_is_never_cut_to_fit(records: Any) -> None:
    """What cannot be shortened is shown all the same, on a longer page."""
    notes = tuple(f"note {n} of many" for n in range(15_000))

    text = render_html(records.make(notes=notes))

    assert len(text.encode()) > MAX_BYTES
    assert notes[-1] in text


def test_shortened_evidence_shows_size_and_digest(records: Any) -> None:
    """Evidence that was cut when it was collected shows its true size and its digest."""
    assert (
        "10.5 MB · shortened when it was collected · sha256 0123456789abcdef…"
        in Page(render_html(records.make())).text
    )


HOSTILE = (
    "</style></script><script>alert(1)</script><img src=x onerror=alert(2)>"
    "{{ 7*7 }}{% raw %}\"'><a href=javascript:alert(3)>`</code><b>`\x00\x1b]0;\u202e\ud800"
)
INERT = (
    "</style></script><script>alert(1)</script><img src=x onerror=alert(2)>"
    "{{ 7*7 }}{% raw %}\"'><a href=javascript:alert(3)>"
)


def test_hostile_text_is_inert(records: Any) -> None:
    """Whatever a run saw shows up as that text and makes no element, attribute or template."""
    record = records.make()
    clean = Page(render_html(record))

    found = Page(render_html(hostile(record, records)))

    assert len(found.all("script")) == 1
    assert {tag for tag, _ in found.elements} == {tag for tag, _ in clean.elements}
    assert found.stack == []
    assert INERT in found.text
    assert "\\x00\\x1b]0;\\u202e\\ud800" in found.text
    assert not any(name.startswith("on") for _, attrs in found.elements for name in attrs)


def hostile(record: Record, records: Any) -> Record:
    """Return *record* with hostile text wherever a run or its surroundings put text."""
    entry = EvidenceEntry(
        kind="expectation",
        name=HOSTILE,
        expected=HOSTILE,
        observed=HOSTILE,
        ok=False,
        at=records.at,
    )
    replace = msgspec.structs.replace
    results = tuple(
        replace(r, outcome=Outcome.FAILED, reason=HOSTILE, remedy=HOSTILE, evidence=(entry,))
        for r in record.results
    )
    proofs = tuple(replace(p, claim=HOSTILE, detail=HOSTILE) for p in record.proofs)
    checks = tuple(replace(c, claim=HOSTILE) for c in record.checks)
    statements = tuple(
        replace(s, signer=HOSTILE, reason=HOSTILE, measure=HOSTILE) for s in record.statements
    )
    subject = replace(
        record.subject,
        name=HOSTILE,
        home=HOSTILE,
        host=HOSTILE,
        commit=HOSTILE,
        facts={"f": HOSTILE},
    )
    run = replace(record.run, command=HOSTILE, notes=(HOSTILE,), versions={"v": HOSTILE})
    judged: Record = records.judge(
        replace(
            record,
            results=results,
            proofs=proofs,
            checks=checks,
            statements=statements,
            subject=subject,
            run=run,
            broken=(HOSTILE,),
        )
    )
    return judged


def test_same_record_same_page(records: Any) -> None:
    """Equal records give equal pages."""
    assert render_html(records.make()) == render_html(records.make())


def test_partial_run_never_claims_the_whole(records: Any) -> None:
    """A run of one section shows that section's verdict and says what was not judged."""
    scope = Scope(kind="sections", sections=("testing",))
    record = records.make(scope=scope)

    text = Page(render_html(record)).text

    assert "Partial run of 1 section: 1 Testing. The whole was not judged." in text
    assert "not judged in this run" in text
    banner = text.partition("Since the previous run")[0]
    assert "READY" in banner
    assert "NOT READY" not in banner


def test_single_items_are_named(records: Any) -> None:
    """A run of single items names them."""
    text = Page(render_html(records.make(scope=Scope(kind="items", items=("2.2.2",))))).text

    assert "Partial run of 1 item: 2.2.2." in text


def test_interrupted_and_unusable_runs_say_so(records: Any) -> None:
    """The banner tells of an interruption, of what makes the run unusable, and of gaps."""
    text = Page(
        render_html(
            records.make(
                interrupted=True, broken=("the home changed",), gaps=("test_02.py was left out",)
            )
        )
    ).text

    assert "Interrupted. This is what there was when the run ended." in text
    assert "The run is unusable: the home changed" in text
    assert "Not seen: test_02.py was left out" in text
    assert "The run itself" in text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (Changes(), "This is the first run on record."),
        (Changes(previous="sha256:00"), "Nothing changed."),
        (
            Changes(previous="x", regressed=("1.1.1",)),
            "0 fixed none 1 regressed 1.1.1 0 newly stale none",
        ),
    ],
)
def test_changes_are_told(records: Any, changes: Changes, said: str) -> None:
    """What was fixed, regressed or went stale since the previous run is listed by item."""
    text = Page(render_html(records.make(changes=changes))).text

    assert said in text


def test_ready_page_says_until_when(records: Any) -> None:
    """A READY verdict says so, how long it holds, and that nothing blocks."""
    checklist = records.small()
    items = tuple(item for item in checklist.items if item.id in ("1.1.1", "2.1.2", "10.3.1"))
    items = tuple(
        msgspec.structs.replace(item, derives=("1",)) if item.derives else item for item in items
    )
    small = msgspec.structs.replace(checklist, items=items)

    text = Page(render_html(records.make(small, statements=()))).text

    assert "All 2 blocking items at stage dev are satisfied." in text
    assert "Valid until 2026-04-13" in text
    assert "Nothing does." in text
    assert "nothing blocks yet" in text


def test_only_item_and_other_blockers_are_told(records: Any) -> None:
    """One satisfied item is said in the singular; a blocker that is no item is counted apart."""
    scope = Scope(kind="items", items=("1.1.1",))

    text = Page(render_html(records.make(scope=scope, broken=("the home changed",)))).text

    assert "The one blocking item at stage dev is satisfied. Beside the items, 1 blocker." in text


def test_nothing_blocking_is_said(records: Any) -> None:
    """A run whose items all belong to later stages does not boast of readiness."""
    scope = Scope(kind="items", items=("10.3.1",))

    assert (
        "Nothing of what was asked about blocks at stage dev."
        in Page(render_html(records.make(scope=scope, stage=Stage.DEV))).text
    )


def test_signatures_and_waivers_are_shown(page: Page) -> None:
    """Who signed or waived what, as whom, until when, why, and what is done meanwhile."""
    assert "sign-off by Ada Byron as" in page.text
    assert "lapsed 2026-03-13" in page.text
    assert "Reason: the supplier delivers the part next week" in page.text
    assert "Meanwhile: checked by hand each morning" in page.text
    assert "Without its waiver: failed" in page.text


def test_filters_offer_what_there_is(page: Page, full: Record) -> None:
    """There is a filter for each disposition, section and kind, hidden until a script shows it."""
    values = {attrs.get("value") for attrs in page.all("input") if attrs.get("name") == "status"}
    options = [attrs.get("value") for attrs in page.all("option")]
    hidden = [attrs for attrs in page.all("div") if attrs.get("role") == "search"]

    assert values == {d.replace(" ", "-") for d in Disposition}
    assert options[1:12] == [str(section.number) for section in full.checklist.sections]
    assert len(options) == 1 + 11 + 1 + len(Kind)
    assert "hidden" in hidden[0]


def test_run_facts_and_how_to_verify(page: Page, full: Record) -> None:
    """The page names command, host, versions, digests, and how to verify the record."""
    for fact in (
        full.run.command,
        full.subject.host,
        full.subject.digest,
        full.subject.tree,
        full.digest,
        "pytest 9.0.1, python 3.11.9, rustybt 0.1.0",
        "rustybt-ready verify readiness.json",
        "api_enabled False",
    ):
        assert fact in page.text

"""The HTML report in a real browser: it fetches nothing, works, and everybody can read it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # has no types
from playwright.sync_api import Browser, BrowserContext, Page

from pytest_rustybt_ready import checklist_file
from pytest_rustybt_ready.report.html import render_html
from pytest_rustybt_ready.values import EvidenceEntry

SHOWN = "details.item[data-kind]:not([hidden])"


@pytest.fixture(scope="module")
def url(records: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the address of a report on the whole checklist, with hostile and overlong evidence."""
    record = records.make(checklist_file.built_in())
    hostile = EvidenceEntry(
        kind="expectation",
        name="<script>document.title = 'owned'</script>",
        expected="x" * 400,
        observed="<img src=http://127.0.0.1:9/x onerror=alert(1)>",
        ok=False,
        at=records.at,
    )
    first, *rest = record.results
    spiked = type(first)(
        check=first.check,
        outcome=first.outcome,
        started=first.started,
        evidence=(*first.evidence, hostile),
    )
    record = records.judge(type(record)(**fields(record) | {"results": (spiked, *rest)}))
    path: Path = tmp_path_factory.mktemp("report") / "index.html"
    path.write_text(render_html(record), encoding="utf-8")
    return path.as_uri()


def fields(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


@pytest.fixture(scope="module")
def small_url(records: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the address of a report on few items, which holds each kind of element."""
    path: Path = tmp_path_factory.mktemp("small") / "index.html"
    path.write_text(render_html(records.make()), encoding="utf-8")
    return path.as_uri()


def address(page: Page) -> str:
    """Return the page's address as it is now; Playwright's own copy lags behind."""
    return str(page.evaluate("location.href"))


class Visit:
    """A page that was opened, and all that it complained about or asked the network for."""

    def __init__(self, context: BrowserContext) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page: Page = context.new_page()
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def open(self, url: str) -> Page:
        self.page.goto(url)
        return self.page

    def counted(self, selector: str = SHOWN) -> int:
        return self.page.locator(selector).count()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Give a page in a context of its own, without motion."""
    context = browser.new_context(reduced_motion="reduce", viewport={"width": 1280, "height": 900})
    yield Visit(context)
    context.close()


def test_silent_and_offline(visit: Visit, url: str) -> None:
    """The page asks for nothing but itself, logs nothing, and hostile evidence does not run."""
    page = visit.open(url)

    assert visit.requests == [url]
    assert visit.complaints == []
    assert page.title() == "Not ready at stage dev: rustybt"


def test_filters_work_and_land_in_the_address(visit: Visit, url: str) -> None:
    """Status, section, kind and text narrow the list; address, counts and sections follow."""
    page = visit.open(url)
    everything = visit.counted()
    assert page.locator("output").inner_text() == "Showing 175 items and 28 sub-items"

    page.get_by_role("checkbox", name=re.compile("^failed")).check()
    assert address(page) == f"{url}#status=failed"
    failed = visit.counted()
    assert 0 < failed < everything
    assert visit.counted(f"{SHOWN} > summary > .mark.failed") == failed

    page.get_by_role("combobox", name="Section").select_option("2")
    page.get_by_role("combobox", name="Kind").select_option("code")
    assert address(page) == f"{url}#status=failed&section=2&kind=code"
    assert 0 < visit.counted() < failed
    assert page.locator(".chapter:not([hidden]) h3").count() == 1
    assert page.locator("output").inner_text().startswith(f"Showing {visit.counted()} item")

    page.get_by_role("searchbox").fill("vulnerability KNOWN")
    assert address(page).endswith("&q=vulnerability%20KNOWN")
    assert visit.counted() == 1

    page.get_by_role("searchbox").fill("no such words")
    assert visit.counted() == 0
    assert page.get_by_text("No item matches.").is_visible()
    page.get_by_role("button", name="Clear the filters").click()
    assert address(page) == url
    assert visit.counted() == everything
    assert visit.complaints == []


def test_filtered_view_can_be_sent_to_somebody(visit: Visit, url: str) -> None:
    """Opening an address with filters in it shows that view, and the controls say so."""
    page = visit.open(f"{url}#status=failed,error&section=2&blocking=1&q=locked")

    assert page.get_by_role("checkbox", name=re.compile("^failed")).is_checked()
    assert page.get_by_role("checkbox", name=re.compile("^error")).is_checked()
    assert page.get_by_role("combobox", name="Section").input_value() == "2"
    assert page.get_by_label("blocking only").is_checked()
    assert page.get_by_role("searchbox").input_value() == "locked"
    assert page.locator(f"{SHOWN} .id").all_inner_texts() == ["2.1.2"]

    page.evaluate("location.hash = '#section=99&kind=nonsense&status=none'")
    page.wait_for_function("document.querySelector('output').innerText.includes('175')")
    assert visit.complaints == []


def test_anchor_opens_its_item(visit: Visit, url: str) -> None:
    """An item's anchor opens the item and brings it into view, even when a filter had hidden it."""
    page = visit.open(f"{url}#item-1.1.1")
    item = page.locator("details.item", has=page.locator("[id='item-1.1.1']"))
    assert item.evaluate("element => element.open")
    assert page.get_by_text("pytest --ready-item 1.1.1", exact=True).is_visible()

    page.get_by_role("checkbox", name=re.compile("^failed")).check()
    assert item.is_hidden()
    page.evaluate("location.hash = '#item-1.1.1'")
    page.wait_for_function("!document.querySelector('details.item').hidden")
    assert item.is_visible()
    assert visit.complaints == []


def test_terms_of_the_sum_filter(visit: Visit, small_url: str) -> None:
    """Each term of the sum leads to the items that it counts."""
    page = visit.open(small_url)

    page.get_by_role("link", name=re.compile(r"\d+ awaiting")).click()

    page.wait_for_function("document.querySelector('[value=awaiting]').checked")
    assert address(page) == f"{small_url}#status=awaiting"
    assert visit.counted() == visit.counted(f"{SHOWN} > summary > .mark.awaiting") > 0


def test_keyboard_alone_suffices(visit: Visit, small_url: str) -> None:
    """Tab reaches the skip link first; a disclosure opens with the keyboard; focus can be seen."""
    page = visit.open(small_url)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.innerText") == "Skip to the items"
    assert page.evaluate("getComputedStyle(document.activeElement).top") == "12px"

    folded = page.locator("details.item:not([open]) > summary").first
    folded.focus()
    assert folded.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.parentElement.open")


def test_open_all_unfolds_what_is_shown(visit: Visit, small_url: str) -> None:
    """One button unfolds every shown item, and folds them again."""
    page = visit.open(f"{small_url}#section=1")

    page.get_by_role("button", name="Open all").click()
    assert visit.counted(f"{SHOWN}:not([open])") == 0
    page.get_by_role("button", name="Close all").click()
    assert visit.counted(f"{SHOWN}[open]") == 0


def test_reads_without_scripts(browser: Browser, small_url: str) -> None:
    """Without scripts all content is there, filters are not, and an anchor still opens its item."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{small_url}#item-1.1.1")

    assert page.locator("details.item[data-kind]").count() == 15
    assert page.locator(".filters").is_hidden()
    assert page.get_by_text("pytest --ready-item 1.1.1", exact=True).is_visible()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_read_it(browser: Browser, small_url: str, scheme: Any) -> None:
    """Axe finds nothing against WCAG 2.2 AA or its best practices, in either colour scheme."""
    context = browser.new_context(color_scheme=scheme, reduced_motion="reduce")
    page = context.new_page()
    page.goto(small_url)
    page.get_by_role("button", name="Open all").click()

    found = Axe().run(page)

    assert found.response["violations"] == [], found.generate_report()
    unsure = [node["target"] for check in found.response["incomplete"] for node in check["nodes"]]
    # The figure inside the ring: axe cannot see through the drawing around it.
    assert unsure in ([], [[".ring > p > b"]])
    context.close()


def test_narrow_screen_does_not_scroll_sideways(browser: Browser, url: str) -> None:
    """At 375 px nothing is wider than the screen, not even with everything unfolded."""
    context = browser.new_context(viewport={"width": 375, "height": 800})
    page = context.new_page()
    page.goto(url)
    page.evaluate("for (const found of document.querySelectorAll('details')) found.open = true")

    assert page.evaluate("document.documentElement.scrollWidth") == 375
    context.close()


def test_print_shows_everything(browser: Browser, small_url: str) -> None:
    """On paper every item is unfolded, the controls are gone, and what is shown is counted."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(small_url)
    page.emulate_media(media="print")

    assert page.locator("details:not([open])").count() > 3
    hidden = """() => [...document.querySelectorAll('details > .body, details > ol')]
        .filter(body => body.getBoundingClientRect().height === 0).length"""
    assert page.evaluate(hidden) == 0
    assert page.locator(".filters fieldset").is_hidden()
    assert page.locator("nav").is_hidden()
    assert page.locator("output").is_visible()

    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() > 3
    context.close()

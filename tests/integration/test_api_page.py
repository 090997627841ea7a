"""The live page in a real browser: it follows the journal and asks nobody else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # has no types
from playwright.sync_api import Browser, Page, expect

from rustybt.deployment import create_home
from rustybt.model.bar import Bar
from rustybt.model.instrument import Instrument
from rustybt.settings import load_settings
from rustybt.strategy import Strategy
from rustybt.system import paper_session

START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TOKEN = "a-token-of-thirty-two-characters-"
BTC = Instrument(
    symbol="BTC/USDT", base="BTC", quote="USDT", tick=Decimal("0.01"), lot=Decimal("0.001")
)


class Buying(Strategy):
    """Buys one unit on each bar."""

    def on_bar(self, bar: Any) -> None:
        """Order."""
        self.buy(bar.symbol, 1)


def trade(home: Path, begin: datetime) -> None:
    """Let a session trade on three bars, to its end."""
    with ThreadPoolExecutor(1) as pool:  # the browser has the loop of this thread
        assert pool.submit(_trade, home, begin).result() == 0


def _trade(home: Path, begin: datetime) -> int:
    """Do it; return the session's code."""
    times = [begin + number * MINUTE for number in range(3)]
    price = Decimal(100)
    wired = paper_session(
        load_settings(home, {"MAX_POSITION_SIZE": "1"}),
        Buying(),
        source=b"",
        bars=[
            Bar("BTC/USDT", t, t + MINUTE, price, price, price, price, Decimal(10)) for t in times
        ],
        instruments={"BTC/USDT": BTC},
        cash={"USDT": Decimal(10_000)},
    )
    try:
        return wired.run(enabled_by="test", reason="a test").code
    finally:
        wired.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Make a deployment that has traded."""
    made = create_home(tmp_path / "home", "dev", lambda: START).root
    trade(made, START)
    return made


def clock() -> datetime:
    """Return a time soon after the session's end."""
    return START + 5 * MINUTE


class Visit:
    """A page that was opened, and all that it complained about or asked the network for."""

    def __init__(self, browser: Browser, url: str, scheme: Any = "light") -> None:
        self.complaints: list[str] = []
        self.requests: set[str] = set()
        self.page: Page = browser.new_page(color_scheme=scheme)
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.add(request.url))
        self.page.goto(url)

    def cell(self, region: str, row: str) -> Any:
        """Return the row of a table that begins with *row*."""
        rows = self.page.get_by_role("region", name=region).locator("tbody tr")
        return rows.filter(has_text=row)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_journal(
    browser: Browser, home: Path, scheme: str, serve: Any
) -> None:
    """What is held is there, and changes without a reload; nothing else is asked for."""
    with serve(home, clock) as url:
        visit = Visit(browser, url, scheme)
        expect(visit.cell("account", "equity")).to_contain_text("10000 USDT", timeout=30_000)
        expect(visit.cell("account", "breaker")).to_contain_text("ready")
        expect(visit.cell("positions", "BTC/USDT")).to_contain_text("2")
        expect(visit.cell("components", "engine")).to_contain_text("not running")
        expect(visit.cell("feed age", "BTC/USDT")).to_be_visible()
        expect(visit.page.get_by_text("No open orders.")).to_be_visible()
        found = Axe().run(visit.page)
        assert found.violations_count == 0, found.generate_report()
        trade(home, START + 3 * MINUTE)
        expect(visit.cell("positions", "BTC/USDT")).to_contain_text("4", timeout=30_000)
        visit.page.close()
    assert visit.complaints == []
    assert {each.removeprefix(url) for each in visit.requests} <= {"/", "/events", "data:,"}


def test_the_page_asks_for_the_token(browser: Browser, home: Path, serve: Any) -> None:
    """Nothing is shown without it; it is in no address."""
    with serve(home, clock, API_AUTH_TOKEN=TOKEN) as url:
        visit = Visit(browser, url)
        door = visit.page.get_by_label("API token")
        door.fill("not the token")
        door.press("Enter")
        expect(visit.page.get_by_text("This token is not the right one.")).to_be_visible(
            timeout=30_000
        )
        assert visit.page.locator("table").count() == 0
        door.fill(TOKEN)
        door.press("Enter")
        expect(visit.cell("account", "equity")).to_contain_text("10000 USDT", timeout=30_000)
        expect(door).to_be_hidden()
        visit.page.close()
    assert not any(TOKEN in each for each in visit.requests)

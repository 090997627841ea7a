"""The page of the practice exchange in a real browser: live, self-contained, readable by all."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import ccxt  # type: ignore[import-untyped]  # has no types
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # has no types
from playwright.sync_api import Browser, Page

from rustybt.exchange.serving import ExchangeProcess, practice_process

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def exchange() -> Iterator[ExchangeProcess]:
    """Give a practice exchange on which something has happened."""
    with practice_process("--speed", "step", "--symbols", "ELM/USDT,BTC/USDT") as running:
        client = ccxt.binance(running.ccxt_config())
        client.create_order("ELM/USDT", "market", "buy", 2)
        client.create_order("ELM/USDT", "limit", "buy", 1, 80, {"clientOrderId": HOSTILE})
        client.create_order("ELM/USDT", "market", "sell", 1, None, {"stopLossPrice": 80})
        yield running


class Visit:
    """A page that was opened, and all that it complained about or asked the network for."""

    def __init__(self, browser: Browser, url: str, scheme: Any) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page: Page = browser.new_page(color_scheme=scheme)
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(url)
        self.page.get_by_text("Balances of main").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_shows_everything_and_loads_nothing_else(
    browser: Browser, exchange: ExchangeProcess, scheme: str
) -> None:
    """Book, orders, trades and balances are there, in both schemes, readable for everybody."""
    visit = Visit(browser, exchange.url, scheme)
    page = visit.page
    orders = page.get_by_role("region", name="orders").locator("tbody tr")
    assert orders.count() == 3
    assert HOSTILE in orders.nth(1).inner_text()
    assert page.get_by_role("region", name="trades").locator("tbody tr").count() == 1
    assert page.get_by_role("region", name="bids of ELM/USDT").locator("tbody tr").count() == 8
    free = page.get_by_role("region", name="balances of main").locator("tbody tr").nth(1)
    balance = ccxt.binance({**exchange.ccxt_config(), "number": str}).fetch_balance()
    assert Decimal(free.locator("td").nth(1).inner_text()) == Decimal(
        str(balance["info"]["balances"][1]["free"])
    )
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert visit.complaints == []
    assert {url.removeprefix(exchange.url) for url in visit.requests} <= {
        "/",
        "/practice/state",
    } | {url for url in visit.requests if url.startswith("data:")}
    page.close()


def test_the_page_follows_the_market(browser: Browser, exchange: ExchangeProcess) -> None:
    """A new bar shows without a reload; a narrow screen needs no sideways scrolling."""
    visit = Visit(browser, exchange.url, "light")
    page = visit.page
    page.set_viewport_size({"width": 380, "height": 800})
    before = page.locator("#time").inner_text()
    exchange.step()
    page.wait_for_function("old => document.getElementById('time').textContent !== old", arg=before)
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
    page.close()

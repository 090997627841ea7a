"""What all tests share: how often a property is tried, a browser, and children that die."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# No test says its own number, so that a run which only repeats may ask for fewer.
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.register_profile("relentless", max_examples=10_000, deadline=None)
settings.load_profile("thorough")

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DYING = """
    import os, signal, sys

    COUNTED = ("open", "os.", "fcntl.", "shutil.", "tempfile.", "ctypes.dlsym")

    def counted(number, act):
        '''Run act in a child that dies before file operation number; return how many it did.'''
        readable, writable = os.pipe()
        child = os.fork()
        if child == 0:
            seen = 0
            def hook(event, _):
                nonlocal seen
                if event.startswith(COUNTED):
                    seen += 1
                    if seen == number:
                        os.kill(os.getpid(), signal.SIGKILL)
            sys.addaudithook(hook)
            act()
            os.write(writable, b"%d" % seen)
            os._exit(0)
        os.close(writable)
        status = os.waitpid(child, 0)[1]
        assert status in (0, signal.SIGKILL), status
        done = os.read(readable, 20)
        os.close(readable)
        return int(done) if done else None

    def survives(number, act):
        '''Run act in a child that dies before its file operation number; tell if it got through.'''
        return counted(number, act) is not None
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Give one headless Chromium for all tests of a module: it takes the thread's event loop."""
    from playwright.sync_api import sync_playwright

    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is on the PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*BROWSER_ARGUMENTS])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def dying() -> str:
    """Give the source of ``counted`` and ``survives``, with which a script kills its children."""
    return textwrap.dedent(DYING)

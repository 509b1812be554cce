"""A page of the system's Chromium, for tests of our own pages; nothing is downloaded."""

import contextlib
import json
import shutil
import time
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--disable-quic", "--no-proxy-server")
DRAWN = "document.readyState === 'complete' && document.documentElement.dataset.drawn !== undefined"
SETTLED = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


@contextlib.contextmanager
def browser():
    """A page of a fresh browser; the test skips where there is none."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="a browser is driven by playwright: the extra `test`"
    )
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no browser here: none of {', '.join(NAMES)}")
    with playwright.sync_playwright() as driver:
        try:
            chromium = driver.chromium.launch(executable_path=found, args=FLAGS, chromium_sandbox=False)
        except playwright.Error as error:
            pytest.skip(f"{found} cannot run here: {error.message.splitlines()[0]}")
        with chromium:
            yield Page(chromium.new_context(no_viewport=True).new_page())


class Page:
    """One tab; ``complaints`` is what its console said, of scripts and of the policy alike."""

    def __init__(self, page):
        self._page = page
        self._cdp = page.context.new_cdp_session(page)
        self._cdp.send("Emulation.setScrollbarsHidden", {"hidden": True})  # widths are those of the page
        self.complaints = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self.complaints.append(message.text))

    def open(self, url):
        self._page.goto(url)

    def draw(self, path, width=1280, height=900, dark=False):
        """Load a report at a width; return the seconds until all of it was drawn."""
        self._page.emulate_media(media="null")
        self.size(width, height, dark=dark, phone=width < 600)
        started = time.perf_counter()
        self.open(Path(path).resolve().as_uri())
        self.wait(DRAWN, 60.0)
        self.value(SETTLED)
        return time.perf_counter() - started

    def value(self, expression):
        return self._page.evaluate(expression)

    def wait(self, expression, seconds=20.0):
        """Wait until an expression is true; returns how long that took."""
        start = time.monotonic()
        while time.monotonic() - start < seconds:
            if self.value(expression):
                return time.monotonic() - start
            time.sleep(0.02)
        raise TimeoutError(expression)

    def size(self, width, height, *, dark=False, phone=False):
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
        self._cdp.send("Emulation.setDeviceMetricsOverride", metrics)
        self._page.emulate_media(color_scheme="dark" if dark else "light")

    def press(self, key):
        self._page.keyboard.press(key)

    def picture(self, path, selector=None, height=None):
        """Take a picture of the screen, or of a height from an element's top."""
        clip = None
        if selector is not None or height is not None:
            box = f"document.querySelector({json.dumps(selector or 'html')}).getBoundingClientRect()"
            x, y, wide, high = self.value(f"(b => [b.x + scrollX, b.y + scrollY, b.width, b.height])({box})")
            clip = {"x": x, "y": y, "width": wide, "height": height or high}
        self._page.screenshot(path=path, clip=clip, full_page=clip is not None)

    def as_printed(self):
        """Show the page as paper would."""
        self._page.emulate_media(media="print")
        self.value(SETTLED)

    def pages_on_paper(self):
        """Print the page; the bytes of a PDF."""
        return self._page.pdf(print_background=True)

"""A page of a report in a real browser: waits until it is drawn, presses keys, takes pictures, prints."""

import base64
import contextlib
import json
import time
from pathlib import Path

from browser import browser

DRAWN = "document.documentElement.dataset.drawn"
SETTLED = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


@contextlib.contextmanager
def report_tab(profile):
    """A tab for reports; ``profile`` is a folder for its browser."""
    with browser(profile) as page:
        yield Tab(page)


class Tab:
    """What reports need beside a `browser.Page`."""

    def __init__(self, page):
        self._page = page
        self.run = page.value
        page.ask("Emulation.setScrollbarsHidden", hidden=True)  # widths are those of the page

    @property
    def errors(self):
        return self._page.complaints

    def open(self, path, width=1280, height=900, dark=False):
        """Load a file at a width; return the seconds until all of it was drawn."""
        self._page.ask("Emulation.setEmulatedMedia", media="")
        self._page.size(width, height, dark=dark, phone=width < 600)
        started = time.perf_counter()
        self._page.ask("Page.navigate", url=Path(path).resolve().as_uri())
        self._page.wait(f"document.readyState === 'complete' && {DRAWN} !== undefined", 60.0)
        self.run(SETTLED)
        return time.perf_counter() - started

    def press(self, key, code=None):
        """One stroke of a key."""
        for kind in ("rawKeyDown", "keyUp"):
            self._page.ask(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code or 0
            )

    def picture(self, path, selector=None, height=None):
        """Take a picture of the page, of its first part, or of an element."""
        box = f"document.querySelector({json.dumps(selector or 'html')}).getBoundingClientRect()"
        x, y, wide, high = self.run(f"(b => [b.x + scrollX, b.y + scrollY, b.width, b.height])({box})")
        clip = {"x": x, "y": y, "width": wide, "height": height or high, "scale": 1}
        taken = self._page.ask("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        Path(path).write_bytes(base64.b64decode(taken["data"]))

    def as_printed(self):
        """Show the page as paper would."""
        self._page.ask("Emulation.setEmulatedMedia", media="print")
        self.run(SETTLED)

    def pages_on_paper(self):
        """Print the page; the bytes of a PDF."""
        return base64.b64decode(self._page.ask("Page.printToPDF", printBackground=True)["data"])

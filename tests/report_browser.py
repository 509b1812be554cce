"""A real browser over its debugging protocol: loads a page, runs a script in it, takes its picture."""

import base64
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import websocket

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
]
DRAWN = "document.documentElement.dataset.drawn"


def find():
    """Program of a browser, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    """One tab of a headless browser; a context manager."""

    def __init__(self, wait=30.0):
        self.profile = Path(tempfile.mkdtemp(prefix="browser-"))
        self.errors, self._count = [], 0
        self._process = subprocess.Popen(
            [find(), *FLAGS, f"--user-data-dir={self.profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._connect(time.monotonic() + wait)
        except BaseException:
            self.close()
            raise

    def _connect(self, until):
        port = self.profile / "DevToolsActivePort"
        while not (port.exists() and len(port.read_text().split()) == 2):
            if time.monotonic() > until or self._process.poll() is not None:
                raise OSError("the browser did not come up")
            time.sleep(0.05)
        number, path = port.read_text().split()
        self._socket = websocket.create_connection(
            f"ws://127.0.0.1:{number}{path}", timeout=60, suppress_origin=True
        )
        self._session = None
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.close()

    def close(self):
        """End the browser and forget its profile."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)

    def _call(self, method, **parameters):
        self._count += 1
        ask = {"id": self._count, "method": method, "params": parameters}
        self._socket.send(json.dumps(ask | ({"sessionId": self._session} if self._session else {})))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == self._count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            if answer.get("method") == "Runtime.exceptionThrown":
                self.errors.append(answer["params"]["exceptionDetails"]["text"])
            elif answer.get("method") == "Log.entryAdded" and answer["params"]["entry"]["level"] == "error":
                self.errors.append(answer["params"]["entry"]["text"])

    def open(self, path, width=1280, height=900, dark=False):
        """Load a file at a width; return the seconds until all of it was drawn."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", media="", features=[scheme])
        started = time.perf_counter()
        self._call("Page.navigate", url=Path(path).resolve().as_uri())
        while self.run(f"document.readyState !== 'complete' || {DRAWN} === undefined"):
            if self.errors or time.perf_counter() - started > 60:
                raise AssertionError(f"not drawn: {self.errors}")
            time.sleep(0.02)
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return time.perf_counter() - started

    def run(self, script):
        """Value of an expression in the page."""
        result = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise AssertionError(result["exceptionDetails"]["exception"].get("description"))
        return result["result"].get("value")

    def press(self, key, code=None):
        """One stroke of a key."""
        for kind in ("rawKeyDown", "keyUp"):
            self._call(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code or 0
            )

    def picture(self, path, selector=None, height=None):
        """Take a picture of the page, of its first part, or of an element."""
        box = f"document.querySelector({json.dumps(selector or 'html')}).getBoundingClientRect()"
        x, y, wide, high = self.run(f"(b => [b.x + scrollX, b.y + scrollY, b.width, b.height])({box})")
        clip = {"x": x, "y": y, "width": wide, "height": height or high, "scale": 1}
        taken = self._call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        Path(path).write_bytes(base64.b64decode(taken["data"]))

    def as_printed(self):
        """Show the page as paper would."""
        self._call("Emulation.setEmulatedMedia", media="print")
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def pages_on_paper(self):
        """Print the page; the bytes of a PDF."""
        return base64.b64decode(self._call("Page.printToPDF", printBackground=True)["data"])

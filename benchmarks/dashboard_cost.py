"""What the dashboard costs: its share of a core and its memory, while a session trades and pages look on.

python benchmarks/dashboard_cost.py [--seconds 60] [--pages 1] [--journal FILE]

Without a journal a session is started on a local exchange whose time runs ten times as fast, so that there is
something new at every look, ten times a second. With one, its reading from the start is measured as well.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from gammacore.cli.live import SHOW as QUICK
from gammacore.config import load_config
from gammacore.live.journal import length
from gammacore.live.launch import end_session, exchange_process, start_session
from gammacore.live.session import SessionOptions

SECRET = "a-secret-of-the-local-exchange"
KEY = {"GAMMACORE_CLIENT_ID_TESTNET": "gammacore", "GAMMACORE_CLIENT_SECRET_TESTNET": SECRET}
SHOW = Console(highlight=False, soft_wrap=True)
TICK = os.sysconf("SC_CLK_TCK")


class Reader(threading.Thread):
    """A page without a browser: counts what it is told."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port, self.events, self.size = port, 0, 0

    def run(self) -> None:
        """Read until the end."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        connection.request("GET", "/events")
        answer = connection.getresponse()
        while line := answer.readline():
            self.size += len(line)
            self.events += line.startswith(b"event: ")


def cpu_s(pid: int) -> float:
    """Processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory_mb(pid: int) -> float:
    """Resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def measure(journal: Path, seconds: float, pages: int) -> None:
    """Start a dashboard on a journal, and watch it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["dashboard", "--journal", str(journal), "--port", str(port)]
    process = subprocess.Popen(
        [sys.executable, "-c", "from gammacore.cli.main import main; main()", *words],
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for(port)
        told = state(port)
        while told["session"]["phase"] in ("waiting", "catching up"):
            time.sleep(0.5)
            told = state(port)
        SHOW.print(f"read {told['session']['seq']:,} records in {cpu_s(process.pid):.1f} s of processor time")
        readers = [Reader(port) for _ in range(pages)]
        for reader in readers:
            reader.start()
        time.sleep(2.0)
        before, at, events = cpu_s(process.pid), time.monotonic(), [r.events for r in readers]
        sizes, records = sum(r.size for r in readers), length(journal)
        time.sleep(seconds)
        spent = time.monotonic() - at
        share = (cpu_s(process.pid) - before) / spent
        rate = sum(r.events - n for r, n in zip(readers, events, strict=True)) / spent / max(pages, 1)
        volume = (sum(r.size for r in readers) - sizes) / spent / max(pages, 1) / 1e3
        new = (length(journal) - records) / spent
        SHOW.print(
            f"{pages} page(s), {spent:.0f} s: {share:.1%} of a core, {memory_mb(process.pid):.0f} MB; "
            f"{new:.0f} records/s, {rate:.1f} updates/s and {volume:.1f} kB/s to each page"
        )
    finally:
        process.terminate()
        process.wait()


def state(port: int) -> Any:
    """State as the dashboard tells it."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/state")
    return json.load(connection.getresponse())


def wait_for(port: int) -> None:
    """Wait for a server."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
            return
        except OSError:
            time.sleep(0.05)


def main() -> None:
    """Measure."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--seconds", type=float, default=60.0)
    words.add_argument("--pages", type=int, default=1)
    words.add_argument("--journal", type=Path)
    given = words.parse_args()
    if given.journal is not None:
        measure(given.journal, given.seconds, given.pages)
        return
    with tempfile.TemporaryDirectory() as folder, exchange_process("gammacore", SECRET, 10.0, 3) as url:
        journal = Path(folder) / "j.db"
        options = SessionOptions(venue="local", journal=str(journal), url=url, speed=10.0)
        session = start_session(load_config(None, QUICK), options, dict(os.environ) | KEY)
        try:
            while not journal.exists() or length(journal) < 200:
                time.sleep(0.2)
            measure(journal, given.seconds, given.pages)
        finally:
            end_session(session)


if __name__ == "__main__":
    main()

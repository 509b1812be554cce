"""Several sessions under one command: a process and a journal for each currency, limits for the sum.

Each book is a session of its own, with its own account currency, limits, alerts and journal, so that none
waits for another. This process starts them, shows them in one table, and adds up what they lose and hold:
beyond a limit for the sum the kill switch of each is thrown.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Column, Table

from gammacore.alerts import Alerts, Level
from gammacore.config.sections import TogetherConfig
from gammacore.daycount import NS_PER_SECOND
from gammacore.errors import JournalError, SessionError
from gammacore.risk import Totals, totals
from gammacore.terminal import numbers

from .follow import Follower
from .killing import pull
from .risk_manager import Mode
from .solvency import profit_usd
from .sums import Sums, beyond, sums_of, unchecked

__all__ = ["Book", "Together", "run_together", "start_book"]

LOOK_S = 0.5
BEFORE = (128 + signal.SIGINT, -signal.SIGINT)  # exit codes of a book that was to end before it had begun
UNKNOWN_NS = 30 * NS_PER_SECOND  # that a sum may be unknown before it is told
END_S = 20.0  # between being asked to end and being ended


class Book(NamedTuple):
    """One of the sessions."""

    currency: str
    journal: Path
    process: subprocess.Popen[bytes]
    told: IO[bytes]
    follower: Follower


class Together:
    """Watches books and their sum.

    Parameters
    ----------
    books : sequence of Book
    limits : TogetherConfig
    alerts : Alerts, optional
    flatten : bool
        Whether a limit that is broken closes positions, besides stopping all books.
    clock : callable() -> float
        Seconds since 1970.
    """

    def __init__(
        self,
        books: Sequence[Book],
        limits: TogetherConfig,
        alerts: Alerts | None = None,
        *,
        flatten: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.books, self.limits, self._alerts, self._flatten = books, limits, alerts, flatten
        self._clock, self.broken, self.sums = clock, "", Sums(0.0, 0.0, 0.0)
        self.unchecked, self._known_ns = "", int(clock() * NS_PER_SECOND)

    def look(self) -> None:
        """Read what is new; throw the switches where the sum is beyond a limit."""
        for book in self.books:
            with contextlib.suppress(JournalError):  # one that has not begun is no error yet
                book.follower.update()
        now_ns = int(self._clock() * NS_PER_SECOND)
        self.sums = sums_of([book.follower for book in self.books], now_ns)
        self._tell_unchecked(now_ns)
        if not self.broken and (why := beyond(self.sums, self.limits)):
            self.broken = why
            for book in self.books:
                with contextlib.suppress(SessionError):
                    pull(book.journal, flatten=self._flatten)
            if self._alerts is not None:
                self._alerts.tell(Level.CRITICAL, "together", f"{why}: every book is stopped", now_ns)

    def _tell_unchecked(self, now_ns: int) -> None:
        """Say once that a limit has not been checked for a while: a sum is not known."""
        names = unchecked(self.sums, self.limits)
        if not names:
            self.unchecked, self._known_ns = "", now_ns
        elif not self.unchecked and now_ns - self._known_ns > UNKNOWN_NS:
            self.unchecked = names
            if self._alerts is not None:
                told = f"{names}: not checked, for a figure of one book is not known"
                self._alerts.tell(Level.WARNING, "together", told, now_ns)

    def table(self) -> Table:
        """Every book in a line, and the sum."""
        table = Table(
            Column("book", no_wrap=True),
            Column("mode"),
            *numbers("price", "delta", "gamma", "vega", "hedges", "P&L, USD", no_wrap=True),
            box=box.SIMPLE_HEAD,
            title="All books",
            pad_edge=False,
            padding=(0, 1, 0, 0),
        )
        for book in self.books:
            table.add_row(book.currency, *_cells(book))
        end = [
            f"{self.sums.delta:+,.0f} USD",
            "",
            f"{self.sums.vega:+,.0f}",
            "",
            f"{self.sums.today:+,.2f} today",
        ]
        state = "[bold red]stopped[/]" if self.broken else "[red]not checked[/]" if self.unchecked else ""
        table.add_row("sum", state, "", *end, style="bold")
        return table


def _cells(book: Book) -> list[str]:
    desk, mode = book.follower.desk, book.follower.mode
    if desk is None or not desk.market.index > 0:
        return ["ended" if book.process.poll() is not None else "starting", *[""] * 6]
    seen: Totals = totals(desk.portfolio, desk.market)
    return [
        "ended" if book.process.poll() is not None else Mode(mode.mode if mode else Mode.NORMAL).name,
        f"{desk.market.index:,.5g}" if desk.market.index < 100 else f"{desk.market.index:,.1f}",
        f"{seen.delta:+.4f}",
        f"{seen.gamma:+.4f}",
        f"{seen.vega_usd:+,.0f}",
        f"{desk.portfolio.hedges:,}",
        f"{profit_usd(desk):+,.2f}",
    ]


def start_book(currency: str, words: Sequence[str], journal: Path) -> Book:
    """Start the command of one book; what it prints goes beside its journal."""
    journal.parent.mkdir(parents=True, exist_ok=True)
    told = open(f"{journal}.out", "ab")  # noqa: SIM115 # of the book
    process = subprocess.Popen(
        [sys.executable, "-c", "from gammacore.cli.main import main; main()", *words],
        stdin=subprocess.DEVNULL,
        stdout=told,
        stderr=told,
        env=dict(os.environ),
        start_new_session=True,  # Ctrl-C is handed on, once
    )
    return Book(currency, journal, process, told, Follower(journal))


def run_together(together: Together, console: Console, seconds: float | None = None) -> int:
    """Follow all books until they end, or are to end; returns the worst exit code."""
    asked: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: asked.append(number))
    until, since, passed = None if seconds is None else time.monotonic() + seconds, 0.0, 0
    live = Live(console=console, refresh_per_second=2, transient=True) if console.is_terminal else None
    try:
        with live or contextlib.nullcontext():
            while any(book.process.poll() is None for book in together.books):
                together.look()
                if live is not None:
                    live.update(together.table())
                if until is not None and time.monotonic() >= until and not asked:
                    asked.append(signal.SIGINT)
                if len(asked) > passed:
                    passed, since = len(asked), since or time.monotonic()
                    _signal(together.books, signal.SIGINT)
                if since and time.monotonic() - since > END_S:
                    _signal(together.books, signal.SIGTERM)
                time.sleep(LOOK_S)
        together.look()
    finally:
        signal.signal(signal.SIGINT, before)
        _end(together.books)
    console.print(together.table())
    return _tell(together, console, asked=bool(asked))


def _signal(books: Sequence[Book], number: int) -> None:
    for book in books:
        if book.process.poll() is None:
            book.process.send_signal(number)


def _end(books: Sequence[Book]) -> None:
    _signal(books, signal.SIGTERM)
    for book in books:
        with contextlib.suppress(subprocess.TimeoutExpired):
            book.process.wait(END_S)
        if book.process.poll() is None:
            book.process.kill()
            book.process.wait()
        book.told.close()


def _tell(together: Together, console: Console, *, asked: bool) -> int:
    """Say how each book ended; returns the worst exit code."""
    worst = 0
    for book in together.books:
        code = 0 if asked and book.process.returncode in BEFORE else book.process.returncode
        worst = max(worst, abs(code))
        said = Path(f"{book.journal}.out").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = said[-1] if said and code else ""
        how = "ended" if code == 0 else f"failed with {code}: {last}"
        console.print(f"{book.currency}: {how}; journal {book.journal}", highlight=False, markup=False)
    if together.broken:
        console.print(f"stopped: {together.broken}", style="bold red", highlight=False, markup=False)
    return worst

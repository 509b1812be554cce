"""The hedger as the client's handler, and what a session looks at beside the market.

Signals, the kill switch, the files of its journal, the process that started it, and errors of its own: each
ends in an orderly way, with our orders cancelled first.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from gammacore.daycount import NS_PER_SECOND
from gammacore.errors import GammacoreError, JournalLostError

from .about import Orphaned, SwitchSeen
from .client import Client
from .hedger import Hedger
from .idle import why_idle
from .journal import Journal
from .news import Answered, Expired, Lost, News, Refused
from .orphan import is_orphaned

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
STOP_S = 10.0  # for what is at work to come to an end
TOGETHER_S = (
    0.3  # a service manager signals the whole group, and the parent passes its signal on: that is one
)
CANCEL_S = 3.0  # for cancellations after an error
FIGURES = re.compile(r"[\d.,]+")
LOOK_NS = NS_PER_SECOND // 2  # between two looks at the kill switch, the files and the parent
log = logging.getLogger("gammacore.live")


def kill_file(journal: str | os.PathLike[str]) -> Path:
    """Where the kill switch of a session is."""
    return Path(f"{os.fspath(journal)}.kill")


def said_by(switch: Path) -> str | None:
    """Return the words of a kill switch, in whatever case and encoding; None without one.

    One that cannot be read halts.
    """
    try:
        return switch.read_bytes().replace(b"\0", b"").decode("ascii", "ignore").strip().lower()
    except FileNotFoundError:
        return None
    except OSError:
        return "halt"


class Supervised:
    """Handler of a session.

    Parameters
    ----------
    handler : Handler
        The hedger, or what stands before it.
    hedger : Hedger
    client : Client
    journal : Journal
        Whose files are looked after, and beside which the kill switch is.
    flatten : bool
        Whether the kill switch closes positions whatever it says.
    parent : int
        Process that started this one and supervises it; 0 if there is none.
    orphaned : {'stop', 'continue'}
        What to do once it is gone.

    Attributes
    ----------
    asked : str
        Why the session is to stop; empty while it is not.
    failure : Exception or None
        What ended it.
    """

    def __init__(
        self,
        handler: Any,
        hedger: Hedger,
        client: Client,
        journal: Journal,
        *,
        flatten: bool = False,
        parent: int = 0,
        orphaned: Literal["stop", "continue"] = "stop",
    ) -> None:
        self._handler, self._hedger, self._client, self._journal = handler, hedger, client, journal
        self._switch, self._flatten = kill_file(journal.path), flatten
        self._parent, self._orphaned = parent, orphaned
        self.asked = ""
        self.failure: Exception | None = None
        self._since_s = 0.0  # of stopping, or of the failure
        self._signalled_s = -TOGETHER_S
        self._looked_ns = 0
        self._said: str | None = None  # by the switch, at the last look
        self._read = ""  # of it, when it was last acted upon
        self._stages: set[tuple[str, str]] = set()
        self._cancels: set[int] = set()  # asked for after a failure, and not answered
        self._seen: tuple[Any, ...] = ()
        self._idle = ""  # why nothing is held, as it was logged, without its figures

    def on_news(self, news: News) -> None:
        """Pass news on."""
        if self.failure is not None:
            if isinstance(news, Answered | Refused | Expired | Lost):
                self._cancels.discard(news.id)
            return
        try:
            self._handler.on_news(news)
        except Exception as error:  # whatever it is, our orders must not stay
            self._fail(error)

    def on_idle(self) -> None:
        """Pass on that nothing happens."""
        if self.failure is not None:
            return
        try:
            self._handler.on_idle()
        except Exception as error:
            self._fail(error)

    def on_tick(self, now_ns: int) -> None:
        """Pass on that time passes, and look around."""
        if self.failure is not None:
            if not self._cancels or time.monotonic() - self._since_s > CANCEL_S:
                self._client.stop()
            return
        try:
            self._handler.on_tick(now_ns)
            if now_ns - self._looked_ns >= LOOK_NS or now_ns < self._looked_ns:
                self._looked_ns = now_ns
                self._look_around()
            if self.asked:
                self._come_to_an_end()
        except Exception as error:
            self._fail(error)

    def signalled(self, number: int, frame: FrameType | None) -> None:
        """Stop; the second time at once."""
        now_s = time.monotonic()
        if self.asked and now_s - self._signalled_s > TOGETHER_S:
            self._client.stop()
        elif not self.asked:
            self._signalled_s = now_s
            self.asked = f"signal {signal.Signals(number).name}"

    # ------------------------------------------------------------- around

    def _look_around(self) -> None:
        self._journal.check()
        self._look_at_switch()
        if is_orphaned(self._parent):
            self._parent = 0
            self._left_alone()
        self._say_why_idle()

    def _look_at_switch(self) -> None:
        said = said_by(self._switch)
        if said == "" and self._said == "":  # not in the middle of being written
            said = "halt"
        self._said = said
        if said and said != self._read:  # a halt may become a flattening
            self._read = said
            self._hedger.kill("kill switch", flatten=self._flattens)
            self._answer("taken")
        if self._read and not (self._hedger.execution.labels or self._hedger.cancel_owed):
            self._answer("cancelled")
        if self._read and self._hedger.flat:
            self._answer("flat")
            self.asked = self.asked or "killed"

    @property
    def _flattens(self) -> bool:
        return self._flatten or "flatten" in self._read

    def _answer(self, stage: str) -> None:
        """Tell who threw the switch how far it is, once."""
        if (self._read, stage) not in self._stages:
            self._stages.add((self._read, stage))
            self._hedger.journal.told(SwitchSeen(self._hedger.now_ns(), self._flattens, stage))

    def _left_alone(self) -> None:
        log.error("the process that supervised this one is gone", extra={"then": self._orphaned})
        self._hedger.journal.told(Orphaned(self._hedger.now_ns(), self._orphaned))
        if self._orphaned == "stop":
            self.asked = self.asked or "orphaned"

    def _say_why_idle(self) -> None:
        """Log why nothing is held, once for every change."""
        hedger, seen = self._hedger, self._seen
        self._seen = hedger.desk.market.chain_ts_ns, hedger.risk.mode, hedger.stopping, hedger.flat
        if self._seen == seen:
            return
        found = why_idle(hedger.desk, hedger.risk.mode, stopping=hedger.stopping)  # its reasons are logged
        key = "" if found is None else FIGURES.sub("", found.reason) + str(found.next_ns)
        if key != self._idle:
            self._idle = key
            if found is not None:
                log.info("waiting", extra={"reason": str(found)})

    # ------------------------------------------------------------- ends

    def _come_to_an_end(self) -> None:
        self._since_s = self._since_s or time.monotonic()
        self._hedger.stop(self.asked)
        if self._hedger.quiet or time.monotonic() - self._since_s > STOP_S:
            self._client.stop()

    def _fail(self, error: Exception) -> None:
        """Take no more decisions, cancel what may rest, and end."""
        self.failure, self._since_s = error, time.monotonic()
        known = isinstance(error, JournalLostError)
        log.error("halt", extra={"reason": str(error)}, exc_info=None if known else error)
        for label in self._hedger.execution.labels:
            with contextlib.suppress(GammacoreError):
                self._cancels.add(self._client.cancel_label(label))

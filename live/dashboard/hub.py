"""State handed to any number of pages: worked out once, sent as what has changed.

A page is told a snapshot first, then deltas, each a server-sent event with an id. The last ones are kept: a
page that comes back with the id of the last one it saw goes on from there, any other begins with a snapshot.
Nobody has a queue of his own, so that a slow page costs nothing and at worst gets another snapshot.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

import msgspec

from .board import Board
from .series import Curve

KEPT = 300  # deltas: half a minute at the highest rate
BEAT_S = 5.0  # of silence, until a comment says that the server is there
RETRY_MS = 1_000  # after which a browser connects again
SLOW = ("health", "limits", "pace")  # sections that change at every look and matter less
SLOW_S = 1.0
_ENCODE = msgspec.json.Encoder().encode  # NaN and infinity become null


class Frame(NamedTuple):
    """A delta as it is sent."""

    number: int
    data: bytes


def frame(kind: str, id_: str, data: bytes) -> bytes:
    """Server-sent event; JSON has no line breaks."""
    return b"event: %s\nid: %s\ndata: %s\n\n" % (kind.encode(), id_.encode(), data)


class Hub:
    """What pages have been told.

    Parameters
    ----------
    board : Board
    clock : callable() -> float
        Seconds.

    Attributes
    ----------
    watching : int
        Pages at the moment.
    """

    def __init__(self, board: Board, clock: Callable[[], float] = time.monotonic) -> None:
        self.board, self._clock = board, clock
        self._slow_s = -SLOW_S
        self.watching = 0
        self._run = secrets.token_hex(4)  # ids of another process mean nothing here
        self._number = 0
        self._kept: deque[Frame] = deque(maxlen=KEPT)
        self._told: dict[str, bytes] = {}
        self._drawn: dict[str, tuple[Curve, int, int]] = {}
        self._changed = asyncio.Event()
        self._over = False

    # ------------------------------------------------------------- in

    def publish(self) -> None:
        """Tell what has changed since the last time."""
        delta: dict[str, Any] = {}
        sections, now_s = self.board.sections(), self._clock()
        if now_s - self._slow_s >= SLOW_S:
            self._slow_s = now_s
        else:
            sections = {name: section for name, section in sections.items() if name not in SLOW}
        for name, section in sections.items():
            encoded = _ENCODE(section)
            if self._told.get(name) != encoded:
                self._told[name] = encoded
                delta[name] = msgspec.Raw(encoded)
        if curves := self._grown():
            delta["curves"] = curves
        if not delta:
            return
        self._number += 1
        self._kept.append(Frame(self._number, frame("delta", self._id(self._number), _ENCODE(delta))))
        before, self._changed = self._changed, asyncio.Event()
        before.set()

    def _grown(self) -> dict[str, Any]:
        """Stretches of the curves that are new or have changed."""
        grown: dict[str, Any] = {}
        for name, curve in self.board.curves.items():
            drawn, generation, count = self._drawn.get(name, (None, -1, 0))
            same = drawn is curve and generation == curve.generation
            columns = curve.columns(max(count - 1, 0) if same else 0)
            encoded = _ENCODE(columns._asdict())
            if self._told.get(f"curve {name}") != encoded:
                self._told[f"curve {name}"] = encoded
                grown[name] = msgspec.Raw(encoded)
            self._drawn[name] = curve, curve.generation, len(curve)
        return grown

    def close(self) -> None:
        """End all streams."""
        self._over = True
        self._changed.set()

    # ------------------------------------------------------------- out

    def snapshot(self) -> bytes:
        """Whole state as JSON."""
        return _ENCODE(self.board.state())

    def _id(self, number: int) -> str:
        return f"{self._run}-{number}"

    def _seen(self, last: str) -> int | None:
        """Count of deltas that a page has seen, None if it needs a snapshot."""
        run, _, number = last.rpartition("-")
        if run != self._run or not number.isdecimal() or len(number) > 18:
            return None
        oldest = self._kept[0].number if self._kept else self._number + 1
        return int(number) if oldest - 1 <= int(number) <= self._number else None

    async def stream(self, last: str = "") -> AsyncIterator[bytes]:
        """Yield what a page is to be told, for ever.

        Parameters
        ----------
        last : str
            Id of the last event that it saw.
        """
        self.watching += 1
        try:
            yield b"retry: %d\n\n" % RETRY_MS
            seen = self._seen(last)
            while not self._over:
                if seen is None:
                    self.publish()  # so that the deltas go on from this snapshot
                    seen = self._number
                    yield frame("snapshot", self._id(seen), self.snapshot())
                changed = self._changed
                fresh = [kept for kept in self._kept if kept.number > seen]
                if fresh and fresh[0].number > seen + 1:  # too slow: what it missed is gone
                    seen = None
                    continue
                if fresh:
                    seen = fresh[-1].number
                    yield b"".join(kept.data for kept in fresh)
                    continue
                try:
                    await asyncio.wait_for(changed.wait(), BEAT_S)
                except TimeoutError:
                    yield b": beat\n\n"
        finally:
            self.watching -= 1

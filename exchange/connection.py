"""One WebSocket connection, without the socket: text in, frames and the end out."""

from __future__ import annotations

import heapq
from typing import NamedTuple, Protocol

from gammacore.daycount import NS_PER_SECOND

from .auth import Token
from .faults import ON_FRAME, Faults
from .topics import Topic
from .wire import encode

__all__ = ["Close", "Connection", "Host"]

ABNORMAL = 1006
IDLE_NS = 60_500_000_000
# An unanswered test comes 1.2 intervals after the heartbeat was set and every 1.06 after that.
FIRST_TEST, NEXT_TEST = 1.2, 1.06


class Close(NamedTuple):
    """End of a connection; code 1006 is an end without a close frame."""

    code: int
    reason: str


TOO_SLOW = Close(1008, "connection_too_slow")


class Host(Protocol):
    """What a connection needs of the exchange."""

    faults: Faults

    @property
    def now_ns(self) -> int:
        """Exchange time reached."""

    def advance(self, now_ns: int) -> None:
        """Let time pass until a moment."""

    def handle(self, connection: Connection, text: str) -> None:
        """Answer one frame of a connection."""

    def connection_closed(self, connection: Connection) -> None:
        """Forget a connection that has ended."""


class Connection:
    """A client's end of the exchange, made by `Exchange.connect`.

    Attributes
    ----------
    closed : Close or None
        Why the exchange ended it.
    """

    def __init__(self, host: Host, number: int, max_queue: int) -> None:
        self._host = host
        self._max_queue = max_queue
        self.number = number
        self.token: Token | None = None
        self.topics: dict[str, Topic] = {}
        self.cancel_on_disconnect = False
        self.graceful = False
        self.closed: Close | None = None
        self._reported = False  # whether the reader has seen the end
        self._queue: list[tuple[int, int, str]] = []
        self._sent = 0
        self._hold_ns = 0
        self._last_in_ns = self._last_out_ns = host.now_ns
        self._heartbeat_ns: int | None = None
        self._test_ns = 0
        self._answer_by_ns: int | None = None

    def receive(self, text: str, now_ns: int) -> None:
        """Take one frame from the client.

        Parameters
        ----------
        text : str
            JSON-RPC request; anything else is answered with an error.
        now_ns : int
            Exchange time, not before the last one.
        """
        self._host.advance(now_ns)
        if self.closed is None:
            self._last_in_ns = self._host.now_ns
            self._host.handle(self, text)

    def pop(self, now_ns: int | None = None) -> list[str | Close]:
        """Take what the exchange has sent.

        Parameters
        ----------
        now_ns : int, optional
            Advance the exchange to this moment first.

        Returns
        -------
        list of str or Close
            Frames in order; a `Close` is the last thing that ever comes.
        """
        if now_ns is not None:
            self._host.advance(now_ns)
        frames: list[str | Close] = []
        while self._queue and self._queue[0][0] <= self._host.now_ns:
            frames.append(heapq.heappop(self._queue)[2])
        if self.closed is not None and not self._reported:
            frames.append(self.closed)
            self._reported = True
        return frames

    def lost(self, now_ns: int) -> None:
        """Tell the exchange that the client is gone."""
        self._host.advance(now_ns)
        self.close(Close(ABNORMAL, "connection lost"))

    def send(self, subject: str, text: str) -> None:
        """Queue a frame; faults act here.

        Parameters
        ----------
        subject : str
            Channel of a notification, method of an answer.
        text : str
        """
        if self.closed is not None:
            return
        if not self._host.faults.any_on_frames:
            self._put(text, 0)
            return
        now_ns, delay, copies = self._host.now_ns, 0, 1
        for kind in ON_FRAME:
            fault = self._host.faults.fires(kind, subject, now_ns)
            if fault is None:
                continue
            if kind == "drop":
                self.close(Close(ABNORMAL, "dropped"))
                return
            if kind == "slow_reader":
                self.close(TOO_SLOW)
                return
            if kind == "gap":
                return
            if kind == "delay":
                self._hold_ns = max(self._hold_ns, now_ns + round(fault.seconds * NS_PER_SECOND))
            elif kind == "reorder":
                delay = round(fault.seconds * NS_PER_SECOND)
            elif kind == "duplicate":
                copies = 2
            elif kind == "malformed":
                text = text[: len(text) // 2]
        for _ in range(copies):
            self._put(text, delay)

    def _put(self, text: str, delay_ns: int) -> None:
        due = max(self._host.now_ns, self._hold_ns) + delay_ns
        self._sent += 1
        heapq.heappush(self._queue, (due, self._sent, text))
        self._last_out_ns = self._host.now_ns
        if len(self._queue) > self._max_queue:
            self.close(TOO_SLOW)

    def close(self, why: Close) -> None:
        """End it; open orders that asked for it are cancelled."""
        if self.closed is None:
            self.closed = why
            self._host.connection_closed(self)

    def log_out(self) -> None:
        """End it at the client's wish, without an answer and without cancelling anything."""
        self.graceful = True
        self.close(Close(1000, "logout"))

    @property
    def next_due_ns(self) -> int | None:
        """When the first frame that is held back may go, or None."""
        return self._queue[0][0] if self._queue else None

    # Heartbeats

    def set_heartbeat(self, interval_s: int, now_ns: int) -> None:
        """Begin to test the client."""
        self._heartbeat_ns = interval_s * NS_PER_SECOND
        self._test_ns = now_ns + round(FIRST_TEST * self._heartbeat_ns)
        self._answer_by_ns = None

    def disable_heartbeat(self) -> None:
        """Stop testing the client."""
        self._heartbeat_ns = self._answer_by_ns = None

    def tested(self) -> None:
        """Take the client's ``public/test`` as the answer to a test request."""
        self._answer_by_ns = None

    def watch(self, now_ns: int) -> None:
        """Send heartbeats and tests that are due, and end what does not answer or is idle."""
        if self._heartbeat_ns is None:
            idle_since = max(self._last_in_ns, self._last_out_ns)
            if not self.topics and now_ns - idle_since >= IDLE_NS:
                self.close(Close(ABNORMAL, "idle"))
            return
        if self._answer_by_ns is not None and now_ns >= self._answer_by_ns:
            self.close(Close(4000, "heartbeat close"))
        elif now_ns >= self._test_ns:
            self._beat("test_request")
            self._test_ns += round(NEXT_TEST * self._heartbeat_ns)
            if self._answer_by_ns is None:
                self._answer_by_ns = now_ns + self._heartbeat_ns
        elif now_ns - self._last_out_ns >= self._heartbeat_ns:
            self._beat("heartbeat")

    def _beat(self, kind: str) -> None:
        self.send("heartbeat", encode({"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": kind}}))

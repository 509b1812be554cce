"""A websocket-client socket that cuts text frames out of its own read buffer.

One system call brings in many frames, and a complete, unmasked text frame needs no more than its length;
everything else (control frames, fragments, masks) goes the library's way. UTF-8 is not checked here: the
JSON decoder checks what it decodes.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from threading import Thread
from typing import Any

import websocket

CHUNK = 65_536
MOST = 64 * 2**20  # bytes of one message; a whole catalog has 5 MB
SEND_TIMEOUT_S = 5.0
TEXT, MASKED = 0x81, 0x80  # a complete text frame; the bit of a mask in the second byte
NOTHING_YET = (TimeoutError, BlockingIOError, ssl.SSLWantReadError, websocket.WebSocketTimeoutException)
NO_ROOM = (TimeoutError, BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Disconnected(Exception):  # noqa: N818
    """The connection is gone; the message says how."""


class FrameSocket(websocket.WebSocket):
    """See the module; made by :func:`connect`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._parts: list[bytes] = []
        self._size = 0
        self._needed = 2  # bytes, before there is anything to cut
        self._rest = b""  # what the library reads before the socket
        self._inside = False  # the library is in the middle of a frame

    def read(self, timeout_s: float) -> list[bytes]:
        """Text messages that are complete, none if nothing came in time (0: without waiting).

        Raises
        ------
        Disconnected
        """
        try:
            while True:
                self._wait_at_most(timeout_s)  # answering a ping has changed it
                found = self._by_library() if self._inside else self._by_cutting()
                if found or self._size < self._needed:  # after a control frame there may be more
                    return found
        except NOTHING_YET:
            return []
        except (OSError, websocket.WebSocketException, AttributeError) as error:
            raise Disconnected(_how(error)) from error

    def write(self, text: bytes) -> None:
        """Send a text frame; what cannot be sent whole within seconds ends the connection.

        Raises
        ------
        Disconnected
        """
        frame = masked(text)
        try:
            sent = self._send_now(frame)
            if sent < len(frame):
                self._wait_at_most(SEND_TIMEOUT_S)
                self.sock.sendall(frame[sent:])  # type: ignore[union-attr] # None: AttributeError, below
        except (OSError, AttributeError) as error:
            raise Disconnected(_how(error)) from error

    def _send_now(self, frame: bytes) -> int:
        """Send what has room at once, nearly always all of it; returns how many bytes."""
        timeout_s = self.sock_opt.timeout
        if timeout_s is None or timeout_s > SEND_TIMEOUT_S:  # nothing was read yet
            return 0
        try:
            return self.sock.send(frame)  # type: ignore[union-attr] # None: AttributeError, see write
        except NO_ROOM:
            return 0

    def send(self, payload: bytes | str, opcode: int = websocket.ABNF.OPCODE_TEXT) -> int:
        """Send the library's own frames: answers to pings, and the end."""
        self._wait_at_most(SEND_TIMEOUT_S)
        return super().send(payload, opcode)

    def end(self) -> None:
        """Say goodbye if possible, and close the socket."""
        try:
            if self.connected and not self._inside:
                self.send_close()
        except (OSError, websocket.WebSocketException):
            pass  # it is gone already
        self.shutdown()  # type: ignore[no-untyped-call]

    def _wait_at_most(self, timeout_s: float) -> None:
        if self.sock_opt.timeout != timeout_s:
            self.settimeout(timeout_s)

    def _by_cutting(self) -> list[bytes]:
        if self._size < self._needed:
            chunk = self.sock.recv(CHUNK)  # type: ignore[union-attr] # None: AttributeError, see read
            if not chunk:
                raise Disconnected("closed without a close frame")
            self._parts.append(chunk)
            self._size += len(chunk)
        return self._cut() if self._size >= self._needed else []

    def _cut(self) -> list[bytes]:
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        found: list[bytes] = []
        at, end = 0, len(data)
        needed = 2
        while end - at >= 2:
            size = data[at + 1]
            if data[at] != TEXT or size >= MASKED or self.cont_frame.recving_frames:
                if found:  # hand over what is there before the library may have to wait
                    needed = 0
                    break
                self._rest = data[at:]
                self._keep(b"")
                return self._by_library()
            start = at + 2
            if size >= 126:
                start += 2 if size == 126 else 8
                if start > end:
                    needed = start - at
                    break
                size = int.from_bytes(data[at + 2 : start], "big")
                _check(size)
            if start + size > end:
                needed = start + size - at
                break
            at = start + size
            found.append(data[start:at])
        self._keep(data[at:], needed)
        return found

    def _keep(self, rest: bytes, needed: int = 2) -> None:
        self._parts = [rest] if rest else []
        self._size, self._needed = len(rest), needed

    def _by_library(self) -> list[bytes]:
        self._inside = True
        opcode, data = self.recv_data(control_frame=True)
        self._inside = False
        rest, self._rest = self._rest, b""
        self._keep(rest)
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            code = int.from_bytes(data[:2], "big")
            raise Disconnected(
                f"closed by the exchange: {code} {data[2:60].decode(errors='replace')}".strip()
            )
        return [data] if opcode in (websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY) else []

    def _recv(self, bufsize: int) -> bytes:
        """Where the library reads from."""
        _check(self.frame_buffer.length or 0)
        if self.cont_frame.cont_data:
            _check(len(self.cont_frame.cont_data[1]))
        if self._rest:
            chunk, self._rest = self._rest[:bufsize], self._rest[bufsize:]
            return chunk
        return bytes(super()._recv(bufsize))  # type: ignore[no-untyped-call]


def masked(text: bytes) -> bytes:
    """Text frame as a client must send it; a third of what the library takes for it."""
    size = len(text)
    if size < 126:
        head = bytes((TEXT, MASKED | size))
    elif size < 65_536:
        head = bytes((TEXT, MASKED | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((TEXT, MASKED | 127)) + size.to_bytes(8, "big")
    key = os.urandom(4)
    pad = int.from_bytes((key * (size // 4 + 1))[:size], "big")
    return head + key + (int.from_bytes(text, "big") ^ pad).to_bytes(size, "big")


def connect(url: str, timeout_s: float) -> FrameSocket:
    """Open a connection.

    Raises
    ------
    Disconnected
        If that fails, or is not done in time, all of it together.
    """
    made = FrameSocket(skip_utf8_validation=True, enable_multithread=False)
    made.settimeout(timeout_s)
    failed: list[BaseException] = []

    def opening() -> None:
        try:
            made.connect(url, redirect_limit=0)  # type: ignore[no-untyped-call]
        except BaseException as error:
            failed.append(error)

    # The library's time-out is one of each read, and looking a name up has none.
    thread = Thread(target=opening, name="connect", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if thread.is_alive():
        _shut(made)
        raise Disconnected(f"TimeoutError: not connected within {timeout_s:g} s")
    if failed:
        if isinstance(failed[0], OSError | ValueError | websocket.WebSocketException):
            raise Disconnected(_how(failed[0])) from failed[0]
        raise failed[0]
    return made


def _shut(made: FrameSocket) -> None:
    """End the reads of a handshake that goes on in its thread, which then ends too."""
    made.settimeout(0.1)
    if made.sock is not None:
        with contextlib.suppress(OSError):
            made.sock.shutdown(socket.SHUT_RDWR)


def _check(size: int) -> None:
    if size > MOST:
        raise Disconnected(f"a message of {size} bytes")


def _how(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:200]


def polled(socket: FrameSocket, times: int) -> list[bytes]:
    """Frames that are there now, looked for several times without sleeping in the system."""
    for _ in range(times):
        if frames := socket.read(0.0):
            return frames
    return []

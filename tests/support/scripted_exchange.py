"""A WebSocket server on loopback that plays the exchange from a script, one connection at a time."""

import base64
import contextlib
import hashlib
import json
import socket
import struct
import threading

from support.deribit_wire import answer, reply

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


def frame(payload, opcode=TEXT, fin=True, mask=None):
    """Bytes of one WebSocket frame."""
    head = bytes([opcode | (0x80 if fin else 0)])
    bit = 0x80 if mask else 0
    size = len(payload)
    if size < 126:
        head += bytes([size | bit])
    elif size < 65_536:
        head += bytes([126 | bit]) + struct.pack("!H", size)
    else:
        head += bytes([127 | bit]) + struct.pack("!Q", size)
    if mask:
        payload = bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
    return head + (mask or b"") + payload


class Exchange:
    """Answers what keeps a session going; ``on(method)`` takes over a method.

    A handler gets (connection, message) and returns a result, None to say nothing, or bytes to send as they
    are. ``greet`` is called with every new connection.
    """

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}/ws/api/v2"
        self.handlers = {}
        self.received = []  # (connection number, message)
        self.connections = 0
        self.raw = []  # (opcode, payload) of frames that are no requests
        self.current = None
        self.refuse = 0  # handshakes still to be refused
        self.closing = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def on(self, method, handler):
        self.handlers[method] = handler

    def methods(self, connection=None):
        return [m["method"] for number, m in self.received if connection in (None, number)]

    def channels(self, connection):
        """Channels of each request of a connection that has some."""
        found = [m["params"].get("channels") for number, m in self.received if number == connection]
        return [channels for channels in found if channels]

    def send(self, payload, **options):
        self.current.sendall(frame(payload, **options))

    def drop(self):
        """End the connection without a word."""
        with contextlib.suppress(OSError):
            self.current.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.closing = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()
        if self.current is not None:
            self.drop()
        self._thread.join(5)

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.close()

    def _serve(self):
        while not self.closing:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(20)
                self.current = connection
                with contextlib.suppress(OSError, ValueError):
                    self._talk(connection)

    def _talk(self, connection):
        self.connections += 1
        reader = connection.makefile("rb")
        key = ""
        while line := reader.readline().strip():
            name, _, value = line.decode().partition(":")
            if name.lower() == "sec-websocket-key":
                key = value.strip()
        if self.refuse:
            self.refuse -= 1
            connection.sendall(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n")
            return
        digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
        )
        while True:
            opcode, payload = read_frame(reader)
            if opcode != TEXT:
                self.raw.append((opcode, payload))
                if opcode == CLOSE:
                    return
                continue
            message = json.loads(payload)
            self.received.append((self.connections, message))
            handler = self.handlers.get(message["method"], lambda _, message: reply(message))
            result = handler(connection, message)
            if result is not None:
                text = result if isinstance(result, bytes) else answer(message["id"], result)
                connection.sendall(frame(text))


def read_frame(reader):
    first, second = reader.read(2)
    size = second & 0x7F
    if size == 126:
        (size,) = struct.unpack("!H", reader.read(2))
    elif size == 127:
        (size,) = struct.unpack("!Q", reader.read(8))
    mask = reader.read(4) if second & 0x80 else b"\0\0\0\0"
    payload = reader.read(size)
    if len(payload) < size:
        raise ValueError("gone")
    return first & 0x0F, bytes(b ^ mask[i % 4] for i, b in enumerate(payload))

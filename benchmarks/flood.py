"""A server that sends one frame as often as the path of the request says, as fast as it is read.

Run as a program: prints its port, serves until its input ends.
"""

import base64
import hashlib
import re
import socket
import struct
import sys
import threading


def frame(payload: bytes) -> bytes:
    return b"\x81\x7e" + struct.pack("!H", len(payload)) + payload


def serve(listener: socket.socket, payload: bytes) -> None:
    piece = frame(payload)
    while True:
        connection, _ = listener.accept()
        with connection:
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(4_096)
            key = re.search(rb"(?i)sec-websocket-key: *(\S+)", head)[1]
            count = int(re.search(rb"GET /(\d+)", head)[1])
            digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
            connection.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
            )
            try:
                for start in range(0, count, 90):
                    connection.sendall(piece * min(90, count - start))
                connection.recv(1)  # until the reader has what it wants
            except OSError:
                pass


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)  # noqa: T201
    threading.Thread(target=serve, args=(listener, sys.argv[1].encode()), daemon=True).start()
    sys.stdin.read()

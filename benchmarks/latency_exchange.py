"""A local exchange for latency.py: tickers at a steady rate, jumps of the price, and when orders come."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import secrets
import time
from typing import Any

PRICE, JUMP = 85_000.0, 42.5
CHANNEL = "ticker.BTC-PERPETUAL.raw"
NAME = "bench"
# One for all processes: those started later find it in their environment.
SECRET = os.environ.setdefault("BENCH_SECRET", secrets.token_hex(8))
SERVER_CPU = 0


class Line(asyncio.Protocol):
    """One connection, HTTP or WebSocket: no more between the socket and the exchange than there must be."""

    exchange: Any
    arrived: list[int]
    sockets: list[Line]
    measuring = False  # then tickers come from the benchmark alone

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        self.transport, self.buffer, self.peer = transport, b"", None

    def data_received(self, data: bytes) -> None:
        """Stamp first, read then."""
        now_ns = time.perf_counter_ns()
        self.buffer += data
        if self.peer is None:
            self._http(now_ns)
        else:
            self._frames(now_ns)

    def connection_lost(self, error: Exception | None) -> None:
        """End."""
        if self.peer is not None:
            self.sockets.remove(self)
            self.peer.lost(time.time_ns())

    def _http(self, now_ns: int) -> None:
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        method, uri, _ = lines[0].split(" ")
        size = int(headers.get("content-length", 0))
        if len(rest) < size:
            return
        self.buffer = rest[size:]
        if headers.get("upgrade", "").lower() == "websocket":
            key = headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            digest = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
            self.transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + digest.encode() + b"\r\n\r\n"
            )
            self.peer = self.exchange.connect(time.time_ns())
            self.sockets.append(self)
            return
        if "/private/buy" in uri or "/private/sell" in uri:
            self.arrived.append(now_ns)
        status, body = self.exchange.request(method, uri, headers, rest[:size].decode(), time.time_ns())
        content = body if isinstance(body, bytes) else body.encode()
        head = f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\n"
        self.transport.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        self.flush()

    def _frames(self, now_ns: int) -> None:
        while len(self.buffer) >= 6:
            size, start = self.buffer[1] & 127, 6
            if size == 126:
                size, start = int.from_bytes(self.buffer[2:4], "big"), 8
            if len(self.buffer) < start + size:
                return
            opcode, mask = self.buffer[0] & 15, self.buffer[start - 4 : start]
            payload = self.buffer[start : start + size]
            self.buffer = self.buffer[start + size :]
            whole = (mask * (size // 4 + 1))[:size]
            text = (int.from_bytes(payload, "big") ^ int.from_bytes(whole, "big")).to_bytes(size, "big")
            if opcode == 8:
                self.transport.close()
            elif opcode == 9:
                self.transport.write(b"\x8a" + bytes([size]) + text)
            elif opcode in (1, 2):
                if b"private/buy" in text or b"private/sell" in text:
                    self.arrived.append(now_ns)
                self.peer.receive(text.decode(), time.time_ns())
        for line in self.sockets:
            line.flush()

    def flush(self) -> None:
        """Write what the exchange has for this connection."""
        if self.peer is not None:
            for frame in self.peer.pop(time.time_ns()):
                if isinstance(frame, str) and not (self.measuring and '"ticker.' in frame):
                    self.transport.write(framed(frame.encode()))


def framed(payload: bytes) -> bytes:
    """Text frame of a server."""
    size = len(payload)
    if size < 126:
        return b"\x81" + bytes([size]) + payload
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def serve(pipe: Any) -> None:
    """Run the exchange; the pipe says the rates, and gets the times."""
    pin(SERVER_CPU)
    from gammacore.exchange import Exchange, ExchangeConfig

    Line.exchange = exchange = Exchange(
        ExchangeConfig(
            start_ns=time.time_ns(),
            clients={NAME: SECRET},
            expiries=2,
            strikes=4,
            linear=(),
            history_days=1,
            tick_ms=86_400_000,  # the market stands still: all that moves is sent here
            matching_rate=100_000,
            matching_burst=100_000,
        )
    )
    Line.arrived, Line.sockets = [], []

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Line, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        while True:
            while not pipe.poll():
                await asyncio.sleep(0.01)
                exchange.advance(time.time_ns())
                for line in Line.sockets:
                    line.flush()
            order = pipe.recv()
            if order is None:
                return
            pipe.send(await market(exchange, *order))

    asyncio.run(run())


async def market(exchange: Any, rate: float, triggers: int, between_s: float) -> list[int | None]:
    """Send tickers; returns the latency of each trigger, None where no order came."""
    Line.measuring = True
    template = exchange.floor.views.ticker(exchange.floor.find("BTC-PERPETUAL"), exchange.now_ns)
    found: list[int | None] = []
    arrived, price, sent_ns, due = Line.arrived, PRICE, 0, time.perf_counter()
    every, number = max(int(rate * between_s), 1), 0
    while len(found) < triggers:
        number += 1
        due = max(due + 1.0 / rate, time.perf_counter() - 0.1)
        while time.perf_counter() < due:  # the loop turns, so that orders are stamped as they come
            await asyncio.sleep(0)
        if number % every == 0:
            if sent_ns:
                later = [t for t in arrived if t >= sent_ns]
                found.append(later[0] - sent_ns if later else None)
            arrived.clear()
            price = PRICE + (JUMP if price <= PRICE else -JUMP)
        data = dict(template) | {
            "timestamp": time.time_ns() // 1_000_000,
            "mark_price": price,
            "index_price": price,
            "best_bid_price": price - 0.5,
            "best_ask_price": price + 0.5,
        }
        params = {"channel": CHANNEL, "data": data}
        frame = framed(json.dumps({"jsonrpc": "2.0", "method": "subscription", "params": params}).encode())
        for line in Line.sockets:
            if CHANNEL in line.peer.topics:
                if number % every == 0:
                    sent_ns = time.perf_counter_ns()
                line.transport.write(frame)
            if number % every == every // 2:
                line.flush()
        if number % every == every // 2:  # what was taken from the book is put back
            exchange.floor.maker._quoted_ns.clear()
            exchange.floor.maker.quote(exchange.floor.find("BTC-PERPETUAL"), exchange.now_ns)
    Line.measuring = False
    return found


def pin(cpu: int) -> None:
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > cpu:
        os.sched_setaffinity(0, {cpu})

"""From a price on the wire to the order that answers it, on loopback, against other clients in the same run.

    python benchmarks/latency.py [--rates 10,500,2000] [--triggers 400]

A local exchange on a processor of its own sends tickers of the perpetual at a steady rate; every few of them
the price jumps, and the client under test answers with an order. The time is from just before the ticker is
written to the socket to when bytes of the order are there to be read. gammacore is the whole session: its
desk decides on a position whose delta has left its band, and the journal is written before the order leaves.
The others compare the price with the last one, wait as long as a decision takes (35 us) and send. Read the
ratios; other jobs on the machine move everything.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import multiprocessing
import os
import secrets
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PRICE, JUMP = 85_000.0, 42.5
CHANNEL = "ticker.BTC-PERPETUAL.raw"
NAME, SECRET = "bench", secrets.token_hex(8)
DECISION_NS = 35_000
BETWEEN_S, SLOWLY_S = 0.05, 0.3  # between two triggers; for who holds back what comes faster
SERVER_CPU, CLIENT_CPU = 0, 1


# --------------------------------------------------------------------------- the exchange


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
    from gammacore.live.simulator import Exchange, ExchangeConfig

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
    template = exchange.views.ticker(exchange.find("BTC-PERPETUAL"), exchange.now_ns)
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
            exchange.maker._quoted_ns.clear()
            exchange.maker.quote(exchange.find("BTC-PERPETUAL"), exchange.now_ns)
    Line.measuring = False
    return found


# --------------------------------------------------------------------------- clients


def pin(cpu: int) -> None:
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > cpu:
        os.sched_setaffinity(0, {cpu})


def gammacore_session(port: int, ready: Any, **live: bool) -> None:
    """The whole session: protocol, desk, risk, journal."""
    import signal

    from gammacore.config import load_config
    from gammacore.live import session

    config = load_config(
        None,
        {
            "entry.expiries": "any",
            "entry.schedule": "roll",
            "entry.min_days": 0.1,
            "entry.max_days": 3.0,
            "hedge.band": 0.004,
            "live.execution": "taker",
            "live.slippage_bp": 20,
            "risk.max_orders_per_minute": 1_000_000,
            "risk.stale_after": "60s",
            **{f"live.{name}": value for name, value in live.items()},
        },
    )
    os.environ |= {"GAMMACORE_CLIENT_ID_TESTNET": NAME, "GAMMACORE_CLIENT_SECRET_TESTNET": SECRET}
    with tempfile.TemporaryDirectory() as folder:
        options = session.Options(
            venue="local", journal=str(Path(folder) / "j.db"), url=f"ws://127.0.0.1:{port}/ws/api/v2"
        )
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        ready.set()
        session.run(config, options)


def gammacore_awake(port: int, ready: Any) -> None:
    """The same, on processors that it keeps from sleeping, where it may."""
    gammacore_session(port, ready, keep_awake=True)


def gammacore_polling(port: int, ready: Any) -> None:
    """The same, spinning on its socket."""
    gammacore_session(port, ready, busy_poll=True)


def decide() -> None:
    until = time.perf_counter_ns() + DECISION_NS
    while time.perf_counter_ns() < until:
        pass


def ccxt_rest(port: int, ready: Any) -> None:
    """ccxt.pro's ticker, orders by its REST call: it has no other for Deribit."""
    import ccxt.pro

    async def run() -> None:
        client = ccxt.pro.deribit({"apiKey": NAME, "secret": SECRET, "enableRateLimit": False})
        client.urls["api"]["rest"] = f"http://127.0.0.1:{port}"
        client.urls["api"]["ws"] = f"ws://127.0.0.1:{port}/ws/api/v2"
        await client.load_markets()
        symbol, last = "BTC/USD:BTC", 0.0
        ready.set()
        while True:
            ticker = await client.watch_ticker(symbol, {"interval": "raw"})
            price = float(ticker["info"]["mark_price"])
            if last and price != last:
                decide()
                side = "sell" if price > last else "buy"
                limit = price - 150 if side == "sell" else price + 150
                params = {"time_in_force": "immediate_or_cancel"}
                await client.create_order(symbol, "limit", side, 10, limit, params)
            last = price

    asyncio.run(run())


def typed(port: int, ready: Any) -> None:
    """typed-deribit, orders over its socket."""
    import typed_deribit
    from typed_deribit.core.transport import http, ws

    http.DERIBIT_TEST_HTTP_URL = f"http://127.0.0.1:{port}/api/v2"
    ws.DERIBIT_TEST_WS_URL = f"ws://127.0.0.1:{port}/ws/api/v2"

    async def run() -> None:
        made = typed_deribit.Deribit.new(client_id=NAME, client_secret=SECRET, testnet=True)
        async with made as client:
            last = 0.0
            await client.account.get_positions(currency="BTC", transport="ws")  # logs the socket in
            async with client.streams.market_data.ticker("BTC-PERPETUAL", interval="raw") as stream:
                ready.set()
                async for ticker in stream:
                    price = float(ticker["mark_price"])
                    if last and price != last:
                        decide()
                        side = client.trading.sell if price > last else client.trading.buy
                        limit = price - 150 if price > last else price + 150
                        order = {
                            "instrument_name": "BTC-PERPETUAL",
                            "amount": 10,
                            "type": "limit",
                            "price": limit,
                            "time_in_force": "immediate_or_cancel",
                        }
                        await side(order, transport="ws")
                    last = price

    asyncio.run(run())


def nautilus(port: int, ready: Any) -> None:
    """nautilus_trader's clients, compiled Rust, with a handler in Python; orders over its socket."""
    import nautilus_trader.core.nautilus_pyo3 as pyo3
    from nautilus_trader.model.data import capsule_to_data

    testnet, perpetual = pyo3.DeribitEnvironment.TESTNET, pyo3.InstrumentId.from_str("BTC-PERPETUAL.DERIBIT")
    keys = {"api_key": NAME, "api_secret": SECRET, "environment": testnet}
    who = {
        "trader_id": pyo3.TraderId("T-001"),
        "strategy_id": pyo3.StrategyId("S-001"),
        "instrument_id": perpetual,
        "time_in_force": pyo3.TimeInForce.IOC,
    }

    async def run() -> None:
        http = pyo3.DeribitHttpClient(base_url=f"http://127.0.0.1:{port}/api/v2", **keys)
        instruments = await http.request_instruments(pyo3.DeribitCurrency.ANY)
        socket = pyo3.DeribitWebSocketClient(url=f"ws://127.0.0.1:{port}/ws/api/v2", **keys)
        socket.cache_instruments(instruments)
        socket.set_account_id(pyo3.AccountId("DERIBIT-001"))
        loop, ten, limit_order = (
            asyncio.get_running_loop(),
            pyo3.Quantity.from_str("10"),
            pyo3.OrderType.LIMIT,
        )
        last, count, sent = 0.0, 0, None

        def handle(message: Any) -> None:
            nonlocal last, count, sent
            if type(message).__name__ != "PyCapsule":
                return
            price = float(capsule_to_data(message).value)  # the mark
            if last and price != last:
                decide()
                side, beyond = (pyo3.OrderSide.SELL, -150) if price > last else (pyo3.OrderSide.BUY, 150)
                name, limit = pyo3.ClientOrderId(f"O-{count}"), pyo3.Price.from_str(f"{price + beyond:.1f}")
                sent = loop.create_task(order(side, name, limit))
                count += 1
            last = price

        async def order(side: Any, name: Any, limit: Any) -> None:
            await socket.submit_order(side, ten, limit_order, name, price=limit, **who)

        await socket.connect(loop, instruments, handle)
        await socket.wait_until_active(10.0)
        await socket.authenticate_session("orders")
        await socket.subscribe_mark_prices(perpetual, pyo3.DeribitUpdateInterval.RAW)
        ready.set()
        await asyncio.Event().wait()

    asyncio.run(run())


def floor(port: int, ready: Any) -> None:
    """The least a blocking client can do: look for one number, answer with a frame made before."""
    import websocket

    from gammacore.live.frames import masked

    client = websocket.create_connection(f"ws://127.0.0.1:{port}/ws/api/v2")
    login = {"grant_type": "client_credentials", "client_id": NAME, "client_secret": SECRET}
    order = {"instrument_name": "BTC-PERPETUAL", "amount": 10, "type": "market"}
    asks = (("public/auth", login), ("private/subscribe", {"channels": [CHANNEL]}))
    for id_, (method, params) in enumerate(asks):
        client.send(json.dumps({"jsonrpc": "2.0", "id": id_, "method": method, "params": params}))
        client.recv()
    sides = [
        masked(json.dumps({"jsonrpc": "2.0", "id": 9, "method": f"private/{side}", "params": order}).encode())
        for side in ("buy", "sell")
    ]
    line, mark, last, turn = client.sock, b'"mark_price": ', b"", 0
    ready.set()
    while True:
        _, found, rest = line.recv(65_536).partition(mark)
        price = rest.partition(b",")[0]
        if found and last and price != last:
            line.sendall(sides[turn])
            turn = 1 - turn
        last = price if found else last


CLIENTS = {
    "least possible, blocking": (floor, None),
    "gammacore": (gammacore_session, None),
    "gammacore, processors kept awake": (gammacore_awake, None),
    "gammacore, busy poll": (gammacore_polling, None),
    "ccxt.pro, REST orders": (ccxt_rest, "ccxt"),
    "typed-deribit": (typed, "typed_deribit"),
    "nautilus_trader": (nautilus, "nautilus_trader"),
}
HELD_BACK = {"nautilus_trader"}  # sends five orders a second


# --------------------------------------------------------------------------- the run


def start(target: Any, port: int) -> multiprocessing.Process:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_run_client, args=(target.__name__, port, ready), daemon=True)
    process.start()
    if not ready.wait(60):
        raise RuntimeError(f"{target.__name__} did not start")
    time.sleep(3.0)  # subscriptions, and for the session its straddle and the first hedge
    return process


def _run_client(name: str, port: int, ready: Any) -> None:
    pin(CLIENT_CPU)
    globals()[name](port, ready)


def quantiles(found: list[int | None]) -> tuple[float, float, float, int]:
    times = sorted(t / 1_000 for t in found if t is not None)
    if len(times) < 20:
        return (float("nan"),) * 3 + (len(times),)  # type: ignore[return-value]
    cuts = statistics.quantiles(times, n=100)
    return cuts[49], cuts[94], cuts[98], len(times)


def main(words: list[str]) -> None:
    """Measure every client that is installed at every rate, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rates", default="10,500,2000", help="tickers a second")
    parser.add_argument("--triggers", type=int, default=400, help="jumps of the price per rate")
    options = parser.parse_args(words)
    rates = [float(rate) for rate in options.rates.split(",")]
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    exchange = context.Process(target=serve, args=(theirs,), daemon=True)
    os.environ["BENCH_SECRET"] = SECRET
    exchange.start()
    port = ours.recv()
    rows: dict[tuple[str, float], tuple[float, float, float, int]] = {}
    for name, (target, needs) in CLIENTS.items():
        if needs is not None and not _installed(needs):
            sys.stdout.write(f"{name}: not installed, left out\n")
            continue
        process = start(target, port)
        for rate in rates:
            triggers = options.triggers if rate > 50 else max(options.triggers // 4, 50)
            slowly = needs in HELD_BACK
            ours.send((rate, triggers // (3 if slowly else 1) + 1, SLOWLY_S if slowly else BETWEEN_S))
            rows[name, rate] = quantiles(ours.recv()[1:])
            sys.stdout.write(f"{name} at {rate:g}/s: {_told(rows[name, rate])}\n")
            sys.stdout.flush()
        process.kill()
        process.join()
    ours.send(None)
    exchange.join(10)
    sys.stdout.write(table(rows, rates))


def _installed(module: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(module) is not None


def _told(row: tuple[float, float, float, int]) -> str:
    return f"{row[0]:.0f} / {row[1]:.0f} / {row[2]:.0f} us, {row[3]} orders"


def table(rows: dict[tuple[str, float], tuple[float, float, float, int]], rates: list[float]) -> str:
    """Medians, 95th and 99th percentiles in microseconds, and the median's ratio to ccxt.pro."""
    lines = ["", "| client | " + " | ".join(f"{rate:g}/s" for rate in rates) + " | ratio |"]
    lines.append("|---" * (len(rates) + 2) + "|")
    middle = rates[len(rates) // 2]
    peer = rows.get(("ccxt.pro, REST orders", middle))
    for name in dict.fromkeys(name for name, _ in rows):
        cells = [_told(rows[name, rate]).partition(",")[0] for rate in rates]
        ratio = f"{rows[name, middle][0] / peer[0]:.2f}" if peer else "-"
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {ratio} |")
    return "\n".join(
        [*lines, "", f"median / 95th / 99th percentile; ratio of medians to ccxt.pro at {middle:g}/s", ""]
    )


SECRET = os.environ.get("BENCH_SECRET", SECRET)
if __name__ == "__main__":
    os.environ.setdefault("BENCH_SECRET", SECRET)
    main(sys.argv[1:])

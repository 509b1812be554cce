"""What news and an order cost, in memory and over loopback, against websocket-client's defaults and json."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import websocket

from gammacore.contracts import parse
from gammacore.deribit.news import TickerNews
from gammacore.live.client import Client
from gammacore.live.frames import connect, masked
from gammacore.live.handler import conflated
from support.deribit_wire import NOW, notification, ready
from support.live_world import Process, World, lively

FLOOD = 20_000  # messages of one run
PERPETUAL = parse("BTC-PERPETUAL")
TICKER = {
    "timestamp": NOW // 1_000_000,
    "state": "open",
    "stats": {"high": 0.13, "low": 0.12, "price_change": 1.5, "volume": 10.0, "volume_usd": 120_000.0},
    "greeks": {"delta": 0.74, "gamma": 2e-5, "vega": 132.36, "theta": -29.43, "rho": 121.3},
    "index_price": 83_250.78,
    "instrument_name": "BTC-25DEC26-76000-C",
    "last_price": 0.133,
    "settlement_price": 0.12972783,
    "min_price": 0.0945,
    "max_price": 0.1705,
    "open_interest": 480.6,
    "mark_price": 0.1296,
    "interest_rate": 0.0,
    "estimated_delivery_price": 83_250.78,
    "best_ask_price": 0.133,
    "best_bid_price": 0.1255,
    "mark_iv": 38.25,
    "bid_iv": 35.6,
    "ask_iv": 40.38,
    "underlying_price": 84_222.23,
    "underlying_index": "BTC-25DEC26",
    "best_ask_amount": 29.3,
    "best_bid_amount": 29.3,
}
FRAME = notification("ticker.BTC-25DEC26-76000-C.raw", TICKER)


# --------------------------------------------------------------------------- in memory


@pytest.mark.benchmark(group="ticker frame to news")
def test_json_loads(benchmark):
    benchmark(json.loads, FRAME)


@pytest.mark.benchmark(group="ticker frame to news")
def test_news(benchmark):
    protocol = ready()

    def once():
        protocol.receive(FRAME, NOW)
        return protocol.events_received()

    [found] = benchmark(once)
    assert isinstance(found, TickerNews)


@pytest.mark.benchmark(group="ticker frame to masked order frame, without the decision")
def test_frame_to_order(benchmark):
    protocol = ready()
    protocol.budget._buckets["order"].rate = 1e12
    number = [0]

    def once():
        number[0] += 1
        protocol.receive(FRAME, NOW + number[0] * 1_000)
        [news] = protocol.events_received()
        protocol.send_order(
            PERPETUAL, -10.0, NOW + number[0] * 1_000, label="hedge-1", limit=news.index, post_only=True
        )
        [order] = protocol.data_to_send()
        protocol._requests.clear()  # nobody answers
        return masked(order)

    assert len(benchmark(once)) > 200


# --------------------------------------------------------------------------- over loopback


@pytest.fixture(scope="module")
def url():
    program = [sys.executable, str(Path(__file__).with_name("flood.py")), FRAME.decode()]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        yield f"ws://127.0.0.1:{int(server.stdout.readline())}/{FLOOD}"
        server.stdin.close()
        server.wait(10)


def measure(benchmark, run):
    benchmark.pedantic(run, rounds=3, warmup_rounds=1)
    benchmark.extra_info["messages a second"] = round(FLOOD / benchmark.stats["min"])


@pytest.mark.benchmark(group=f"{FLOOD:,} tickers over loopback")
def test_library_defaults_and_json(benchmark, url):
    def run():
        socket = websocket.create_connection(url)
        for _ in range(FLOOD):
            json.loads(socket.recv())
        socket.shutdown()

    measure(benchmark, run)


@pytest.mark.benchmark(group=f"{FLOOD:,} tickers over loopback")
def test_library_without_utf8_check_and_json(benchmark, url):
    def run():
        socket = websocket.create_connection(url, skip_utf8_validation=True)
        for _ in range(FLOOD):
            json.loads(socket.recv())
        socket.shutdown()

    measure(benchmark, run)


class Counter:
    def __init__(self, client):
        self.client, self.count = client, 0

    def on_news(self, news):
        self.count += type(news) is TickerNews
        if self.count == FLOOD:
            self.client.stop()

    def on_idle(self):
        pass

    def on_tick(self, now_ns):
        pass


@pytest.mark.benchmark(group=f"{FLOOD:,} tickers over loopback")
def test_client(benchmark, url):
    def run():
        client = Client(url)
        client._socket, client._protocol = connect(url, 10), ready(public=True, now_ns=client.now_ns())
        handler = Counter(client)
        client.run(handler)
        assert handler.count == FLOOD

    measure(benchmark, run)


# --------------------------------------------------------------------------- with the desk and the journal


@pytest.mark.benchmark(group="tickers through the whole session, decisions and journal included")
@pytest.mark.parametrize("together", [1, 50])
def test_session(benchmark, tmp_path, monkeypatch, together):
    """In memory; ``together`` tickers arrive with one read, of which the last counts."""
    world = World(linear=())
    process = Process(world, tmp_path / "j.db", lively(hedge__band=0.5))
    process.run(20)
    hedger, count = process.hedger, 2_000
    hedger._ready = True
    for name in NOWHERE:
        monkeypatch.setattr(process.client, name, lambda *a, **k: 0)
    last = hedger.feed.tickers[hedger.feed.perpetual]
    at = [last.ts_ns]

    def run():
        for _ in range(count // together):
            batch = []
            for k in range(together):
                at[0] += 1_000_000
                batch.append(msgspec.structs.replace(last, ts_ns=at[0], mark=last.mark + 0.5 * (k % 3)))
            for news in conflated(batch):
                hedger.on_news(news)
        hedger.journal.flush()

    benchmark.pedantic(run, rounds=5, warmup_rounds=1)
    assert hedger.desk.market.ts_ns >= at[0]  # the desk has heard them
    benchmark.extra_info["messages a second"] = round(count / benchmark.stats["min"])
    monkeypatch.undo()
    process.close()


# A session that takes orders and never answers.
NOWHERE = ("send_order", "cancel", "cancel_all", "request", "subscribe", "unsubscribe", "drop")

"""The recorder on the local exchange: everything once, every silence in the ledger, whole files or none."""

import itertools
import json
import random
import signal
import subprocess
import sys
import threading
import time

import duckdb
import numpy as np
import pytest

from gammacore.backtest.replay.market import load_market
from gammacore.backtest.replay.runner import replay
from gammacore.data import load_chains, load_prices
from gammacore.data.store import Store
from gammacore.daycount import NS_PER_MINUTE, NS_PER_SECOND
from gammacore.errors import ConfigError
from gammacore.exchange.config import ExchangeConfig
from gammacore.exchange.connection import Connection
from gammacore.exchange.exchange import Exchange
from gammacore.exchange.faults import Fault
from gammacore.exchange.server import serving
from gammacore.live import reconnect as module
from gammacore.live.client import Client
from gammacore.live.news import Answered, BadFrame, Reconnecting, SubscriptionMissing
from gammacore.live.recorder import EVERYWHERE, Recorder, RecorderOptions
from gammacore.live.recording import last_heard_ns, record
from support import local_exchange as venue
from support.markets import build
from support.platforms import posix

FOREVER = 2**62
START = 1_772_323_200_000_000_000
KINDS = {"ticker": "tickers", "book": "books", "quote": "quotes", "deribit_price_index": "index"}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "FIRST_DELAY_S", 0.02)
    monkeypatch.setattr(module, "LONGEST_DELAY_S", 0.2)


@pytest.fixture
def sent(monkeypatch):
    """Notifications that the exchange gave to its sockets: connection, channel and data, in order."""
    found, pop = [], Connection.pop

    def watched(self, now_ns=None):
        frames = pop(self, now_ns)
        for frame in frames:
            if isinstance(frame, str) and '"subscription"' in frame:
                try:
                    params = json.loads(frame)["params"]
                except ValueError:
                    continue  # half a frame, which nobody can read
                found.append((self.number, params["channel"], json.dumps(params["data"])))
        return frames

    monkeypatch.setattr(Connection, "pop", watched)
    return found


def stored(root):
    """Notifications as the store has them, in order."""
    files = sorted(str(path) for path in root.glob("raw/notifications/*/*/*.parquet"))
    query = "SELECT known_ns, channel, payload FROM read_parquet($files) ORDER BY known_ns, seq"
    rows = duckdb.execute(query, {"files": files}).fetchall() if files else []
    return [(known, channel, json.dumps(json.loads(payload))) for known, channel, payload in rows]


def session(store, port, seconds, options, faults=(), exchange=None, **client):
    recorder = Recorder(store, options, heard_ns=last_heard_ns(store))
    timers = [threading.Timer(at, exchange.inject, [fault]) for at, fault in faults]
    for timer in timers:
        timer.start()
    found = Client(f"ws://127.0.0.1:{port}/ws/api/v2", tap=recorder.tap, rng=random.Random(1), **client)
    record(store, found, recorder, options, seconds)
    for timer in timers:
        timer.join()
    return recorder


def test_a_campaign_of_drops_gaps_and_restarts(sent, tmp_path):
    exchange = Exchange(
        ExchangeConfig(seed=7, start_ns=time.time_ns(), tick_ms=50, history_days=1, strikes=2, expiries=3)
    )
    options = RecorderOptions(options="tickers", rotate_ns=NS_PER_SECOND, snapshot_ns=NS_PER_SECOND // 2)
    with serving(exchange) as port:
        first = [
            (1.0, Fault(kind="drop", match="ticker")),
            (1.6, Fault(kind="gap", match="book")),
            (2.0, Fault(kind="malformed", match="quote")),
        ]
        for faults, seconds in ((first, 3.0), ([(0.6, Fault(kind="restart", seconds=0.3))], 2.2)):
            with Store(tmp_path) as store:
                session(store, port, seconds, options, faults, exchange)
            time.sleep(0.3)
        fired = {kind: moment for moment, kind, _ in exchange.faults.fired}
    assert set(fired) == {"drop", "gap", "malformed", "restart"}
    store = Store(tmp_path)
    gaps = store.read("gaps", "all", as_of_ns=FOREVER)
    ledger = list(
        zip(*(gaps[name].tolist() for name in ("ts_ns", "known_ns", "channel", "reason")), strict=True)
    )

    # What is kept of each connection is all that came until it ended: no frame less, more or twice.
    kept, at, heard = stored(tmp_path), 0, []
    for number in sorted({number for number, _, _ in sent}):
        begin = at
        for told in (row[1:] for row in sent if row[0] == number):
            if at < len(kept) and kept[at][1:] == told:
                at += 1
            else:
                break
        if at > begin:
            heard.append((kept[begin][0], kept[at - 1][0]))
    assert at == len(kept) > 50
    assert len(heard) >= 4
    # And the ledger has the time from the last of one to the first of the next.
    outages = [(since, until) for since, until, channel, reason in ledger if "unreadable" not in reason]
    for (_, last), (first, _) in itertools.pairwise(heard):
        assert (last, first) in outages
    assert (
        len([row for row in ledger if row[2] == EVERYWHERE and "unreadable" not in row[3]]) == len(heard) - 1
    )
    # Every outage is there, under its name.
    about = {channel: reason for _, _, channel, reason in ledger}
    assert about["book.BTC-PERPETUAL.100ms"] == "book missed a change"
    reasons = [reason for _, _, channel, reason in ledger if channel == EVERYWHERE]
    assert "recorder was not running" in reasons
    assert any(reason.startswith("unreadable") for reason in reasons + list(about.values()))
    # A row for each, and nothing else.
    for prefix, kind in KINDS.items():
        count = sum(channel.startswith(f"{prefix}.") for _, channel, _ in kept)
        assert store.read(kind, "BTC", as_of_ns=FOREVER)["ts_ns"].size == count > 0, kind
    ids = {
        trade["trade_id"]
        for _, channel, data in kept
        if channel.startswith("trades")
        for trade in json.loads(data)
    }
    rows = [
        store.read(kind, "BTC", as_of_ns=FOREVER)["trade_id"].tolist()
        for kind in ("option_trades", "future_trades")
    ]
    assert sorted(itertools.chain(*rows)) == sorted(ids)
    chains = load_chains(tmp_path / "processed" / "chains" / "BTC")
    assert chains.snapshot_ts.size >= 1
    assert (chains.delta != 0).any()


class Direct:
    """Answers at once, in the thread of the test, on a connection of its own."""

    def __init__(self, exchange, recorder):
        self.ask, self.exchange, self.recorder = venue.Client(exchange), exchange, recorder

    def request(self, method, params):
        result = json.dumps(self.ask.call(method.name, **params)).encode()
        now_ns = self.exchange.now_ns
        self.recorder.on_news(Answered(now_ns, 1, method.name, method.decode(result, now_ns)))


def test_a_recorded_stretch_is_replayed(tmp_path):
    """Six minutes of the exchange, without a clock: chains from book summaries, bars from the index."""
    exchange = venue.make(seed=3, history_days=1, strikes=6)
    options = RecorderOptions(snapshot_ns=NS_PER_MINUTE // 2, rotate_ns=2 * NS_PER_MINUTE)
    with Store(tmp_path) as store:
        recorder = Recorder(store, options)
        recorder.client = Direct(exchange, recorder)
        listener = venue.Client(exchange)
        listener.call(
            "public/subscribe", channels=["deribit_price_index.btc_usd", "ticker.BTC-PERPETUAL.100ms"]
        )
        for _ in range(12 * 60 + 30):
            exchange.advance(exchange.now_ns + NS_PER_SECOND // 2)
            for frame in listener.connection.pop():
                recorder.tap(frame.encode(), exchange.now_ns)
            recorder.on_tick(exchange.now_ns)
        recorder.finish(exchange.now_ns)
        assert recorder.files >= 3
    base = tmp_path / "processed"
    prices = load_prices(base / "candles" / "BTC")
    assert len(prices) == 5  # the first minute was under way
    assert prices.interval_ns == NS_PER_MINUTE
    chains = load_chains(base / "chains" / "BTC")
    assert chains.snapshot_ts.size == 13
    assert np.isfinite(chains.mark).all()
    series = exchange.floor.past.series("BTC")
    for ts, close in zip(prices.ts_ns.tolist(), prices.close.tolist(), strict=True):
        assert close == pytest.approx(np.interp(ts, series.ts_ns, series.price), rel=2e-4)
    named = {"data.chains": str(base / "chains" / "BTC"), "data.prices": str(base / "candles" / "BTC")}
    config = build(
        named
        | {
            "entry.expiries": "any",
            "entry.schedule": "roll",
            "entry.min_days": 0.05,
            "entry.max_days": 400.0,
            "entry.min_snapshots": 1,
            "hedge.rule": "snapshot",
            "costs.funding": False,
        }
    )
    run = replay(config, load_market(config).tape)
    assert [fill for episode in run.desk.portfolio.episodes for fill in episode.fills]


@posix
def test_a_killed_recorder_leaves_whole_files_and_the_next_one_names_the_gap(tmp_path):
    exchange = Exchange(
        ExchangeConfig(seed=7, start_ns=time.time_ns(), tick_ms=50, history_days=1, strikes=2)
    )
    with serving(exchange) as port:
        arguments = ["data", "record", "--url", f"ws://127.0.0.1:{port}/ws/api/v2", "--store", str(tmp_path)]
        arguments += ["--rotate", "0.2s", "--snapshot", "1s"]
        command = [sys.executable, "-c", "from gammacore.cli.main import main; main()", *arguments]
        process = subprocess.Popen(command)
        begun = time.monotonic()
        while len(list(tmp_path.glob("raw/*/*/*/*.parquet"))) < 3:
            time.sleep(0.01)
            assert time.monotonic() - begun < 30
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        killed_ns = time.time_ns()
        done = subprocess.run([*command, "--seconds", "0.7"], check=True, capture_output=True, text=True)
    assert "notifications" in done.stdout
    assert not (tmp_path / ".writing").exists()
    kept = stored(tmp_path)
    store = Store(tmp_path)
    assert store.read("tickers", "BTC", as_of_ns=FOREVER)["ts_ns"].size == sum(
        channel.startswith("ticker.") for _, channel, _ in kept
    )
    gaps = store.read("gaps", "all", as_of_ns=FOREVER)
    at = gaps["reason"].tolist().index("recorder was not running")
    assert gaps["ts_ns"][at] <= killed_ns <= gaps["known_ns"][at]
    heard = [known for known, _, _ in kept]
    assert not [known for known in heard if gaps["ts_ns"][at] < known < gaps["known_ns"][at]]


def frame(channel, data):
    return json.dumps(
        {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": channel, "data": data}}
    ).encode()


def quote(ms):
    sides = {"best_bid_price": 1.0, "best_bid_amount": 1.0, "best_ask_price": 2.0, "best_ask_amount": None}
    return frame("quote.BTC-PERPETUAL", {"timestamp": ms, "instrument_name": "BTC-PERPETUAL", **sides})


def test_memory_is_bounded_and_midnight_begins_a_file(tmp_path):
    day_end = START + 24 * 60 * NS_PER_MINUTE
    with Store(tmp_path) as store:
        recorder = Recorder(store, RecorderOptions(most_rows=100))
        for k in range(1_000):
            now_ns = day_end - 500 * NS_PER_SECOND + k * NS_PER_SECOND
            recorder.tap(quote(now_ns // 10**6), now_ns)
            recorder.on_tick(now_ns)
            assert len(recorder._frames) + sum(map(len, recorder._rows.values())) <= 102
        recorder.finish(now_ns)
        assert store.read("quotes", "BTC", as_of_ns=FOREVER)["ts_ns"].size == 1_000
        assert store.days("quotes", "BTC") == ["2026-03-01", "2026-03-02"]
        for path in tmp_path.glob("raw/notifications/all/*/*.parquet"):
            query = "SELECT count(DISTINCT known_ns // 86400000000000) FROM read_parquet(?)"
            assert duckdb.execute(query, [str(path)]).fetchone() == (1,)


def test_what_cannot_be_read_or_had_is_in_the_ledger(tmp_path):
    with Store(tmp_path) as store:
        recorder = Recorder(store, RecorderOptions())
        recorder.tap(b"{", START)
        recorder.tap(frame("quote.X", {"timestamp": "soon"}), START + 1)
        recorder.on_news(SubscriptionMissing(START + 2, ("book.X.raw",), ""))
        recorder.on_news(BadFrame(START + 3, "", "half"))
        recorder.tap(quote(START // 10**6), START + 4)
        recorder.on_news(Reconnecting(START + 9, 1, 0.1, "gone"))
        recorder.finish(START + 20)
        gaps = store.read("gaps", "all", as_of_ns=FOREVER)
        found = {
            r: (s - START, u - START)
            for s, u, r in zip(gaps["ts_ns"], gaps["known_ns"], gaps["reason"], strict=True)
        }
    assert found["not granted"] == (2, 2)
    assert found["unreadable: half"] == (3, 3)
    assert found["gone"] == (4, 20)
    assert any(reason.startswith("quote.X: unreadable") for reason in found)
    assert len(stored(tmp_path)) == 2  # also the one that makes no sense, as received


@pytest.mark.parametrize(("name", "value"), [("options", "all"), ("interval", "1s"), ("rotate_ns", 0)])
def test_options_that_make_no_sense(name, value):
    with pytest.raises(ConfigError, match=name):
        RecorderOptions(**{name: value})

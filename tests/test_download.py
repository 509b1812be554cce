"""Downloads from the local exchange: complete, the same however often they are interrupted.

A year with ten kills: GAMMACORE_HISTORY_DAYS=365 GAMMACORE_KILLS=10 pytest tests/test_download.py -k killed
"""

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from gammacore.data import load_delivery, load_funding, load_prices
from gammacore.data.download import DOWNLOADED, Plan, download
from gammacore.data.store import Store
from gammacore.data.throttle import Throttle
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, format_time, parse_time
from gammacore.errors import ConfigError, DataError
from gammacore.exchange.faults import Fault
from gammacore.exchange.server import serving
from gammacore.live.rest import Rest
from support.local_exchange import Client, make
from support.platforms import posix

HISTORY_DAYS = int(os.environ.get("GAMMACORE_HISTORY_DAYS", "4"))
KILLS = int(os.environ.get("GAMMACORE_KILLS", "2"))
END = parse_time("2026-11-25")  # the local exchange opens at noon of that day
FOREVER = END + 100 * NS_PER_DAY


class Killed(BaseException):
    """A process that is gone does not clean up."""


def quick():
    """Make a throttle whose seconds do not take time."""
    seconds = itertools.count()
    return Throttle(1e6, 1_000_000, clock=lambda: 2.0 * next(seconds))


def tree(root):
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def processed(root):
    return {name: data for name, data in tree(root).items() if name.startswith("processed")}


def asker(exchange):
    """Ask the exchange in this process, slowly enough for its limits."""
    client = Client(exchange)

    def get(method, params):
        exchange.advance(exchange.now_ns + (1_000_000_000 if "instruments" in method else 60_000_000))
        return json.dumps(client.call(method, **params)).encode()

    return get


def plan(days, **settings):
    return Plan(**({"start_ns": END - days * NS_PER_DAY, "end_ns": END} | settings))


@pytest.fixture(scope="module")
def exchange():
    return make(history_days=12, strikes=2, tick_ms=60_000)


@pytest.fixture(scope="module")
def whole(exchange, tmp_path_factory):
    """Store of three days, downloaded at one go."""
    root = tmp_path_factory.mktemp("whole")
    with Store(root) as store:
        download(store, plan(3, currencies=("BTC", "USDC")), asker(exchange), throttle=quick())
    return root


def test_everything_that_the_exchange_has(exchange, whole):
    store = Store(whole)
    client = Client(exchange)
    start = END - 3 * NS_PER_DAY
    trades = store.read("future_trades", "BTC", as_of_ns=FOREVER)
    for name in set(trades["instrument_name"].tolist()):
        mine = trades["trade_seq"][trades["instrument_name"] == name]
        assert sorted(mine.tolist()) == list(range(mine.min(), mine.max() + 1)), name
        inside = {"start_timestamp": start // 10**6, "end_timestamp": END // 10**6 - 1, "count": 1}
        for sorting, seq in (("asc", mine.min()), ("desc", mine.max())):
            method = "public/get_last_trades_by_instrument_and_time"
            page = client.call(method, instrument_name=name, sorting=sorting, **inside)
            assert page["trades"][0]["trade_seq"] == seq
    bars = store.read("candles", "BTC", as_of_ns=FOREVER)
    np.testing.assert_array_equal(bars["ts_ns"], np.arange(start, END, NS_PER_MINUTE))
    assert (bars["known_ns"] == bars["ts_ns"] + NS_PER_MINUTE).all()
    funding = store.read("funding", "BTC", as_of_ns=FOREVER)
    np.testing.assert_array_equal(funding["ts_ns"], np.arange(start, END, NS_PER_HOUR))
    np.testing.assert_array_equal(
        store.read("dvol", "BTC", as_of_ns=FOREVER)["ts_ns"], np.arange(start, END, NS_PER_MINUTE)
    )
    assert store.read("delivery", "BTC", as_of_ns=FOREVER)["date"].tolist() == [
        "2026-11-22",
        "2026-11-23",
        "2026-11-24",
    ]
    assert store.read("option_trades", "BTC", as_of_ns=FOREVER)["ts_ns"].size > 50
    known = set(store.read("instruments", "BTC", as_of_ns=FOREVER)["instrument_name"].tolist())
    for kind in ("option_trades", "future_trades"):
        assert set(store.read(kind, "BTC", as_of_ns=FOREVER)["instrument_name"].tolist()) <= known
    assert set(store.read("funding", "USDC", as_of_ns=FOREVER)["instrument_name"]) == {"BTC_USDC-PERPETUAL"}


def test_loaders_read_the_store(whole):
    base = whole / "processed"
    prices = load_prices(base / "candles" / "BTC")
    assert (prices.currency, len(prices), prices.quality.problems) == ("BTC", 3 * 1_440, ())
    funding = load_funding(base / "funding" / "BTC")
    assert (len(funding), funding.period_ns) == (72, NS_PER_HOUR)
    assert load_funding(base / "funding" / "BTC" / "BTC-PERPETUAL_1h").accrued(0, FOREVER) == funding.accrued(
        0, FOREVER
    )
    assert format_time(next(iter(load_delivery(base / "delivery" / "BTC")))) == "2026-11-22T08:00:00Z"


def test_what_is_there_is_not_asked_for_again(exchange, whole):
    asked = []

    def get(method, params):
        asked.append(method)
        return asker(exchange)(method, params)

    before = tree(whole)
    with Store(whole) as store:
        done = download(store, plan(3, currencies=("BTC", "USDC")), get, throttle=quick())
    assert set(asked) == {"public/get_time", "public/get_instruments"}
    assert done.files == 0
    assert tree(whole) == before


def test_killed_at_any_request_and_resumed(exchange, whole, tmp_path):
    get, rng, deaths = asker(exchange), random.Random(5), 0
    for _ in range(200):
        left = rng.randrange(1, 12)

        def dying(method, params):
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed
            return get(method, params)

        store = Store(tmp_path)
        try:
            download(store, plan(3, currencies=("BTC", "USDC")), dying, throttle=quick())
            store.close()
            break
        except Killed:
            deaths += 1
            if store._writer._lock is not None:
                store._writer._lock.release()  # as the system does
    assert deaths > 5
    assert tree(tmp_path) == tree(whole)


def test_pages_that_are_cut_short_change_no_row(whole, tmp_path):
    """Short answers, and pages of two of which ties fill one."""
    cut = make(history_days=12, strikes=2, tick_ms=60_000, max_trades=17)
    settings = {"currencies": ("BTC", "USDC"), "kinds": ("option_trades", "future_trades")}
    with Store(tmp_path) as store:
        download(store, plan(3, **settings), asker(cut), throttle=quick())
    mine = processed(tmp_path)
    assert len(mine) == 12
    assert mine == {name: data for name, data in processed(whole).items() if name in mine}
    few = {"currencies": ("BTC",), "kinds": ("option_trades",), "count": 2}
    with Store(tmp_path / "few") as store:
        download(store, plan(1, **few), asker(cut), throttle=quick())
    mine = processed(tmp_path / "few")
    assert len(mine) == 1
    assert mine.items() <= processed(whole).items()


def test_a_busy_and_broken_exchange_changes_nothing(whole, tmp_path):
    broken = make(history_days=12, strikes=2, tick_ms=60_000)
    for kind, match in (
        ("too_many_requests", ""),
        ("lost_response", "public/get_last"),
        ("lost_request", ""),
    ):
        broken.inject(Fault(kind=kind, match=match, probability=0.1, count=8))
    with serving(broken) as port, Store(tmp_path) as store:
        rest = Rest(
            f"http://127.0.0.1:{port}/api/v2",
            sleep=lambda seconds: time.sleep(seconds / 20),
            rng=random.Random(1),
        )
        download(store, plan(3, currencies=("BTC", "USDC")), rest.raw, throttle=Throttle(300, 50))
        assert len(broken.faults.fired) > 5
    assert processed(tmp_path) == processed(whole)


class Faulty(BaseHTTPRequestHandler):
    """Passes questions on, and spoils three of ten answers: errors, cut bodies and JSON, dropped lines."""

    protocol_version = "HTTP/1.1"
    target, rng, spoilt = "", random.Random(3), set()

    def do_GET(self):
        with urllib.request.urlopen(self.target + self.path) as answer:
            status, body = answer.status, answer.read()
        luck = self.rng.random()
        faults = [
            (0.05, "500"),
            (0.10, "half"),
            (0.15, "429"),
            (0.20, "cut"),
            (0.25, "dropped"),
            (0.3, "empty"),
        ]
        fault = next((name for limit, name in faults if luck < limit), "")
        self.spoilt.add(fault)
        self.close_connection = fault in ("cut", "dropped")
        if fault == "dropped":
            return
        if fault in ("500", "429"):
            status, body = int(fault), b"<html>"
        elif fault in ("half", "empty"):
            body = body[: len(body) // 2] if fault == "half" else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 3] if fault == "cut" else body)

    def log_message(self, *what):
        pass


def test_answers_that_are_cut_or_dropped_change_nothing(whole, tmp_path):
    broken = make(history_days=12, strikes=2, tick_ms=60_000)
    with serving(broken) as port, ThreadingHTTPServer(("127.0.0.1", 0), Faulty) as proxy:
        Faulty.target = f"http://127.0.0.1:{port}"
        thread = threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        rest = Rest(f"http://127.0.0.1:{proxy.server_port}/api/v2", sleep=lambda seconds: None)
        with Store(tmp_path) as store:
            settings = plan(3, currencies=("BTC", "USDC"))
            download(store, settings, rest.raw, throttle=Throttle(300, 50))
        proxy.shutdown()
        thread.join()
    assert Faulty.spoilt == {"", "500", "half", "429", "cut", "dropped", "empty"}
    assert processed(tmp_path) == processed(whole)


def test_a_day_that_is_not_over_is_not_touched(exchange, tmp_path):
    with Store(tmp_path) as store:
        settings = {"end_ns": END + 5 * NS_PER_DAY, "kinds": ("funding", "option_trades")}
        done = download(store, plan(1, **settings), asker(exchange), throttle=quick())
        assert done.until == "2026-11-25"
        assert store.days("funding", "BTC") == store.days("option_trades", "BTC") == ["2026-11-24"]
        later = {"start_ns": END, "end_ns": END + NS_PER_DAY}
        assert download(store, plan(1, **later), asker(exchange), throttle=quick()).files == 0


def test_a_pattern_has_files_of_its_own(exchange, whole, tmp_path):
    wanted = {"kinds": ("candles", "future_trades"), "instruments": "BTC-*26", "resolution": "60"}
    with Store(tmp_path) as store:
        download(store, plan(1, **wanted), asker(exchange), throttle=quick())
        bars = store.read("candles", "BTC", as_of_ns=FOREVER)
        assert bars["ts_ns"].size >= 24
        trades = store.read("future_trades", "BTC", as_of_ns=FOREVER)
        names = {*bars["instrument_name"].tolist(), *trades["instrument_name"].tolist()}
        assert all(name.startswith("BTC-") and name.endswith("26") for name in names)
        download(store, plan(1, kinds=("future_trades",)), asker(exchange), throttle=quick())
        assert "BTC-PERPETUAL" in store.read("future_trades", "BTC", as_of_ns=FOREVER)["instrument_name"]


def test_the_catalog_does_not_know_the_future(whole):
    store = Store(whole)
    rows = store.read("instruments", "BTC", as_of_ns=END - 2 * NS_PER_DAY)
    assert rows["ts_ns"].size
    assert (rows["ts_ns"] <= END - 2 * NS_PER_DAY).all()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"kinds": ("trades",)}, ConfigError, "kinds: 'trades'"),
        ({"start_ns": END}, ConfigError, "start and end"),
        ({"end_ns": END - 1}, ConfigError, "midnights"),
        ({"count": 5_000}, ConfigError, "count"),
        ({"resolution": "2"}, DataError, "resolution '2'"),
    ],
)
def test_plans_that_make_no_sense(settings, error, message):
    with pytest.raises(error, match=message):
        plan(1, **settings)


def test_a_currency_without_instruments(exchange, tmp_path):
    with Store(tmp_path) as store, pytest.raises(DataError, match="currency 'USDC'"):
        download(
            store,
            plan(1, currencies=("USDC",)),
            lambda method, _: b"[]" if "ins" in method else b"1795608000000",
        )


def command(root, port, days):
    arguments = ["data", "download", "--store", str(root), "--url", f"http://127.0.0.1:{port}/api/v2"]
    arguments += ["--currency", "BTC", "--rate", "2000", "--end", "2026-11-25"]
    arguments += ["--start", format_time(END - days * NS_PER_DAY)[:10]]
    return [sys.executable, "-c", "from gammacore.cli.main import main; main()", *arguments]


@posix
def test_killed_processes_leave_what_an_undisturbed_one_leaves(tmp_path):
    rng = random.Random(11)
    exchange = make(history_days=HISTORY_DAYS + 1, strikes=1, tick_ms=600_000)
    (
        exchange.floor.past.tape("BTC", "future"),
        exchange.floor.past.tape("BTC", "option"),
    )  # made before the clock runs
    with serving(exchange, speed=60) as port:
        begin = time.monotonic()
        subprocess.run(command(tmp_path / "whole", port, HISTORY_DAYS), check=True, capture_output=True)
        took, wanted, killed = time.monotonic() - begin, len(tree(tmp_path / "whole")), []
        for k in range(KILLS):
            process = subprocess.Popen(
                command(tmp_path / "killed", port, HISTORY_DAYS),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            before = len(tree_names(tmp_path / "killed"))
            enough = before + rng.randint(1, max((wanted - before) // (KILLS + 2 - k), 1))
            begun = time.monotonic()
            while len(tree_names(tmp_path / "killed")) < enough:
                time.sleep(0.002)
                assert process.poll() is None
                assert time.monotonic() - begun < 120
            time.sleep(rng.uniform(0.0, 0.03))  # anywhere in the work on the next file
            process.send_signal(signal.SIGKILL)
            killed.append((process.wait(), len(tree_names(tmp_path / "killed"))))
        subprocess.run(command(tmp_path / "killed", port, HISTORY_DAYS), check=True, capture_output=True)
    print(f"{took:.1f} s, {wanted} files; killed with {[files for _, files in killed]}")  # noqa: T201
    assert [code for code, _ in killed] == [-signal.SIGKILL] * KILLS
    assert killed[-1][1] < wanted
    assert tree(tmp_path / "killed") == tree(tmp_path / "whole")
    kinds = {name.split("/")[1] for name in processed(tmp_path / "whole")}
    assert kinds == {*DOWNLOADED, "chains_modelled"}


def tree_names(root):
    """Files in their places; not a walk, under which the writer's own folders come and go."""
    return [path for part in ("raw", "processed") for path in root.glob(f"{part}/*/*/*/*.parquet")]

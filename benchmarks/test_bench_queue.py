"""A recorded book followed with an order moved every minute, beside hftbacktest on the same feed in one run.

The peer needs the extra ``peers``; it is compiled before it is timed. Its order stands where nothing fills,
for which it does the least; ours is at the best price and fills.
"""

import shutil
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from gammacore import _queue as q
from gammacore.backtest.replay.queue_fills import QueueModel, RecordedBook
from gammacore.data.book_feed import Feed, _Reader, book_feed
from gammacore.data.schemas import KINDS
from gammacore.data.store import Store

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.books import blocks, random_feed

ROWS, TIMES, MINUTE_NS = 50_000, 40, 60 * 10**9


@pytest.fixture(scope="module")
def feed():
    """Two million messages: one market again and again, told whole at each beginning."""
    (one,) = blocks(random_feed(1, ROWS))
    length = int(one.ts_ns[-1])
    times = np.concatenate([one.ts_ns + k * length for k in range(TIMES)])
    return Feed(times, *(np.tile(column, TIMES) for column in one[1:]))


def followed(feed):
    book = RecordedBook(iter([feed]), 1.0, 1.0, QueueModel("power"))
    order, fills = None, 0
    for now_ns in range(int(feed.ts_ns[0]), int(feed.ts_ns[-1]), MINUTE_NS):
        book.follow(now_ns)
        if order is not None:
            fills += len(book.fills(order))
            book.cancel(order)
        if book.known:
            order = book.rest(True, book.quote()[0], 5.0)
    book.follow(int(feed.ts_ns[-1]))
    return fills


@pytest.mark.benchmark(group="a recorded book with an order in it")
def test_gammacore(benchmark, feed):
    fills = benchmark(followed, feed)
    benchmark.extra_info["million messages a second"] = len(feed.ts_ns) / 1e6 / benchmark.stats.stats.min
    assert fills > 100


@pytest.mark.benchmark(group="a recorded book with an order in it")
@pytest.mark.parametrize("depth", ["hash map", "vector"])
def test_hftbacktest(benchmark, feed, depth):
    hft, numba = pytest.importorskip("hftbacktest"), pytest.importorskip("numba")
    kinds = hft.types
    both = kinds.EXCH_EVENT | kinds.LOCAL_EVENT
    names = np.zeros(q.KINDS, np.uint64)
    names[q.BIDS] = both | kinds.DEPTH_EVENT | kinds.BUY_EVENT
    names[q.ASKS] = both | kinds.DEPTH_EVENT | kinds.SELL_EVENT
    names[q.BUY_TRADE] = both | kinds.TRADE_EVENT | kinds.BUY_EVENT
    names[q.SELL_TRADE] = both | kinds.TRADE_EVENT | kinds.SELL_EVENT
    names[q.CLEAR] = both | kinds.DEPTH_CLEAR_EVENT
    data = np.zeros(len(feed.ts_ns), kinds.event_dtype)
    data["ev"] = names[feed.kind & ~np.uint8(q.LAST)]
    data["exch_ts"] = data["local_ts"] = feed.ts_ns
    data["px"], data["qty"] = feed.tick, feed.amount

    @numba.njit
    def run(session):
        number = 0
        while session.elapse(MINUTE_NS) == 0:
            number += 1
            session.submit_buy_order(0, number, 1.0, 5.0, hft.GTX, hft.LIMIT, False)
        return number

    def session():
        asset = hft.BacktestAsset().data(data).linear_asset(1.0).constant_order_latency(0, 0)
        asset = asset.power_prob_queue_model(3.0).partial_fill_exchange().tick_size(1.0).lot_size(1.0)
        asset = asset.trading_value_fee_model(0, 0).roi_lb(0.0).roi_ub(4_000.0)
        make = hft.HashMapMarketDepthBacktest if depth == "hash map" else hft.ROIVectorMarketDepthBacktest
        return (make([asset]),), {}

    run(*session()[0])
    minutes = (int(feed.ts_ns[-1]) - int(feed.ts_ns[0])) // MINUTE_NS
    assert benchmark.pedantic(run, setup=session, rounds=5) >= minutes - 1


@pytest.fixture(scope="module")
def changes():
    """Rows of a store: a hundred thousand changes of two levels each."""
    rng, count = np.random.default_rng(1), 100_000
    one, other = (rng.integers(0, 20, count) for _ in range(2))
    bids = [
        f'[["change",{60000 - a},10.0],["change",{59000 - b},20.0]]' for a, b in zip(one, other, strict=True)
    ]
    number = np.arange(count)
    columns = {"ts_ns": number, "change_id": number, "prev_change_id": number - 1}
    texts = {"type": ["snapshot"] + ["change"] * (count - 1), "bids": bids, "asks": ["[]"] * count}
    return columns | {name: np.array(column, object) for name, column in texts.items()}


@pytest.mark.benchmark(group="levels of a recorded book")
def test_rows_become_messages(benchmark, changes):
    def read():
        reader = _Reader("BTC-PERPETUAL", 1.0)
        reader.books(changes, [])
        return reader.taken()

    assert len(benchmark(read).ts_ns) == 200_001


@pytest.fixture(scope="module")
def store(changes, tmp_path_factory):
    """These rows in a store, ten microseconds apart."""
    count = len(changes["ts_ns"])
    blank = {"VARCHAR": "", "BIGINT": 0, "DOUBLE": np.nan}
    columns = {name: [blank[sort]] * count for name, sort in KINDS["books"].columns.items()}
    times = 10_000 * changes["ts_ns"]
    columns |= changes | {"ts_ns": times, "known_ns": times, "instrument_name": ["BTC-PERPETUAL"] * count}
    root = tmp_path_factory.mktemp("store")
    with Store(root) as made:
        made.write("books", "BTC", "1970-01-01", "part", columns)
    return root


def followed_from(root):
    with Store(root) as store:
        feed = book_feed(store, "BTC-PERPETUAL", 1.0, 0, MINUTE_NS)
        book = RecordedBook(feed, 1.0, 1.0, QueueModel())
        book.follow(MINUTE_NS)
        return book.now_ns


@pytest.mark.benchmark(group="a recorded book in a store")
def test_kept_as_numbers(benchmark, store):
    followed_from(store)
    assert benchmark(followed_from, store) == MINUTE_NS
    assert list((store / "feeds").rglob("*.parquet"))


@pytest.mark.benchmark(group="a recorded book in a store")
def test_read_from_its_texts(benchmark, store):
    def forgotten():
        shutil.rmtree(store / "feeds", ignore_errors=True)
        return (store,), {}

    assert benchmark.pedantic(followed_from, setup=forgotten, rounds=10) == MINUTE_NS


@pytest.mark.benchmark(group="levels of a recorded book")
def test_json_alone_row_by_row(benchmark, changes):
    found = benchmark(lambda: [msgspec.json.decode(text) for text in changes["bids"]])
    assert len(found) == 100_000

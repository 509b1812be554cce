"""One resting order on one feed by hftbacktest: the same fills. Needs the extra ``peers``."""

import numpy as np
import pytest

from gammacore import _queue as q
from gammacore.backtest.replay.queue_fills import QueueModel, RecordedBook
from support.books import MS, blocks, random_feed

hft = pytest.importorskip("hftbacktest", reason="hftbacktest is not installed (extra peers)")
numba = pytest.importorskip("numba")

ENDED = (2, 3, 4, 6)  # expired, filled, cancelled, rejected


@numba.njit
def followed(session, buys, price, amount, wait_ns, step_ns, end_ns, found):
    """Place one post-only order and note when and by how much what is left of it shrinks."""
    count, left = 0, amount
    session.elapse(wait_ns)
    if buys:
        session.submit_buy_order(0, 1, price, amount, hft.GTX, hft.LIMIT, False)
    else:
        session.submit_sell_order(0, 1, price, amount, hft.GTX, hft.LIMIT, False)
    while session.elapse(step_ns) == 0:
        order = session.orders(0).get(1)
        if order is None:
            break
        if order.leaves_qty != left:
            found[count, 0], found[count, 1] = order.exch_timestamp, left - order.leaves_qty
            left, count = order.leaves_qty, count + 1
        if order.status in ENDED or session.current_timestamp > end_ns:
            break
    return count


def by_peer(rows, at_ns, buys, price, amount, exponent):
    kinds = hft.types
    names = {
        q.BIDS: kinds.DEPTH_EVENT | kinds.BUY_EVENT,
        q.ASKS: kinds.DEPTH_EVENT | kinds.SELL_EVENT,
        q.BUY_TRADE: kinds.TRADE_EVENT | kinds.BUY_EVENT,
        q.SELL_TRADE: kinds.TRADE_EVENT | kinds.SELL_EVENT,
    }
    told = [row for row in rows if row[1] in names]
    data = np.zeros(len(told), kinds.event_dtype)  # kept: the session reads it where it is
    data["ev"] = [names[row[1]] | kinds.EXCH_EVENT | kinds.LOCAL_EVENT for row in told]
    data["exch_ts"] = data["local_ts"] = [row[0] for row in told]
    data["px"], data["qty"] = [row[2] for row in told], [row[3] for row in told]
    asset = hft.BacktestAsset().data(data).linear_asset(1.0).constant_order_latency(0, 0)
    asset = asset.risk_adverse_queue_model() if exponent is None else asset.power_prob_queue_model(exponent)
    asset = asset.partial_fill_exchange().tick_size(1.0).lot_size(1.0).trading_value_fee_model(0, 0)
    session = hft.HashMapMarketDepthBacktest([asset])
    found = np.zeros((1_000, 2))
    wait_ns = at_ns - told[0][0]
    count = followed(session, buys, price, amount, wait_ns, MS // 2, told[-1][0], found)
    session.close()
    return [(int(ts), part) for ts, part in found[:count]]


@pytest.mark.parametrize(("cancels", "exponent"), [("behind", None), ("pro_rata", 1.0), ("power", 3.0)])
@pytest.mark.parametrize("seed", range(12))
def test_the_same_fills(seed, cancels, exponent):
    rows = random_feed(seed, 8_000)
    rng = np.random.default_rng(seed)
    at_ns, buys = rows[int(rng.integers(1_000, 3_000))][0] + MS // 4, bool(rng.integers(0, 2))
    book = RecordedBook(blocks(rows), 1.0, 1.0, QueueModel(cancels=cancels, power=3.0))
    book.follow(at_ns)
    bid, ask = book.quote()
    price = float(bid - rng.integers(0, 3) if buys else ask + rng.integers(0, 3))
    order = book.rest(buys, price, 40.0)
    book.follow(2**62)
    ours, theirs = book.fills(order), by_peer(rows, at_ns, buys, price, 40.0, exponent)
    # What fills between two looks is one fill there, with the time of its last part.
    assert sum(part for _, part in theirs) == sum(fill.amount for fill in ours)
    assert [ts for ts, _ in theirs][-1:] == [fill.ts_ns for fill in ours][-1:]
    assert {ts for ts, _ in theirs} <= {fill.ts_ns for fill in ours}

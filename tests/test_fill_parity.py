"""Hedges of a session on the local exchange beside the same orders in the book recorded meanwhile."""

import itertools
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from gammacore import _queue as q
from gammacore.backtest.figures.fill_parity import fill_parity
from gammacore.backtest.replay.queue_fills import QueueModel, RecordedBook
from gammacore.backtest.replay.recorded_hedges import RecordedHedges
from gammacore.build import build_working
from gammacore.cli.main import app
from gammacore.contracts import Perpetual, Settlement
from gammacore.data.listings import published
from gammacore.data.store import Store
from gammacore.daycount import NS_PER_SECOND
from gammacore.deribit import channels
from gammacore.errors import DataError
from gammacore.events import Fill
from gammacore.exchange.config import MarketModel
from gammacore.execution.sent import SentOrder, WorkedHedge
from gammacore.fees import DERIBIT, future_fee
from gammacore.live.hedges_told import hedges_told
from gammacore.live.recorder import Recorder, RecorderOptions
from gammacore.orders import Leg, Order, Purpose
from support.books import blocks
from support.live_world import Process, World, lively, together
from support.markets import START, build

PERP = Perpetual("BTC", Settlement.INVERSE)
SECOND = NS_PER_SECOND
ROWS = [
    (START, q.CLEAR, 0, 0.0, False),
    (START, q.BIDS, 119_999, 500.0, False),
    (START, q.ASKS, 120_000, 300.0, True),
    (START + 2 * SECOND, q.SELL_TRADE, 119_999, 540.0, True),
    (START + 99 * SECOND, q.BIDS, 1, 0.0, True),
]


def hedge(amount, number=1):
    return Order(f"0-hedge-{number}", 0, Purpose.HEDGE, (Leg(PERP, amount),))


def filled(order, seconds, amount, price, fee, maker):
    ts = START + round(seconds * SECOND)
    return Fill(ts, order.order_id, 0, PERP, amount, price, price, fee, True, maker)


def recorded():
    book = RecordedBook(blocks(ROWS), 0.5, 10.0, QueueModel())
    return RecordedHedges(book, PERP, published().spec_for(PERP), build_working(build({})), SECOND // 200)


def test_one_hedge_by_hand():
    """Simulated: 40 at rest at 59,999.5 and 60 at 60,000. The session took all at 60,006, later."""
    order = hedge(100.0)
    fills = [filled(order, 9.01, 100.0, 60_006.0, 8.3e-7, False)]
    hedges = [WorkedHedge(order, START + SECOND, fills)]
    (pair,) = (found := fill_parity(hedges, recorded(), DERIBIT)).pairs
    simulated = (40 * 59_999.5 + 60 * 60_000.0) / 100
    rates = DERIBIT.at(START)
    fee = future_fee(rates, PERP, 40.0, 59_999.5, maker=True) + future_fee(rates, PERP, 60.0, 60_000.0)
    assert (pair.filled, pair.simulated, pair.maker, pair.simulated_maker) == (100.0, 100.0, 0.0, 0.4)
    assert pair.simulated_price == pytest.approx(simulated, rel=1e-12)
    assert pair.simulated_fee == pytest.approx(fee, rel=1e-12)
    assert pair.later_s == pytest.approx(9.01 - 4.015)
    assert pair.cost == pytest.approx(100 * (1 / simulated - 1 / 60_006.0) + 8.3e-7 - fee, rel=1e-9)
    summary = found.summary()
    assert summary["price_bp"] == pytest.approx((60_006.0 / simulated - 1) * 1e4, rel=1e-9)
    assert summary["cost_over_fees"] == pytest.approx(pair.cost / 8.3e-7)


def test_what_cannot_be_compared_is_counted():
    bought, sold, late = hedge(100.0, 1), hedge(-10.0, 2), hedge(10.0, 3)
    given_up = hedge(10.0, 4), SentOrder(START + 5 * SECOND, START + 6 * SECOND, 10.0, 59_999.5, True)
    times = (START + seconds * SECOND for seconds in (300, 1, 9))
    hedges = [WorkedHedge(order, ts, ()) for order, ts in zip((late, bought, sold), times, strict=True)]
    hedges.append(WorkedHedge(given_up[0], START + 5 * SECOND, (), given_up[1:]))
    found = fill_parity(hedges, recorded(), DERIBIT)
    assert (found.pairs, found.unfilled, found.neither, found.without_book) == ((), 2, 1, 1)
    summary = found.summary()
    assert (summary["hedges"], summary["compared"]) == (4, 0)
    assert summary["maker_share"] is summary["price_bp"] is summary["cost_over_fees"] is None


# ---- a session ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """A lively quarter of an hour with a recorder beside it: its journal and its store.

    Of its hedges two are filled at rest behind orders that were cancelled in the moment before, one of them
    where our own order is all that a level shows.
    """
    folder = tmp_path_factory.mktemp("session")
    world = World(seed=33, models={"BTC": MarketModel(vol=1.5)}, linear=(), flow_per_minute=240.0)
    process = Process(world, folder / "j.db", lively(hedge__band=0.01))
    store = Store(folder / "data")
    recorder = Recorder(store, RecorderOptions(options="none"))
    client = world.client(tap=recorder.tap)
    recorder.client = client
    client.subscribe([channels.book(PERP.name, "100ms"), channels.trades("future", "BTC", "100ms")])
    together(world, [process, SimpleNamespace(hedger=recorder, client=client)], 900)
    recorder.finish(client.now_ns())
    process.close()
    store.close()
    return folder


def test_the_hedges_of_a_session_are_those_of_its_journal(session):
    told = hedges_told(session / "j.db")
    filled_ones = [hedge for hedge in told.hedges if hedge.fills]
    assert len(filled_ones) > 10
    assert len(told.hedges) > len(filled_ones)
    for order, ts_ns, fills, sent in told.hedges:
        assert abs(math.fsum(fill.amount for fill in fills)) <= abs(order.legs[0].amount) + 1e-9
        assert all(fill.ts_ns >= ts_ns for fill in fills)
        assert [one.rests for one in sent] in ([True], [True, False])
        assert math.fsum(one.filled for one in sent) == math.fsum(fill.amount for fill in fills)
        assert all(one.ts_ns < after.ts_ns == one.ended_ns for one, after in itertools.pairwise(sent))
        assert (sent[-1].ended_ns > sent[-1].ts_ns) is not fills


def command(*words):
    return CliRunner().invoke(app, ["parity", *map(str, words)])


def test_the_recorded_book_gives_what_the_session_got(session):
    """Its own orders, which were recorded as well, are not in the way of their twins."""
    found = command(session / "j.db", "--fills", session / "data", "--json")
    assert found.exit_code == 0, found.output
    document = json.loads(found.stdout)
    summary = document["summary"]
    assert summary["compared"] > 10
    assert summary["without_book"] <= 1  # the last may outlive the recorder
    assert summary["unfilled"] == summary["book"]["crossed"] == 0
    assert summary["simulated_maker_share"] == summary["maker_share"]
    assert abs(summary["cost_over_fees"]) < 0.02
    assert len(document["hedges"]) == summary["compared"]
    for one in document["hedges"]:
        assert one["simulated_maker"] == one["maker"]
        assert abs(one["later_s"]) <= 0.1  # one message of the book
        assert one["simulated_price"] == pytest.approx(one["price"], rel=1e-12)
    assert np.isfinite([hedge["cost"] for hedge in document["hedges"]]).all()


def test_a_table_for_who_looks(session):
    found = command(session / "j.db", "--fills", session / "data", "--set", "execution.latency_ms=20")
    assert found.exit_code == 0, found.output
    assert "filled at rest" in found.stdout
    assert "hedges compared" in found.stdout


def test_a_store_of_another_time_is_refused(session, tmp_path):
    found = command(session / "j.db", "--fills", tmp_path)
    assert isinstance(found.exception, DataError)
    assert "has no book of BTC-PERPETUAL from" in str(found.exception)
    settings = command(session / "j.db", "--set", "execution.latency_ms=20")
    assert "only --fills takes settings" in str(settings.exception)

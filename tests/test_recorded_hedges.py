"""Hedges worked against a recorded book: rest, patience, take; latency, gaps, and a whole run by hand."""

import msgspec
import numpy as np
import pytest

from gammacore import _queue as q
from gammacore.backtest.figures.hedge_fills import hedge_fills
from gammacore.backtest.replay.fills import SimulatedExchange
from gammacore.backtest.replay.queue_fills import QueueModel, RecordedBook
from gammacore.backtest.replay.recorded_hedges import RecordedHedges, open_book, recorded_hedges
from gammacore.backtest.replay.runner import replay
from gammacore.backtest.replay.tape import Tape
from gammacore.backtest.replay.worked import WorkedBars
from gammacore.build import build_working
from gammacore.contracts import Future, Perpetual, Settlement
from gammacore.data.listings import published
from gammacore.data.schemas import KINDS
from gammacore.data.store import Store, day_of
from gammacore.daycount import NS_PER_MINUTE, NS_PER_SECOND, parse_time
from gammacore.errors import ConfigError
from gammacore.events import Fill, Rejected
from gammacore.execution.bump import bump_ns
from gammacore.execution.costs import HedgeCosts
from gammacore.execution.sent import SentOrder, WorkedHedge
from gammacore.fees import DERIBIT, future_fee
from gammacore.orders import Leg, Order, Purpose
from support.books import blocks
from support.markets import START, build, chains_of, prices_of

PERP = Perpetual("BTC", Settlement.INVERSE)
FUTURE = Future("BTC", Settlement.INVERSE, parse_time("2026-12-25T08:00"))
LINEAR = Perpetual("BTC", Settlement.LINEAR)
TAKER = {"execution.hedges": "taker"}
SECOND, LATENCY = NS_PER_SECOND, NS_PER_SECOND // 200
BID, ASK, BUY, SELL = q.BIDS, q.ASKS, q.BUY_TRADE, q.SELL_TRADE
TOLD = [
    (START, q.CLEAR, 0, 0.0, False),
    (START, BID, 119_999, 500.0, False),
    (START, ASK, 120_000, 300.0, False),
    (START, ASK, 120_001, 900.0, True),
]  # ticks of half a dollar: 59,999.5 and 60,000


def at(seconds, *change):
    return START + round(seconds * SECOND), *change, True


def working(*messages, perpetual=PERP, rows=None, latency=LATENCY, **asked):
    """What a book says whose messages these are; the last one is hours later, so that it does not end."""
    told = (TOLD if rows is None else rows) + [*messages]
    spec = published().spec_for(perpetual)
    feed = blocks([*told, at(9_999_999, BID, 1, 0.0)])
    book = RecordedBook(feed, 0.5, spec.min_trade_amount, QueueModel())
    return RecordedHedges(book, perpetual, spec, build_working(build(asked)), latency)


def hedge(amount, instrument=PERP):
    return Order("0-hedge-1", 0, Purpose.HEDGE, (Leg(instrument, amount),))


def parts(found, amount=100.0, seconds=1.0):
    fills = found.work(hedge(amount, found.perpetual), START + round(seconds * SECOND))
    return [(fill.price, fill.amount, fill.maker) for fill in fills]


# ---- one order -----------------------------------------------------------------------


def test_what_is_traded_through_within_the_patience_is_a_makers():
    found = working(at(2, SELL, 119_999, 550.0), at(3, SELL, 119_998, 10.0))
    assert parts(found) == [(59_999.5, 50.0, True), (59_999.5, 50.0, True)]


def test_what_is_not_takes_what_the_book_shows_at_its_end():
    moved = [at(3.9, ASK, 120_000, 0.0), at(3.95, ASK, 120_001, 60.0), at(3.99, ASK, 120_003, 500.0)]
    found = working(at(2, SELL, 119_999, 540.0), *moved)
    assert parts(found) == [(59_999.5, 40.0, True), (60_000.5, 60.0, False)]
    late = working(at(4.02, ASK, 120_000, 0.0))  # after patience and both ways
    assert parts(late) == [(60_000.0, 100.0, False)]


def test_of_measured_latencies_each_hedge_draws_one_and_the_same_again():
    """The ask moves 50 ms after the decision: who is faster takes at 60,000, who is slower a tick above."""

    def price(k):
        found = working(at(1.05, ASK, 120_000, 0.0), latency=[SECOND // 100, 9 * SECOND // 100], **TAKER)
        return found.work(hedge(100.0), START + SECOND + k * 1_000)[0].price

    prices = [price(k) for k in range(40)]
    assert {*prices} == {60_000.0, 60_000.5}
    assert 8 <= prices.count(60_000.5) <= 32
    assert [price(k) for k in range(5)] == prices[:5]


def test_patience_is_counted_from_here_and_the_order_still_fills_on_its_way_out():
    """It leaves at 1 s, and is asked back at 4 s, which the exchange hears 5 ms later."""
    assert parts(working(at(4.004, SELL, 119_998, 10.0))) == [(59_999.5, 100.0, True)]
    assert parts(working(at(4.006, SELL, 119_998, 10.0))) == [(60_000.0, 100.0, False)]
    # What traded before it was there was not ours.
    assert parts(working(at(1.004, SELL, 119_998, 10.0))) == [(60_000.0, 100.0, False)]


def test_a_hedge_in_slices_rests_again_for_each():
    """0.001 coins are 50 USD in whole lots: half of 100 fills, the rest rests anew behind what has come."""
    told = at(2, SELL, 119_999, 560.0), at(2.001, BID, 119_999, 70.0), at(3, SELL, 119_999, 100.0)
    found = working(*told, **{"execution.max_slice": 0.001})
    assert parts(found) == [(59_999.5, 50.0, True), (59_999.5, 30.0, True), (60_000.0, 20.0, False)]


def test_a_share_of_what_is_shown_is_taken_at_a_time():
    """300 are asked for at 60,000, as the record goes on to say: a tenth of them is 30."""
    found = working(**{"execution.hedges": "taker", "execution.max_share": 0.1})
    assert [amount for _, amount, _ in parts(found, 100.0)] == [30.0, 30.0, 30.0, 10.0]


def test_a_taker_takes_at_once_and_no_more_than_is_shown():
    found = working(**{"execution.hedges": "taker"})
    assert parts(found, 500.0) == [(60_000.0, 300.0, False), (60_000.5, 200.0, False)]
    sold = working(**{"execution.hedges": "taker"})
    assert parts(sold, -100.0) == [(59_999.5, 100.0, False)]


def test_what_the_book_never_shows_is_not_filled_and_the_tries_end():
    found = working(**{"execution.hedges": "taker"})
    assert parts(found, 5_000.0) == [(60_000.0, 300.0, False), (60_000.5, 900.0, False)]
    limited = working(**{"execution.hedges": "taker", "execution.slippage_bp": 0.0})
    assert parts(limited, 500.0) == [(60_000.0, 300.0, False)]


@pytest.mark.parametrize(
    ("amount", "filled"),
    [(500.0, [(60_000.0, 300.0), (60_000.5, 200.0)]), (-700.0, [(59_999.5, 500.0), (59_999.0, 200.0)])],
)
def test_the_worst_price_is_rounded_away_from_the_market(amount, filled):
    """0.05 basis points are 0.3 USD, less than a tick."""
    found = working(
        at(0.5, BID, 119_998, 900.0), **{"execution.hedges": "taker", "execution.slippage_bp": 0.05}
    )
    assert parts(found, amount) == [(*part, False) for part in filled]


FALLEN = at(1.002, BID, 119_999, 0.0), at(1.003, BID, 119_990, 9.0), at(1.004, ASK, 119_999, 200.0)


def test_a_book_that_has_moved_up_to_the_order_moves_it_inside_the_spread():
    """Sent to rest at 59,999.5; on its way the asks come down to it."""
    found = working(*FALLEN, at(2, SELL, 119_998, 40.0))
    assert parts(found) == [(59_999.0, 40.0, True), (59_999.5, 60.0, False)]


def test_an_order_with_a_price_of_its_own_is_not_moved():
    found = working(*FALLEN, at(2, SELL, 119_998, 40.0))
    order = Order("0-hedge-1", 0, Purpose.HEDGE, (Leg(PERP, 100.0),), limit=59_999.5)
    assert found.work(order, START + SECOND) == []


# ---- hedges that the market makes needless ------------------------------------------


def asked_back(*messages, since=59_990.0, **asked):
    """Work a hedge that is unwanted from a mid price on; what it was asked, too."""
    found, seen = working(*messages, **asked), []

    def unwanted(order, left, got, moved):
        seen.append((left, got, moved))
        return moved * 59_999.75 >= since

    found.unwanted = unwanted
    fills = found.work(hedge(100.0), START + SECOND)
    return [(fill.ts_ns - START, fill.price, fill.amount, fill.maker) for fill in fills], seen


RISE = at(2, ASK, 120_000, 0.0), at(2, ASK, 120_001, 0.0), at(2.0, ASK, 120_010, 50.0)  # the mid is 60,002.25


def test_a_hedge_that_is_no_longer_wanted_is_asked_back_and_never_takes():
    fills, seen = asked_back(*RISE, since=60_002.0)
    assert fills == []
    assert seen[-1] == (100.0, 0.0, pytest.approx(60_002.25 / 59_999.75, rel=1e-12))
    fills, _ = asked_back(*RISE, since=60_003.0)
    assert fills == [(ms(4_015), 60_005.0, 50.0, False)]


def test_on_its_way_out_it_still_fills():
    """Looked at each 100 ms from 1.005 s on: at 2.005 s the rise is seen, and it leaves 10 ms later."""
    fills, _ = asked_back(*RISE, at(2.014, SELL, 119_998, 10.0), since=60_002.0)
    assert fills == [(ms(2_014), 59_999.5, 100.0, True)]
    fills, _ = asked_back(*RISE, at(2.016, SELL, 119_998, 10.0), since=60_002.0)
    assert fills == []


def test_what_is_asked_knows_what_was_filled():
    fills, seen = asked_back(at(1.5, SELL, 119_999, 540.0), *RISE, since=60_002.0)
    assert fills == [(ms(1_500), 59_999.5, 40.0, True)]
    assert {(left, got) for left, got, _ in seen} == {(100.0, 0.0), (60.0, 40.0)}
    told = at(2, SELL, 119_999, 560.0), at(2.001, BID, 119_999, 70.0), at(3, SELL, 119_999, 100.0)
    _, seen = asked_back(*told, since=60_003.0, **{"execution.max_slice": 0.001})  # of 50 USD
    assert {(left, got) for left, got, _ in seen} == {(100.0, 0.0), (50.0, 50.0), (20.0, 80.0)}


# ---- orders as a session sent them ---------------------------------------------------


def sent(seconds, ended, amount, *fills, rests=True):
    times = (START + round(s * SECOND) for s in (seconds, ended))
    price = 59_999.5 if rests else 60_001.0
    told = tuple((START + round(s * SECOND), price, part) for s, part in fills)
    return SentOrder(*times, amount, price, rests, told)


def again(found, *orders, amount=100.0):
    fills = found.work(hedge(amount), START + SECOND, orders)
    return [(fill.ts_ns - START, fill.price, fill.amount, fill.maker) for fill in fills]


def ms(count):
    return count * SECOND // 1_000


def test_what_a_session_gave_up_is_given_up():
    """It asked its order back before its patience ended, and sent nothing more."""
    orders = [sent(1, 2, 100.0)]
    assert again(working(at(2.1, SELL, 119_998, 10.0)), *orders) == []
    assert again(working(at(1.9, SELL, 119_998, 10.0)), *orders) == [(ms(1_900), 59_999.5, 100.0, True)]
    assert again(working(at(1.997, SELL, 119_998, 10.0)), *orders) == []  # the answer took 5 ms


def test_what_a_session_took_is_taken_when_it_was():
    """The ask moves up at 4.5 s; the session took at 4.6 s, longer after the patience than two ways take."""
    orders = [sent(1, 4.6, 100.0), sent(4.6, 4.7, 100.0, (4.605, 100.0), rests=False)]
    moved = at(4.5, ASK, 120_000, 0.0)
    assert again(working(moved), *orders) == [(ms(4_605), 60_000.5, 100.0, False)]
    some = again(working(at(2, SELL, 119_999, 540.0), moved), *orders)
    assert some == [(ms(2_000), 59_999.5, 40.0, True), (ms(4_605), 60_000.5, 60.0, False)]
    all_of_it = again(working(at(2, SELL, 119_998, 10.0), moved), *orders)
    assert all_of_it == [(ms(2_000), 59_999.5, 100.0, True)]  # and nothing is taken


def test_an_order_of_a_session_is_there_when_it_was_filled():
    """Whatever the latency: the ask moves at 4.602 s; at 1.002 s, within the 5 ms, somebody sells."""
    moved = at(4.602, ASK, 120_000, 0.0)
    orders = [sent(1, 4.6, 100.0), sent(4.6, 4.7, 100.0, (4.601, 100.0), rests=False)]
    assert again(working(moved), *orders) == [(ms(4_601), 60_000.0, 100.0, False)]
    orders = [sent(1, 1.1, 100.0, (1.002, 100.0))]
    assert again(working(at(1.002, SELL, 119_998, 10.0)), *orders) == [(ms(1_002), 59_999.5, 100.0, True)]


def test_where_a_session_was_filled_at_rest_and_we_are_not_the_steps_go_on():
    """The patience ends at 4 s; it left at 4.005 s, which was heard at 4.01 s, and took at 4.015 s."""
    orders = [sent(1, 2, 100.0, (1.9, 100.0))]
    assert again(working(), *orders) == [(ms(4_015), 60_000.0, 100.0, False)]


def test_slices_of_a_session_are_filled_one_after_the_other():
    """50 rest and fill, 50 rest and are taken; with us the first 50 are taken and the next 50 fill."""
    orders = [sent(1, 2, 50.0, (1.9, 50.0)), sent(6, 9, 50.0), sent(9, 9.1, 50.0, (9.0, 50.0), rests=False)]
    found = again(working(at(7, SELL, 119_998, 10.0)), *orders)
    assert found == [(ms(4_015), 60_000.0, 50.0, False), (ms(7_000), 59_999.5, 50.0, True)]


@pytest.mark.parametrize(("rests", "filled"), [(True, [(60_000.0, 100.0, False)]), (False, [])])
def test_takers_of_a_session_count_as_tries(rests, filled):
    """It was filled; with us the asks are away from 1 s to 1.05 s. One try is all there is."""
    away = at(1.001, ASK, 120_000, 0.0), at(1.001, ASK, 120_001, 0.0), at(1.001, ASK, 121_000, 9.0)
    found = working(*away, at(1.2, ASK, 120_000, 300.0))
    found.settings = msgspec.structs.replace(found.settings, tries=1)
    orders = [sent(1, 1.05, 100.0, (1.04, 100.0), rests=rests)]
    assert [fill[1:] for fill in again(found, *orders)] == filled


def test_hedges_in_other_contracts_are_left_to_bars_and_not_counted():
    found = working()
    assert found.work(hedge(100.0, FUTURE), START + SECOND) is None
    assert found.told()["worked"] == found.told()["by_bars"] == 0


def test_takers_of_linear_contracts_are_held_for_ten_milliseconds():
    """Between 5 and 15 ms after it was sent the asks are gone: it takes the next level."""
    late = START - parse_time("2026-11-27T08:00")
    moved = [(*row[:1], *row[1:]) for row in (*TOLD, at(1.01, ASK, 120_000, 0.0))]
    taker = {"execution.hedges": "taker"}
    assert parts(working(rows=moved, **taker)) == [(60_000.0, 100.0, False)]
    shifted = [(row[0] - late, *row[1:]) for row in moved]
    linear = working(rows=shifted, perpetual=LINEAR, **taker)
    fills = linear.work(hedge(1.0, LINEAR), START - late + SECOND)
    assert [fill.price for fill in fills] == [60_000.5]


def test_where_takers_are_held():
    before, since = parse_time("2026-09-22"), parse_time("2026-09-23")
    assert [bump_ns(PERP, since), bump_ns(LINEAR, before), bump_ns(LINEAR, since)] == [0, 0, SECOND // 100]
    sol = Perpetual("SOL", Settlement.LINEAR)
    assert bump_ns(sol, parse_time("2026-09-16")) == 0
    assert bump_ns(sol, parse_time("2026-09-17")) == SECOND // 100


@pytest.mark.parametrize(
    "rows",
    [
        [at(10, BID, 119_999, 1.0)],  # nothing told yet
        [*TOLD, at(0.5, q.GAP, 0, 0.0)],
        [*TOLD, at(0.5, BID, 120_005, 5.0)],  # crossed
        [(row[0] - 61 * SECOND, *row[1:]) for row in TOLD],  # a minute of silence
    ],
)
def test_where_the_book_is_not_known_bars_decide(rows):
    found = working(rows=rows)
    assert found.work(hedge(100.0), START + SECOND) is None
    assert (found.worked, found.by_bars) == (0, 1)


def test_a_book_that_is_lost_on_the_way_ends_the_order_with_what_it_has():
    found = working(at(2, SELL, 119_999, 540.0), at(3, q.GAP, 0, 0.0), at(3.5, SELL, 119_990, 900.0))
    assert parts(found) == [(59_999.5, 40.0, True)]
    assert found.told() == {"worked": 1, "by_bars": 0, "crossed": 0, "gaps": 1, "outside": 0}


# ---- the exchange of a backtest ------------------------------------------------------


def test_fills_of_one_order_each_have_their_fee_and_the_last_says_so():
    ts = START + NS_PER_MINUTE * np.arange(3)
    tape = Tape(chains_of([START], [60e3]), prices_of(ts, [60e3] * 3, NS_PER_MINUTE))
    messages = [(row[0] + 60 * SECOND, *row[1:]) for row in (at(2, SELL, 119_999, 540.0),)]
    found = working(*messages, rows=[(row[0] + 59 * SECOND, *row[1:]) for row in TOLD])
    config = build({})
    bars = {"costs": HedgeCosts((1e-5,) * 24), "bars": _bars(config, tape)}
    venue = SimulatedExchange("cross", DERIBIT, grids=published(), **bars, recorded=found)
    for i in range(3):
        venue.observe(tape.price(i) if tape.chain_at[i] < 0 else tape.snapshot(i))
    maker, taker = venue.submit(hedge(100.0))
    assert [type(maker), type(taker)] == [Fill, Fill]
    assert [(f.amount, f.price, f.maker, f.last) for f in (maker, taker)] == [
        (40.0, 59_999.5, True, False),
        (60.0, 60_000.0, False, True),
    ]
    rates = DERIBIT.at(int(tape.ts_ns[2]))
    assert maker.fee == future_fee(rates, PERP, 40.0, 59_999.5, maker=True)
    assert taker.fee == future_fee(rates, PERP, 60.0, 60_000.0)


def _bars(config, tape):
    return WorkedBars("post_only", build_working(config), 7, tape)


def test_an_order_that_the_book_does_not_fill_at_all_is_rejected():
    class Nothing:
        def work(self, order, ts_ns):
            return []

    ts = START + NS_PER_MINUTE * np.arange(2)
    tape = Tape(chains_of([START], [60e3]), prices_of(ts, [60e3] * 2, NS_PER_MINUTE))
    found = {"bars": _bars(build({}), tape), "recorded": Nothing()}
    venue = SimulatedExchange("cross", DERIBIT, grids=published(), **found)
    venue.observe(tape.snapshot(0))
    (told,) = venue.submit(hedge(100.0))
    assert isinstance(told, Rejected)
    assert told.reason == "not filled"


def test_a_book_that_is_lost_before_anything_is_filled_leaves_the_order_to_bars():
    found = working(at(1.001, q.GAP, 0, 0.0))
    assert found.work(hedge(100.0), START + SECOND) is None
    assert (found.worked, found.by_bars) == (0, 1)


# ---- a run on a store ----------------------------------------------------------------


def rows_of(kind, rows):
    defaults = {"VARCHAR": "", "BIGINT": 0, "DOUBLE": np.nan}
    columns = KINDS[kind].columns
    full = [{name: defaults[sort] for name, sort in columns.items()} | row for row in rows]
    return {name: [row[name] for row in full] for name in columns}


def store_of_books(root, closes, later=None):
    """Best levels around each bar's close, told every half minute: 50 USD wide, one trade a minute.

    A ``later`` price is the middle from half a second after the close on.
    """
    books, trades = [], []
    for k, close in enumerate(closes):
        for part in (0, 0.5, 30):
            ts = START + round((60 * k + part) * SECOND)
            middle = round(close if later is None or part == 0 else later)
            bid, ask = middle - 25.0, middle + 25.0
            levels = {"bids": f"[[{bid},100000.0]]", "asks": f"[[{ask},100000.0]]", "type": "window"}
            books.append({"ts_ns": ts, "known_ns": ts, "seq": k, "instrument_name": PERP.name} | levels)
        price = bid - 5.0 if k % 2 else ask + 5.0
        through = {"direction": "sell" if k % 2 else "buy", "price": price, "amount": 10.0}
        ts = START + 60 * k * SECOND + SECOND
        ids = {"instrument_name": PERP.name, "trade_id": str(k), "trade_seq": k}
        trades.append({"ts_ns": ts, "known_ns": ts} | ids | through)
    with Store(root) as store:
        store.write("books", "BTC", day_of(START), "part", rows_of("books", books))
        store.write("future_trades", "BTC", day_of(START), "part", rows_of("future_trades", trades))
    return str(root / "processed" / "chains" / "BTC")


@pytest.fixture
def minutes():
    """Four hours of minutes with a chain at the start."""
    count = 240
    rng = np.random.default_rng(3)
    closes = np.round(60e3 * np.exp(np.cumsum(rng.normal(0.0, 1.5e-3, count))))
    ts = START + NS_PER_MINUTE * np.arange(count)
    return Tape(chains_of([START], [closes[0]], half=0.0), prices_of(ts, closes, NS_PER_MINUTE)), closes


def test_a_run_fills_at_the_recorded_book(tmp_path, minutes):
    """Sellers are hit every other minute: who buys then is a maker at the bid, every one else takes."""
    tape, closes = minutes
    asked = {"execution.fills": "recorded", "data.chains": store_of_books(tmp_path, closes)}
    run = replay(build(asked | {"hedge.band": 0.01}), tape)
    assert run.engine == "desk: hedges are filled against a recorded book"
    (done,) = run.traded
    kept = done.episode.hedge_fills().of(done.episode.hedge_fills().worked > 0)
    assert len(kept.ts_ns) > 20
    for ts, amount, price, maker in zip(kept.ts_ns, kept.amount, kept.price, kept.worked == 2, strict=True):
        k = int((ts - START) // (60 * SECOND))
        buys, through = amount > 0, ("sell" if k % 2 else "buy")
        assert maker == (buys == (through == "sell"))
        edge = -25.0 if buys == maker else 25.0
        assert price == closes[k] + edge
    told = hedge_fills(run)
    assert told["makers"] == int(np.sum(kept.worked == 2))
    assert "recorded book" in told["model"]
    assert told["recorded"] == {"worked": told["orders"], "by_bars": 0, "crossed": 0, "gaps": 0, "outside": 0}


def test_hedges_are_given_up_when_the_price_comes_back(tmp_path, minutes):
    """A second after each bar the price is what it was at the entry: what the bar called for is needless."""
    tape, closes = minutes
    asked = {"execution.fills": "recorded", "data.chains": store_of_books(tmp_path, closes, later=closes[0])}
    (done,) = replay(build(asked | {"hedge.band": 0.01}), tape).traded
    fills = done.episode.hedge_fills()
    assert len(fills.ts_ns) == 0


@pytest.mark.parametrize(("instrument", "shown"), [(PERP, 99_000.0), (FUTURE, 100_000.0)])
def test_of_hedges_that_were_recorded_those_in_the_perpetual_are_taken_out(
    tmp_path, minutes, instrument, shown
):
    _, closes = minutes
    store_of_books(tmp_path, closes[:2])
    order = hedge(1_000.0, instrument)
    ours = SentOrder(START, START + 90 * SECOND, 1_000.0, round(closes[1]) - 25.0, True)
    own = [WorkedHedge(order, START, (), (ours,))]
    found = open_book(build({}), tmp_path, START, START + 300 * SECOND, own)
    assert found.book.follow(START + 60 * SECOND)
    assert found.book.sizes() == (shown, 100_000.0)


def test_hours_without_a_book_are_left_to_bars_and_counted(tmp_path, minutes):
    tape, closes = minutes
    asked = {"execution.fills": "recorded", "data.chains": store_of_books(tmp_path, closes[:120])}
    run = replay(build(asked | {"hedge.band": 0.01}), tape)
    told = hedge_fills(run)["recorded"]
    assert told["worked"] > 5
    assert told["by_bars"] > 5


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({}, "reads books and trades of the perpetual from the store of data.chains.*got None"),
        ({"hedge.instrument": "future", "data.chains": "STORE"}, "hedge.instrument is 'future'"),
        ({"data.chains": "EMPTY"}, "has no book of BTC-PERPETUAL from .* record some, or write bars"),
        ({"execution.hedges": "maker", "data.chains": "STORE"}, "maker is a bound for bars"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, minutes, asked, why):
    tape, closes = minutes
    places = {
        "STORE": store_of_books(tmp_path / "full", closes),
        "EMPTY": str(tmp_path / "empty" / "processed" / "chains" / "BTC"),
    }
    named = {name: places.get(value, value) for name, value in asked.items()}
    with pytest.raises(ConfigError, match=why):
        recorded_hedges(build({"execution.fills": "recorded"} | named), tape)

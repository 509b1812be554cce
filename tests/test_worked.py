"""Hedges worked against bars: which bar answers, when an order fills, and at what price and fee."""

import numpy as np
import pytest

from gammacore import _replay
from gammacore.backtest.replay.fills import SimulatedExchange
from gammacore.backtest.replay.next_bars import STEPS, next_bars
from gammacore.backtest.replay.tape import Tape
from gammacore.backtest.replay.worked import WorkedBars
from gammacore.build import build_working
from gammacore.contracts import Option, Perpetual, Settlement
from gammacore.data.listings import published
from gammacore.daycount import NS_PER_MINUTE, NS_PER_SECOND
from gammacore.events import Fill
from gammacore.execution.costs import HedgeCosts
from gammacore.execution.resting import LOOKS_S
from gammacore.fees import DERIBIT
from gammacore.orders import Leg, Order, Purpose
from support.markets import FRIDAY, START, build, chains_of, prices_of, random_path
from support.tapes import with_ranges

PERP = Perpetual("BTC", Settlement.INVERSE)
BARS = 400


def tape_of_minutes(ranges=False, seed=1):
    ts = START + NS_PER_MINUTE * np.arange(BARS)
    prices = prices_of(ts, random_path(seed, BARS - 1, dt=1 / (365 * 1440)), NS_PER_MINUTE)
    if ranges:
        prices = with_ranges(prices, np.random.default_rng(seed))
    return Tape(chains_of([START], [prices.close[0]]), prices)


def venue(tape, hedges="post_only", **setting):
    config = build({"execution.hedges": hedges, **setting})
    bars = WorkedBars(hedges, build_working(config), 7, tape)
    costs = HedgeCosts((1e-5,) * 24)
    return SimulatedExchange("cross", DERIBIT, grids=published(), costs=costs, bars=bars)


def hedge(amount, purpose=Purpose.HEDGE):
    return Order(f"0-{purpose}-1", 0, purpose, (Leg(PERP, amount),))


def fills_of(exchange, tape, amount=1e4):
    found = []
    for i in range(1, len(tape)):
        exchange.observe(tape.price(i))
        (fill,) = exchange.submit(hedge(amount))
        assert isinstance(fill, Fill)
        found.append(fill)
    return found


def test_the_bar_after_each_entry():
    tape = tape_of_minutes(ranges=True)
    bars, prices = tape.next_bars, tape.prices
    # Entry 0 is the chain, entry 1 the bar of the same moment.
    assert (bars.ends[:3] == prices.ts_ns[[1, 1, 2]]).all()
    assert (bars.close[1:-1] == prices.close[1:]).all()
    assert (bars.high[1:-1] == prices.high[1:]).all()
    assert bars.ends[-1] == tape.ts_ns[-1]  # after the last there is none
    assert bars.variance[-1] == 0.0
    moves = np.diff(np.log(prices.close))
    k = 200
    expected = np.sum(moves[k + 1 - STEPS : k + 1] ** 2) / (STEPS * 60.0)
    assert bars.variance[k + 1] == pytest.approx(expected, rel=1e-9)


def test_highs_count_only_where_the_bar_begins_with_the_order():
    prices = tape_of_minutes(ranges=True).prices
    within = prices.ts_ns[:-1] + 20 * NS_PER_SECOND
    bars = next_bars(within, prices.close[:-1], prices)
    assert np.isnan(bars.high).all()
    assert np.isnan(bars.low).all()
    assert (bars.close == prices.close[1:]).all()


def test_without_bars_the_entries_are_bars():
    ts, index = START + NS_PER_MINUTE * np.arange(3), np.array([60e3, 61e3, 60.5e3])
    bars = next_bars(ts, index, None)
    assert (bars.close == [61e3, 60.5e3, 60.5e3]).all()
    assert np.isnan(bars.high).all()
    one = next_bars(ts[:1], index[:1], None)
    assert (one.variance, one.ends) == ([0.0], ts[:1])


@pytest.mark.parametrize("amount", [1e4, -1e4])
def test_makers_fill_at_their_own_side_for_their_fee_and_takers_later(amount):
    tape = tape_of_minutes()
    exchange, side = venue(tape), np.sign(amount)
    fills = fills_of(exchange, tape, amount)[:-1]
    makers = [f for f in fills if f.maker]
    assert 0.55 < len(makers) / len(fills) < 0.85
    for fill in makers:
        assert 0 <= side * (fill.mark - fill.price) <= 1.2 + 0.5  # half a spread of 0.6 USD, and a tick
        assert fill.fee == 0.0
    late = [side * (f.price - f.mark) for f in fills if not f.maker]
    assert min(late) >= -0.5  # who was not filled sees the price gone away
    assert np.mean(late) > 3.0
    assert all(f.fee == pytest.approx(5e-4 * 1e4 / f.price, abs=5e-9) for f in fills if not f.maker)


def test_a_purchase_fills_only_where_the_next_bar_trades_below_it():
    tape = tape_of_minutes(ranges=True)
    fills = fills_of(venue(tape), tape)
    low = tape.next_bars.low[1:]
    assert any(f.maker for f in fills)
    assert all(below < f.price for f, below in zip(fills, low, strict=True) if f.maker)


def test_the_share_of_makers_is_that_of_their_chances():
    tape = tape_of_minutes(seed=2)
    exchange = venue(tape)
    fills = fills_of(exchange, tape, -1e4)[:-1]
    at, ts = np.arange(1, len(tape) - 1), tape.ts_ns[1:-1]
    mark = np.array([f.mark for f in fills])
    limit = np.ceil(2 * mark * (1 + 1e-5)) / 2
    chance, _ = exchange.bars.chances(at, ts, np.full(len(mark), -1.0), limit, mark, LOOKS_S)
    drawn = [_replay.drawn(7, int(t), buys=False) for t in ts]
    assert [f.maker for f in fills] == [u < p for u, p in zip(drawn, chance, strict=True)]


@pytest.mark.parametrize("hedges", ["taker", "maker"])
def test_the_bounds_fill_at_once(hedges):
    tape = tape_of_minutes()
    fills = fills_of(venue(tape, hedges), tape, 1e4)
    assert {f.maker for f in fills} == {hedges == "maker"}
    for fill in fills:
        assert (fill.price < fill.mark) == (hedges == "maker")
        assert abs(fill.price - fill.mark) < 1.2


def test_nobody_waits_past_the_last_bar_and_closing_takes():
    tape = tape_of_minutes()
    exchange = venue(tape)
    exchange.observe(tape.price(len(tape) - 1))
    assert not exchange.submit(hedge(1e4))[0].maker
    for i in range(1, 60):
        exchange.observe(tape.price(i))
        (fill,) = exchange.submit(hedge(1e4, Purpose.UNWIND))
        assert not fill.maker
        assert 0 < fill.price - fill.mark < 1.2


def test_longer_patience_makes_more_makers_up_to_the_next_bar():
    tape = tape_of_minutes()
    counts = [
        sum(f.maker for f in fills_of(venue(tape, **{"execution.patience": p}), tape))
        for p in ("1s", "10s", "60s", "1h")
    ]
    assert counts[0] < counts[1] < counts[2] == counts[3]


ENTRY = [(Purpose.ENTRY, 1.0), (Purpose.ENTRY, -1.0), (Purpose.EXIT, 1.0), (Purpose.EXIT, -1.0)]
CALL = Option("BTC", Settlement.INVERSE, FRIDAY, 60e3, 1)


def option_answers(bid, ask, fill="cross", **setting):
    """What happens to a purchase and a sale, entering and leaving, of an option marked at 0.04."""
    exchange, tape = venue(tape_of_minutes(), **setting), tape_of_minutes()
    exchange.fill = fill
    exchange.observe(tape.snapshot(0))
    chain = exchange.market.chain
    row = chain.find(CALL)
    chain.bid[row], chain.ask[row], chain.mark[row], chain.iv[row] = bid, ask, 0.04, 0.6
    orders = [Order("0-x-1", 0, purpose, (Leg(CALL, amount),)) for purpose, amount in ENTRY]
    return [getattr(exchange.submit(order)[0], "reason", "") for order in orders]


@pytest.mark.parametrize(
    ("bid", "ask", "refused"),
    [
        (0.0390, 0.0410, []),
        (0.0390, 0.0465, [0, 1, 2]),  # the ask 16 % above the mark; entries find 14 points between them
        (0.0335, 0.0410, [0, 1, 3]),
        (0.0345, 0.0455, [0, 1]),  # 20 points of volatility between them
    ],
)
def test_options_are_taken_within_the_collar_of_a_session(bid, ask, refused):
    answers = option_answers(bid, ask)
    assert [k for k, why in enumerate(answers) if why] == refused
    assert all(answers[k].startswith("collar: ") for k in refused)
    off = {"execution.max_above_mark": None, "execution.max_spread": None}
    assert not any(option_answers(bid, ask, **off))
    assert not any(option_answers(bid, ask, fill="mid"))


def test_half_spreads_go_by_the_hour():
    costs = HedgeCosts(tuple(1e-5 * hour for hour in range(24)))
    at = START - START % (24 * 60 * NS_PER_MINUTE)
    assert [costs.half_spread_at(at + h * 60 * NS_PER_MINUTE) for h in (0, 5, 23)] == [0.0, 5e-5, 23e-5]


def test_fees_of_your_own_replace_the_schedules():
    rates = DERIBIT.steps[-1][1]
    costs = HedgeCosts((0.0,) * 24, taker=4e-4, maker=-1e-4)
    assert costs.rate(rates, PERP, maker=True) == -1e-4
    assert costs.fee(rates, PERP, -1e4, 50e3, maker=False) == pytest.approx(8e-5)
    assert HedgeCosts((0.0,) * 24).rate(rates, PERP, maker=False) == rates.future_taker

import msgspec
import numpy as np
import pytest

from gammacore.backtest.replay.fills import SimulatedExchange
from gammacore.backtest.replay.tape import Tape
from gammacore.backtest.replay.worked import WorkedBars
from gammacore.build import build_working
from gammacore.contracts import Option, Perpetual, Settlement
from gammacore.data.listings import published
from gammacore.daycount import NS_PER_MINUTE
from gammacore.events import Fill, IndexPrice, Rejected, Timer
from gammacore.execution.costs import HedgeCosts
from gammacore.fees import DERIBIT
from gammacore.orders import Leg, Order, Purpose
from support.markets import FRIDAY, START, build, chains_of

CALL = Option("BTC", Settlement.INVERSE, FRIDAY, 60e3, 1)
PUT = Option("BTC", Settlement.INVERSE, FRIDAY, 60e3, -1)
OTHER = Option("BTC", Settlement.INVERSE, FRIDAY, 65e3, 1)
PERP = Perpetual("BTC", Settlement.INVERSE)


def exchange(fill="cross", **options):
    venue = SimulatedExchange(fill, DERIBIT, grids=published(), **options)
    chains = chains_of([START], [60e3])
    venue.observe(Tape(chains).snapshot(0))
    return venue


def order(*legs):
    return Order("0-entry-0", 0, Purpose.ENTRY, tuple(Leg(*leg) for leg in legs))


def row(venue, option=CALL):
    return venue.market.chain.find(option)


def test_crossing_pays_the_ask_and_receives_the_bid():
    venue = exchange()
    chain = venue.market.chain
    (buy,), (sell,) = venue.submit(order((CALL, 1.0))), venue.submit(order((CALL, -1.0)))
    assert (buy.price, sell.price) == (chain.ask[row(venue)], chain.bid[row(venue)])
    assert buy.mark == chain.mark[row(venue)]
    assert buy.fee == 0.0003  # 3 bp of the coin, below an eighth of the premium


def sized(venue, call, put):
    """The same chain with so many coins at the asks, and twice as many at the bids."""
    size = np.full(len(venue.market.chain.strike), np.nan)
    for option, coins in ((CALL, call), (PUT, put)):
        size[row(venue, option)] = coins
    venue.market.chain = msgspec.structs.replace(venue.market.chain, ask_size=size, bid_size=2 * size)
    return venue


@pytest.mark.parametrize(
    ("sizes", "side", "filled", "told"),
    [
        ((5.0, 5.0), 1, (5.0, 5.0), ""),
        ((5.0, np.nan), 1, (5.0, 5.0), ""),
        ((2.0, 3.5), 1, (2.0, 2.0), f"2 of 5 {CALL.name} were quoted"),
        ((9.0, 1.26), 1, (1.2, 1.2), f"1.26 of 5 {PUT.name} were quoted"),  # in whole lots
        ((9.0, 1.26), -1, (-2.5, -2.5), f"2.52 of 5 {PUT.name} were quoted"),
        ((0.05, 9.0), 1, (), f"0.05 of 5 {CALL.name} were quoted"),
        ((0.0, 9.0), 1, (), f"0 of 5 {CALL.name} were quoted"),
    ],
)
def test_a_taker_of_options_gets_what_is_quoted_and_its_legs_stay_even(sizes, side, filled, told):
    venue = sized(exchange(), *sizes)
    answers = venue.submit(order((CALL, side * 5.0), (PUT, side * 5.0)))
    fills = [answer for answer in answers if isinstance(answer, Fill)]
    assert [fill.amount for fill in fills] == pytest.approx(list(filled))
    assert [fill.last for fill in fills] == ([False, True] if not told else [False] * len(fills))
    assert [a.reason for a in answers if isinstance(a, Rejected)] == ([told] if told else [])


@pytest.mark.parametrize(
    ("combo", "legs", "fees"),
    [
        (True, ((CALL, 1.0), (OTHER, -1.0)), (0.0003, 0.0)),  # of equal fees the sold leg's is spared
        (True, ((CALL, -1.0), (OTHER, 2.0)), (0.0, 0.0006)),
        (True, ((CALL, 1.0), (PUT, 1.0)), (0.0003, 0.0003)),
        (True, ((CALL, 1.0),), (0.0003,)),
        (False, ((CALL, 1.0), (OTHER, -1.0)), (0.0003, 0.0003)),
    ],
)
def test_a_combo_pays_nothing_on_its_cheaper_direction(combo, legs, fees):
    settings = msgspec.structs.replace(build_working(build({})), combo=combo)
    bars = WorkedBars("taker", settings, 7, None)
    fills = exchange(bars=bars).submit(order(*legs))
    assert [fill.fee for fill in fills] == pytest.approx(fees, rel=1e-12)
    assert [fill.price for fill in fills] == [fill.price for fill in exchange().submit(order(*legs))]


def test_legs_of_several_ratios_shrink_alike():
    venue = sized(exchange(), 9.0, 0.7)
    call, put, _ = venue.submit(order((CALL, 2.0), (PUT, 1.0)))
    assert (call.amount, put.amount) == (pytest.approx(1.4), pytest.approx(0.7))


def test_sizes_bound_nothing_where_options_fill_between_the_quotes():
    venue = sized(exchange("mid"), 0.1, 0.1)
    assert [a.amount for a in venue.submit(order((CALL, 5.0), (PUT, 5.0)))] == [5.0, 5.0]


def test_mid_and_mark():
    chain = exchange().market.chain
    mid = 0.5 * (chain.bid[row(exchange())] + chain.ask[row(exchange())])
    assert exchange("mid").submit(order((CALL, 1.0)))[0].price == mid
    assert exchange("mark").submit(order((CALL, 1.0)))[0].price == chain.mark[row(exchange())]


@pytest.mark.parametrize(
    ("fill", "side", "rejected"), [("cross", 1, 1), ("cross", -1, 0), ("mid", -1, 1), ("mark", 1, 0)]
)
def test_a_quote_that_is_not_there_is_not_filled_and_no_other_leg_either(fill, side, rejected):
    venue = exchange(fill)
    venue.market.chain.ask[row(venue, PUT)] = float("nan")
    answers = venue.submit(order((CALL, side * 1.0), (PUT, side * 1.0)))
    if rejected:
        (answer,) = answers
        assert isinstance(answer, Rejected)
        if fill == "cross":
            assert answer.reason == f"no ask for {PUT.name}"
    else:
        assert [type(a) for a in answers] == [Fill, Fill]
        assert [a.last for a in answers] == [False, True]


def test_an_old_chain_is_no_quote():
    venue = exchange(max_quote_age_ns=10 * NS_PER_MINUTE)
    venue.observe(Timer(START + 10 * NS_PER_MINUTE))
    assert isinstance(venue.submit(order((CALL, 1.0)))[0], Fill)
    venue.observe(Timer(START + 10 * NS_PER_MINUTE + 1))
    assert isinstance(venue.submit(order((CALL, 1.0)))[0], Rejected)


def test_an_unlisted_option_is_no_quote():
    other = Option("BTC", Settlement.INVERSE, FRIDAY, 61e3, 1)
    assert isinstance(exchange().submit(order((other, 1.0)))[0], Rejected)


def test_hedges_fill_on_ticks_against_us_and_pay_the_taker_fee_of_the_date():
    venue = exchange(costs=HedgeCosts((1e-5,) * 24))
    venue.observe(IndexPrice(START + 1, 60_000.13))
    (buy,), (sell,) = venue.submit(order((PERP, 12e3))), venue.submit(order((PERP, -12e3)))
    assert (buy.price, sell.price, buy.mark) == (60_001.0, 59_999.5, 60_000.13)
    assert buy.fee == pytest.approx(0.0005 * 12e3 / 60_001.0, abs=5e-9)


def test_theoretical_hedges_have_no_ticks_and_a_flat_fee():
    venue = exchange(on_ticks=False, costs=HedgeCosts((0.0,) * 24, taker=0.001))
    venue.observe(IndexPrice(START + 1, 60_000.13))
    (fill,) = venue.submit(order((PERP, -12e3)))
    assert (fill.price, fill.fee) == (60_000.13, pytest.approx(0.001 * 12e3 / 60_000.13))


def test_fees_of_options_can_be_left_out():
    assert exchange(option_fees=False).submit(order((CALL, 1.0)))[0].fee == 0.0

import math

import numpy as np
import pytest

from gammacore import _core, inverse
from gammacore.backtest.replay.tape import Tape
from gammacore.contracts import Future, Option, Perpetual, Settlement
from gammacore.daycount import NS_PER_DAY, NS_PER_MINUTE, NS_PER_SECOND
from gammacore.events import IndexPrice, Ticker, Timer
from gammacore.market import Market
from gammacore.settlement import WINDOW, greeks
from support.markets import FRIDAY, START, chains_of

CALL = Option("BTC", Settlement.INVERSE, FRIDAY, 60e3, 1)
HOUR = 60 * NS_PER_MINUTE


@pytest.fixture
def tape():
    return Tape(chains_of([START, START + 6 * HOUR], [60e3, 61e3], vol=0.6))


def test_between_chains_the_forward_moves_with_the_index_and_the_vol_stays(tape):
    market = Market()
    market.apply(tape.snapshot(0))
    assert (market.forward(FRIDAY), market.iv(CALL)) == (60e3, 0.6)
    market.apply(IndexPrice(START + HOUR, 63e3, 1e-9))
    assert market.forward(FRIDAY) == pytest.approx(63e3)
    assert market.interest == 1e-9
    assert market.future_price(Perpetual("BTC", Settlement.INVERSE)) == 63e3
    assert market.future_price(Future("BTC", Settlement.INVERSE, FRIDAY)) == pytest.approx(63e3)
    assert market.tau(FRIDAY) == pytest.approx((7 - 1 / 24 - 1 / 72) / 365, rel=1e-14)  # less 20 minutes


def test_mark_is_the_published_one_until_prices_move(tape):
    market = Market()
    snapshot = tape.snapshot(0)
    market.apply(snapshot)
    row = snapshot.chain.find(CALL)
    assert market.mark(CALL) == snapshot.chain.mark[row]
    market.apply(Timer(START + HOUR))  # time alone brings no new mark
    assert market.mark(CALL) == snapshot.chain.mark[row]
    market.apply(IndexPrice(START + HOUR, 63e3))
    assert market.mark(CALL) == inverse.price(
        1, market.forward(FRIDAY), 60e3, market.tau(FRIDAY), market.vol(CALL)
    )


def test_a_ticker_sets_volatility_and_basis(tape):
    market = Market()
    market.apply(tape.snapshot(0))
    market.apply(Ticker(START + HOUR, CALL, forward=61e3, index=60e3, iv=0.7))
    market.apply(IndexPrice(START + HOUR, 60e3))
    assert (market.iv(CALL), market.forward(FRIDAY)) == (0.7, pytest.approx(61e3))


def test_tickers_leave_the_slope_of_the_chain():
    """However many there are: each has a volatility, and none a slope."""
    chains = chains_of([START], [60e3])
    chains.iv[:] = 0.6 + (chains.strike - 60e3) * 1e-6
    market = Market()
    market.apply(Tape(chains, stickiness=0.0).snapshot(0))
    known = market.slope(CALL)
    assert known == pytest.approx(-0.06, rel=0.02)  # d vol / d ln F where volatilities move with the strikes
    for second in range(1, 3_601):
        market.apply(Ticker(START + second * NS_PER_SECOND, CALL, forward=60e3, index=60e3, iv=0.61))
    assert market.slope(CALL) == known
    assert market.iv(CALL) == 0.61


@pytest.mark.parametrize("plain", [True, False])
def test_deltas_of_several_expiries_are_those_of_each(tape, plain):
    later = Option("BTC", Settlement.INVERSE, FRIDAY + 7 * NS_PER_DAY, 62e3, -1)
    market = Market()
    market.apply(tape.snapshot(0))
    market.apply(Ticker(START + HOUR, CALL, forward=61e3, index=60e3, iv=0.7))
    market.apply(Ticker(START + HOUR + 1, later, forward=64e3, index=60e3, iv=0.4))
    market.apply(IndexPrice(START + HOUR + 2, 60e3))
    each = [market.options_delta({option: amount}, plain) for option, amount in ((CALL, 1.5), (later, -2.0))]
    assert market.options_delta({CALL: 1.5, later: -2.0}, plain) == sum(each)
    assert market.options_delta({later: -2.0, CALL: 1.5}, plain) == each[1] + each[0]
    assert each[0] != each[1]


def test_a_missing_row_keeps_the_last_volatility(tape):
    market = Market()
    market.apply(tape.snapshot(0))
    unknown = Option("BTC", Settlement.INVERSE, FRIDAY, 61e3, 1)
    assert math.isnan(market.vol(unknown))
    assert market.iv(CALL) == 0.6
    later = chains_of([START + 6 * HOUR], [61e3], vol=0.5, strikes=(50e3,))
    market.apply(Tape(later).snapshot(0))
    assert market.iv(CALL) == 0.6


def test_deltas_decay_within_the_settlement_window_as_the_exchange_shows_them(tape):
    # The exchange's example: delta 1.0, mark 0.3, 15 minutes in: 0.5 - 0.15 = 0.35.
    deep = chains_of([START], [60e3], strikes=(42e3,))
    market, plain = Market(), Market(averaging=False)
    for b in (market, plain):
        b.apply(Tape(deep).snapshot(0))
        b.apply(IndexPrice(FRIDAY - 15 * NS_PER_MINUTE, 60e3))
    call = Option("BTC", Settlement.INVERSE, FRIDAY, 42e3, 1)
    assert market.exposure(call).delta == pytest.approx(1.0)
    assert market.exposure(call).value == pytest.approx(0.3)
    weight = market.settlement_weight(FRIDAY)
    assert weight * market.exposure(call).net_delta == pytest.approx(0.35)
    assert plain.settlement_weight(FRIDAY) == 1.0
    market.apply(IndexPrice(FRIDAY, 60e3))
    assert market.settlement_weight(FRIDAY) == 0.0


def test_expired_contracts_are_forgotten(tape):
    market = Market()
    market.apply(tape.snapshot(0))
    market.vol(CALL)
    after = chains_of([FRIDAY + 25 * HOUR], [60e3], expiries=(FRIDAY + 7 * NS_PER_DAY,))
    market.apply(Tape(after).snapshot(0))
    assert np.isnan(market.vol(CALL))


def test_what_has_expired_is_valued_until_its_delivery_is_told():
    """A chain published after the expiry lists it no more: what is held is worth its payoff, not nothing."""
    later = FRIDAY + 7 * NS_PER_DAY
    tape = Tape(chains_of([START, FRIDAY + 1], [60e3, 66e3], vol=0.6, expiries=(FRIDAY, later)))
    market = Market()
    market.apply(tape.snapshot(0))
    assert market.iv(CALL) == 0.6
    market.apply(tape.snapshot(1))
    assert market.ts_ns > FRIDAY
    assert market.chain.find(CALL) is None
    assert market.exposure(CALL).value == pytest.approx(6e3 / 66e3)


def test_a_quoted_volatility_keeps_its_value_and_joins_the_average(tape):
    """At the quote the value is the quoted one; in the window it is that of the averaged payoff."""
    market = Market()
    at = FRIDAY - 6 * HOUR
    market.apply(Tape(chains_of([at], [60e3], vol=0.5)).snapshot(0))
    quoted = inverse.price(1, 60e3, 60e3, 6 / 24 / 365, 0.5)
    assert market.model_mark(CALL) == pytest.approx(quoted, rel=1e-12)
    market.apply(IndexPrice(FRIDAY - 10 * NS_PER_MINUTE, 60_090.0, fixed=60_050.0))
    exact = greeks(1, 60_090.0, 60e3, WINDOW / 3, market.vol(CALL), 60_050.0)
    assert market.model_mark(CALL) == pytest.approx(exact.price, rel=2e-3)
    assert market.settlement_weight(FRIDAY) * market.exposure(CALL).net_delta == pytest.approx(
        exact.net_delta, rel=2e-3
    )


def test_quotes_of_the_settlement_window_change_neither_volatility_nor_basis(tape):
    market = Market()
    market.apply(Tape(chains_of([FRIDAY - HOUR], [60e3], vol=0.5)).snapshot(0))
    vol, traded = market.vol(CALL), market.underlying(FRIDAY)
    inside = Tape(chains_of([FRIDAY - 20 * NS_PER_MINUTE], [60e3], vol=0.9)).snapshot(0)
    inside.chain.forwards[FRIDAY] = 61e3
    market.apply(inside)
    market.apply(Ticker(FRIDAY - 10 * NS_PER_MINUTE, CALL, forward=62e3, index=60e3, iv=1.2))
    assert (market.vol(CALL), market.underlying(FRIDAY), market.iv(CALL)) == (vol, traded, 1.2)
    plain = Market(averaging=False)
    plain.apply(inside)
    assert (plain.vol(CALL), plain.forward(FRIDAY)) == (0.9, 61e3)
    assert plain.tau(FRIDAY) == pytest.approx(20 / 60 / 24 / 365)


def test_a_contract_is_found_where_the_chain_lists_it():
    expiry, strike = np.array([1, 1, 2, 2]), np.array([60e3, 61e3, 60e3, 60e3])
    kind = np.array([1, 1, -1, 1], np.int8)
    for row, one in enumerate(zip(expiry.tolist(), strike.tolist(), kind.tolist(), strict=True)):
        assert _core.row_of(expiry, strike, kind, *one) == row
        assert _core.row_of(expiry[row:], strike[row:], kind[row:], *one) == 0
        assert _core.row_of(expiry[:row], strike[:row], kind[:row], *one) == -1
        assert _core.row_of(expiry[::-1], strike[::-1], kind[::-1], *one) == 3 - row
    with pytest.raises(ValueError, match="one length"):
        _core.row_of(expiry, strike, kind[1:], 1, 60e3, 1)

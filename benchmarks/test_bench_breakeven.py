"""A whole chain of break-evens, beside one position at a time by scalar formulas and scipy's root finder.

Each position of the chain has a distribution of its own, simulated; the other side finds the root alone.
"""

import math

import numpy as np
import pytest
from scipy.optimize import brentq

from gammacore import black76
from gammacore.breakeven import Positions, TradePlan, breakevens, straddles
from gammacore.contracts import CALL, PUT, Settlement
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_YEAR, parse_time
from gammacore.events import ChainSlice
from gammacore.hedging import Band, Interval, Move, Never, WhalleyWilmott, Zakamouline, theory
from gammacore.volatility import PRICE_LAWS, Density

F, NOW, COST = 60_000.0, parse_time("2026-05-01T08:00"), 5e-4
HOURLY, MINUTE = Interval(NS_PER_HOUR), 1.0 / 365 / 1440


@pytest.fixture(scope="module")
def chain():
    """926 options of a dozen expiries, as many as Deribit lists of BTC."""
    days = (1, 2, 3, 7, 14, 21, 28, 56, 84, 147, 238, 329)
    strikes = (38,) * 5 + (39,) * 7
    rows = [
        (NOW + day * NS_PER_DAY, strike, kind)
        for day, count in zip(days, strikes, strict=True)
        for strike in F * np.exp(0.55 * math.sqrt(day / 365) * np.linspace(-1.5, 1.5, count))
        for kind in (CALL, PUT)
    ]
    expiry, strike, kind = (np.array(column) for column in zip(*rows, strict=True))
    tau = (expiry - NOW) / NS_PER_YEAR
    bid, mark, ask = (black76.price(kind, F, strike, tau, vol) / F for vol in (0.54, 0.55, 0.56))
    forwards = {int(e): F for e in np.unique(expiry)}
    iv = np.full(len(rows), 0.55)
    columns = (expiry.astype(np.int64), strike, kind.astype(np.int8), bid, ask, mark, iv)
    return ChainSlice("BTC", Settlement.INVERSE, F, forwards, *columns)


def one_at_a_time(chain, pairs):
    found = []
    for call, put in pairs.rows:
        strike, tau = float(chain.strike[call]), (int(chain.expiry_ns[call]) - NOW) / NS_PER_YEAR
        paid = float(chain.ask[call] + chain.ask[put]) * F
        hedges = tau * 365 * 24

        def profit(vol, strike=strike, tau=tau, paid=paid, hedges=hedges):
            worth = black76.price("call", F, strike, tau, vol) + black76.price("put", F, strike, tau, vol)
            vega = 2 * black76.greeks("call", F, strike, tau, 0.55).vega
            cost = theory.expected_cost_of_time_hedging(COST, vega, tau, hedges) * vol / 0.55
            return worth - paid - cost

        found.append(brentq(profit, 0.01, 8.0))
    return np.array(found)


@pytest.mark.benchmark(group="break-evens of a chain")
@pytest.mark.parametrize(
    "policy",
    [HOURLY, Band(0.1), Move(1.0), WhalleyWilmott(1e-3, COST), Zakamouline(1e-3, COST), Never()],
    ids=lambda policy: type(policy).__name__,
)
def test_whole_chain(benchmark, chain, policy):
    pairs, plan = straddles(chain), TradePlan(policy=policy, hedge_cost=COST, look_every=MINUTE)
    found = benchmark(lambda: breakevens(chain, NOW, pairs, plan, Density.around(0.55, 0.25)))
    benchmark.extra_info["positions"] = len(found.tau)
    assert np.isfinite(found.breakeven).all()


@pytest.mark.benchmark(group="break-evens of a chain")
def test_whole_chain_with_jumps(benchmark, chain):
    """The second time on: the paths of a law are made once for lives that differ little."""
    plan = TradePlan(policy=Band(0.1), hedge_cost=COST, look_every=MINUTE, law=PRICE_LAWS["BTC"])
    pairs = straddles(chain)
    found = benchmark(lambda: breakevens(chain, NOW, pairs, plan, Density.around(0.55, 0.25)))
    assert np.isfinite(found.breakeven).all()


@pytest.mark.benchmark(group="break-evens of a chain")
def test_one_position_at_a_time(benchmark, chain):
    """Only the root: no deviation, no probability, no last hedge; gamma as if it were at the realised."""
    pairs = straddles(chain)
    found = benchmark.pedantic(lambda: one_at_a_time(chain, pairs), rounds=3)
    plan = TradePlan(policy=HOURLY, hedge_cost=COST)
    ours = breakevens(chain, NOW, pairs, plan, Density.around(0.55, 0.25)).breakeven
    assert np.median(np.abs(found / ours - 1.0)) < 0.05


@pytest.mark.benchmark(group="break-even of a structure")
@pytest.mark.parametrize("legs", [2, 4], ids=["straddle", "iron butterfly"])
def test_one_position(benchmark, chain, legs):
    """What a signal asks at every chain that could be entered."""
    pairs = straddles(chain).rows[5 * 38 + np.array([19, 6, 32])]  # of one expiry: the money, and both sides
    rows = np.array([[*pairs[0], pairs[2][0], pairs[1][1]][:legs]])
    one = Positions(rows, np.array([[1.0, 1.0, -1.0, -1.0][:legs]]))
    plan = TradePlan(policy=Band(0.1), hedge_cost=COST, look_every=MINUTE)
    found = benchmark(lambda: breakevens(chain, NOW, one, plan, Density.around(0.55, 0.25)))
    assert np.isfinite(found.probability).all()

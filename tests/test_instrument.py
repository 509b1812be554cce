"""The choice between perpetual and future, by fee, funding and basis."""

import numpy as np
import pytest

from gammacore.backtest.replay.runner import replay
from gammacore.backtest.replay.tape import Tape
from gammacore.contracts import Future, Perpetual, Settlement
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR
from gammacore.hedging.instrument import Candidate, cheapest, expected_cost, expected_turnover
from support.markets import FRIDAY, START, build, chains_of, prices_of, random_path
from support.tapes import funding_of

PERPETUAL = Perpetual("BTC", Settlement.INVERSE)
FUTURE = Future("BTC", Settlement.INVERSE, FRIDAY)


def test_carry_is_paid_by_the_long_and_received_by_the_short():
    perpetual, future = Candidate(PERPETUAL, 5e-4, 0.30), Candidate(FUTURE, 5e-4, 0.05)
    assert cheapest((perpetual, future), 0.5, 1.0, 0.1) is future
    assert cheapest((perpetual, future), -0.5, 1.0, 0.1) is perpetual
    assert expected_cost(perpetual, 0.5, 1.0, 0.1) == pytest.approx(5e-4 * 1.5 + 0.3 * 0.05)


def test_fees_decide_where_little_is_held():
    cheap = Candidate(FUTURE, 2e-4, 0.05)
    assert cheapest((Candidate(PERPETUAL, 5e-4, 0.05), cheap), 0.0, 2.0, 0.02) is cheap
    same = Candidate(PERPETUAL, 5e-4, 0.1), Candidate(FUTURE, 5e-4, 0.1)
    assert cheapest(same, 0.0, 2.0, 0.02).instrument is PERPETUAL


def test_turnover_is_that_of_the_cost_of_hedging_by_time():
    """Straddle at 100, 30 days, 60 %, 180 hedges: 0.4255 USD at 5 bp; E[TC] = cost vega sqrt(2 N/(pi T))."""
    from gammacore import black76

    vega = 2 * black76.greeks("call", 100.0, 100.0, 30 / 365, 0.6).vega
    assert 5e-4 * 100 * expected_turnover(vega, 100.0, 30 / 365, 180) == pytest.approx(0.4255, abs=5e-5)


@pytest.mark.parametrize(("rate", "kind"), [(4e-4, Future), (-4e-4, Perpetual)])
def test_the_desk_hedges_with_what_is_cheaper(rate, kind):
    """Whoever is to hold the hedge shuns the contract whose carry he would pay."""
    hours = 6 * 24
    ts = START + NS_PER_HOUR * np.arange(hours, dtype=np.int64)
    path = random_path(5, hours - 1, vol=0.3, dt=1 / 8760)
    later = FRIDAY + 7 * NS_PER_DAY
    chains = chains_of(ts[::12], path[::12], expiries=(later,), strikes=(57e3, 63e3))
    funding = funding_of(ts[1:], np.full(hours - 1, rate), NS_PER_HOUR)
    tape = Tape(chains, prices_of(ts, path, NS_PER_HOUR), funding)
    config = build(
        {
            "hedge.instrument": "cheapest",
            "entry.max_days": 11.5,  # enter when funding has been seen for a day
            "costs.max_quote_age": None,
            "hedge.band": 0.02,
        }
    )
    run = replay(config, tape)
    (done,) = run.episode_runs
    held = done.episode.hedge.instrument
    delta = -next(f.amount for f in done.episode.fills if f.instrument == held)  # of the options, at entry
    expected = kind if delta < 0 else {Future: Perpetual, Perpetual: Future}[kind]
    assert isinstance(held, expected)

"""What to hedge a coin-settled option towards: three ways, three noises.

Setting and figures: 30 days at the money, volatility 60 %, 512 hedges; the ideal deviation
is Derman and Kamal's sqrt(pi/4) vega sigma / sqrt(N). Hedging by N(d1) in place of the net delta
(Deribit's DeltaTotal) holds the option's own value in coin unhedged.
"""

import numpy as np
import pytest

from gammacore import inverse
from gammacore.backtest.replay.runner import replay
from gammacore.backtest.replay.tape import Tape
from gammacore.daycount import NS_PER_DAY
from support.markets import FREE, START, build, chains_of, prices_of, random_path

STEPS, PATHS, VOL, SPOT = 512, 120, 0.6, 60e3
LIFE = 30 * NS_PER_DAY
EXPIRY = START + LIFE


def straddle_profit(target, seed):
    step = LIFE // STEPS
    ts = START + step * np.arange(STEPS + 1)
    path = random_path(seed, STEPS, SPOT, VOL, 30 / 365 / STEPS)
    tape = Tape(
        chains_of([START], [SPOT], VOL, expiries=(EXPIRY,), strikes=(SPOT,)),
        prices_of(ts, path, step),
        averaging=False,
    )
    run = replay(
        build(
            FREE
            | {
                "entry.min_days": 1,
                "entry.max_days": 31,
                "entry.expiries": "any",
                "hedge.rule": "interval",
                "hedge.every": "1s",
                "hedge.target": target,
                "exit.delivery": "last",
            }
        ),
        tape,
    )
    (done,) = run.episode_runs
    assert done.episode.close_reason == "delivery"
    assert done.episode.hedges > 0.5 * STEPS
    return done.episode.ledger.profit()


@pytest.fixture(scope="module")
def deviation():
    result = {}
    for target in ("coin_neutral", "black", "usd_neutral"):
        profits = np.array([straddle_profit(target, seed) for seed in range(PATHS)])
        result[target] = profits.std(axis=0, ddof=1)
    vega = 2 * inverse.greeks(1, SPOT, SPOT, 30 / 365, VOL).vega
    ideal = np.sqrt(np.pi / 4) * vega * VOL / np.sqrt(STEPS)
    return result | {"ideal": np.array([ideal / SPOT, ideal])}


def test_net_delta_reaches_the_theoretical_coin_deviation(deviation):
    assert deviation["coin_neutral"][0] == pytest.approx(deviation["ideal"][0], rel=0.15)


def test_black_delta_is_about_five_times_as_noisy_in_coin(deviation):
    assert 4.0 < deviation["black"][0] / deviation["coin_neutral"][0] < 6.5


def test_usd_neutral_reaches_the_theoretical_usd_deviation(deviation):
    assert deviation["usd_neutral"][1] == pytest.approx(deviation["ideal"][1], rel=0.15)


def test_usd_neutral_is_noisy_in_coin(deviation):
    assert deviation["usd_neutral"][0] > 3.5 * deviation["coin_neutral"][0]

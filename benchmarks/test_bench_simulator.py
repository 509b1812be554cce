"""The compiled hedging simulator against numpy, which walks a block of paths at a time, in one run."""

import math
import subprocess
import sys
import time

import numpy as np
import pytest
from scipy.special import ndtr

from gammacore.backtest.simulation.models import GBM, Bootstrap, Heston, Merton
from gammacore.backtest.simulation.montecarlo import LINES, Costs, Experiment, simulate, straddle
from gammacore.hedging import Band, WhalleyWilmott

FORWARD, VOL, YEARS, STEPS, PATHS = 60_000.0, 0.60, 30 / 365, 720, 8_192
BAND, FEE, BLOCK = 0.05, 5e-4, 4_096
MODELS = {
    "gbm": GBM(VOL),
    "heston": Heston(VOL**2, 12.0, VOL**2, 2.5, -0.3),
    "merton": Merton(VOL, 20.0, -0.01, 0.04),
    "bootstrap": Bootstrap(np.random.default_rng(1).normal(0.0, 0.006, 9_000), YEARS / STEPS, 24.0),
}


def experiment(model="gbm", policy=None, coin=False):
    return Experiment(
        book=straddle(FORWARD, YEARS, 1.0),
        model=MODELS[model],
        policy=policy or Band(BAND),
        forward=FORWARD,
        implied=VOL,
        steps=STEPS,
        settlement="inverse" if coin else "linear",
        target="coin_neutral" if coin else "black",
        costs=Costs(proportional=FEE),
    )


def numpy_blocks(paths, seed=1):
    """Profit of each path: a straddle, a band hedged to its centre, a proportional fee."""
    rng = np.random.default_rng(seed)
    step = VOL * math.sqrt(YEARS / STEPS)
    left = VOL * np.sqrt(YEARS * (1.0 - np.arange(STEPS) / STEPS))
    premium = FORWARD * (4.0 * ndtr(left[0] / 2) - 2.0)
    profit = np.empty(paths)
    for first in range(0, paths, BLOCK):
        price = np.full(BLOCK, FORWARD)
        held, cash = np.zeros(BLOCK), np.full(BLOCK, -premium)
        for s in left:
            delta = 2.0 * ndtr(np.log(price / FORWARD) / s + s / 2) - 1.0
            net = delta + held
            trade = np.where(np.abs(net) > BAND, -net, 0.0)
            held += trade
            cash -= trade * price + FEE * np.abs(trade) * price
            price = price * np.exp(step * rng.standard_normal(BLOCK) - step * step / 2)
        profit[first : first + BLOCK] = cash + held * price + np.abs(price - FORWARD)
    return profit


@pytest.mark.benchmark(group="straddle, 720 steps")
def test_numpy_in_blocks(benchmark):
    benchmark.pedantic(numpy_blocks, (PATHS,), rounds=3)


@pytest.mark.benchmark(group="straddle, 720 steps")
@pytest.mark.parametrize("model", list(MODELS))
def test_model(benchmark, model):
    benchmark(simulate, experiment(model), paths=PATHS, seed=1)


@pytest.mark.benchmark(group="straddle, 720 steps")
def test_settled_in_coin(benchmark):
    benchmark(simulate, experiment(coin=True), paths=PATHS, seed=1)


@pytest.mark.benchmark(group="straddle, 720 steps")
def test_whalley_wilmott(benchmark):
    policy = WhalleyWilmott(cost=FEE, risk_aversion=1e-3)
    benchmark(simulate, experiment(policy=policy), paths=PATHS, seed=1)


@pytest.mark.benchmark(group="straddle, 720 steps")
def test_with_every_line(benchmark):
    benchmark(simulate, experiment(), paths=PATHS, seed=1, columns=LINES)


def test_ratio_to_numpy():
    """Same numbers within noise, and a third of the time at most; best of five in one run."""

    def best(function):
        times = []
        for _ in range(5):
            start = time.perf_counter()
            found = function()
            times.append(time.perf_counter() - start)
        return min(times), found

    slow, profit = best(lambda: numpy_blocks(PATHS))
    fast, run = best(lambda: simulate(experiment(), paths=PATHS, seed=1))
    noise = math.hypot(run.standard_error(), np.std(profit) / math.sqrt(PATHS))
    assert abs(run.mean() - profit.mean()) < 4 * noise
    assert run.sd() == pytest.approx(np.std(profit), rel=0.06)
    assert slow > 3.0 * fast, f"only {slow / fast:.2f} times as fast as numpy in blocks"


FIRST = """
from gammacore.backtest.simulation.models import GBM
from gammacore.backtest.simulation.montecarlo import Experiment, simulate, straddle
from gammacore.hedging import Band
simulate(Experiment(book=straddle(6e4, 0.1), model=GBM(0.6), policy=Band(0.05), forward=6e4), paths=1000)
"""


@pytest.mark.benchmark(group="import")
@pytest.mark.parametrize("code", ["import numpy", FIRST], ids=["numpy alone", "import and first result"])
def test_import_and_first_result(benchmark, code):
    benchmark.pedantic(subprocess.run, ([sys.executable, "-c", code],), {"check": True}, rounds=5)

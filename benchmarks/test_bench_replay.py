"""A replay by minutes against the same year written as a plain Python loop, in one run."""

import math
import time

import numpy as np
import pytest

from gammacore.backtest.figures.performance import performance
from gammacore.backtest.figures.returns import Marks
from gammacore.backtest.replay.runner import replay
from gammacore.backtest.replay.synthetic import flat_chains
from gammacore.backtest.replay.tape import Tape
from gammacore.backtest.sweep.held_episodes import HeldEpisodes
from gammacore.config import load_config, with_overrides
from gammacore.data import Prices, Quality
from gammacore.daycount import NS_PER_MINUTE
from gammacore.hedging import Band, Custom

BARS = 60 * 1440
WEEK = 7 * 1440


@pytest.fixture(scope="module")
def prices():
    rng = np.random.default_rng(1)
    close = 60e3 * np.exp(np.cumsum(0.55 / math.sqrt(365 * 1440) * rng.standard_normal(BARS)))
    ts = 1_700_000_000_000_000_000 + NS_PER_MINUTE * np.arange(BARS, dtype=np.int64)
    return Prices("BTC", ts, close, None, None, None, NS_PER_MINUTE, (), Quality("", ()))


def loop(close):
    """What a trader writes first: every bar, math.erfc, a few floats."""
    entry, strike, hedge, cash, hedges = 0, close[0], 0.0, 0.0, 0
    root = math.sqrt(0.5)
    for i, price in enumerate(close):
        if i == entry + WEEK:
            cash += abs(price - strike)
            entry, strike = i, price
        s = 0.55 * math.sqrt((entry + WEEK - i) / (365 * 1440))
        d1 = math.log(price / strike) / s + s / 2
        n1 = 0.5 * math.erfc(-d1 * root)
        n2 = 0.5 * math.erfc(-(d1 - s) * root)
        value = price * (2 * n1 - 1) - strike * (2 * n2 - 1)
        if i == entry:
            cash -= value
        net = 2 * n1 - 1 + hedge
        if abs(net) > 0.05:
            cash += net * price - 5e-4 * abs(net) * price
            hedge -= net
            hedges += 1
    return hedges


@pytest.mark.benchmark(group="60 days of minutes")
def test_plain_python_loop(benchmark, prices):
    close = prices.close.tolist()
    benchmark(loop, close)


@pytest.fixture(scope="module")
def run_of(request, prices):
    config = load_config(request.config.rootpath / "config" / "year_of_minutes.yaml", {"data.prices": "-"})
    return config, Tape(flat_chains(prices, "BTC", 0.55, 7.0), prices, linear=True, averaging=False)


@pytest.mark.benchmark(group="60 days of minutes")
@pytest.mark.parametrize("engine", ["auto", "desk"])
def test_replay_with_ledger_and_attribution(benchmark, prices, run_of, engine):
    config, tape = run_of

    def whole():
        run = replay(config, tape, engine=engine)
        return run, [done.attribution.totals for done in run.episode_runs]

    run, _ = benchmark(whole)
    assert run.engine.startswith("compiled" if engine == "auto" else "desk")
    assert sum(done.episode.hedges for done in run.episode_runs) == loop(prices.close.tolist())


@pytest.mark.benchmark(group="60 days of minutes")
def test_another_band(benchmark, prices, run_of):
    held = HeldEpisodes(*run_of)
    hedged = benchmark(held.hedge, Band(0.05))
    assert hedged.hedges.sum() == loop(prices.close.tolist())


@pytest.mark.benchmark(group="60 days of minutes")
def test_a_policy_in_python(benchmark, run_of):
    held = HeldEpisodes(*run_of)
    benchmark(held.hedge, Custom(Band(0.05), lambda at: -at.mismatch))


def test_ratios_to_the_plain_loop(prices, run_of):
    """In one run, best of five: another band costs a three hundredth of the bare loop, all with accounts."""

    def best(function, *arguments, **options):
        times = []
        for _ in range(5):
            start = time.perf_counter()
            function(*arguments, **options)
            times.append(time.perf_counter() - start)
        return min(times)

    held = HeldEpisodes(*run_of)
    plain = best(loop, prices.close.tolist())
    assert plain > 330 * best(held.hedge, Band(0.05))
    assert plain > 400 * best(held.hedge, Band(0.06))
    assert plain > 5 * best(held.hedge, Custom(Band(0.05), lambda at: -at.mismatch))


def test_the_desk_takes_at_most_twice_as_long_as_the_plain_loop(prices, run_of):
    """In one run, best of five of each: events, orders, fills, exact books, and the attribution of it all."""
    config, tape = run_of
    close = prices.close.tolist()

    def whole():
        return [done.attribution.totals for done in replay(config, tape, engine="desk").episode_runs]

    whole()  # what the tape works out once
    desk, plain = [], []
    for _ in range(5):
        start = time.perf_counter()
        loop(close)
        between = time.perf_counter()
        whole()
        plain.append(between - start)
        desk.append(time.perf_counter() - between)
    assert min(desk) < 2.0 * min(plain)


def test_a_replay_from_nothing_costs_less_than_the_plain_loop(prices, run_of):
    """In one run, best of five: chains, tape, replay, ledger and attribution in a third of it."""
    config, times = run_of[0], {"loop": [], "replay": []}
    for _ in range(5):
        start = time.perf_counter()
        loop(prices.close.tolist())
        middle = time.perf_counter()
        tape = Tape(flat_chains(prices, "BTC", 0.55, 7.0), prices, linear=True, averaging=False)
        assert [done.attribution.totals for done in replay(config, tape).episode_runs]
        times["loop"].append(middle - start)
        times["replay"].append(time.perf_counter() - middle)
    assert min(times["loop"]) > 3.0 * min(times["replay"])


def test_cells_of_a_sweep_cost_little_more_than_their_hedges(prices, run_of):
    """In one run, best of five: of 32 bands together, each takes less than a 260th of the bare loop."""
    tape = run_of[1]
    held, marks = HeldEpisodes(*run_of), Marks(tape)
    bands = [Band(0.03 + 0.005 * k) for k in range(32)]

    def best(function, *arguments):
        times = []
        for _ in range(5):
            start = time.perf_counter()
            function(*arguments)
            times.append(time.perf_counter() - start)
        return min(times)

    def figures():
        return [performance(earned) for earned in held.earned(bands, marks)]

    assert len({found["n_hedges"] for found in figures()}) == len(bands)
    assert best(loop, prices.close.tolist()) > 260 * best(figures) / len(bands)


def test_working_hedges_takes_at_most_half_as_long_again(run_of):
    """In one run, best of seven of each, where the next bars are known; a taker asks for none."""
    config, tape = run_of
    assert len(tape.next_bars.ends) == len(tape)

    def best(hedges):
        worked, times = with_overrides(config, {"execution.hedges": hedges}), []
        for _ in range(7):
            start = time.perf_counter()
            replay(worked, tape)
            times.append(time.perf_counter() - start)
        return min(times)

    assert best("post_only") < 1.5 * best("taker")

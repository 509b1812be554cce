"""What holds between two runs whatever their figures: of size, price of the coin, time, and side.

``GAMMACORE_RELATIONS=500`` sets how many pairs of runs are drawn for each (default: a few), and
``GAMMACORE_RELATIONS_SEED`` the first seed.
"""

import os

import numpy as np
import pytest

from gammacore.backtest.replay.runner import replay
from gammacore.backtest.replay.synthetic import flat_chains
from gammacore.backtest.replay.tape import Tape
from gammacore.daycount import NS_PER_DAY, NS_PER_MINUTE
from support.markets import FREE, START, build, prices_of, random_path

FIRST_SEED = int(os.environ.get("GAMMACORE_RELATIONS_SEED", "0"))
SEEDS = range(FIRST_SEED, FIRST_SEED + int(os.environ.get("GAMMACORE_RELATIONS", "6")))
SYMMETRIC = ("band", "interval", "move")
RULES = (*SYMMETRIC, "whalley_wilmott", "zakamouline", "fixed_cost", "ladder")
STEP = 5 * NS_PER_MINUTE
COSTS = {"costs.option_fees": True, "costs.hedge_taker_fee": 5e-4, "costs.hedge_half_spread_bp": 0.5}


def drawn(seed, rules=RULES):
    rng = np.random.default_rng(seed)
    rule, linear = str(rng.choice(rules)), bool(rng.random() < 0.5)
    return FREE | {
        "marks.settlement": "linear" if linear else "listed",
        "entry.side": "long" if rule == "ladder" else str(rng.choice(["long", "short"])),
        "entry.schedule": str(rng.choice(["roll", "each_expiry"])),
        "entry.expiries": "any",
        "entry.min_days": 0.5,
        "hedge.target": "black" if linear else str(rng.choice(["coin_neutral", "black"])),
        "hedge.rule": rule,
        "hedge.band": float(rng.choice([0.02, 0.1])),
        "hedge.every": str(rng.choice(["1h", "1d"])),
        "hedge.risk_aversion": 0.01,
        "hedge.cost": 5e-4,
        "hedge.cost_per_trade": 1.0,
        "exit.delivery": str(rng.choice(["last", "average"])),
        "size.contracts": 1.0,
    }


def outcome(settings, seed, cheaper=1.0, later_ns=0):
    """Profit in both currencies; times and amounts (coins) of the hedges of eight days."""
    steps = 8 * 288
    ts = START + later_ns + STEP * np.arange(steps + 1)
    prices = prices_of(ts, random_path(seed, steps, dt=5 / (365 * 1440)) / cheaper, STEP)
    linear = settings["marks.settlement"] == "linear"
    averaging = settings["exit.delivery"] == "average"
    tape = Tape(flat_chains(prices, "BTC", 0.6, 2.0), prices, linear=linear, averaging=averaging)
    accounts = [done.episode for done in replay(build(settings), tape).episode_runs]
    fills = [account.hedge_fills() for account in accounts]
    times = np.concatenate([one.ts_ns - later_ns for one in fills])
    unit = [one.price if not linear else np.ones(len(one.price)) for one in fills]
    amounts = np.concatenate([one.amount / price for one, price in zip(fills, unit, strict=True)])
    traded = np.abs(amounts) > 1e-6 * settings["size.contracts"]  # a trade begins at 1e-9, of any coin
    profit = np.sum([account.ledger.profit() for account in accounts], axis=0)
    assert len(accounts) > 2
    return profit, times[traded], amounts[traded]


def as_large(settings, times):
    """Settings of so many times the options: what is counted in coins or once a trade grows with them."""
    grown = ("size.contracts", "hedge.band", "hedge.cost_per_trade")
    return (
        settings
        | {name: settings[name] * times for name in grown}
        | {"hedge.risk_aversion": settings["hedge.risk_aversion"] / times}
    )


def assert_related(one, other, amount, profit):
    assert one[1].size > 10
    np.testing.assert_array_equal(one[1], other[1])
    np.testing.assert_allclose(one[2] * amount, other[2], rtol=1e-5, atol=1e-7 * abs(amount))
    rounding = 1e-8 * one[1].size  # of the postings of each hedge, coin
    for currency, unit in enumerate((1.0, 60e3)):
        expected = one[0][currency] * profit[currency]
        assert other[0][currency] == pytest.approx(expected, abs=rounding * unit * abs(profit[currency]))


@pytest.mark.parametrize("seed", SEEDS)
def test_so_many_times_the_options_earn_so_many_times_the_profit(seed):
    settings = drawn(seed) | COSTS
    found = outcome(settings, seed), outcome(as_large(settings, 64.0), seed)
    assert_related(*found, amount=64.0, profit=(64.0, 64.0))


@pytest.mark.parametrize("seed", SEEDS)
def test_of_a_cheaper_coin_as_many_more_earn_the_same_dollars(seed):
    settings, cheaper = drawn(seed) | COSTS, 2.0**17
    more = as_large(settings, cheaper) | {
        name: settings[name] for name in ("hedge.cost_per_trade", "hedge.risk_aversion")
    }
    found = outcome(settings, seed), outcome(more, seed, cheaper=cheaper)
    assert_related(*found, amount=cheaper, profit=(cheaper, 1.0))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_prices_earn_the_same_in_another_week(seed):
    settings = drawn(seed) | COSTS
    found = outcome(settings, seed), outcome(settings, seed, later_ns=28 * NS_PER_DAY)
    assert_related(*found, amount=1.0, profit=(1.0, 1.0))


@pytest.mark.parametrize("seed", SEEDS)
def test_without_costs_one_side_earns_what_the_other_loses(seed):
    settings = drawn(seed, rules=SYMMETRIC)
    sides = [outcome(settings | {"entry.side": side}, seed) for side in ("long", "short")]
    assert_related(*sides, amount=-1.0, profit=(-1.0, -1.0))

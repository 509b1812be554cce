"""Recordings with holes: whatever is missing, a run ends, and its lines sum to the ledger."""

import math
import random

import numpy as np
import pytest

from gammacore.attribution import LINES
from gammacore.backtest.replay.runner import replay
from gammacore.backtest.replay.synthetic import chains_from_rows
from gammacore.backtest.replay.tape import Tape
from gammacore.daycount import NS_PER_DAY, NS_PER_MINUTE
from gammacore.strategy.exits import PRICE_RULES, TIME_RULES
from gammacore.volatility.estimate import Estimate
from support.markets import FRIDAY, START, build, chains_of, prices_of, random_path

CHOICES = {
    "entry.side": ("long", "short"),
    "entry.structure": ("straddle", "strangle"),
    "entry.schedule": ("each_expiry", "roll"),
    "entry.expiries": ("any",),
    "entry.min_days": (0.0, 2.0),
    "entry.max_days": (15.0,),
    "hedge.instrument": ("perpetual", "future", "cheapest", "forward"),
    "hedge.rule": ("interval", "band", "move", "whalley_wilmott", "zakamouline", "snapshot", "never"),
    "hedge.band": (0.02, 0.2),
    "hedge.target": ("coin_neutral", "usd_neutral", "black"),
    "hedge.vol": ("implied", "realised", 0.5),
    "hedge.ignore_vol": (False, True),
    "hedge.lots": (True, False),
    "costs.fill": ("cross", "mid", "mark"),
    "costs.max_quote_age": ("10min", None),
    "exit.hours_before_expiry": (None, 0.3, 6.1, 48.0),
    "exit.delivery": ("average", "last"),
    "exit.rules": (
        {},
        {"take_profit": 0.1, "stop_loss": 0.2},
        {"drawdown": 0.2, "gamma_over_theta": {"after": "1d", "below": 0.6}},
        {"edge_gone": -0.1, "max_days": 3.3},
    ),
    "roll.when": ({}, {"moneyness": 0.7}, {"rv_pace": {"above": 1.1}, "days_to_expiry": 1.2}),
    "marks.interpolate": (False, True),
    "report.attribution": ("taylor", "revaluation"),
    "size.premium_usd": (None, 700.0),
}


def configured(rng):
    chosen = {name: rng.choice(values) for name, values in CHOICES.items()}
    if chosen["hedge.instrument"] == "forward":
        chosen |= {"hedge.target": "black", "hedge.lots": False}
    if chosen["hedge.vol"] == "realised":  # one estimate for both
        chosen |= {"signal.forecast": "realised"}
    return build(chosen)


def recorded(rng):
    """Two weeks of bars and chains; rows, volatilities, quotes, expiries and bars are missing."""
    noise = np.random.default_rng(rng.randrange(1 << 30))
    step = rng.choice((1, 7, 60))
    path = random_path(rng.randrange(1 << 30), 14 * 1440 + 300)
    bars = np.arange(0, len(path), step)
    bars = bars[noise.random(len(bars)) >= rng.choice((0.0, 0.0, 0.5))]
    every = rng.choice((60, 251, 360))
    at = np.arange(0, len(path), every)
    friday = (FRIDAY, FRIDAY + 7 * NS_PER_DAY)
    c = chains_of(START + at * NS_PER_MINUTE, path[at], vol=0.6, expiries=friday)
    c.iv[:] = np.round(0.6 + 0.05 * noise.standard_normal(len(c.iv)), 4)
    hole = [noise.random(len(c.iv)) < rng.choice((0.0, 0.05, 0.4)) for _ in range(4)]
    c.iv[hole[0]] = math.nan
    c.bid[hole[1]] = c.ask[hole[1]] = math.nan
    c.mark[hole[2]] = math.nan
    groups = (c.ts_ns // NS_PER_MINUTE * 31 + c.expiry_ns // NS_PER_DAY) % 97
    keep = ~hole[3] & ~np.isin(groups, noise.choice(97, rng.choice((0, 10, 40)), replace=False))
    keep[: len(c.ts_ns) // len(at)] = True  # the first chain is whole, so that something is held
    fields = ("ts_ns", "expiry_ns", "strike", "kind", "forward", "index", "bid", "ask", "mark", "iv")
    chains = chains_from_rows("BTC", *(getattr(c, name)[keep] for name in fields))
    return chains, prices_of(START + bars * NS_PER_MINUTE, path[bars], step * NS_PER_MINUTE)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("ten", range(4))
def test_whatever_is_missing_the_lines_sum_to_the_ledger(ten):
    """Of every ten seeds many hold episodes, and those close in all ways: there is enough to look at."""
    reasons, held = set(), 0
    for seed in range(10 * ten, 10 * ten + 10):
        closed = run_of(seed).episode_runs
        reasons |= {done.episode.close_reason for done in closed}
        held += len(closed)
        for done in closed:
            totals = done.attribution.totals  # an error, if they do not sum
            assert all(math.isfinite(totals[line].coin) and math.isfinite(totals[line].usd) for line in LINES)
            for fill in done.episode.option_fills():
                assert math.isfinite(fill.mark)
    assert held > 10
    assert {"delivery", "hours_before_expiry"} <= reasons
    assert len(reasons & {*TIME_RULES, *PRICE_RULES}) >= 4


def run_of(seed):
    rng = random.Random(seed)
    config, (chains, prices) = configured(rng), recorded(rng)
    tape = Tape(
        chains,
        prices if rng.random() < 0.8 else None,
        linear=config.hedge.instrument == "forward",
        interpolate=config.marks.interpolate,
        averaging=config.exit.delivery == "average",
        estimate=Estimate("realised", 2 * NS_PER_DAY),
    )
    return replay(config, tape)

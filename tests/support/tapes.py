"""Tapes of minutes, and the parts they are made of."""

from dataclasses import replace

import numpy as np

from gammacore.backtest.replay.market import build_estimate, build_stickiness
from gammacore.backtest.replay.tape import Tape
from gammacore.data import Funding, Quality
from gammacore.data.tables import FileInfo
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE
from support.markets import FREE, FRIDAY, START, chains_of, prices_of, random_path


def minute_tape(seed=1, days=7.2, chain_hours=6, **options):
    steps = int(days * 1440)
    path = random_path(seed, steps)
    ts = START + NS_PER_MINUTE * np.arange(steps + 1)
    every = chain_hours * 60
    rng = np.random.default_rng(seed)
    times, index = ts[::every], path[::every]
    chains = chains_of(
        times,
        index,
        vol=0.6,
        expiries=(FRIDAY, FRIDAY + 7 * NS_PER_DAY),
        strikes=tuple(np.arange(50e3, 71e3, 1e3)),
    )
    chains.iv[:] = np.round(0.6 + 0.05 * rng.standard_normal(len(chains.iv)), 4)
    return Tape(chains, prices_of(ts, path, NS_PER_MINUTE), **options)


def funding_of(ts, rate, period):
    return Funding(np.array(ts), np.array(rate), period, FileInfo(None, "", len(ts)), Quality("", ()))


def with_ranges(prices, rng):
    """Bars with highs and lows beyond both ends of each; some have none."""
    first = np.concatenate([prices.close[:1], prices.close[:-1]])
    beyond = 2e-4 * np.abs(rng.standard_normal((2, len(first)))) * (rng.random((2, len(first))) < 0.7)
    high = np.maximum(first, prices.close) * (1 + beyond[0])
    low = np.minimum(first, prices.close) * (1 - beyond[1])
    return replace(prices, high=high, low=low)


def market(seed, config, start=START, minutes=2):
    """A week of bars with chains at irregular times, smiles that move, and funding."""
    rng = np.random.default_rng(seed)
    steps = 7 * 1440 // minutes
    ts = start + np.arange(steps + 1, dtype=np.int64) * minutes * NS_PER_MINUTE
    close = random_path(seed, steps, dt=minutes / (365 * 1440))
    at = np.unique(np.concatenate([[0], rng.integers(1, steps - 1, 40)]))
    expiries = (start + 3 * NS_PER_DAY, start + 7 * NS_PER_DAY)
    shift = rng.integers(0, 60, len(at)) * 10**9
    chains = chains_of(ts[at] + shift, close[at], vol=0.6, expiries=expiries, half=0.0004)
    quoted = np.repeat(chains.snapshot_ts, np.diff(chains.offsets))
    chains.iv[:] = 0.6 + 0.05 * np.sin(quoted / 9e13) + 0.2 * np.log(chains.strike / 60e3) ** 2
    hours = ts[0] + NS_PER_HOUR * np.arange(1, 24 * 7 + 1)
    funding = funding_of(hours, 1e-5 * rng.standard_normal(len(hours)), NS_PER_HOUR)
    prices = prices_of(ts, close, minutes * NS_PER_MINUTE)
    return Tape(
        chains,
        prices if seed % 2 else with_ranges(prices, rng),
        funding,
        linear=config.marks.settlement == "linear" or config.hedge.instrument == "forward",
        averaging=config.exit.delivery == "average",
        estimate=build_estimate(config),
        stickiness=build_stickiness(config),
    )


YEAR = FREE | {
    "marks.source": "flat",
    "marks.settlement": "linear",
    "entry.schedule": "roll",
    "entry.expiries": "any",
    "entry.min_days": 1,
    "entry.max_days": 1,
    "hedge.target": "black",
    "exit.delivery": "last",
}

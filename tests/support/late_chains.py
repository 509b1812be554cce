"""Chains stamped earlier than their quotes."""

import numpy as np

from gammacore import inverse
from gammacore.backtest.replay.synthetic import chains_from_rows
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, NS_PER_SECOND, NS_PER_YEAR, parse_time

START = parse_time("2026-01-01T00:00Z")
MINUTES = 130 * 1440
COUNT = 520


def world(delay_s, seed, spread_s=0.0, stray=0.0):
    """Minutes of a price, and chains stamped earlier than their quotes; a share of them quote nonsense."""
    rng = np.random.default_rng(seed)
    bars = START + np.arange(MINUTES) * NS_PER_MINUTE
    price = 60e3 * np.exp(np.cumsum(rng.standard_normal(MINUTES) * 0.6 / np.sqrt(365 * 1440)))
    at = START + (np.arange(COUNT) * 6 + 3) * NS_PER_HOUR + rng.integers(0, 1800, COUNT) * NS_PER_SECOND
    quoted = at + ((delay_s + spread_s * rng.standard_normal(COUNT)) * NS_PER_SECOND).astype(np.int64)
    basis = 0.004 * np.sin(np.arange(COUNT) / 60) + 2e-4 * rng.standard_normal(COUNT)
    forward = np.interp(quoted, bars, price) * (1.0 + basis)
    forward = np.where(rng.random(COUNT) < stray, forward * 1.02, forward)
    return bars, price, chains(at, forward)


def chains(at, forward):
    ts, index = np.repeat(at, 10), np.repeat(forward, 10)
    expiry = ts // NS_PER_DAY * NS_PER_DAY + 32 * NS_PER_HOUR
    strike = np.round(index / 500) * 500 + np.tile(np.repeat([-1e3, -5e2, 0.0, 5e2, 1e3], 2), at.size)
    kind = np.tile([-1, 1], 5 * at.size).astype(np.int8)
    iv = np.full(ts.size, 0.6)
    mark = inverse.price(kind, index, strike, (expiry - ts) / NS_PER_YEAR, iv)
    return chains_from_rows("BTC", ts, expiry, strike, kind, index, index, mark, mark, mark, iv)

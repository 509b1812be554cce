"""Small markets made for tests: a few chains, a path of prices."""

import numpy as np

from gammacore import inverse
from gammacore.backtest.replay.synthetic import chains_from_rows
from gammacore.backtest.replay.tape import Tape
from gammacore.config import parse_config
from gammacore.data import Prices, Quality
from gammacore.daycount import NS_PER_DAY, NS_PER_YEAR, expiry_ns

FRIDAY = expiry_ns("2026-01-16")
START = FRIDAY - 7 * NS_PER_DAY
EXPIRIES = tuple(FRIDAY + week * 7 * NS_PER_DAY for week in range(3))
STRIKES = tuple(np.arange(40e3, 81e3, 1e3))


def prices_of(ts_ns, close, interval_ns):
    ts_ns, close = np.asarray(ts_ns, np.int64), np.asarray(close, np.float64)
    return Prices("BTC", ts_ns, close, None, None, None, interval_ns, (), Quality("prices", ()))


def chains_of(times, index, vol=0.6, expiries=(FRIDAY,), strikes=(50e3, 55e3, 60e3, 65e3, 70e3), half=0.0005):
    """Chains with calls and puts at all strikes, forward = index, quotes ``half`` coin around the mark."""
    rows = [
        (t, e, k, kind, s)
        for t, s in zip(times, index, strict=True)
        for e in expiries
        if e > t
        for k in strikes
        for kind in (-1, 1)
    ]
    ts, expiry, strike, kind, spot = (np.array(column) for column in zip(*rows, strict=True))
    strike, spot = strike.astype(float), spot.astype(float)
    mark = inverse.price(kind, spot, strike, (expiry - ts) / NS_PER_YEAR, vol)
    bid = np.where(mark - half > 0, np.floor((mark - half) / 5e-4) * 5e-4, np.nan)
    ask = np.ceil((mark + half) / 5e-4) * 5e-4
    iv = np.full(len(ts), vol)
    return chains_from_rows("BTC", ts, expiry, strike, kind.astype(np.int8), spot, spot, bid, ask, mark, iv)


def random_path(seed, steps, start=60e3, vol=0.6, dt=1 / (365 * 1440)):
    rng = np.random.default_rng(seed)
    moves = vol * np.sqrt(dt) * rng.standard_normal(steps) - 0.5 * vol**2 * dt
    return start * np.exp(np.concatenate([[0.0], np.cumsum(moves)]))


def tape_of(seed, chain_hours=6, minutes=30, vol=0.6, averaging=True):
    """Three weeks of chains and bars in which three Fridays expire; the tape, its prices and their times."""
    steps = 22 * 24 * 60 // minutes
    path = random_path(seed, steps, vol=vol, dt=minutes / (365 * 1440))
    ts = START + np.arange(steps + 1) * minutes * 60 * 10**9
    at = np.arange(0, steps - 10, chain_hours * 60 // minutes)
    chains = chains_of(ts[at] + 1, path[at], strikes=STRIKES, expiries=EXPIRIES, vol=vol)
    return Tape(chains, prices_of(ts, path, minutes * 60 * 10**9), averaging=averaging), path, ts


FREE = {
    "costs.fill": "mark",
    "costs.option_fees": False,
    "execution.hedges": "taker",
    "costs.hedge_taker_fee": 0,
    "costs.hedge_half_spread_bp": 0,
    "costs.funding": False,
    "costs.max_quote_age": None,
    "hedge.lots": False,
}


def config_of(**dotted):
    """Configuration from dotted names, with ``__`` for the dot: ``hedge__band=0.1``."""
    return build({name.replace("__", "."): value for name, value in dotted.items()})


def build(dotted):
    raw = {}
    for name, value in dotted.items():
        section, _, field = name.partition(".")
        if field:
            raw.setdefault(section, {})[field] = value
        else:
            raw[section] = value
    return parse_config(raw)

"""Option trades from a surface that is known, as rows of the store."""

import numpy as np

from gammacore import inverse
from gammacore.contracts import Option, Settlement
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, expiry_ns, parse_time, year_fraction
from support.drawn_trades import rows_of

START = parse_time("2026-03-02")
DAYS = 3
EXPIRIES = [expiry_ns(day) for day in ("2026-03-09", "2026-03-20", "2026-04-24")]
STRIKES = np.arange(76_000.0, 106_000.0, 2_000.0)
RATE = 0.04  # of the basis, a year


def index_at(ts):
    return 90_000.0 + 1_500.0 * np.sin((np.asarray(ts) - START) / (9.0 * NS_PER_HOUR))


def forward_at(ts, expiry):
    return index_at(ts) * np.exp(RATE * year_fraction(ts, expiry))


def vol_at(strike, expiry):
    """Volatility of a strike, the same at all times: a smile that flattens with time."""
    x = np.log(np.asarray(strike) / 90_000.0)
    years = (np.asarray(expiry) - START) / NS_PER_DAY / 365.0
    return 0.5 - 0.15 * x + 0.4 * x * x / np.sqrt(years * 8.0)


def name_of(expiry, strike, kind):
    return Option("BTC", Settlement.INVERSE, int(expiry), float(strike), int(kind)).name


def trades(days=DAYS, each=5 * NS_PER_MINUTE, seed=4):
    """Trades of random options out of the money at their volatility, one every few minutes."""
    random = np.random.default_rng(seed)
    ts = START + np.arange(1, days * NS_PER_DAY // each) * each
    expiry = np.array(EXPIRIES)[random.integers(0, len(EXPIRIES), ts.size)]
    strike = STRIKES[random.integers(0, STRIKES.size, ts.size)]
    forward = forward_at(ts, expiry)
    near = np.abs(np.log(strike / forward)) / np.sqrt((expiry - ts) / NS_PER_DAY / 365.0) < 1.2
    ts, expiry, strike, forward = ts[near], expiry[near], strike[near], forward[near]
    kind = np.where(strike >= forward, 1, -1)
    vol = vol_at(strike, expiry)
    price = np.asarray(inverse.price(kind, forward, strike, year_fraction(ts, expiry), vol))
    names = [name_of(*one) for one in zip(expiry, strike, kind, strict=True)]
    amount = random.choice([0.1, 0.5, 1.0, 2.0, 25.0], ts.size)
    return rows_of(ts, names, price, amount, index_at(ts), np.round(vol, 4))

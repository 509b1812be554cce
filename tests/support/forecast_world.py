"""Simulated markets for the tests of forecasts: hourly prices whose daily variance follows a log HAR."""

import numpy as np

from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, parse_time

START = parse_time("2021-01-04")
COEFFICIENTS = np.array([0.35, 0.3, 0.25])  # of the last day, week and month
NOISE = 0.35


def log_variances(days, rng):
    """Daily log variances: HAR around that of a volatility of 60 %, after 200 days to settle."""
    level = np.log(0.6**2)
    x = np.full(days + 230, level)
    for t in range(30, x.size):
        means = np.array([x[t - 1], x[t - 7 : t].mean(), x[t - 30 : t].mean()])
        x[t] = level + COEFFICIENTS @ (means - level) + NOISE * rng.standard_normal()
    return x[230:]


def prices(days, seed=0, per_day=24):
    """Times and prices, and the daily log variances behind them."""
    rng = np.random.default_rng(seed)
    x = log_variances(days, rng)
    sd = np.repeat(np.exp(x / 2), per_day) / np.sqrt(365 * per_day)
    logs = np.concatenate([[0.0], np.cumsum(sd * rng.standard_normal(days * per_day))])
    return START + np.arange(days * per_day + 1) * (NS_PER_DAY // per_day), 50_000 * np.exp(logs), x


def with_another_future(ts_ns, price, at_ns, seed=9):
    """The same path up to a moment, and wild after it."""
    changed = price.copy()
    after = np.flatnonzero(ts_ns > at_ns)
    noise = np.cumsum(0.05 * np.random.default_rng(seed).standard_normal(after.size))
    changed[after] = price[after[0] - 1] * np.exp(noise)
    return changed


HOUR = NS_PER_HOUR
DAY = NS_PER_DAY

"""How the price of a coin moves at a given volatility: in variance that comes and goes, and in jumps.

A forecast says how much will be realised; this law says how that is spread over the life of an option,
and how much of it comes at once. Its numbers are ratios and times, so that they hold at any volatility.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from gammacore.array_types import Floats
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR
from gammacore.volatility.forecast.history import daily_history
from gammacore.volatility.realised import sample
from gammacore.volatility.result import checked_path

__all__ = ["PRICE_LAWS", "PriceLaw", "fit_price_law"]

LOCAL_HOURS = 168  # that the volatility before a move is measured over
JUMP = 6.0  # standard deviations of an hour, from which on its move is a jump
LAGS = 1, 10  # days between daily variances, whose covariance says how long the variance lasts
RAREST = 1e-5  # chance of a number of jumps that is left out
MANY, LEVELS = 2.5, 7  # jumps expected, from which on so many equally likely numbers stand for all
QUANTILES = 32  # of the sum of squared jumps


class PriceLaw(msgspec.Struct, frozen=True):
    """Variance with a lognormal factor that reverts to its mean, and normal jumps at Poisson times.

    Attributes
    ----------
    jumps_per_year : float
    jump_share : float
        Of the variance, on average.
    variance_sd : float
        Standard deviation of the logarithm of the variance, but for jumps.
    variance_days : float
        Days over which that logarithm's autocorrelation falls to 1/e.
    """

    jumps_per_year: Annotated[float, Meta(gt=0)]
    jump_share: Annotated[float, Meta(ge=0, lt=1)]
    variance_sd: Annotated[float, Meta(ge=0)]
    variance_days: Annotated[float, Meta(gt=0)]

    def jump_variance(self, years: float) -> float:
        """Variance of one jump, as a share of the mean variance of a life."""
        return self.jump_share / (self.jumps_per_year * years)

    def numbers(self, years: float) -> tuple[Floats, Floats]:
        """Numbers of jumps over a life, and their chances; where many are expected, equally likely ones."""
        mean = self.jumps_per_year * years
        numbers = np.arange(int(mean + 8.0 * math.sqrt(mean) + 8.0))
        logs = numbers * math.log(mean) - mean - np.array([math.lgamma(n + 1.0) for n in numbers.tolist()])
        chances = np.exp(logs)
        if mean > MANY:
            levels = (np.arange(LEVELS) + 0.5) / LEVELS
            return np.searchsorted(np.cumsum(chances), levels).astype(np.float64), np.full(
                LEVELS, 1.0 / LEVELS
            )
        keep = chances > RAREST
        return numbers[keep].astype(np.float64), chances[keep] / chances[keep].sum()

    def spread(self, years: float) -> tuple[float, float]:
        """Mean and variance that jumps give the logarithm of realised over mean volatility."""
        return _spread(self, round(years, 6))


@lru_cache(maxsize=1024)
def _spread(law: PriceLaw, years: float) -> tuple[float, float]:
    from scipy.special import gammaincinv

    numbers, chances = law.numbers(years)
    levels = (np.arange(QUANTILES) + 0.5) / QUANTILES
    logs = np.empty((len(numbers), QUANTILES))
    for row, number in zip(logs, numbers.tolist(), strict=True):
        squares = 2.0 * gammaincinv(0.5 * number, levels) if number > 0 else np.zeros(QUANTILES)
        row[:] = 0.5 * np.log(1.0 - law.jump_share + law.jump_variance(years) * squares)
    mean = float(chances @ logs.mean(axis=1))
    return mean, float(chances @ np.square(logs - mean).mean(axis=1))


# Of hourly prices up to 2025-12-29, before the options that the tests trade: tools/price_laws.py.
PRICE_LAWS = {
    "BTC": PriceLaw(30.12, 0.1573, 0.965, 13.5),
    "ETH": PriceLaw(30.81, 0.1436, 0.872, 11.59),
}


def fit_price_law(ts_ns: npt.ArrayLike, price: npt.ArrayLike) -> PriceLaw:
    """Fit to a path of hours or less.

    Parameters
    ----------
    ts_ns : array_like of int64, shape (n,)
    price : array_like, shape (n,)
        At least some months.

    Notes
    -----
    An hour whose move is beyond :data:`JUMP` standard deviations, by the bipower variance of the week before
    it (Barndorff-Nielsen and Shephard 2004; the threshold as in Mancini 2009), is a jump; what its square is
    above that variance is jumps' share. Smaller jumps count as what moves all the time. The autocovariances
    of daily log bipower variances at two lags, which noise of the measure does not enter, give the deviation
    and the persistence of the variance.

    Raises
    ------
    ValueError
        If there is no path, less than three months of it, no jump, or no variance that lasts.
    """
    times, prices = checked_path(ts_ns, price, 5)
    hours, hourly = sample(times, prices, NS_PER_HOUR)
    moves = np.diff(np.log(hourly))
    if len(moves) < 12 * LOCAL_HOURS:
        raise ValueError(f"price: expected at least {12 * LOCAL_HOURS} hours, got {len(moves)}")
    products = np.abs(moves[1:] * moves[:-1]) * (math.pi / 2.0)
    total = np.concatenate([[0.0], np.cumsum(products)])
    local = (total[LOCAL_HOURS:] - total[:-LOCAL_HOURS]) / LOCAL_HOURS  # up to move k + LOCAL_HOURS
    later, before = moves[LOCAL_HOURS + 1 :], local[:-1]
    jumped = np.square(later) > JUMP**2 * before
    if not jumped.any():
        raise ValueError(f"price: no hour moved by more than {JUMP:g} standard deviations")
    squares = np.square(later)
    share = float((squares - before)[jumped].sum() / squares.sum())
    logs = np.log(daily_history(hours, hourly).continuous)
    logs = logs[np.isfinite(logs)] - np.nanmean(logs)
    near, far = (float(np.mean(logs[:-lag] * logs[lag:])) for lag in LAGS)
    if not near > far > 0.0:
        raise ValueError(f"price: expected a variance that lasts, got autocovariances {near:.3g}, {far:.3g}")
    days = (LAGS[1] - LAGS[0]) / math.log(near / far)
    years = len(later) * NS_PER_HOUR / (365.0 * NS_PER_DAY)
    return PriceLaw(float(jumped.sum() / years), share, math.sqrt(near * math.exp(LAGS[0] / days)), days)

"""What an estimate of realised volatility comes back as, and the checks that all of them share."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable

import msgspec
import numpy as np
import numpy.typing as npt

from gammacore._arrays import floats
from gammacore._series import ordered
from gammacore.array_types import Floats, Ints
from gammacore.daycount import NS_PER_YEAR, times_ns

__all__ = ["Realised"]


class Realised(msgspec.Struct, frozen=True):
    """An estimate of realised volatility with its confidence interval.

    Attributes
    ----------
    vol : float
        Annualised volatility (ACT/365F), the square root of ``variance``.
    low, high : float
        Bounds of ``vol``; NaN where no interval is known.
    level : float
        Confidence level of the bounds.
    variance : float
        Annualised variance. It may be negative for estimators that subtract noise; ``vol``
        is then 0.
    n : int
        Returns or bars that went into it.
    years : float
        Time that they cover.
    method : str
    """

    vol: float
    low: float
    high: float
    level: float
    variance: float
    n: int
    years: float
    method: str


def estimate(
    method: str, integrated: float, sampling_variance: float, n: int, years: float, level: float
) -> Realised:
    """Make a result of an integrated variance and the variance of its estimator, both not annualised.

    The interval is symmetric in the logarithm, where a variance estimator is much closer to
    normal (Barndorff-Nielsen and Shephard 2002), by the delta method.
    """
    from scipy.special import ndtri

    if not 0.0 < level < 1.0:
        raise ValueError(f"level: expected a number between 0 and 1, got {level!r}")
    variance = integrated / years
    vol = math.sqrt(max(variance, 0.0))
    low = high = math.nan
    if integrated > 0 and sampling_variance >= 0:
        width = float(ndtri(0.5 + 0.5 * level)) * math.sqrt(sampling_variance) / integrated
        low, high = vol * math.exp(-0.5 * width), vol * math.exp(0.5 * width)
    return Realised(vol, low, high, level, variance, n, years, method)


def unknown(name: str, value: object, known: Iterable[str]) -> ValueError:
    """Error for a name that is none of the known ones, with a suggestion if one is near."""
    choices = list(known)
    near = difflib.get_close_matches(str(value), choices, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(choices)}"
    return ValueError(f"{name}: {value!r} is unknown{hint}")


def checked_path(ts_ns: npt.ArrayLike, price: npt.ArrayLike, fewest: int = 2) -> tuple[Ints, Floats]:
    """Return times and prices of a path: strictly ascending, positive finite numbers.

    Times are whatever `gammacore.daycount.times_ns` takes.
    """
    ts_ns, price = ordered(ts_ns=ts_ns, price=price)
    times, prices = times_ns("ts_ns", ts_ns), floats(price)
    if times.ndim != 1 or times.shape != prices.shape:
        raise ValueError(f"ts_ns, price: expected two columns, got shapes {times.shape} and {prices.shape}")
    if times.size < fewest:
        raise ValueError(f"price: expected at least {fewest} prices, got {times.size}")
    early = np.flatnonzero(np.diff(times) <= 0)
    if early.size:
        i = int(early[0]) + 1
        raise ValueError(f"ts_ns[{i}]: expected a later time than {times[i - 1]}, got {times[i]}")
    check_prices(prices)
    return times, prices


def check_prices(prices: Floats) -> None:
    """Refuse a price that is not a positive finite number."""
    wrong = np.flatnonzero(~((prices > 0) & np.isfinite(prices)))
    if wrong.size:
        raise ValueError(f"price[{wrong[0]}]: expected a positive price, got {prices[wrong[0]]}")


def path_years(ts_ns: Ints) -> float:
    """Years between the first and the last time."""
    return int(ts_ns[-1] - ts_ns[0]) / NS_PER_YEAR

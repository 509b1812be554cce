"""Realised volatility from a path of prices."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gammacore._arrays import floats
from gammacore._series import ordered
from gammacore.array_types import Floats, Ints
from gammacore.daycount import times_ns
from gammacore.volatility.result import Realised, check_prices, checked_path, estimate, path_years

__all__ = ["realised_variance", "realised_vol", "sample"]


def realised_vol(ts_ns: npt.ArrayLike, price: npt.ArrayLike) -> float:
    """Annualised close-to-close volatility, without subtracting the mean.

    Parameters
    ----------
    ts_ns : array_like of int64 or datetimes, shape (n,)
        Times, ascending; equal ones are allowed. See `gammacore.daycount.times_ns`.
    price : array_like, shape (n,)
        Positive prices.

    Returns
    -------
    float
        ``sqrt(sum of squared log changes / elapsed years)`` (ACT/365F); NaN for fewer
        than two distinct times.

    Raises
    ------
    ValueError, TypeError
        If times descend or are none, a price is not positive, or there are not as many prices as times.
    """
    ts_ns, price = ordered(ts_ns=ts_ns, price=price)
    times, prices = times_ns("ts_ns", ts_ns), floats(price)
    if times.ndim != 1 or times.shape != prices.shape:
        raise ValueError(f"ts_ns, price: expected two columns, got shapes {times.shape} and {prices.shape}")
    check_prices(prices)
    early = np.flatnonzero(np.diff(times) < 0)
    if early.size:
        raise ValueError(f"ts_ns[{early[0] + 1}]: earlier than the one before it")
    if times.size < 2 or times[-1] <= times[0]:
        return float("nan")
    years = path_years(times)
    return float(np.sqrt(np.sum(np.diff(np.log(prices)) ** 2) / years))


def sample(ts_ns: Ints, price: Floats, step_ns: int, phase_ns: int = 0) -> tuple[Ints, Floats]:
    """Last price known at each point of a regular grid (previous-tick sampling).

    Parameters
    ----------
    ts_ns, price : array, shape (n,)
        Path, strictly ascending in time.
    step_ns : int
        Step of the grid, which holds the multiples of it.
    phase_ns : int, optional
        Shift of the grid.

    Returns
    -------
    ts_ns, price : array, shape (m,)
        Grid points from the first price to the last. A point whose last price is the one of
        the point before, as in a gap, is left out: the return over the gap stays one return.
    """
    if step_ns <= 0:
        raise ValueError(f"step_ns: expected a positive time, got {step_ns!r}")
    start = int(ts_ns[0]) + (phase_ns - int(ts_ns[0])) % step_ns
    grid = np.arange(start, int(ts_ns[-1]) + 1, step_ns, dtype=np.int64)
    last = np.searchsorted(ts_ns, grid, side="right") - 1
    fresh = np.diff(last, prepend=-1) > 0
    return grid[fresh], price[last[fresh]]


def realised_variance(
    ts_ns: npt.ArrayLike,
    price: npt.ArrayLike,
    *,
    step_ns: int | None = None,
    subsamples: int = 1,
    level: float = 0.95,
) -> Realised:
    """Sum of squared log returns at a chosen sampling, averaged over shifted grids.

    Parameters
    ----------
    ts_ns : array_like of int64, shape (n,)
        Strictly ascending.
    price : array_like, shape (n,)
    step_ns : int, optional
        Sampling step; every price without it.
    subsamples : int, optional
        Grids, shifted against each other by ``step_ns / subsamples``, whose variances per
        year are averaged (Zhang, Mykland and Ait-Sahalia 2005, their "second best").
    level : float, optional
        Confidence level of the interval.

    Returns
    -------
    Realised
        ``n`` is the mean number of returns of a grid. The interval takes ``2/3`` of the sum
        of fourth powers as the estimator's variance (Barndorff-Nielsen and Shephard 2002),
        and for K > 1 grids, whose errors are correlated, (2 K^2 + 1) / (3 K^2) of that:
        two thirds in the limit.

    Raises
    ------
    ValueError, TypeError
        If times do not ascend, a price is not positive, or fewer than two returns remain.
    """
    times, prices = checked_path(ts_ns, price, 3)
    if subsamples < 1:
        raise ValueError(f"subsamples: expected at least 1, got {subsamples!r}")
    if step_ns is None:
        if subsamples > 1:
            raise ValueError(f"subsamples: {subsamples} grids need a step_ns")
        grids = [(times, prices)]
    else:
        phases = [k * step_ns // subsamples for k in range(subsamples)]
        grids = [sample(times, prices, step_ns, phase) for phase in phases]
    sums, fourths, counts, years = np.transpose([_moments(*grid) for grid in grids])
    if counts.min() < 2:
        raise ValueError(f"step_ns: {step_ns} leaves fewer than two returns")
    span = float(years.mean())
    integrated = float((sums / years).mean()) * span
    share = (2.0 * subsamples**2 + 1.0) / (3.0 * subsamples**2)
    spread = share * 2.0 / 3.0 * float(fourths.mean())
    return estimate("realised variance", integrated, spread, round(float(counts.mean())), span, level)


def _moments(ts_ns: Ints, price: Floats) -> tuple[float, float, int, float]:
    """Second and fourth power sums of the returns of a path, their number, its years."""
    if price.size < 3:
        return 0.0, 0.0, 0, 1.0
    squares = np.diff(np.log(price)) ** 2
    return float(squares.sum()), float((squares**2).sum()), squares.size, path_years(ts_ns)

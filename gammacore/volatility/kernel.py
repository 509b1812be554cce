"""Realised variance in the presence of noise: realised kernel and two scales."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from gammacore._arrays import floats
from gammacore.array_types import Floats
from gammacore.volatility.result import Realised, check_prices, checked_path, estimate, path_years

__all__ = ["kernel_bandwidth", "noise_variance", "parzen", "realised_kernel", "rolling_kernel", "two_scale"]

# (k''(0)^2 / int k^2)^(1/5) of the Parzen kernel: Barndorff-Nielsen, Hansen, Lunde, Shephard 2009.
_PARZEN = (12.0**2 / (151.0 / 560.0)) ** 0.2
_COARSE = 36  # grids of the sparse variance that the bandwidth needs


def parzen(x: npt.ArrayLike) -> Floats:
    """Weight of the Parzen kernel at x >= 0: ``1 - 6x^2 + 6x^3`` to 1/2, ``2 (1-x)^3`` to 1, then 0."""
    at = floats(x)
    return np.where(at <= 0.5, 1.0 - 6.0 * at**2 + 6.0 * at**3, 2.0 * np.maximum(1.0 - at, 0.0) ** 3)


def _logs(price: npt.ArrayLike, fewest: int) -> Floats:
    """Logarithms of enough positive prices."""
    prices = floats(price)
    if prices.size < fewest:
        raise ValueError(f"price: expected at least {fewest} prices, got {prices.size}")
    check_prices(prices)
    return np.asarray(np.log(prices))


def noise_variance(price: npt.ArrayLike) -> float:
    """Variance of the noise in log prices, ``max(0, -mean r_i r_(i+1))``.

    Neighbouring returns of a price with independent noise have minus its variance as covariance
    (Roll 1984); unlike ``RV / 2n`` it does not take the price's own variance for noise, which
    matters for bars of a minute.
    """
    returns = np.diff(_logs(price, 3))
    return max(0.0, -float((returns[1:] * returns[:-1]).mean()))


def kernel_bandwidth(price: npt.ArrayLike) -> int:
    """Bandwidth H of the realised kernel for one window of n returns.

    ``3.5134 xi^(4/5) n^(3/5)`` with xi^2 the noise variance over the square root of integrated
    quarticity, for which ``RV / 2n`` of all returns and the variance of returns over 36 steps,
    averaged over all their grids, stand in (Barndorff-Nielsen, Hansen, Lunde and Shephard 2009).
    The first overstates the noise of a price that has little, which keeps the choice from
    following the accidents of one autocovariance.

    Parameters
    ----------
    price : array_like, shape (n + 1,)

    Returns
    -------
    int
        At most a third of the returns.
    """
    logs = _logs(price, 2)
    n = logs.size - 1
    coarse = max(min(_COARSE, n // 4), 1)
    moves = logs[coarse:] - logs[:-coarse]
    sparse = float((moves**2).mean()) * n / coarse
    if sparse <= 0 or n < 3:
        return 0
    xi2 = float((np.diff(logs) ** 2).sum()) / (2 * n) / sparse
    return int(min(math.ceil(_PARZEN * xi2**0.4 * n**0.6), n // 3))


def realised_kernel(
    ts_ns: npt.ArrayLike, price: npt.ArrayLike, *, bandwidth: int | None = None, level: float = 0.95
) -> Realised:
    """Realised kernel with Parzen weights: consistent with noise, never negative.

    Parameters
    ----------
    ts_ns : array_like of int64, shape (n + 1,)
        Strictly ascending.
    price : array_like, shape (n + 1,)
    bandwidth : int, optional
        Lags H >= 0; by `kernel_bandwidth` without it. 0 is realised variance.
    level : float, optional
        Confidence level of the interval.

    Returns
    -------
    Realised
        ``sum_{|h| <= H} k(h / (H+1)) gamma_h``, gamma_h the autocovariance sum of returns
        (Barndorff-Nielsen, Hansen, Lunde and Shephard 2008, 2009). The variance behind the
        interval is ``2 (1 + 2 sum k_h^2) Q/n`` of the price, ``12 w^2 V/H`` of price and noise
        and ``96 w^4 n/H^3`` of noise, their theorem 4 of 2008 with the integrals of Parzen's k.
    """
    times, prices = checked_path(ts_ns, price, 5)
    returns = np.diff(np.log(prices))
    n, lags = returns.size, kernel_bandwidth(prices) if bandwidth is None else bandwidth
    if not 0 <= lags < n:
        raise ValueError(f"bandwidth: expected 0 to {n - 1}, got {lags!r}")
    weights = parzen(np.arange(1, lags + 1) / (lags + 1))
    sums = np.array([returns[h:] @ returns[: n - h] for h in range(1, lags + 1)])
    value = float(returns @ returns + 2.0 * weights @ sums)
    # Quarticity from returns long enough that noise does not dominate their fourth powers.
    logs = np.log(prices)
    length = max(lags, 1)
    moves = logs[length:] - logs[:-length]
    quarticity = float((moves**4).mean()) / 3.0 * (n / length) ** 2
    spread = 2.0 * (1.0 + 2.0 * float(weights @ weights)) / n * quarticity
    noise = noise_variance(prices)
    spread += 12.0 * noise * value / length + 96.0 * noise**2 * n / length**3 if lags else 0.0
    return estimate("realised kernel", value, spread, n, path_years(times), level)


def rolling_kernel(returns: npt.ArrayLike, window: int, bandwidth: int) -> Floats:
    """Realised kernel of every window of a series of returns.

    Parameters
    ----------
    returns : array_like, shape (n,)
        Log returns on an even grid.
    window : int
        Returns in a window.
    bandwidth : int
        Lags, below ``window``.

    Returns
    -------
    array of float64, shape (n,)
        Integrated variance (not annualised) of the window that ends with each return; NaN
        before the first full one.

    Notes
    -----
    The kernel of a window is a sum over pairs of returns in it. Pairs up to its end, less
    those up to its start, less those that straddle its start: the first two are a cumulative sum
    of ``r_t (w * r)_t``, the straddling ones one of the same with the weights ahead less behind.
    So every window costs the same few operations, whatever its length.
    """
    r = np.ascontiguousarray(returns, np.float64)
    if not 0 <= bandwidth < window:
        raise ValueError(f"bandwidth: expected 0 to {window - 1}, got {bandwidth!r}")
    if window < 1:
        raise ValueError(f"window: expected a positive number of returns, got {window!r}")
    n = r.size
    result = np.full(n, np.nan)
    if n < window:
        return result
    weights = np.concatenate([[0.0], 2.0 * parzen(np.arange(1, bandwidth + 1) / (bandwidth + 1))])
    behind = np.convolve(r, weights)[:n]  # sum_h w_h r_(t-h)
    ahead = np.convolve(r[::-1], weights)[:n][::-1]
    pairs = np.concatenate([[0.0], np.cumsum(r * (r + behind))])
    straddling = np.concatenate([[0.0], np.cumsum(r * (ahead - behind))])
    start = np.arange(0, n - window + 1)
    result[window - 1 :] = pairs[window:] - pairs[start] - straddling[start]
    return result


def two_scale(
    ts_ns: npt.ArrayLike, price: npt.ArrayLike, *, grids: int | None = None, level: float = 0.95
) -> Realised:
    """Two-scale realised variance: many slow grids, less the noise that all prices show.

    Parameters
    ----------
    ts_ns : array_like of int64, shape (n + 1,)
        Strictly ascending.
    price : array_like, shape (n + 1,)
    grids : int, optional
        K slow grids of every K-th price; without it ``(12 w^4 / Q)^(1/3) n^(2/3)`` with w^2 the
        noise variance and Q integrated quarticity (as squared sparse variance), at least 5.
    level : float, optional
        Confidence level of the interval.

    Returns
    -------
    Realised
        ``(RV_slow - (m/n) RV_all) / (1 - m/n)``, m the mean size of a slow grid (Zhang, Mykland
        and Ait-Sahalia 2005, equation 64). That is a kernel with Bartlett's weights, so its
        variance has the three parts of `realised_kernel`; theirs are the limit of it.
    """
    times, prices = checked_path(ts_ns, price, 8)
    logs = np.log(prices)
    n = logs.size - 1
    omega2 = noise_variance(prices)
    coarse = max(min(_COARSE, n // 4), 1)
    sparse = float(((logs[coarse:] - logs[:-coarse]) ** 2).mean()) * n / coarse
    if grids is None:
        best = (12.0 * omega2**2 / sparse**2) ** (1.0 / 3.0) * n ** (2.0 / 3.0) if sparse > 0 else 0.0
        grids = min(max(math.ceil(best), 5), n // 2)
    if not 2 <= grids <= n // 2:
        raise ValueError(f"grids: expected 2 to {n // 2}, got {grids!r}")
    slow = float(((logs[grids:] - logs[:-grids]) ** 2).sum()) / grids
    size = (n - grids + 1) / grids
    everything = float((np.diff(logs) ** 2).sum())
    value = (slow - size / n * everything) / (1.0 - size / n)
    quarticity = float(((logs[grids:] - logs[:-grids]) ** 4).mean()) / 3.0 * (n / grids) ** 2
    weights = (1.0 - np.arange(1, grids) / grids) / (1.0 - 1.0 / grids)
    spread = 2.0 * (1.0 + 2.0 * float(weights @ weights)) / n * quarticity
    spread += 8.0 * omega2 * max(value, 0.0) / grids + 8.0 * omega2**2 * n / grids**2
    return estimate("two scales", value, spread, n, path_years(times), level)

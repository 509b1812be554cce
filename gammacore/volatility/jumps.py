"""What of realised variance is continuous and what is jumps."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import numpy.typing as npt

from gammacore.array_types import Floats
from gammacore.volatility.result import Realised, checked_path, estimate, path_years

__all__ = ["JumpTest", "bipower_variance", "jump_test", "tripower_variance"]

# Moments E|Z|^p of a standard normal.
_MU1 = math.sqrt(2.0 / math.pi)
_MU23 = 2.0 ** (1.0 / 3.0) * math.gamma(5.0 / 6.0) / math.gamma(0.5)
_MU43 = 2.0 ** (2.0 / 3.0) * math.gamma(7.0 / 6.0) / math.gamma(0.5)
_BIPOWER = math.pi**2 / 4.0 + math.pi - 3.0  # 2.609: n Var(bipower) / integrated quarticity


class JumpTest(msgspec.Struct, frozen=True):
    """Outcome of a test for jumps.

    Attributes
    ----------
    z : float
        Statistic, standard normal without jumps.
    p_value : float
        One-sided: jumps make z large.
    share : float
        Share of the realised variance that is jumps, ``max(0, 1 - bipower / realised)``.
    realised, continuous : float
        Realised and bipower variance, annualised.
    n : int
        Returns.
    """

    z: float
    p_value: float
    share: float
    realised: float
    continuous: float
    n: int


def bipower_variance(ts_ns: npt.ArrayLike, price: npt.ArrayLike, *, level: float = 0.95) -> Realised:
    """Variance without finite jumps, from products of neighbouring absolute returns.

    Parameters
    ----------
    ts_ns : array_like of int64, shape (n,)
        Strictly ascending, evenly spaced but for gaps.
    price : array_like, shape (n,)
    level : float, optional
        Confidence level of the interval.

    Returns
    -------
    Realised
        ``(pi/2) n/(n-1) sum |r_i| |r_(i-1)|`` (Barndorff-Nielsen and Shephard 2004); the interval
        takes ``2.609 / n`` times tri-power quarticity as its variance.
    """
    times, prices = checked_path(ts_ns, price, 5)
    returns = np.diff(np.log(prices))
    n, years = returns.size, path_years(times)
    return estimate("bipower", _bipower(returns), _BIPOWER * _quarticity(returns) / n, n, years, level)


def tripower_variance(ts_ns: npt.ArrayLike, price: npt.ArrayLike, *, level: float = 0.95) -> Realised:
    """Variance without finite jumps, from three neighbouring returns: less disturbed by large ones.

    Parameters and result are those of `bipower_variance`. ``mu_{2/3}^-3 n/(n-2) sum |r r r|^{2/3}``
    (Barndorff-Nielsen, Shephard and Winkel 2006). The variance of that sum over normal returns
    follows from the moments of neighbours, which share two, one or no return.
    """
    times, prices = checked_path(ts_ns, price, 5)
    returns = np.diff(np.log(prices))
    n, years = returns.size, path_years(times)
    power = np.abs(returns) ** (2.0 / 3.0)
    value = _MU23**-3 * n / (n - 2) * float((power[2:] * power[1:-1] * power[:-2]).sum())
    ratio = _MU43 / _MU23**2
    factor = (ratio**3 - 1) + 2 * (ratio**2 - 1) + 2 * (ratio - 1)
    return estimate("tripower", value, factor * _quarticity(returns) / n, n, years, level)


def jump_test(ts_ns: npt.ArrayLike, price: npt.ArrayLike) -> JumpTest:
    """Ratio test for jumps of Barndorff-Nielsen and Shephard, as Huang and Tauchen (2005) state it.

    ``z = (1 - BV/RV) / sqrt((pi^2/4 + pi - 5)/n max(1, TQ/BV^2))`` with TQ the tri-power quarticity.
    Microstructure noise hides jumps: sample no finer than some minutes.

    Parameters
    ----------
    ts_ns : array_like of int64, shape (n,)
    price : array_like, shape (n,)

    Returns
    -------
    JumpTest

    Raises
    ------
    ValueError
        If the path is not one, or has no variance.
    """
    from scipy.special import ndtr

    times, prices = checked_path(ts_ns, price, 5)
    returns = np.diff(np.log(prices))
    n, years = returns.size, path_years(times)
    realised, smooth = float((returns**2).sum()), _bipower(returns)
    if smooth <= 0:
        raise ValueError("price: no two neighbouring returns differ from 0, so there is nothing to test")
    spread = (_BIPOWER - 2.0) / n * max(1.0, _quarticity(returns) / smooth**2)
    z = (1.0 - smooth / realised) / math.sqrt(spread)
    share = max(0.0, 1.0 - smooth / realised)
    return JumpTest(z, float(ndtr(-z)), share, realised / years, smooth / years, n)


def _bipower(returns: Floats) -> float:
    size = np.abs(returns)
    n = size.size
    return _MU1**-2 * n / (n - 1) * float((size[1:] * size[:-1]).sum())


def _quarticity(returns: Floats) -> float:
    """Tri-power estimate of ``T int sigma^4``: n mu_{4/3}^-3 n/(n-2) sum |r r r|^{4/3}."""
    power = np.abs(returns) ** (4.0 / 3.0)
    n = power.size
    return float(_MU43**-3) * n * n / (n - 2) * float((power[2:] * power[1:-1] * power[:-2]).sum())

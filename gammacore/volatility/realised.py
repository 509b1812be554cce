"""Realised volatility from a path of prices."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gammacore.daycount import NS_PER_YEAR

__all__ = ["realised_vol"]


def realised_vol(ts_ns: npt.NDArray[np.int64], price: npt.NDArray[np.float64]) -> float:
    """Annualised close-to-close volatility, without subtracting the mean.

    Parameters
    ----------
    ts_ns : array of int64, shape (n,)
        Times, ascending.
    price : array of float64, shape (n,)
        Positive prices.

    Returns
    -------
    float
        ``sqrt(sum of squared log changes / elapsed years)`` (ACT/365F); NaN for fewer
        than two distinct times.
    """
    if len(ts_ns) < 2 or ts_ns[-1] <= ts_ns[0]:
        return float("nan")
    years = (int(ts_ns[-1]) - int(ts_ns[0])) / NS_PER_YEAR
    return float(np.sqrt(np.sum(np.diff(np.log(price)) ** 2) / years))

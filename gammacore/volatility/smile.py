"""How the volatility of a fixed strike moves with the forward."""

from __future__ import annotations

from typing import Literal

import numpy as np

from gammacore.array_types import Floats

__all__ = ["Stickiness", "regressed_slope", "sticky_slope"]


Stickiness = float | Literal["minimum_variance"]
"""Skew stickiness: 1 sticky strike, 0 sticky delta (moneyness), 2 local volatility, or regressed."""

WINDOW, FEWEST = 60, 12  # changes regressed over, and the fewest that count


def sticky_slope(log_moneyness: Floats, iv: Floats, stickiness: float) -> Floats:
    """Slope in ln F of the fixed-strike volatilities of one expiry.

    Parameters
    ----------
    log_moneyness : array of float64, shape (n,)
        ln(K/F), in any order; calls and puts of one strike may both be there.
    iv : array of float64, shape (n,)
        Mark volatilities, NaN or 0 where unknown.
    stickiness : float
        Skew stickiness ratio R (Bergomi 2009): the at-the-money volatility moves by R times
        the skew, so that a fixed strike's moves by (R - 1) dvol/dlnK.

    Returns
    -------
    array of float64, shape (n,)
        Zero where fewer than three strikes are known.
    """
    known = np.isfinite(iv) & (iv > 0) & np.isfinite(log_moneyness)
    strikes, where = np.unique(log_moneyness[known], return_inverse=True)
    if len(strikes) < 3 or stickiness == 1.0:
        return np.zeros(len(iv))
    smile = np.bincount(where, iv[known]) / np.bincount(where)
    skew = np.gradient(smile, strikes)
    return (stickiness - 1.0) * np.interp(log_moneyness, strikes, skew)


def regressed_slope(log_forward: Floats, iv: Floats) -> Floats:
    """Minimum-variance slope of one option's volatility in ln F, from its own past.

    Parameters
    ----------
    log_forward, iv : array of float64, shape (n,)
        One value per published chain, NaN where the option was not quoted.

    Returns
    -------
    array of float64, shape (n,)
        Regression through the origin of changes of volatility on changes of ln F, over the
        last 60 changes up to and including each chain; 0 with fewer than 12. Hedging with
        it minimises the variance left by volatility (Hull and White 2017).
    """
    dx, dv = np.diff(log_forward, prepend=np.nan), np.diff(iv, prepend=np.nan)
    known = np.isfinite(dx) & np.isfinite(dv)
    products = np.cumsum(np.where(known, dx * dv, 0.0))
    squares = np.cumsum(np.where(known, dx * dx, 0.0))
    count = np.cumsum(known)
    before = np.maximum(np.arange(len(iv)) - WINDOW, 0)
    covered = squares - squares[before]
    enough = (count - count[before] >= FEWEST) & (covered > 0)
    return np.where(enough, (products - products[before]) / np.where(enough, covered, 1.0), 0.0)

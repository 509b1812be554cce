"""Bounds that data gives to a forecast of variance (the insanity filter of Swanson and White 1997)."""

from __future__ import annotations

import numpy as np

from gammacore.array_types import Floats

__all__ = ["within_realised"]


def within_realised(forecast: Floats, realised: Floats, lag: int) -> Floats:
    """Clip forecasts to the range of what had been realised by each origin.

    Parameters
    ----------
    forecast, realised : array of float64, shape (n,)
        Variances; NaN is unknown.
    lag : int
        Days of the horizon: an outcome is known that many days after its origin.

    Returns
    -------
    array of float64, shape (n,)
        As given where nothing is known yet; NaN stays NaN.
    """
    known = np.concatenate([np.full(lag, np.nan), realised])[: realised.size]
    known = np.where(np.isfinite(known), known, np.nan)
    low, high = np.fmin.accumulate(known), np.fmax.accumulate(known)
    seen = np.isfinite(high) & ~np.isnan(forecast)
    return np.where(seen, np.clip(forecast, np.where(seen, low, 0.0), np.where(seen, high, np.inf)), forecast)

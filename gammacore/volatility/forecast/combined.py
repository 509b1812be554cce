"""The forecast that held out best: two regressions and the volatility index, by their past losses."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gammacore._arrays import floats
from gammacore.array_types import Floats
from gammacore.daycount import NS_PER_DAY
from gammacore.volatility.forecast.combine import combine_inverse_loss, correct_level
from gammacore.volatility.forecast.har import HAR, har_forecasts
from gammacore.volatility.forecast.history import History

__all__ = ["combined_forecasts"]


def combined_forecasts(
    history: History, horizon_ns: int, *, implied_variance: npt.ArrayLike | None = None
) -> Floats:
    """Forecast of the variance rate over the horizon, at the end of every day.

    Parameters
    ----------
    history : History
        On a variance clock, without which the hours and weekdays ahead count alike.
    horizon_ns : int
    implied_variance : array_like, shape (n,), optional
        Square of a volatility index as known at the end of each day; NaN where there is none.

    Returns
    -------
    array of float64, shape (n,)
        NaN where no model has a forecast.

    Notes
    -----
    HAR in logarithms with leverage, the same with the implied variance, and the implied variance itself, each
    times the mean ratio of what came to what it had said (:func:`.combine.correct_level`), in inverse
    proportion to their past QLIKE. docs/volatility-evidence.md has what it is worth beside others.
    """
    lag = -(-horizon_ns // NS_PER_DAY)
    realised = history.realised(horizon_ns)
    models = [har_forecasts(history, horizon_ns, HAR(leverage=True))]
    if implied_variance is not None:
        implied = floats(implied_variance)
        both = HAR(leverage=True, implied=True)
        models.append(har_forecasts(history, horizon_ns, both, implied_variance=implied))
        models.append(implied / history.rate_to_calendar(horizon_ns))
    corrected = np.stack([correct_level(each, realised, lag) for each in models], axis=1)
    return combine_inverse_loss(corrected, realised, lag)

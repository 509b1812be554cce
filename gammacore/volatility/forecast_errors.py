"""What the built-in forecasts of volatility have been off by, over each horizon.

A high forecast was followed by less, a low one by more, the farther ahead the more so: with f the forecast,
the mean of ``ln realised - ln f`` is ``mean + slope (ln f - ln 0.6)``. Measured every six hours from 2019
(ETH: May 2022) to the end of 2025, before the options that the tests trade, by ``tools/forecast_errors.py``.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec
import numpy as np

from gammacore.array_types import Floats
from gammacore.daycount import NS_PER_DAY

from .forecast_error_table import TABLES

__all__ = ["ForecastErrors", "ForecastKind", "forecast_errors"]

HORIZONS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)  # days
WINDOWS = (1.0, 3.0, 7.0, 14.0, 30.0)  # days: half-life of a forecast, window of a realised volatility
LEVEL = 0.6  # forecast at which the mean holds

ForecastKind = Literal["forecast", "realised", "dvol", "har", "combined"]
Row = tuple[float, ...]


class ForecastErrors(msgspec.Struct, frozen=True):
    """Distribution of the logarithm of what was realised over what was forecast.

    Attributes
    ----------
    mean, slope, sd : tuple of float
        At :data:`HORIZONS`; see the module.
    """

    mean: Row
    slope: Row
    sd: Row

    def at(self, years: Floats, forecast: float) -> tuple[Floats, Floats]:
        """Return mean and deviation at horizons: straight in their logarithms, as at the ends beyond them.

        Parameters
        ----------
        years : array
            Positive; a horizon that is over counts as the shortest.
        forecast : float
        """
        days = np.log(np.maximum(np.asarray(years) * 365.0, HORIZONS[0]))
        mean, slope, sd = (np.interp(days, np.log(HORIZONS), row) for row in (self.mean, self.slope, self.sd))
        return mean + slope * math.log(forecast / LEVEL), sd


def forecast_errors(coin: str, kind: ForecastKind, window_ns: int = 0) -> ForecastErrors:
    """Return the errors of an estimate that is taken for a forecast.

    Parameters
    ----------
    coin : str
        Those of BTC stand for coins that there are none of.
    kind : str
        As ``signal.forecast``.
    window_ns : int
        Of ``realised`` and ``forecast``.
    """
    rows = [ForecastErrors(*row) for row in TABLES.get(coin, TABLES["BTC"])[kind]]
    if len(rows) == 1:
        return rows[0]
    window, known = math.log(max(window_ns, 1) / NS_PER_DAY), np.log(WINDOWS)

    def between(name: str) -> Row:
        columns = zip(*(getattr(row, name) for row in rows), strict=True)
        return tuple(float(np.interp(window, known, column)) for column in columns)

    return ForecastErrors(between("mean"), between("slope"), between("sd"))

"""What the built-in forecasts of volatility have been off by, over each horizon.

Some hours of the week move prices more than others: what is realised counts per year of the coin's clock
(:class:`.clock.VarianceClock`). A high forecast was followed by less, a low one by more, the farther ahead
the more so: with f the forecast, the mean of ``ln realised - ln f`` is ``mean + slope (ln f - ln 0.6)``.
Measured every six hours from 2019 (ETH: May 2022) to the end of 2025, before the options that tests trade,
by ``tools/forecast_errors.py``.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Literal

import msgspec
import numpy as np

from gammacore.array_types import Floats
from gammacore.daycount import NS_PER_DAY, NS_PER_YEAR

from .clock import VarianceClock
from .forecast_error_table import TABLES, WEIGHTS

__all__ = ["ForecastErrors", "ForecastKind", "coin_clock", "forecast_errors"]

HORIZONS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)  # days
WINDOWS = (1.0, 3.0, 7.0, 14.0, 30.0)  # days: half-life of a forecast, window of a realised volatility
SHORTEST = HORIZONS[0] / 365.0
LEVEL = 0.6  # forecast at which the mean holds

ForecastKind = Literal["forecast", "realised", "dvol", "har", "combined"]
Row = tuple[float, ...]


class ForecastErrors(msgspec.Struct, frozen=True):
    """Distribution of the logarithm of what was realised over what was forecast.

    Attributes
    ----------
    mean, slope, sd : tuple of float
        At :data:`HORIZONS`; see the module.
    clock : VarianceClock
    """

    mean: Row
    slope: Row
    sd: Row
    clock: VarianceClock

    def at(self, years: Floats, forecast: float, ts_ns: int) -> tuple[Floats, Floats]:
        """Return mean and deviation at horizons: straight in their logarithms, as at the ends beyond them.

        Parameters
        ----------
        years : array
            Positive; a horizon that is over counts as the shortest.
        forecast : float
        ts_ns : int
            When the horizons begin.
        """
        days = np.log(np.maximum(np.asarray(years) * 365.0, HORIZONS[0]))
        mean, slope, sd = (np.interp(days, np.log(HORIZONS), row) for row in (self.mean, self.slope, self.sd))
        ends = ts_ns + np.rint(np.maximum(years, SHORTEST) * NS_PER_YEAR).astype(np.int64)
        busy = self.clock.elapsed(ts_ns, ends) / ((ends - ts_ns) / NS_PER_YEAR)
        return mean + slope * math.log(forecast / LEVEL) + 0.5 * np.log(busy), sd


@cache
def coin_clock(coin: str) -> VarianceClock:
    """Return the clock that a coin's realised volatility counts on; BTC's for coins that have none."""
    return VarianceClock(np.array(WEIGHTS[coin if coin in WEIGHTS else "BTC"]))


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
    known_coin = coin if coin in TABLES else "BTC"
    rows, clock = TABLES[known_coin][kind], coin_clock(known_coin)
    if len(rows) == 1:
        return ForecastErrors(*rows[0], clock)
    window, known = math.log(max(window_ns, 1) / NS_PER_DAY), np.log(WINDOWS)

    def between(place: int) -> Row:
        columns = zip(*(row[place] for row in rows), strict=True)
        return tuple(float(np.interp(window, known, column)) for column in columns)

    return ForecastErrors(between(0), between(1), between(2), clock)

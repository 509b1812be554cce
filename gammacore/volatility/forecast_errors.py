"""What the built-in forecasts of volatility have been off by, over each horizon."""

from __future__ import annotations

import math
from typing import Literal

import msgspec
import numpy as np

from gammacore.array_types import Floats
from gammacore.daycount import NS_PER_DAY

__all__ = ["ForecastErrors", "dvol_errors", "forecast_errors"]

HORIZONS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)  # days
WINDOWS = (1.0, 3.0, 7.0, 14.0, 30.0)  # days: half-life of a forecast, window of a realised volatility

Table = tuple[tuple[float, ...], ...]

# Mean and standard deviation of ln realised - ln forecast, a row for each window, 2019 (ETH: 2022) to 2025,
# before the options that the tests trade: tools/forecast_errors.py.
ERRORS: dict[tuple[str, str], tuple[Table, Table]] = {
    ("BTC", "forecast"): (
        (
            (-0.138, -0.082, -0.030, 0.015, 0.046, 0.070, 0.099, 0.116),
            (-0.193, -0.138, -0.086, -0.042, -0.011, 0.013, 0.044, 0.060),
            (-0.232, -0.177, -0.126, -0.082, -0.050, -0.025, 0.008, 0.021),
            (-0.262, -0.207, -0.155, -0.111, -0.079, -0.053, -0.021, -0.010),
            (-0.295, -0.240, -0.189, -0.145, -0.112, -0.087, -0.058, -0.050),
        ),
        (
            (0.480, 0.445, 0.411, 0.383, 0.375, 0.397, 0.406, 0.387),
            (0.480, 0.434, 0.384, 0.346, 0.343, 0.362, 0.353, 0.326),
            (0.495, 0.445, 0.389, 0.347, 0.339, 0.342, 0.314, 0.278),
            (0.515, 0.463, 0.405, 0.358, 0.342, 0.328, 0.285, 0.238),
            (0.541, 0.489, 0.431, 0.382, 0.358, 0.331, 0.276, 0.220),
        ),
    ),
    ("BTC", "realised"): (
        (
            (-0.035, 0.021, 0.073, 0.119, 0.151, 0.175, 0.203, 0.224),
            (-0.128, -0.072, -0.020, 0.025, 0.056, 0.080, 0.109, 0.127),
            (-0.177, -0.121, -0.070, -0.026, 0.006, 0.030, 0.061, 0.077),
            (-0.206, -0.151, -0.100, -0.056, -0.025, 0.000, 0.033, 0.047),
            (-0.241, -0.186, -0.135, -0.091, -0.059, -0.032, 0.002, 0.010),
        ),
        (
            (0.515, 0.509, 0.504, 0.494, 0.486, 0.508, 0.521, 0.515),
            (0.507, 0.472, 0.433, 0.404, 0.392, 0.412, 0.419, 0.400),
            (0.487, 0.439, 0.388, 0.354, 0.356, 0.376, 0.371, 0.346),
            (0.502, 0.453, 0.399, 0.360, 0.360, 0.373, 0.347, 0.317),
            (0.528, 0.478, 0.423, 0.380, 0.364, 0.350, 0.308, 0.269),
        ),
    ),
    ("ETH", "forecast"): (
        (
            (-0.136, -0.080, -0.032, 0.011, 0.042, 0.070, 0.096, 0.108),
            (-0.190, -0.135, -0.086, -0.043, -0.011, 0.017, 0.042, 0.053),
            (-0.225, -0.169, -0.120, -0.078, -0.046, -0.017, 0.006, 0.016),
            (-0.248, -0.192, -0.144, -0.100, -0.068, -0.041, -0.020, -0.010),
            (-0.276, -0.220, -0.171, -0.129, -0.098, -0.072, -0.049, -0.040),
        ),
        (
            (0.467, 0.433, 0.404, 0.378, 0.368, 0.381, 0.380, 0.370),
            (0.464, 0.421, 0.378, 0.343, 0.333, 0.337, 0.322, 0.306),
            (0.476, 0.429, 0.379, 0.337, 0.319, 0.309, 0.278, 0.257),
            (0.490, 0.440, 0.387, 0.340, 0.314, 0.290, 0.248, 0.224),
            (0.504, 0.452, 0.396, 0.344, 0.309, 0.277, 0.234, 0.212),
        ),
    ),
    ("ETH", "realised"): (
        (
            (-0.035, 0.020, 0.068, 0.111, 0.142, 0.169, 0.195, 0.208),
            (-0.126, -0.070, -0.021, 0.022, 0.052, 0.081, 0.106, 0.119),
            (-0.172, -0.117, -0.068, -0.026, 0.006, 0.034, 0.058, 0.070),
            (-0.203, -0.147, -0.099, -0.055, -0.023, 0.004, 0.026, 0.038),
            (-0.240, -0.184, -0.135, -0.092, -0.062, -0.035, -0.010, 0.001),
        ),
        (
            (0.503, 0.494, 0.491, 0.478, 0.468, 0.480, 0.484, 0.480),
            (0.490, 0.456, 0.424, 0.397, 0.383, 0.393, 0.393, 0.382),
            (0.471, 0.427, 0.383, 0.353, 0.349, 0.356, 0.342, 0.329),
            (0.487, 0.441, 0.395, 0.358, 0.347, 0.342, 0.312, 0.294),
            (0.500, 0.452, 0.400, 0.355, 0.325, 0.300, 0.267, 0.243),
        ),
    ),
}

# Of the volatility index, from its beginning (2021; ETH: May 2022) to 2025: mean and deviation.
DVOL_ERRORS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "BTC": (
        (-0.395, -0.335, -0.283, -0.239, -0.209, -0.185, -0.161, -0.150),
        (0.505, 0.446, 0.377, 0.321, 0.290, 0.270, 0.236, 0.209),
    ),
    "ETH": (
        (-0.306, -0.251, -0.202, -0.159, -0.127, -0.100, -0.075, -0.067),
        (0.488, 0.435, 0.380, 0.332, 0.301, 0.273, 0.242, 0.219),
    ),
}


class ForecastErrors(msgspec.Struct, frozen=True):
    """Mean and deviation of the logarithm of what was realised over what was forecast.

    Attributes
    ----------
    mean, sd : tuple of float
        At :data:`HORIZONS`.
    """

    mean: tuple[float, ...]
    sd: tuple[float, ...]

    def at(self, years: Floats) -> tuple[Floats, Floats]:
        """Return both at horizons: straight in their logarithms, and as at the ends beyond them.

        Parameters
        ----------
        years : array
            Positive; a horizon that is over counts as the shortest.
        """
        days = np.log(np.maximum(np.asarray(years) * 365.0, HORIZONS[0]))
        known = np.log(HORIZONS)
        return np.interp(days, known, self.mean), np.interp(days, known, self.sd)


def forecast_errors(coin: str, kind: Literal["forecast", "realised"], window_ns: int) -> ForecastErrors:
    """Return the errors of an estimate that is taken for a forecast.

    Parameters
    ----------
    coin : str
        Those of BTC stand for coins that there are none of.
    kind, window_ns :
        As :class:`gammacore.volatility.estimate.Estimate` has them.
    """
    tables = ERRORS.get((coin, kind)) or ERRORS["BTC", kind]
    window, known = math.log(max(window_ns, 1) / NS_PER_DAY), np.log(WINDOWS)

    def between(table: Table) -> tuple[float, ...]:
        return tuple(float(np.interp(window, known, each)) for each in zip(*table, strict=True))

    return ForecastErrors(between(tables[0]), between(tables[1]))


def dvol_errors(coin: str) -> ForecastErrors:
    """Return the errors of the exchange's volatility index, taken for a forecast.

    Parameters
    ----------
    coin : str
        Those of BTC stand for coins that there are none of.
    """
    return ForecastErrors(*DVOL_ERRORS.get(coin, DVOL_ERRORS["BTC"]))

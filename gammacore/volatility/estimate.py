"""Estimates of volatility that use only the prices up to each moment."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec
import numpy as np

from gammacore.array_types import Floats, Ints
from gammacore.daycount import NS_PER_YEAR
from gammacore.errors import ConfigError

__all__ = ["AnyEstimate", "Estimate"]

MEMORY = 10  # windows: weights halve over each, so that this is all that is left of the past


class AnyEstimate(Protocol):
    """Whatever gives a running estimate.

    ``window_ns`` are the prices that it needs before it says anything, ``looks_back_ns`` all that matter.
    """

    @property
    def window_ns(self) -> int: ...  # noqa: D102
    @property
    def looks_back_ns(self) -> int: ...  # noqa: D102
    def series(self, ts_ns: Ints, price: Floats) -> Floats: ...  # noqa: D102
    def last(self, ts_ns: Ints, price: Floats) -> float: ...  # noqa: D102


class Estimate(msgspec.Struct, frozen=True):
    """A running estimate.

    Attributes
    ----------
    kind : {'realised', 'forecast'}
        Close-to-close volatility of the trailing window, or the exponentially weighted
        one (RiskMetrics 1996), whose weights halve over the window: also its own
        forecast, as that model's variance is a martingale.
    window_ns : int
        Window, or half-life.
    """

    kind: Literal["realised", "forecast"]
    window_ns: int

    def __post_init__(self) -> None:
        if self.window_ns <= 0:
            raise ConfigError(f"window_ns: expected a positive time, got {self.window_ns!r}")

    @property
    def looks_back_ns(self) -> int:
        """How far back prices matter."""
        return MEMORY * self.window_ns

    def series(self, ts_ns: Ints, price: Floats) -> Floats:
        """Annualised volatility as known at every moment.

        Parameters
        ----------
        ts_ns : array of int64, shape (n,)
            Ascending; equal times are allowed.
        price : array of float64, shape (n,)

        Returns
        -------
        array of float64, shape (n,)
            NaN until one window has passed.
        """
        if len(ts_ns) == 0:
            return np.empty(0)
        squares = np.concatenate([[0.0], np.diff(np.log(price)) ** 2])
        elapsed = ts_ns - ts_ns[0]
        if self.kind == "realised":
            estimate = self._trailing(squares, ts_ns)
        else:
            estimate = self._weighted(squares, elapsed)
        return np.where(elapsed >= self.window_ns, estimate, np.nan)

    def last(self, ts_ns: Ints, price: Floats) -> float:
        """Return the last value of :meth:`series`."""
        return float(self.series(ts_ns, price)[-1])

    def _trailing(self, squares: Floats, ts_ns: Ints) -> Floats:
        """Sum of squares over the window, by the time between its first and last price."""
        total = np.cumsum(squares)
        start = np.searchsorted(ts_ns, ts_ns - self.window_ns, side="left")
        years = (ts_ns - ts_ns[start]) / NS_PER_YEAR
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.sqrt(np.maximum(total - total[start], 0.0) / years)

    def _weighted(self, squares: Floats, elapsed: Ints) -> Floats:
        """Square root of squares over time, both summed with weights 2^(-age / half-life).

        Done in stretches of thirty half-lives, within which the weights can be divided out
        without losing digits, so that the recursion becomes a cumulative sum.
        """
        age = elapsed / self.window_ns
        years = np.concatenate([[0.0], np.diff(elapsed)]) / NS_PER_YEAR
        result = np.empty(len(age))
        carried = np.zeros(2)
        since = 0.0
        first = 0
        while first < len(age):
            end = int(np.searchsorted(age, age[first] + 30.0, side="right"))
            growth = np.exp2(age[first:end] - age[first])
            decay = 2.0 ** (since - age[first])
            sums = [
                (carried[k] * decay + np.cumsum(part[first:end] * growth)) / growth
                for k, part in enumerate((squares, years))
            ]
            with np.errstate(invalid="ignore", divide="ignore"):
                result[first:end] = np.sqrt(sums[0] / sums[1])
            carried = np.array([sums[0][-1], sums[1][-1]])
            since, first = age[end - 1], end
        return result

"""A forecast by code of the user's own, asked once an hour with the prices of its window."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gammacore.array_types import Floats, Ints
from gammacore.daycount import NS_PER_HOUR, NS_PER_YEAR
from gammacore.errors import CodeError

__all__ = ["OwnEstimate", "PastPrices"]

MOST, TIMES = 5.0, 10.0  # above it, and so many times what was realised, a forecast is a percentage


class PastPrices(NamedTuple):
    """Prices so far, of one window; arrays that cannot be written to.

    Attributes
    ----------
    ts_ns : int64, shape (n,)
        Ascending; the last one is now.
    price : float64, shape (n,)
        USD.
    """

    ts_ns: Ints
    price: Floats


class OwnEstimate:
    """Like :class:`.estimate.Estimate`, by a function.

    Parameters
    ----------
    rule : callable(PastPrices) -> float
        Annualised volatility, NaN where it says nothing.
    window_ns : int
        Of the prices that it is given; before one has passed it is not asked.

    Raises
    ------
    CodeError
        By its methods, where the answer can only be a percentage.
    """

    def __init__(self, rule: Callable[[PastPrices], float], window_ns: int) -> None:
        self.rule, self.window_ns = rule, window_ns
        self.looks_back_ns = 2 * window_ns
        self._known: tuple[int, float] = (-1, np.nan)

    def series(self, ts_ns: Ints, price: Floats) -> Floats:
        """Return the volatility as known at every moment, of the first price of its hour."""
        if len(ts_ns) == 0:
            return np.empty(0)
        hours = np.flatnonzero(np.diff(ts_ns // NS_PER_HOUR, prepend=-1))
        found = np.array([self._ask(ts_ns, price, int(i)) for i in hours])
        return np.asarray(np.repeat(found, np.diff(hours, append=len(ts_ns))))

    def last(self, ts_ns: Ints, price: Floats) -> float:
        """Return the last value of :meth:`series`; the same hour is not asked for twice."""
        hour = int(ts_ns[-1]) // NS_PER_HOUR
        i = int(np.searchsorted(ts_ns, hour * NS_PER_HOUR, side="left"))
        if self._known[0] != hour or np.isnan(self._known[1]):
            self._known = hour, self._ask(ts_ns, price, i)
        return self._known[1]

    def _ask(self, ts_ns: Ints, price: Floats, i: int) -> float:
        if ts_ns[i] - ts_ns[0] < self.window_ns:
            return np.nan
        first = int(np.searchsorted(ts_ns, ts_ns[i] - self.window_ns, side="left"))
        view = PastPrices(ts_ns[first : i + 1].copy(), price[first : i + 1].copy())
        for column in view:
            column.flags.writeable = False
        vol = float(self.rule(view))
        realised = math.sqrt(float(np.sum(np.diff(np.log(view.price)) ** 2)) * NS_PER_YEAR / self.window_ns)
        if vol > MOST and vol > TIMES * realised:
            raise CodeError(
                f"signal.forecast: {vol:g} a year, where the prices of the window moved by {realised:.2g}; "
                "expected a decimal, such as 0.55 for 55 %"
            )
        return vol

"""A forecast by code of the user's own, asked once an hour with the prices of its window."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gammacore.array_types import Floats, Ints
from gammacore.daycount import NS_PER_HOUR

__all__ = ["OwnEstimate", "PastPrices"]


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
        return float(self.rule(view))

"""A volatility index as it was published: its level at a moment, and where that stands among the past."""

from __future__ import annotations

import math
from bisect import bisect_right

import numpy as np
import numpy.typing as npt

from gammacore.array_types import Floats, Ints

__all__ = ["IndexEstimate", "IndexHistory"]


class IndexHistory:
    """Readings of an index, ascending in time; may grow.

    Parameters
    ----------
    ts_ns : array of int64, shape (n,)
        When each reading became known.
    vol : array of float64, shape (n,)
        Decimal.
    window_ns : int
        Of the rank.
    fresh_ns : int
        Age from which a reading says nothing of the present.
    every_ns : int
        Between two readings that count for the rank.
    keeps_ns : int
        How far back readings matter, if farther than the window.
    """

    def __init__(
        self,
        ts_ns: npt.ArrayLike,
        vol: npt.ArrayLike,
        window_ns: int,
        fresh_ns: int,
        every_ns: int = 0,
        keeps_ns: int = 0,
    ) -> None:
        self._ts_ns: list[int] = np.asarray(ts_ns, np.int64).tolist()
        self._vol: list[float] = np.asarray(vol, np.float64).tolist()
        self.window_ns, self.fresh_ns, self.every_ns = window_ns, fresh_ns, every_ns
        self.keeps_ns = max(window_ns, keeps_ns)
        self._latest = (self._ts_ns[-1], self._vol[-1]) if self._ts_ns else (0, math.nan)

    def add(self, ts_ns: int, vol: float) -> None:
        """Take in a later reading."""
        if ts_ns < self._latest[0] or not vol > 0.0:
            return
        self._latest = ts_ns, vol
        if not self._ts_ns or ts_ns - self._ts_ns[-1] >= self.every_ns:
            self._ts_ns.append(ts_ns)
            self._vol.append(vol)

    def level(self, ts_ns: int) -> float:
        """Level at a moment, NaN without a fresh reading."""
        known_ns, level = self._latest
        if known_ns > ts_ns:
            end = bisect_right(self._ts_ns, ts_ns)
            known_ns, level = (self._ts_ns[end - 1], self._vol[end - 1]) if end else (0, math.nan)
        return level if ts_ns - known_ns <= self.fresh_ns else math.nan

    def last_before(self, ts_ns: Ints, old_ns: int) -> Floats:
        """Last reading at or before each moment, NaN where it is older than ``old_ns``."""
        known = np.array([*self._ts_ns, self._latest[0]], np.int64)
        vol = np.array([*self._vol, self._latest[1]])
        last = np.searchsorted(known, ts_ns, side="right") - 1
        near = (last >= 0) & (ts_ns - known[np.maximum(last, 0)] <= old_ns)
        return np.where(near, vol[last], np.nan)

    def at(self, ts_ns: int) -> tuple[float, float]:
        """Level at a moment, and the share of the readings of the window before it that are lower.

        Either is NaN where it is not known: no fresh reading, or a history shorter than the window.
        """
        level, end = self.level(ts_ns), bisect_right(self._ts_ns, ts_ns)
        if math.isnan(level):
            return math.nan, math.nan
        start = bisect_right(self._ts_ns, ts_ns - self.window_ns)
        if not start or start == end:  # nothing was known a window ago
            return level, math.nan
        return level, float(np.mean(np.array(self._vol[start:end]) < level))


class IndexEstimate:
    """Like :class:`.estimate.Estimate`: a volatility index as last published, whatever the prices.

    Parameters
    ----------
    history : IndexHistory
    """

    window_ns = looks_back_ns = 0  # no price matters

    def __init__(self, history: IndexHistory) -> None:
        self._history = history

    def series(self, ts_ns: Ints, price: Floats) -> Floats:
        """Return the index as known at every moment, decimal; NaN where no reading was fresh."""
        return self._history.last_before(ts_ns, self._history.fresh_ns)

    def last(self, ts_ns: Ints, price: Floats) -> float:
        """Return the index as known at the last moment."""
        return self._history.level(int(ts_ns[-1]))

"""A forecast that learns from all prices so far, made anew each hour."""

from __future__ import annotations

import numpy as np

from gammacore.array_types import Floats, Ints
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR
from gammacore.errors import DataError

from .clock import VarianceClock, fit_clock
from .forecast.combined import combined_forecasts
from .forecast.har import HAR, har_forecasts
from .forecast.history import daily_history
from .index_history import IndexHistory

__all__ = ["HORIZON_NS", "LEARNS_NS", "LearnedEstimate"]

HORIZON_NS = 7 * NS_PER_DAY  # that is forecast; ForecastErrors say what it means for others
CLOCK_NS = 365 * NS_PER_DAY  # prices that the variance clock is fitted to, the first ones
LEARNS_NS = CLOCK_NS + 30 * NS_PER_DAY  # of prices, before it says anything
OLD_NS = 2 * NS_PER_DAY  # age of a reading of the index that says nothing
FRESH_NS = 2 * NS_PER_HOUR  # age of a price that still is one, and of a forecast


class LearnedEstimate:
    """Like :class:`.estimate.Estimate`: HAR on a variance clock, or combined with the volatility index.

    Parameters
    ----------
    index : IndexHistory, optional
        With it the forecast is `combined_forecasts`, else HAR in logarithms with leverage.
    """

    window_ns = LEARNS_NS
    looks_back_ns = 990 * NS_PER_DAY  # one answer of the exchange has a thousand days of the index

    def __init__(self, index: IndexHistory | None = None) -> None:
        self.index = index
        self._known: tuple[int, float] = (-1, np.nan)

    def series(self, ts_ns: Ints, price: Floats) -> Floats:
        """Annualised volatility as known at every moment, by the hour that ended last."""
        path, close = _by_hours(ts_ns, price)
        clock = _clock(path, close)
        if clock is None:
            return np.full(len(ts_ns), np.nan)
        parts = [self._forecasts(path, close, clock, end) for end in path[-24:].tolist()]
        ends, vols = (np.concatenate(part) for part in zip(*parts, strict=True))
        order = np.argsort(ends)
        ends, vols = ends[order], vols[order]
        last = np.searchsorted(ends, ts_ns, side="right") - 1
        fresh = (last >= 0) & (ts_ns - ends[np.maximum(last, 0)] <= FRESH_NS)
        return np.where(fresh, vols[np.maximum(last, 0)], np.nan)

    def last(self, ts_ns: Ints, price: Floats) -> float:
        """Return the last value of :meth:`series`; the same hour is not asked for twice."""
        hour = int(ts_ns[-1]) // NS_PER_HOUR
        if self._known[0] != hour or np.isnan(self._known[1]):
            path, close = _by_hours(ts_ns, price)
            clock = _clock(path, close)
            vol = np.nan if clock is None else self._forecasts(path, close, clock, int(path[-1]))[1][-1]
            self._known = hour, float(vol)
        return self._known[1]

    def _forecasts(self, path: Ints, close: Floats, clock: VarianceClock, end_ns: int) -> tuple[Ints, Floats]:
        """Forecasts of one hour of the day, and when each was made."""
        history = daily_history(path, close, origin_ns=end_ns, clock=clock)
        if self.index is None:
            rate = har_forecasts(history, HORIZON_NS, HAR(leverage=True))
        else:
            implied = self.index.last_before(history.end_ns, OLD_NS) ** 2
            rate = combined_forecasts(history, HORIZON_NS, implied_variance=implied)
        vol = np.sqrt(rate * history.rate_to_calendar(HORIZON_NS))
        return history.end_ns, np.where(history.end_ns - path[0] >= LEARNS_NS, vol, np.nan)


def _by_hours(ts_ns: Ints, price: Floats) -> tuple[Ints, Floats]:
    """Return ends of hours and the last price before each; hours without a price nearby are left out."""
    hours = NS_PER_HOUR * np.arange(-(-int(ts_ns[0]) // NS_PER_HOUR), int(ts_ns[-1]) // NS_PER_HOUR + 1)
    at = np.searchsorted(ts_ns, hours, side="right") - 1
    fresh = hours - ts_ns[at] < FRESH_NS
    return hours[fresh], price[at[fresh]]


def _clock(path: Ints, close: Floats) -> VarianceClock | None:
    """Fit the clock to the first year; None where there is none, or its hours are not known."""
    if not len(path) or path[-1] - path[0] < LEARNS_NS:
        return None
    early = path <= path[0] + CLOCK_NS
    try:
        return fit_clock(path[early], close[early])
    except (ValueError, DataError):
        return None

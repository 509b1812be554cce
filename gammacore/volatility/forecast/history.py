"""Daily realised measures of a price path, and what was realised over any horizon after each day."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import numpy.typing as npt

from gammacore.array_types import Floats, Ints
from gammacore.daycount import NS_PER_DAY, NS_PER_YEAR, times_ns
from gammacore.volatility.clock import VarianceClock
from gammacore.volatility.result import checked_path

__all__ = ["History", "daily_history", "naive_forecasts"]


class History(msgspec.Struct, frozen=True, eq=False):
    """Blocks of 24 hours, the last of which ends at the origin of the forecast.

    Variances are rates: per year of the clock, of a calendar year without one.

    Attributes
    ----------
    end_ns : array of int64, shape (n,)
        End of each block, which is also the origin of a forecast that knows it.
    variance : array of float64, shape (n,)
        Realised variance of the block.
    continuous : array of float64, shape (n,)
        Bipower variance, at most the realised one: without jumps.
    downside : array of float64, shape (n,)
        Semivariance: the part of the realised variance that comes from falling prices.
    change : array of float64, shape (n,)
        Log return of the block.
    clock : VarianceClock
    ts_ns, price : array, shape (m,)
        The path.
    """

    end_ns: Ints
    variance: Floats
    continuous: Floats
    downside: Floats
    change: Floats
    clock: VarianceClock
    ts_ns: Ints
    price: Floats

    def realised(self, horizon_ns: int) -> Floats:
        """Variance rate over the horizon after each block.

        Parameters
        ----------
        horizon_ns : int

        Returns
        -------
        array of float64, shape (n,)
            NaN where the path ends before the horizon does.
        """
        if horizon_ns <= 0:
            raise ValueError(f"horizon_ns: expected a positive time, got {horizon_ns!r}")
        end = self.end_ns + horizon_ns
        total = np.concatenate([[0.0], np.cumsum(np.diff(np.log(self.price)) ** 2)])
        first, last = self._known(self.end_ns), self._known(end)
        squares = total[last] - total[first]
        found = squares / self.clock.elapsed(self.end_ns, end)
        return np.where((end <= self.ts_ns[-1]) & (squares > 0), found, np.nan)

    def mean_of_last(self, days: int) -> Floats:
        """Mean variance of the last blocks up to each; NaN before there are as many."""
        return trailing_mean(self.variance, days)

    def rate_to_calendar(self, horizon_ns: int) -> Floats:
        """Return what turns a rate into annualised calendar variance over the horizon after each block."""
        return self.clock.elapsed(self.end_ns, self.end_ns + horizon_ns) * (NS_PER_YEAR / horizon_ns)

    def _known(self, at_ns: Ints) -> Ints:
        """Position of the last price at or before each time."""
        return np.maximum(np.searchsorted(self.ts_ns, at_ns, side="right") - 1, 0)


def trailing_mean(values: Floats, count: int) -> Floats:
    """Mean of the last values up to each; NaN before there are as many, or where one is NaN."""
    if count < 1:
        raise ValueError(f"lags: expected at least 1 day, got {count!r}")
    known = np.isfinite(values)
    total = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
    seen = np.concatenate([[0], np.cumsum(known)])
    result = np.full(values.size, np.nan)
    whole = seen[count:] - seen[:-count] == count
    result[count - 1 :] = np.where(whole, (total[count:] - total[:-count]) / count, np.nan)
    return result


def daily_history(
    ts_ns: npt.ArrayLike,
    price: npt.ArrayLike,
    *,
    origin_ns: int | None = None,
    clock: VarianceClock | None = None,
    fewest: int = 12,
) -> History:
    """Measures of each 24 hours before an origin.

    Parameters
    ----------
    ts_ns : array_like of int64, shape (m,)
        Strictly ascending, several a day: at minutes or hours.
    price : array_like, shape (m,)
    origin_ns : int, optional
        When the forecast is made; the last price's time without it. Later prices count as the future.
        All blocks end at this time of day, so that a horizon begins where an option's
        remaining life does.
    clock : VarianceClock, optional
        Time that rates are per; calendar time without it. To be fair to a test out of
        sample, fit it to prices before the first origin that counts.
    fewest : int, optional
        Returns that a block needs; one with fewer has NaN.

    Returns
    -------
    History

    Raises
    ------
    ValueError, TypeError
        If the path is not one, or shorter than two days.
    """
    times, prices = checked_path(ts_ns, price, 3)
    origin = int(times[-1]) if origin_ns is None else int(times_ns("origin_ns", origin_ns))
    before = (origin - int(times[0])) // NS_PER_DAY
    if before < 2:
        raise ValueError(f"ts_ns: expected at least two days before the origin, got {before}")
    after = max((int(times[-1]) - origin) // NS_PER_DAY, 0)
    edges = origin + NS_PER_DAY * np.arange(-before, after + 1, dtype=np.int64)
    timing = clock if clock is not None else VarianceClock.calendar()
    returns = np.diff(np.log(prices))
    at = np.maximum(np.searchsorted(times, edges, side="right") - 1, 0)
    count = np.diff(at)
    squares, falls = (
        np.diff(np.concatenate([[0.0], np.cumsum(moves**2)])[at])
        for moves in (returns, np.minimum(returns, 0.0))
    )
    # A product belongs to the later of its two returns; the one across an edge is left out.
    products = np.concatenate([[0.0, 0.0], np.cumsum(np.abs(returns[1:] * returns[:-1]))])
    inner = np.where(count > 1, products[at[1:]] - products[np.minimum(at[:-1] + 1, at[1:])], 0.0)
    bipower = 0.5 * math.pi * inner * count / np.maximum(count - 1, 1)
    years = timing.elapsed(edges[:-1], edges[1:])
    good = (count >= fewest) & (squares > 0)
    variance = np.where(good, squares / years, np.nan)
    # A day without a product is no day without continuous variance.
    smooth = np.where(bipower > 0, np.minimum(bipower, squares), squares)
    return History(
        edges[1:],
        variance,
        np.where(good, smooth / years, np.nan),
        np.where(good, falls / years, np.nan),
        np.where(good, np.log(prices[at[1:]] / prices[at[:-1]]), np.nan),
        timing,
        times,
        prices,
    )


def naive_forecasts(history: History, days: int) -> Floats:
    """Mean of the last days' variance: the random walk for ``days`` of 1."""
    return history.mean_of_last(days)

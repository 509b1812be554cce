"""What happens to the price after each entry of a tape: what a resting order fills by.

Decisions never see it; it is the market's answer to an order, as the chain's ask is to a purchase.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gammacore.array_types import Floats, Ints
from gammacore.data import Prices
from gammacore.daycount import NS_PER_SECOND

STEPS = 60  # bars whose moves are the variance of a moment, the next one the last of them


class NextBars(NamedTuple):
    """The bar after each entry, arrays of shape (n,).

    Attributes
    ----------
    ends : array of int64
        When it closes; the entry's own time where there is none.
    opens, close : array
        Price of the entry and at the end, USD.
    high, low : array
        Of the bar, USD; NaN where they are unknown or of more than the time after the entry.
    variance : array
        Of the logarithm of the price in a second, over the last bars.
    """

    ends: Ints
    opens: Floats
    close: Floats
    high: Floats
    low: Floats
    variance: Floats


def nothing_after(count: int) -> NextBars:
    """Bars of a tape of which none is known."""
    nothing = np.zeros(count)
    return NextBars(np.zeros(count, np.int64), *[nothing] * 5)


def next_bars(ts_ns: Ints, index: Floats, prices: Prices | None) -> NextBars:
    """Find the bar after each entry.

    Parameters
    ----------
    ts_ns, index : array, shape (n,)
        Entries of a tape.
    prices : Prices or None
        Bars; without them the entries are taken for bars.
    """
    times, closes = (ts_ns, index) if prices is None else (prices.ts_ns, prices.close)
    k = np.searchsorted(times, ts_ns, side="right")
    known = k < len(times)
    at = np.minimum(k, len(times) - 1)
    ends = np.where(known, times[at], ts_ns)
    high = low = np.full(len(ts_ns), np.nan)
    if prices is not None and prices.high is not None and prices.low is not None:
        whole = known & (times[at] - prices.interval_ns == ts_ns)
        high, low = (np.where(whole, column[at], np.nan) for column in (prices.high, prices.low))
    close = np.where(known, closes[at], index)
    variance = _variance(times, closes)[at] if len(times) > 1 else np.zeros(len(ts_ns))
    return NextBars(ends, index, close, high, low, np.where(known, variance, 0.0))


def _variance(times: Ints, closes: Floats) -> Floats:
    """Variance a second of the moves that end at each bar and the ones before, at most ``STEPS``."""
    moved, gone = np.zeros(len(times)), np.zeros(len(times))
    moves = np.diff(np.log(closes))
    np.cumsum(moves * moves, out=moved[1:])
    np.divide(times - times[0], NS_PER_SECOND, out=gone)
    for sums in (moved, gone):  # over the bars before each, of those that there are
        sums[STEPS:] -= sums[:-STEPS].copy()
        sums[0] = sums[1]
    variance: Floats = np.maximum(moved, 0.0) / np.maximum(gone, 1e-9)
    return variance

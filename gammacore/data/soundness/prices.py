"""Price bars against themselves and against the forwards of chains."""

from __future__ import annotations

import numpy as np

from gammacore.array_types import Floats, Ints
from gammacore.daycount import NS_PER_HOUR

from .result import FEWEST, CheckResult

__all__ = [
    "bars_against_forwards",
    "bars_follow",
    "closes_inside",
    "index_against_forwards",
    "price_at",
    "shift_of_hours",
    "spikes",
]

FEWEST_CHANGES = 24  # of the forward, to tell one clock from another
CUT = float(np.log(5.0))  # of the last bar; no market moves so far in one
NOT_BETTER = 0.55  # no recorded window of 30 chains fits another shift this much better


def price_at(bar_ts_ns: Ints, close: Floats, ts_ns: Ints) -> Floats:
    """Price at times, on a straight line between the closes around them.

    It looks ahead by up to a bar, so it is for checks only.

    Parameters
    ----------
    bar_ts_ns : array of int64
        Time at which each close became known, ascending, nanoseconds UTC.
    close : array of float64
        USD.
    ts_ns : array of int64

    Returns
    -------
    array of float64
        NaN outside the bars, and inside a hole of more than two bars.
    """
    at = np.searchsorted(bar_ts_ns, ts_ns, side="right") - 1
    inside = (at >= 0) & (ts_ns <= bar_ts_ns[-1]) if bar_ts_ns.size else np.zeros(ts_ns.size, dtype=bool)
    price = np.full(ts_ns.size, np.nan)
    if not inside.any():
        return price
    left = at[inside]
    right = np.minimum(left + 1, bar_ts_ns.size - 1)
    width = np.maximum(bar_ts_ns[right] - bar_ts_ns[left], 1)
    share = (ts_ns[inside] - bar_ts_ns[left]) / width
    found = close[left] * (1.0 - share) + close[right] * share
    usual = float(np.median(np.diff(bar_ts_ns))) if bar_ts_ns.size > 1 else 0.0
    price[inside] = np.where((width > 2 * usual) & (share > 0), np.nan, found)
    return price


def bars_against_forwards(
    bar_ts_ns: Ints, close: Floats, ts_ns: Ints, forward: Floats, *, limit: float = 0.02
) -> CheckResult:
    """Hold price bars against the forwards of chains.

    Recorded BTC and ETH data of 2026 has a median of 0.0005 against the forward of the next expiry.

    Parameters
    ----------
    bar_ts_ns, close : array
        As for `price_at`.
    ts_ns : array of int64
        Times of chains, ascending.
    forward : array of float64
        Forward of the next expiry of each, USD.
    limit : float
        Of the median of ``|ln(close / forward)|``, and of a twentieth of the chains.

    Returns
    -------
    CheckResult
        ``figure`` is the median, or the 95th percentile when that alone is above the limit.
    """
    check = "bars against the chains' forwards, |ln|"
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(price_at(bar_ts_ns, close, ts_ns) / forward)
    known = np.isfinite(ratio)
    ratio, ts_ns = ratio[known], ts_ns[known]
    if not ratio.size:
        return CheckResult(check, np.nan, limit, 0, 0)
    off = np.abs(ratio) > limit
    median = float(np.median(np.abs(ratio)))
    high = float(np.quantile(np.abs(ratio), 0.95))
    if median <= limit and (high <= limit or ratio.size < FEWEST):
        return CheckResult(check, median, limit, int(off.sum()), ratio.size)
    figure = median if median > limit else high
    why = _words_of_ratio(float(np.exp(np.median(ratio[off]))))
    return CheckResult(check, figure, limit, int(off.sum()), ratio.size, int(ts_ns[np.argmax(off)]), why)


def _words_of_ratio(ratio: float) -> str:
    factor = max(ratio, 1.0 / ratio)
    side = "above" if ratio > 1.0 else "below"
    if factor < 1.5:
        return f"bars are {abs(ratio - 1.0):.1%} {side} the forwards: another market, or shifted times"
    for unit in (100.0, 1_000.0):
        if abs(factor / unit - 1.0) < 0.1:
            return f"bars are {unit:g} times {side} the forwards: another unit"
    return f"bars are {factor:.3g} times {side} the forwards: another coin, or another unit"


def shift_of_hours(
    bar_ts_ns: Ints,
    close: Floats,
    ts_ns: Ints,
    forward: Floats,
    *,
    hours: int = 14,
) -> CheckResult:
    """Look for chains whose clock is off by whole hours against the bars.

    The changes of the forward between chains fit those of the price at one shift; at any other their
    difference is at least twice as large. Half hours are tried too, as some zones have them; bars of an hour
    are too coarse to show those.

    Parameters
    ----------
    bar_ts_ns, close, ts_ns, forward : array
        As for `bars_against_forwards`.
    hours : int
        Largest shift that is tried, both ways.

    Returns
    -------
    CheckResult
        ``figure`` is the shift in hours by which the chains' stamps are late (negative: early), NaN with
        fewer than 24 changes; ``count`` is all chains when they are shifted.
    """
    check, steps = "chains' clock against the bars, hours", np.arange(-2 * hours, 2 * hours + 1)
    known = np.isfinite(forward) & (forward > 0)
    ts_ns, log_forward = ts_ns[known], np.log(forward[known])
    # A chain stamped two hours late shows the price of two hours before its stamp.
    misfit = np.array(
        [_misfit(bar_ts_ns, close, ts_ns - step * NS_PER_HOUR // 2, log_forward) for step in steps]
    )
    here = float(misfit[2 * hours])
    if not np.isfinite(here) or not np.isfinite(misfit).any():
        return CheckResult(check, np.nan, 0.0, 0, int(ts_ns.size))
    best = int(np.nanargmin(misfit))
    shift = float(steps[best]) / 2.0
    if shift == 0.0 or misfit[best] > NOT_BETTER * here:
        return CheckResult(check, 0.0, 0.0, 0, int(ts_ns.size))
    late = "late" if shift > 0 else "early"
    why = f"the chains' stamps are {abs(shift):g} h {late} against the bars: local time read as UTC?"
    return CheckResult(check, shift, 0.0, int(ts_ns.size), int(ts_ns.size), int(ts_ns[0]), why)


def _misfit(bar_ts_ns: Ints, close: Floats, ts_ns: Ints, log_forward: Floats) -> float:
    """Median difference between changes of the price and of the forward; NaN for too few."""
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.abs(np.diff(np.log(price_at(bar_ts_ns, close, ts_ns))) - np.diff(log_forward))
    apart = apart[np.isfinite(apart)]
    return float(np.median(apart)) if apart.size >= FEWEST_CHANGES else float("nan")


def index_against_forwards(
    index: Floats, forward: Floats, ts_ns: Ints, *, limit: float = 0.05
) -> CheckResult:
    """Hold the index of chains against the forward of their next expiry; recorded ones are 0.0003 apart.

    Parameters
    ----------
    index, forward : array of float64
        A value a chain, USD; NaN for none.
    ts_ns : array of int64
    limit : float
        Of the median of ``|ln(index / forward)|``.

    Returns
    -------
    CheckResult
        ``figure`` is the median.
    """
    check = "index against the chains' forwards, |ln|"
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(index / forward)
    known = np.isfinite(ratio)
    ratio, ts_ns = ratio[known], ts_ns[known]
    figure = float(np.median(np.abs(ratio))) if ratio.size else float("nan")
    off = np.abs(ratio) > limit
    if not figure > limit:
        return CheckResult(check, figure, limit, int(off.sum()), int(ratio.size))
    factor = float(np.exp(np.median(ratio)))
    why = f"the index is {factor:.4g} times the forward: another coin, or another unit"
    return CheckResult(check, figure, limit, int(off.sum()), int(ratio.size), int(ts_ns[np.argmax(off)]), why)


def bars_follow(ts_ns: Ints, first: Floats, close: Floats, *, limit: float = 0.5) -> CheckResult:
    """Look whether each bar opens where the one before closed, as bars without holes between them do.

    Parameters
    ----------
    ts_ns : array of int64
    first, close : array of float64
        Open and close, USD.
    limit : float
        Of the median jump from a close to the next open, over the median move within a bar. Recorded bars of
        a minute to an hour have 0.00 to 0.04; where every other bar is missing it is 1.

    Returns
    -------
    CheckResult
        ``figure`` is that ratio.
    """
    check = "jump between bars over the move within them"
    with np.errstate(divide="ignore", invalid="ignore"):
        jump, move = np.abs(np.log(first[1:] / close[:-1])), np.abs(np.log(close / first))
    within = float(np.nanmedian(move)) if move.size >= FEWEST else 0.0
    if within <= 0.0:
        return CheckResult(check, float("nan"), limit, 0, int(close.size))
    figure = float(np.nanmedian(jump)) / within
    wide = jump > within
    if not figure > limit:
        return CheckResult(check, figure, limit, int(wide.sum()), int(jump.size))
    why = "bars do not follow one another: some are missing between them, or a column is another's"
    first_ns = int(ts_ns[1 + np.argmax(wide)])
    return CheckResult(check, figure, limit, int(wide.sum()), int(jump.size), first_ns, why)


def closes_inside(
    ts_ns: Ints, low: Floats, high: Floats, close: Floats, *, limit: float = 0.01
) -> CheckResult:
    """Look whether bars close between their low and high.

    Parameters
    ----------
    ts_ns : array of int64
    low, high, close : array of float64
        USD.
    limit : float
        Of the share of bars that do not. Recorded bars have 0; where two columns are swapped, nearly all.

    Returns
    -------
    CheckResult
        ``figure`` is that share.
    """
    check = "bars that close outside their low and high, share"
    outside = (close < low) | (close > high)
    count, total = int(np.count_nonzero(outside)), int(close.size)
    figure = count / total if total >= FEWEST else float("nan")
    if not figure > limit:
        return CheckResult(check, figure, limit, count, total)
    why = "columns are swapped, or a column is another's"
    return CheckResult(check, figure, limit, count, total, int(ts_ns[np.argmax(outside)]), why)


def spikes(ts_ns: Ints, close: Floats, *, floor: float = 0.1, scale: float = 60.0) -> CheckResult:
    """Find bars that jump and come back: one or two bars far from those on both sides.

    A bar is a spike when its close differs from the last before and the first after by more than `floor` and
    by more than `scale` times the median change of a bar, both the same way, and these two agree with each
    other to a fifth of it. No hour of 2020 to 2026 and no minute of the crash of March 2020 is one. The last
    bar is one if it is five times off: a file that was cut in its last number is read to its end.

    Parameters
    ----------
    ts_ns : array of int64
        Ascending.
    close : array of float64
        USD.
    floor, scale : float
        Least size as a logarithm, and in median changes.

    Returns
    -------
    CheckResult
        ``figure`` is the largest spike as a logarithm, 0 for none.
    """
    check = "bars that jump and come back, |ln|"
    price = np.log(np.where((close > 0) & np.isfinite(close), close, np.nan))
    change = np.abs(np.diff(price))
    change = change[np.isfinite(change) & (change > 0)]
    limit = max(floor, scale * float(np.median(change))) if change.size >= FEWEST else floor
    size = np.zeros(price.size)
    for width in (1, 2):
        if price.size < width + 2:
            break
        before, after = price[: -width - 1], price[width + 1 :]
        first, last = price[1:-width], price[width:-1]
        away = np.fmin(np.abs(first - before), np.abs(last - after))
        back = (np.abs(after - before) < 0.2 * away) & ((first > before) == (last > after))
        found = np.where(back & (away > limit), away, 0.0)
        for offset in range(width):
            part = slice(1 + offset, 1 + offset + found.size)
            size[part] = np.maximum(size[part], found)
    if change.size and (cut := abs(price[-1] - price[-2])) > max(limit, CUT):
        size[-1] = cut
    hit = size > 0
    if not hit.any():
        return CheckResult(check, 0.0, limit, 0, price.size)
    at = int(np.argmax(hit))
    largest = float(size.max())
    why = f"a price {np.exp(largest):.3g} times off for a bar or two: a bad print, or rows of another market"
    return CheckResult(check, largest, limit, int(hit.sum()), price.size, int(ts_ns[at]), why)

"""Hold market data against itself: units, coins, swapped columns, shifted clocks, spikes.

Every check takes arrays, reads nothing and changes nothing, and returns a `Verdict`: the figure, its limit,
where it shows first, and in words what is probably wrong. The limits lie between what recorded data shows and
what the named mistake makes of it; each function states both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gammacore import inverse
from gammacore.array_types import Floats, Ints
from gammacore.daycount import NS_PER_HOUR, NS_PER_YEAR, format_time

__all__ = [
    "Verdict",
    "bars_against_forwards",
    "bars_follow",
    "index_against_forwards",
    "period_covered",
    "price_at",
    "quotes_against_marks",
    "shift_of_hours",
    "sides_swapped",
    "spikes",
    "units_of_funding",
    "units_of_iv",
]


NEAR_MONEY = 0.15  # |ln(K/F)| of options whose marks tell a volatility, whatever their unit
FEWEST = 8  # values below which a median or a share says nothing
FEWEST_CHANGES = 24  # of the forward, to tell one clock from another
NOT_BETTER = 0.55  # no recorded window of 30 chains fits another shift this much better
MOST_ROWS = 20_000  # evenly spaced, enough for a median


@dataclass(frozen=True, slots=True)
class Verdict:
    """Outcome of one check.

    Attributes
    ----------
    check : str
        What was held against what.
    figure : float
        What was measured; NaN when there was too little to measure.
    limit : float
        The check fails above it.
    count, total : int
        Rows that fail alone, out of how many.
    ts_ns : int
        Time of the first of them, nanoseconds UTC; 0 when there is none.
    why : str
        What is probably wrong; empty when the data is sound.
    """

    check: str
    figure: float
    limit: float
    count: int
    total: int
    ts_ns: int = 0
    why: str = ""

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong, or there is too little to tell."""
        return not self.why

    def __str__(self) -> str:
        """One line: what, the figure against its limit, the place, the probable reason."""
        if self.sound:
            return f"{self.check}: {self.figure:.4g}, at most {self.limit:.4g}"
        place = f" from {format_time(self.ts_ns)}" if self.ts_ns else ""
        rows = f"{self.count:,} of {self.total:,}"
        return f"{self.check}: {self.figure:.4g} above {self.limit:.4g} ({rows}{place}): {self.why}"


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
) -> Verdict:
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
    Verdict
        ``figure`` is the median, or the 95th percentile when that alone is above the limit.
    """
    check = "bars against the chains' forwards, |ln|"
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(price_at(bar_ts_ns, close, ts_ns) / forward)
    known = np.isfinite(ratio)
    ratio, ts_ns = ratio[known], ts_ns[known]
    if not ratio.size:
        return Verdict(check, np.nan, limit, 0, 0)
    off = np.abs(ratio) > limit
    median = float(np.median(np.abs(ratio)))
    high = float(np.quantile(np.abs(ratio), 0.95))
    if median <= limit and (high <= limit or ratio.size < FEWEST):
        return Verdict(check, median, limit, int(off.sum()), ratio.size)
    figure = median if median > limit else high
    why = _words_of_ratio(float(np.exp(np.median(ratio[off]))))
    return Verdict(check, figure, limit, int(off.sum()), ratio.size, int(ts_ns[np.argmax(off)]), why)


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
) -> Verdict:
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
    Verdict
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
        return Verdict(check, np.nan, 0.0, 0, int(ts_ns.size))
    best = int(np.nanargmin(misfit))
    shift = float(steps[best]) / 2.0
    if shift == 0.0 or misfit[best] > NOT_BETTER * here:
        return Verdict(check, 0.0, 0.0, 0, int(ts_ns.size))
    late = "late" if shift > 0 else "early"
    why = f"the chains' stamps are {abs(shift):g} h {late} against the bars: local time read as UTC?"
    return Verdict(check, shift, 0.0, int(ts_ns.size), int(ts_ns.size), int(ts_ns[0]), why)


def _misfit(bar_ts_ns: Ints, close: Floats, ts_ns: Ints, log_forward: Floats) -> float:
    """Median difference between changes of the price and of the forward; NaN for too few."""
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.abs(np.diff(np.log(price_at(bar_ts_ns, close, ts_ns))) - np.diff(log_forward))
    apart = apart[np.isfinite(apart)]
    return float(np.median(apart)) if apart.size >= FEWEST_CHANGES else float("nan")


def units_of_iv(
    kind: Any,
    mark: Floats,
    forward: Floats,
    strike: Floats,
    tau: Floats,
    iv: Floats,
    ts_ns: Ints,
    *,
    in_coin: bool = True,
    limit: float = 0.5,
) -> Verdict:
    """Hold recorded volatilities and marks against each other, and both against their units.

    Of recorded options near the money, 0.1 % have a mark without a volatility, and the recorded volatility
    is within 1 % of the one of the mark. At most 20,000 rows are looked at, evenly spaced.

    Parameters
    ----------
    kind, mark, forward, strike, tau, iv : array
        A value a row: +1 call or -1 put, mark, USD, USD, years, recorded volatility (NaN for none).
    ts_ns : array of int64
        Times of the rows.
    in_coin : bool
        Whether marks should be in coin (inverse options); else in USD.
    limit : float
        Share of rows that may have no volatility, or one that is off by more than a factor of two.

    Returns
    -------
    Verdict
        ``figure`` is that share.
    """
    check = "volatilities against marks, share of rows off"
    with np.errstate(divide="ignore", invalid="ignore"):
        near = np.isfinite(mark) & (mark > 0) & (np.abs(np.log(strike / forward)) < NEAR_MONEY)
    rows = np.flatnonzero(near & (tau > 0))
    rows = rows[:: max(rows.size // MOST_ROWS, 1)]
    if rows.size < FEWEST:
        return Verdict(check, np.nan, limit, 0, int(rows.size))
    kind, mark, forward, strike, tau = (x[rows] for x in (np.asarray(kind), mark, forward, strike, tau))
    iv, ts_ns = iv[rows], ts_ns[rows]

    def implied(coin: Floats) -> Floats:
        return np.asarray(inverse.implied_vol(kind, coin, forward, strike, tau))

    vol = implied(mark if in_coin else mark / forward)
    none = np.isnan(vol)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = iv / vol
    known = np.isfinite(factor) & (factor > 0)
    wrong = none | (known & ((factor > 2.0) | (factor < 0.5)))
    share = float(wrong.mean())
    if share <= limit:
        return Verdict(check, share, limit, int(wrong.sum()), rows.size)
    other = implied(mark / forward if in_coin else mark)
    with np.errstate(divide="ignore", invalid="ignore"):
        fits = np.isfinite(other) & ~(np.abs(iv / other - 1.0) > 0.5)
    middle = float(np.median(factor[known])) if known.any() else float("nan")
    if fits.mean() > limit:
        units = ("USD", "coin") if in_coin else ("coin", "USD")
        why = f"marks are probably in {units[0]}; they must be in {units[1]}"
    elif none.mean() > limit:
        why = f"{none.mean():.0%} of marks have no implied volatility: another unit, coin or column"
    elif 50.0 < middle < 200.0:
        why = f"recorded volatilities are {middle:.3g} times those of the marks: percent, not fractions"
    elif 1.0 / 200.0 < middle < 1.0 / 50.0:
        why = (
            f"recorded volatilities are {middle:.3g} times those of the marks: divided by 100 once too often"
        )
    else:
        why = (
            f"recorded volatilities are {middle:.3g} times those of the marks: other columns, or other times"
        )
    return Verdict(check, share, limit, int(wrong.sum()), rows.size, int(ts_ns[np.argmax(wrong)]), why)


def sides_swapped(bid: Floats, ask: Floats, ts_ns: Ints, *, limit: float = 0.01) -> Verdict:
    """Count rows whose bid is above their ask; recorded chains have none.

    Parameters
    ----------
    bid, ask : array of float64
        NaN for none.
    ts_ns : array of int64
    limit : float
        Share of the rows that have both.

    Returns
    -------
    Verdict
        ``figure`` is the share.
    """
    check = "bid above ask, share of rows"
    both = np.isfinite(bid) & np.isfinite(ask)
    crossed = both & (bid > ask)
    total, count = int(both.sum()), int(crossed.sum())
    share = count / total if total else float("nan")
    if not share > limit:
        return Verdict(check, share, limit, count, total)
    why = "bid and ask are probably swapped" if share > 0.5 else "quotes of different times or instruments"
    return Verdict(check, share, limit, count, total, int(ts_ns[np.argmax(crossed)]), why)


def quotes_against_marks(
    bid: Floats, ask: Floats, mark: Floats, ts_ns: Ints, *, limit: float = 0.3
) -> Verdict:
    """Count rows whose mark lies outside bid and ask; 1 to 3 % of recorded rows do.

    Parameters
    ----------
    bid, ask, mark : array of float64
        In one unit; NaN for none.
    ts_ns : array of int64
    limit : float
        Share of the rows that have a mark and a side.

    Returns
    -------
    Verdict
        ``figure`` is the share.
    """
    check = "marks outside bid and ask, share of rows"
    known = np.isfinite(mark) & (np.isfinite(bid) | np.isfinite(ask))
    outside = known & ((bid > mark) | (ask < mark))
    total, count = int(known.sum()), int(outside.sum())
    share = count / total if total >= FEWEST else float("nan")
    if not share > limit:
        return Verdict(check, share, limit, count, total)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = float(np.nanmedian(np.where(mark > 0, np.where(np.isfinite(ask), ask, bid) / mark, np.nan)))
    apart = (
        f"quotes are {ratio:.3g} times the marks" if ratio > 10.0 or ratio < 0.1 else "quotes are not near"
    )
    why = f"{apart}: another unit, other columns, or quotes of other times"
    return Verdict(check, share, limit, count, total, int(ts_ns[np.argmax(outside)]), why)


def index_against_forwards(index: Floats, forward: Floats, ts_ns: Ints, *, limit: float = 0.05) -> Verdict:
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
    Verdict
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
        return Verdict(check, figure, limit, int(off.sum()), int(ratio.size))
    factor = float(np.exp(np.median(ratio)))
    why = f"the index is {factor:.4g} times the forward: another coin, or another unit"
    return Verdict(check, figure, limit, int(off.sum()), int(ratio.size), int(ts_ns[np.argmax(off)]), why)


def bars_follow(ts_ns: Ints, first: Floats, close: Floats, *, limit: float = 0.5) -> Verdict:
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
    Verdict
        ``figure`` is that ratio.
    """
    check = "jump between bars over the move within them"
    with np.errstate(divide="ignore", invalid="ignore"):
        jump, move = np.abs(np.log(first[1:] / close[:-1])), np.abs(np.log(close / first))
    within = float(np.nanmedian(move)) if move.size >= FEWEST else 0.0
    if within <= 0.0:
        return Verdict(check, float("nan"), limit, 0, int(close.size))
    figure = float(np.nanmedian(jump)) / within
    wide = jump > within
    if not figure > limit:
        return Verdict(check, figure, limit, int(wide.sum()), int(jump.size))
    why = "bars do not follow one another: some are missing between them, or a column is another's"
    first_ns = int(ts_ns[1 + np.argmax(wide)])
    return Verdict(check, figure, limit, int(wide.sum()), int(jump.size), first_ns, why)


def period_covered(
    check: str, known_ns: Ints, length_ns: int, start_ns: int, end_ns: int, *, limit: float = 0.99
) -> Verdict:
    """Hold the times of a series against a period that it should cover.

    Parameters
    ----------
    check : str
        What is covered.
    known_ns : array of int64
        Ends of the periods that the series has values of, ascending.
    length_ns : int
        Length of each.
    start_ns, end_ns : int
        Period of the run.
    limit : float
        Share of the run without a value that is too much.

    Returns
    -------
    Verdict
        ``figure`` is the share without a value.
    """
    inside = (known_ns > start_ns) & (known_ns - length_ns < end_ns)
    missing = 1.0 - min(int(inside.sum()) * length_ns / max(end_ns - start_ns, 1), 1.0)
    if not missing > limit:
        return Verdict(check, missing, limit, int((~inside).sum()), int(known_ns.size))
    span = (
        f"{format_time(int(known_ns[0]))} to {format_time(int(known_ns[-1]))}" if known_ns.size else "nothing"
    )
    why = f"it covers {span}, the run {format_time(start_ns)} to {format_time(end_ns)}"
    return Verdict(check, missing, limit, int((~inside).sum()), int(known_ns.size), 0, why)


def spikes(ts_ns: Ints, close: Floats, *, floor: float = 0.1, scale: float = 60.0) -> Verdict:
    """Find bars that jump and come back: one or two bars far from those on both sides.

    A bar is a spike when its close differs from the last before and the first after by more than `floor` and
    by more than `scale` times the median change of a bar, both the same way, and these two agree with each
    other to a fifth of it. No hour of 2020 to 2026 and no minute of the crash of March 2020 is one.

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
    Verdict
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
    hit = size > 0
    if not hit.any():
        return Verdict(check, 0.0, limit, 0, price.size)
    at = int(np.argmax(hit))
    largest = float(size.max())
    why = f"a price {np.exp(largest):.3g} times off for a bar or two: a bad print, or rows of another market"
    return Verdict(check, largest, limit, int(hit.sum()), price.size, int(ts_ns[at]), why)


def units_of_funding(ts_ns: Ints, rate: Floats, period_ns: int, *, limit: float = 3.0) -> Verdict:
    """Hold funding rates against what a perpetual ever paid.

    Parameters
    ----------
    ts_ns : array of int64
    rate : array of float64
        Fraction per period.
    period_ns : int
    limit : float
        Of the mean absolute rate a year. Deribit's BTC perpetual paid 0.02 to 0.2 in the years 2020 to 2026;
        percent read as fractions are 2 to 20.

    Returns
    -------
    Verdict
        ``figure`` is the mean absolute rate a year.
    """
    check = "funding a year, mean |rate|"
    yearly = np.abs(rate) * (NS_PER_YEAR / period_ns)
    yearly = yearly[np.isfinite(rate)]
    if yearly.size < FEWEST:
        return Verdict(check, np.nan, limit, 0, int(yearly.size))
    figure = float(np.mean(yearly))
    wrong = np.isfinite(rate) & (np.abs(rate) * (NS_PER_YEAR / period_ns) > limit)
    if figure <= limit:
        return Verdict(check, figure, limit, int(wrong.sum()), int(yearly.size))
    why = f"funding of {figure:.0%} a year: percent, where fractions are needed, or rates of another period"
    return Verdict(
        check, figure, limit, int(wrong.sum()), int(yearly.size), int(ts_ns[np.argmax(wrong)]), why
    )

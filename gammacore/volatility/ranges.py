"""Volatility from open, high, low and close, corrected for ranges seen at discrete prices."""

from __future__ import annotations

import math
from typing import Literal, get_args

import msgspec
import numpy as np
import numpy.typing as npt

from gammacore._arrays import floats
from gammacore.array_types import Floats, Ints
from gammacore.daycount import NS_PER_YEAR, times_ns
from gammacore.volatility.result import Realised, estimate, unknown

__all__ = ["SHORTFALL", "Bars", "RangeMethod", "range_variance"]

RangeMethod = Literal["close_to_close", "parkinson", "garman_klass", "rogers_satchell", "yang_zhang"]

# Expected shortfall of the maximum of n steps of a random walk against Brownian motion, in
# standard deviations of a step: -zeta(1/2) / sqrt(2 pi) (Broadie, Glasserman and Kou 1997).
SHORTFALL = 0.5825971579390106

# Variance of one bar's estimate over its square, without drift: 2 / efficiency against the
# squared close. Parkinson 4.91 (exactly 2 / (9 zeta(3) / (16 ln(2)^2) - 1)), Garman-Klass
# 7.4 (1980), Rogers-Satchell 6.0 (1991).
_ZETA3 = 1.2020569031595942
_RELATIVE = {
    "close_to_close": 2.0,
    "parkinson": 9.0 * _ZETA3 / (16.0 * math.log(2.0) ** 2) - 1.0,
    "garman_klass": 2.0 / 7.4,
    "rogers_satchell": 0.331,
}

# How each estimate answers to a range widened by e at both ends: + linear e R + square e^2.
_WIDENING = {
    "parkinson": (1.0 / math.log(2.0), 1.0 / math.log(2.0)),
    "garman_klass": (2.0, 2.0),
    "rogers_satchell": (2.0, 2.0),
}


class Bars(msgspec.Struct, frozen=True, eq=False):
    """Price bars of any lengths, with gaps allowed between them.

    Attributes
    ----------
    start_ns, end_ns : array of int64, shape (n,)
        Ascending and without overlap.
    open, high, low, close : array of float64, shape (n,)

    Raises
    ------
    ValueError, TypeError
        If shapes differ, bars overlap, a price is not positive, or open or close lies
        outside low and high.
    """

    start_ns: Ints
    end_ns: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats

    def __post_init__(self) -> None:
        for name in ("start_ns", "end_ns"):
            msgspec.structs.force_setattr(self, name, times_ns(name, getattr(self, name)))
        for name in ("open", "high", "low", "close"):
            msgspec.structs.force_setattr(self, name, floats(getattr(self, name)))
        shapes = {name: np.shape(getattr(self, name)) for name in self.__struct_fields__}
        if len(set(shapes.values())) != 1 or len(shapes["open"]) != 1 or shapes["open"][0] == 0:
            raise ValueError(f"bars: expected columns of one length, got {shapes}")
        edges = np.stack([self.start_ns, self.end_ns], axis=1).ravel()
        wrong = np.flatnonzero(np.diff(edges) < np.tile([1, 0], self.start_ns.size)[:-1])
        if wrong.size:
            i = int(wrong[0]) // 2
            raise ValueError(f"start_ns[{i}]: the bar is empty, or overlaps the next one")
        for name in ("open", "high", "low", "close"):
            value = getattr(self, name)
            bad = np.flatnonzero(~((value > 0) & np.isfinite(value)))
            if bad.size:
                raise ValueError(f"{name}[{bad[0]}]: expected a positive price, got {value[bad[0]]}")
        outside = (np.maximum(self.open, self.close) > self.high) | (
            np.minimum(self.open, self.close) < self.low
        )
        if outside.any():
            i = int(np.argmax(outside))
            raise ValueError(f"high[{i}], low[{i}]: open or close lies outside {self.low[i]}..{self.high[i]}")

    @property
    def years(self) -> Floats:
        """Length of each bar (ACT/365F)."""
        return np.asarray((self.end_ns - self.start_ns) / NS_PER_YEAR)


def range_variance(
    bars: Bars,
    method: RangeMethod = "yang_zhang",
    *,
    prices_per_bar: npt.ArrayLike | None = None,
    level: float = 0.95,
) -> Realised:
    """Annualised variance from bars.

    Parameters
    ----------
    bars : Bars
    method : str
        ``close_to_close`` (over gaps as well), ``parkinson`` (1980), ``garman_klass`` (1980),
        ``rogers_satchell`` (1991, unbiased under drift) or ``yang_zhang`` (2000, unbiased
        under drift and with jumps between bars).
    prices_per_bar : int or array_like of int, shape (n,), optional
        Prices that a bar's high and low were seen at. With it the ranges are widened by
        what a walk of that many steps is expected to miss, see Notes.
    level : float, optional
        Confidence level of the interval.

    Returns
    -------
    Realised
        ``years`` is the time within the bars; for ``close_to_close`` and ``yang_zhang``, which
        see the moves between bars, from the first open to the last close. Bars without a range have a
        variance of 0 and no interval; Rogers and Satchell's is 0 as well in bars that open at one end
        and close at the other, where Yang and Zhang's is not.

    Raises
    ------
    ValueError
        If the method is unknown or there are too few bars.

    Notes
    -----
    The maximum of n steps falls short of that of the path by ``e = 0.5826 sigma sqrt(t / n)`` in a
    bar of length t (Broadie, Glasserman and Kou 1997), so the log range by 2 e. With R the
    observed log range, widening high and low by e adds ``(e R + e^2) / ln 2`` to Parkinson's
    estimate and ``2 e R + 2 e^2`` to those of Garman and Klass and of Rogers and Satchell.
    Averaged over bars that is a quadratic equation in sigma, whose positive root is returned.
    What is left, from the spread of the shortfall, is below 1 % of variance from 60 prices on.
    """
    if method not in get_args(RangeMethod):
        raise unknown("method", method, get_args(RangeMethod))
    if method == "close_to_close":
        return _close_to_close(bars, level)
    if method == "yang_zhang":
        return _yang_zhang(bars, prices_per_bar, level)
    terms, spread_each = _terms(bars, method), _RELATIVE[method]
    span, n = float(bars.years.sum()), terms.size
    relative = spread_each / (1.0 + spread_each) * _concentration(terms)
    variance = float(terms.sum()) / span
    if prices_per_bar is not None:
        variance = _widened(variance, bars, prices_per_bar, *_WIDENING[method])
    integrated = variance * span
    return estimate(method.replace("_", " "), integrated, relative * integrated**2, n, span, level)


def _concentration(terms: Floats) -> float:
    """Sum of squares over the squared sum: 1/n for equal terms, also where all are 0."""
    total = float(terms.sum())
    return float((terms**2).sum()) / total**2 if total > 0 else 1.0 / terms.size


def _terms(bars: Bars, method: str) -> Floats:
    """Integrated variance of each bar."""
    up, down = np.log(bars.high / bars.open), np.log(bars.low / bars.open)
    close = np.log(bars.close / bars.open)
    if method == "parkinson":
        return np.asarray((up - down) ** 2 / (4.0 * math.log(2.0)))
    if method == "garman_klass":
        return np.asarray(0.5 * (up - down) ** 2 - (2.0 * math.log(2.0) - 1.0) * close**2)
    return np.asarray(up * (up - close) + down * (down - close))


def _widened(
    variance: float, bars: Bars, prices_per_bar: npt.ArrayLike, linear: float, square: float
) -> float:
    """Root of ``v = variance + linear sigma mean(e R) + square sigma^2 mean(e^2)`` for v = sigma^2."""
    count = np.broadcast_to(floats(prices_per_bar), bars.open.shape)
    wrong = np.flatnonzero(~(count >= 1))
    if wrong.size:
        raise ValueError(f"prices_per_bar: expected at least 1, got {count[wrong[0]]}")
    unit = SHORTFALL * np.sqrt(bars.years / count)  # e over sigma
    span = float(bars.years.sum())
    b = linear * float((unit * np.log(bars.high / bars.low)).sum()) / span
    a = 1.0 - square * float((unit**2).sum()) / span
    if a <= 0:
        raise ValueError(f"prices_per_bar: {count.min():g} prices in a bar are too few to correct a range")
    sigma = (b + math.sqrt(b * b + 4.0 * a * max(variance, 0.0))) / (2.0 * a)
    return sigma * sigma


def _close_to_close(bars: Bars, level: float) -> Realised:
    prices = np.concatenate([bars.open[:1], bars.close])
    squares = np.diff(np.log(prices)) ** 2
    span = int(bars.end_ns[-1] - bars.start_ns[0]) / NS_PER_YEAR
    spread = 2.0 / 3.0 * float((squares**2).sum())
    return estimate("close to close", float(squares.sum()), spread, squares.size, span, level)


def _yang_zhang(bars: Bars, prices_per_bar: npt.ArrayLike | None, level: float) -> Realised:
    """Variance between bars + k that of open to close + (1 - k) Rogers and Satchell's.

    k = 0.34 / (1.34 + (n + 1)/(n - 1)) minimises the variance of the estimate (Yang and Zhang
    2000, with their alpha of 1.34): k weighs two uncorrelated estimates, of relative variances
    2 / (n - 1) and 0.331 / n, by their inverse variances, and the interval adds them up so.
    """
    n = bars.open.size
    if n < 3:
        raise ValueError(f"bars: yang_zhang needs at least 3, got {n}")
    k = 0.34 / (1.34 + (n + 1) / (n - 1))
    terms = _terms(bars, "rogers_satchell")
    inside = float(bars.years.sum())
    rs = float(terms.sum()) / inside
    if prices_per_bar is not None:
        rs = _widened(rs, bars, prices_per_bar, *_WIDENING["rogers_satchell"])
    close = np.log(bars.close / bars.open)
    drift = bars.years / inside * float(close.sum())  # in proportion to time: bars may differ in length
    closes = float(((close - drift) ** 2).sum()) * n / (n - 1)
    jumps = np.log(bars.open[1:] / bars.close[:-1])
    between = float(((jumps - jumps.mean()) ** 2).sum()) * (n - 1) / (n - 2)
    integrated = between + k * closes + (1.0 - k) * rs * inside
    relative = _RELATIVE["rogers_satchell"]
    varying = _concentration(terms) / (1.0 + relative)
    size = rs * inside if rs > 0 else closes
    spread = (
        (2.0 * k**2 + relative * (1.0 - k) ** 2) * varying * size**2
        + 2.0 / 3.0 * float(((jumps - jumps.mean()) ** 4).sum())
    )  # fmt: skip
    span = int(bars.end_ns[-1] - bars.start_ns[0]) / NS_PER_YEAR
    return estimate("yang zhang", integrated, spread, n, span, level)

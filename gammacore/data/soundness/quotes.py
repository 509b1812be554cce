"""Quotes, marks and volatilities of chains against each other."""

from __future__ import annotations

from typing import Any

import numpy as np

from gammacore import inverse
from gammacore.array_types import Floats, Ints

from .result import FEWEST, CheckResult

__all__ = ["quotes_against_marks", "sides_swapped", "units_of_iv"]

NEAR_MONEY = 0.15  # |ln(K/F)| of options whose marks tell a volatility, whatever their unit
MOST_ROWS = 20_000  # evenly spaced, enough for a median
SLIGHTLY = 0.05  # off, of a volatility; recorded ones are within 0.01


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
) -> CheckResult:
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
        Share of rows that may have no volatility, or one that is off by more than a factor of two; by more
        than a twentieth, where marks of the other unit would fit: for a coin worth about a dollar.

    Returns
    -------
    CheckResult
        ``figure`` is that share.
    """
    check = "volatilities against marks, share of rows off"
    with np.errstate(divide="ignore", invalid="ignore"):
        near = np.isfinite(mark) & (mark > 0) & (np.abs(np.log(strike / forward)) < NEAR_MONEY)
    rows = np.flatnonzero(near & (tau > 0))
    rows = rows[:: max(rows.size // MOST_ROWS, 1)]
    if rows.size < FEWEST:
        return CheckResult(check, np.nan, limit, 0, int(rows.size))
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
    slightly = none | (known & (np.abs(factor - 1.0) > SLIGHTLY))
    if float(slightly.mean()) <= limit:
        return CheckResult(check, float(wrong.mean()), limit, int(wrong.sum()), rows.size)
    other = implied(mark / forward if in_coin else mark)
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.abs(iv / other - 1.0)
    if float((distance < SLIGHTLY).mean()) > limit:
        wrong = slightly
    share = float(wrong.mean())
    if share <= limit:
        return CheckResult(check, share, limit, int(wrong.sum()), rows.size)
    fits = np.isfinite(other) & ~(distance > 0.5)
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
    return CheckResult(check, share, limit, int(wrong.sum()), rows.size, int(ts_ns[np.argmax(wrong)]), why)


def sides_swapped(bid: Floats, ask: Floats, ts_ns: Ints, *, limit: float = 0.01) -> CheckResult:
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
    CheckResult
        ``figure`` is the share.
    """
    check = "bid above ask, share of rows"
    both = np.isfinite(bid) & np.isfinite(ask)
    crossed = both & (bid > ask)
    total, count = int(both.sum()), int(crossed.sum())
    share = count / total if total else float("nan")
    if not share > limit:
        return CheckResult(check, share, limit, count, total)
    why = "bid and ask are probably swapped" if share > 0.5 else "quotes of different times or instruments"
    return CheckResult(check, share, limit, count, total, int(ts_ns[np.argmax(crossed)]), why)


def quotes_against_marks(
    bid: Floats, ask: Floats, mark: Floats, ts_ns: Ints, *, limit: float = 0.3
) -> CheckResult:
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
    CheckResult
        ``figure`` is the share.
    """
    check = "marks outside bid and ask, share of rows"
    known = np.isfinite(mark) & (np.isfinite(bid) | np.isfinite(ask))
    outside = known & ((bid > mark) | (ask < mark))
    total, count = int(known.sum()), int(outside.sum())
    share = count / total if total >= FEWEST else float("nan")
    if not share > limit:
        return CheckResult(check, share, limit, count, total)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = float(np.nanmedian(np.where(mark > 0, np.where(np.isfinite(ask), ask, bid) / mark, np.nan)))
    apart = (
        f"quotes are {ratio:.3g} times the marks" if ratio > 10.0 or ratio < 0.1 else "quotes are not near"
    )
    why = f"{apart}: another unit, other columns, or quotes of other times"
    return CheckResult(check, share, limit, count, total, int(ts_ns[np.argmax(outside)]), why)

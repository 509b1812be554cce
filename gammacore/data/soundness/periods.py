"""Periods that a series covers, and what funding pays in them."""

from __future__ import annotations

import numpy as np

from gammacore.array_types import Floats, Ints
from gammacore.daycount import NS_PER_YEAR, format_time

from .result import FEWEST, CheckResult

__all__ = ["period_covered", "units_of_funding"]

MOST = 0.05  # of the notional in one period: exchanges cap it at 0.03 or less


def period_covered(
    check: str, known_ns: Ints, length_ns: int, start_ns: int, end_ns: int, *, limit: float = 0.99
) -> CheckResult:
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
    CheckResult
        ``figure`` is the share without a value.
    """
    inside = (known_ns > start_ns) & (known_ns - length_ns < end_ns)
    missing = 1.0 - min(int(inside.sum()) * length_ns / max(end_ns - start_ns, 1), 1.0)
    if not missing > limit:
        return CheckResult(check, missing, limit, int((~inside).sum()), int(known_ns.size))
    span = (
        f"{format_time(int(known_ns[0]))} to {format_time(int(known_ns[-1]))}" if known_ns.size else "nothing"
    )
    why = f"it covers {span}, the run {format_time(start_ns)} to {format_time(end_ns)}"
    return CheckResult(check, missing, limit, int((~inside).sum()), int(known_ns.size), 0, why)


def units_of_funding(ts_ns: Ints, rate: Floats, period_ns: int, *, limit: float = 3.0) -> CheckResult:
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
    CheckResult
        ``figure`` is the mean absolute rate a year; or that of the largest period, if it is what is wrong.
    """
    check = "funding a year, mean |rate|"
    yearly = np.abs(rate) * (NS_PER_YEAR / period_ns)
    yearly = yearly[np.isfinite(rate)]
    if yearly.size < FEWEST:
        return CheckResult(check, np.nan, limit, 0, int(yearly.size))
    figure = float(np.mean(yearly))
    wrong = np.isfinite(rate) & (np.abs(rate) * (NS_PER_YEAR / period_ns) > limit)
    if figure <= limit:
        most = np.abs(rate) > MOST
        if not most.any():
            return CheckResult(check, figure, limit, int(wrong.sum()), int(yearly.size))
        at, largest = int(np.argmax(most)), float(np.nanmax(np.abs(rate)))
        why = f"{largest:.3g} of the notional in one period: a row in percent, or a number that was cut"
        check = "funding of one period, |rate|"
        return CheckResult(check, largest, MOST, int(most.sum()), int(yearly.size), int(ts_ns[at]), why)
    why = f"funding of {figure:.0%} a year: percent, where fractions are needed, or rates of another period"
    return CheckResult(
        check, figure, limit, int(wrong.sum()), int(yearly.size), int(ts_ns[np.argmax(wrong)]), why
    )

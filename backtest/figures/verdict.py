"""The verdict of a run in one sentence: what it made, where that came from, whether it is more than luck."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from gammacore.array_types import Floats

__all__ = ["luck", "verdict"]

FEWEST = 10  # days, below which nothing is said of luck
SURE = 0.05
FRACTIONS = 100  # pairs of the continued fraction; t of up to 10,000 days needs fewer


def luck(daily: Floats) -> float:
    """Two-sided p-value of a mean daily profit of zero, by Student's t.

    Parameters
    ----------
    daily : array, shape (n,)
        Profit of each day, any currency.

    Returns
    -------
    float
        NaN for fewer than ten days, or days that are all alike.
    """
    n = len(daily)
    spread = float(np.std(daily, ddof=1)) if n > 1 else 0.0
    if n < FEWEST or not spread > 0.0:
        return math.nan
    t = abs(float(np.mean(daily))) / spread * math.sqrt(n)
    return _two_tails(t, n - 1)


def _two_tails(t: float, freedom: int) -> float:
    """Chance that Student's t is as far from nil: ``I_x(nu / 2, 1 / 2)`` at ``x = nu / (nu + t**2)``.

    The incomplete beta function by its continued fraction (DLMF 8.17.22), to 1e-9. scipy has it too, at 0.2 s
    for an import that a backtest needs for nothing else.
    """
    x = freedom / (freedom + t * t)
    a, b = 0.5 * freedom, 0.5
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x)
    front = math.exp(front) * math.sqrt(t * t / (freedom + t * t))
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _beta_fraction(a, b, x) / a
    return 1.0 - front * _beta_fraction(b, a, 1.0 - x) / b


def _beta_fraction(a: float, b: float, x: float) -> float:
    """Return the continued fraction of the incomplete beta function, from its end."""
    found = 1.0
    for m in range(FRACTIONS, -1, -1):
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        even = (m + 1) * (b - m - 1) * x / ((a + 2 * m + 1) * (a + 2 * m + 2))
        found = 1.0 + odd / (1.0 + even / found)
    return 1.0 / found


def verdict(summary: Mapping[str, Any]) -> str:
    """Say in one sentence what a run made.

    Parameters
    ----------
    summary : mapping
        Figures as in ``summary.json``; ``p_value`` is None where it is not known.

    Returns
    -------
    str
    """
    if not summary["n_episodes"]:
        reasons = summary["reasons"]
        return f"Nothing was traded: {reasons[0]}" if reasons else "Nothing was traded."
    parts = [_result(summary), _earned(summary), _costs(summary)]
    sentence = f"{parts[0]}: {', '.join(filter(None, parts[1:]))}"
    return f"{sentence}; {_luck(summary)}"


def _result(summary: Mapping[str, Any]) -> str:
    """Say what was made, of the premium where there is one."""
    total, share = summary["total"]["usd"], summary["return_on_premium"]
    word = "Lost" if total < 0 else "Made"
    if share is None:
        return f"{word} {abs(total):,.0f} USD"
    return f"{word} {abs(share):.1%} of the premium ({abs(total):,.0f} USD)"


def _earned(summary: Mapping[str, Any]) -> str:
    """Say how gamma and theta compare; the one that is earned comes first."""
    lines = summary["attribution"]
    gamma, theta = lines["gamma"]["usd"], lines["theta"]["usd"]
    if gamma * theta >= 0.0:  # both earned or both paid: neither paid for the other
        return ""
    if gamma > 0.0:
        return f"gamma earned {gamma / -theta:.0%} of theta"
    return f"theta earned {theta / -gamma:.0%} of gamma"


def _costs(summary: Mapping[str, Any]) -> str:
    """Say what fees and spread took."""
    cost = -math.fsum(summary["attribution"][name]["usd"] for name in ("fees", "spread"))
    return f"costs took {cost:,.0f} USD" if cost >= 0.0 else f"fills brought {-cost:,.0f} USD"


def _luck(summary: Mapping[str, Any]) -> str:
    """Say whether the daily profits differ from zero by more than chance."""
    p = summary["p_value"]
    if p is None:
        return "too few days to tell it from luck"
    shown = f"p = {p:.2f}" if p >= 0.005 else "p < 0.01"
    return f"{'more than luck' if p < SURE else 'the result is within luck'} ({shown})"

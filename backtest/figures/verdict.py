"""The verdict of a run in one sentence: what it made, where that came from, whether it is more than luck."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from gammacore.array_types import Floats

__all__ = ["luck", "usd_words", "verdict"]

FEWEST = 10  # days, below which nothing is said of luck
SURE = 0.05


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
    return _outside(abs(float(np.mean(daily))) / spread * math.sqrt(n), n - 1)


def _outside(t: float, degrees: int) -> float:
    """Probability of a larger Student's t of either sign, for two degrees of freedom or more, to 1e-13.

    The finite series of Abramowitz and Stegun, 26.7.3 and 26.7.4: importing scipy.special for one number
    would take a tenth of a run.
    """
    angle, odd = math.atan(t / math.sqrt(degrees)), degrees % 2
    k = np.arange(2 + odd, degrees - 1, 2)
    terms = np.cumprod((k - 1) / k * math.cos(angle) ** 2)
    inside = math.sin(angle) * (math.cos(angle) if odd else 1.0) * (1.0 + float(terms.sum()))
    return max(0.0, 1.0 - (2.0 / math.pi * (angle + inside) if odd else inside))


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


def usd_words(amount: float, sign: str = "") -> str:
    """Write USD of a sentence: whole ones, cents below ten, two digits below a cent.

    Parameters
    ----------
    amount : float
    sign : str
        ``+`` to show it of a profit, too.

    Returns
    -------
    str
    """
    size = abs(amount)
    form = ",.0f" if size >= 10.0 or size == 0.0 else ",.2f" if size >= 0.01 else ".2g"
    return f"{amount:{sign if size else ''}z{form}} USD"


def _share(share: float) -> str:
    """Write a share of the premium; of what is lost or made it is never nothing."""
    return f"{share:.1%}" if share >= 0.0005 or share == 0.0 else "less than 0.1%"


def _result(summary: Mapping[str, Any]) -> str:
    """Say what was made, of the premium where there is one."""
    total, share = summary["total"]["usd"], summary["return_on_premium"]
    word = "Lost" if total < 0 else "Made"
    if share is None:
        return f"{word} {usd_words(abs(total))}"
    return f"{word} {_share(abs(share))} of the premium ({usd_words(abs(total))})"


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
    return f"costs took {usd_words(cost)}" if cost >= 0.0 else f"fills brought {usd_words(-cost)}"


def _luck(summary: Mapping[str, Any]) -> str:
    """Say whether the daily profits differ from zero by more than chance."""
    p = summary["p_value"]
    if p is None:
        return "too few days to tell it from luck"
    shown = f"p = {p:.2f}" if p >= 0.005 else "p < 0.01"
    return f"{'more than luck' if p < SURE else 'the result is within luck'} ({shown})"

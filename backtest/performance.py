"""Figures by which runs are judged: return, risk, and how often a bet paid.

All of them are reckoned from every entry of the tape, never from what a chart shows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from gammacore.backtest.capital import capital_tied
from gammacore.backtest.overfitting import sharpe_ratio
from gammacore.backtest.research import unexplained_share
from gammacore.backtest.returns import DayMarks, daily_profit
from gammacore.backtest.runner import Run
from gammacore.ledger import Money

__all__ = ["hit_rate", "largest_drawdown", "performance", "profit_steps"]

Floats = npt.NDArray[np.float64]
DAYS_A_YEAR = 365
CURRENCIES = ("coin", "usd")


def largest_drawdown(curve: npt.ArrayLike) -> float:
    """Deepest fall of a cumulative profit below its highest point so far, which starts at zero.

    Parameters
    ----------
    curve : array_like, shape (n,)
        Cumulative profit; what is not finite is passed over.

    Returns
    -------
    float
        Not positive; zero for an empty curve.

    Examples
    --------
    >>> largest_drawdown([1.0, 4.0, 2.0, 5.0, 4.5])
    -2.0
    """
    series = np.asarray(curve, dtype=np.float64)
    series = series[np.isfinite(series)]
    if not len(series):
        return 0.0
    return float((series - np.maximum(np.maximum.accumulate(series), 0.0)).min())


def hit_rate(profit: npt.ArrayLike) -> float:
    """Share of profits above zero; NaN without any.

    Examples
    --------
    >>> hit_rate([1.0, -2.0, 0.0, 3.0])
    0.5
    """
    series = np.asarray(profit, dtype=np.float64)
    return float(np.mean(series > 0)) if len(series) else math.nan


def profit_steps(run: Run, line: str, currency: str) -> Floats:
    """Profit of a line at every entry of the tape, over all episodes."""
    steps = np.zeros(len(run.tape))
    for done in run.closed:
        values = getattr(done.attribution, currency)[line]
        # Step k ends at entry start + k + 1; a delivery's last step at the next entry there is.
        ends = np.minimum(done.attribution.start + 1 + np.arange(len(values)), len(steps) - 1)
        np.add.at(steps, ends, values)
    return steps


def performance(
    run: Run, curves: Mapping[str, Floats], lines: Mapping[str, Money], total: Money, premium: Money
) -> dict[str, Any]:
    """Figures of a run.

    Parameters
    ----------
    run : Run
    curves : mapping of 'coin' and 'usd' to array, shape (entries,)
        Cumulative profit at every entry of the tape.
    lines, total
        Attribution of the run, and its profit.
    premium : Money
        Sum of the sizes of all premiums, paid or received.

    Returns
    -------
    dict
        None where a figure does not exist; definitions are in ``docs/report.md``.
    """
    episodes = [done.episode for done in run.closed]
    native = episodes[0].ledger.native if episodes else 0
    peak = float(capital_tied(run).max()) if episodes else 0.0
    daily = daily_profit(run.closed, DayMarks(run.tape))
    profits = [episode.ledger.profit()[native] for episode in episodes]
    found = {
        "return_on_premium": total[native] / premium[native] if premium[native] else math.nan,
        "return_on_margin": total[native] / peak if peak > 0 else math.nan,
        "peak_capital": peak,
        "sharpe": math.sqrt(DAYS_A_YEAR) * sharpe_ratio(daily),
        "hit_rate": hit_rate(profits),
        "unexplained_share": unexplained_share(lines, native) if episodes else math.nan,
    }
    return {
        **{name: value if math.isfinite(value) else None for name, value in found.items()},
        "max_drawdown": {name: largest_drawdown(curves[name]) for name in CURRENCIES},
    }

"""Figures by which runs are judged: return, risk, and how often a bet paid.

All of them are reckoned from every entry of the tape, never from what a chart shows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gammacore.ledger import Money
from gammacore.portfolio import Episode

from .overfitting import sharpe_ratio
from .returns import Marks, daily_profit, profit_curves
from .runner import Run

__all__ = ["hit_rate", "largest_drawdown", "number", "performance", "profit_steps", "returns_on_premium"]

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
    finite = np.isfinite(series)
    series = series if finite.all() else series[finite]
    if not len(series):
        return 0.0
    fall = np.maximum.accumulate(series)
    np.maximum(fall, 0.0, out=fall)
    np.subtract(series, fall, out=fall)
    return float(fall.min())


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


def performance(run: Run, marks: Marks) -> dict[str, Any]:
    """Figures of a run, the same for a backtest and for a cell of a sweep.

    Parameters
    ----------
    run : Run
    marks : Marks
        Of the run's tape.

    Returns
    -------
    dict
        ``daily`` is an array, the profit of each day in the settlement currency; the rest goes into
        ``summary.json``. None where a figure does not exist; definitions are in ``docs/report.md``.
    """
    episodes = [done.episode for done in run.closed]
    native = episodes[0].ledger.native if episodes else 0
    curves = profit_curves(run.closed, marks)
    daily = daily_profit(curves[CURRENCIES[native]], marks)
    profits = [episode.ledger.profit() for episode in episodes]
    total = Money(math.fsum(p.coin for p in profits), math.fsum(p.usd for p in profits))
    earned = np.array([profit[native] for profit in profits])
    over = returns_on_premium(episodes)
    over = over[np.isfinite(over)]
    paid = math.fsum(abs(episode.premium) for episode in episodes)
    found = {
        "return_on_premium": total[native] / paid if paid else math.nan,
        "sharpe": math.sqrt(DAYS_A_YEAR) * sharpe_ratio(daily),
        "hit_rate": hit_rate(earned),
        "mean_pnl_over_premium": over.mean() if len(over) else math.nan,
        "std_pnl_over_premium": over.std(ddof=1) if len(over) > 1 else math.nan,
    }
    return {
        "n_episodes": len(episodes),
        "n_hedges": sum(episode.hedges for episode in episodes),
        "total": total._asdict(),
        **{name: number(value) for name, value in found.items()},
        "max_drawdown": {name: largest_drawdown(curves[name]) for name in CURRENCIES},
        "quotes_missing": run.missing_quotes,
        "daily": daily,
    }


def returns_on_premium(episodes: Sequence[Episode]) -> Floats:
    """Profit of each episode over the size of its premium; NaN where nothing was paid."""
    earned = np.array([e.ledger.profit()[e.ledger.native] for e in episodes])
    paid = np.array([abs(e.premium) for e in episodes])
    over: Floats = np.divide(earned, paid, out=np.full(len(episodes), np.nan), where=paid > 0)
    return over


def number(value: float) -> float | None:
    """Return a finite float, or None: JSON has no NaN."""
    return float(value) if math.isfinite(value) else None

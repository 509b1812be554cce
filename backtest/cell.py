"""One cell of a sweep: replay, and the few figures that are kept of it.

Runs in a worker. The market is loaded once a worker and shared by its cells; nothing is
explained, tabulated or drawn, since a grid has thousands of cells.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Any

import numpy as np

from gammacore.backtest.grid import Cell
from gammacore.backtest.market import load_market
from gammacore.backtest.overfitting import sharpe_ratio
from gammacore.backtest.returns import DayMarks, daily_profit
from gammacore.backtest.runner import Run, replay
from gammacore.config import Config

__all__ = ["FIGURES", "run_cell"]

KEPT = 2  # markets a worker holds
DAYS_A_YEAR = 365
FIGURES = (
    "sharpe",
    "mean_pnl_over_premium",
    "total",
    "total_usd",
    "std_pnl_over_premium",
    "fees",
    "premium",
    "drawdown",
    "n_episodes",
    "n_hedges",
    "quotes_missing",
)
_markets: OrderedDict[str, DayMarks] = OrderedDict()


def run_cell(cell: Cell) -> dict[str, Any]:
    """Run one cell.

    Parameters
    ----------
    cell : Cell

    Returns
    -------
    dict
        ``figures`` by name (None where undefined; ``total``, ``fees``, ``premium`` and ``drawdown`` in the
        settlement currency), ``first_day`` (days since 1970), ``daily``, the profit of each day, and
        the ``engine`` that hedged.
    """
    marks = _market(cell.market, cell.config)
    run = replay(cell.config, marks.tape)
    daily = daily_profit(run.closed, marks)
    return {
        "figures": _figures(run, daily),
        "first_day": int(marks.days[0]),
        "daily": daily.tolist(),
        "engine": run.engine,
    }


def _market(key: str, config: Config) -> DayMarks:
    """Market of a cell, loaded unless it is one of the last used."""
    if key not in _markets:
        while len(_markets) >= KEPT:
            _markets.popitem(last=False)
        _markets[key] = DayMarks(load_market(config).tape)
    _markets.move_to_end(key)
    return _markets[key]


def _figures(run: Run, daily: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, float | None]:
    episodes = [done.episode for done in run.closed]
    profits = [(e.ledger.profit(), e.ledger.native) for e in episodes]
    native = np.array([profit[currency] for profit, currency in profits])
    premium = np.array([e.premium for e in episodes])
    over = native / np.abs(premium)
    curve = np.concatenate([[0.0], np.cumsum(daily)])
    found = {
        "sharpe": math.sqrt(DAYS_A_YEAR) * sharpe_ratio(daily),
        "mean_pnl_over_premium": over.mean() if len(over) else math.nan,
        "total": math.fsum(native),
        "total_usd": math.fsum(profit.usd for profit, _ in profits),
        "std_pnl_over_premium": over.std(ddof=1) if len(over) > 1 else math.nan,
        "fees": math.fsum(e.fees_paid() for e in episodes),
        "premium": math.fsum(premium),
        "drawdown": (curve - np.maximum.accumulate(curve)).min(),
        "n_episodes": len(episodes),
        "n_hedges": sum(e.hedges for e in episodes),
        "quotes_missing": run.missing_quotes,
    }
    return {name: float(found[name]) if math.isfinite(found[name]) else None for name in FIGURES}

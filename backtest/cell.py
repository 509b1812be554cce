"""One cell of a sweep: replay, and the few figures that are kept of it.

Runs in a worker. The market is loaded once a worker and shared by its cells; nothing is
explained, tabulated or drawn, since a grid has thousands of cells.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Any

from gammacore.config import Config

from .grid import Cell
from .market import load_market
from .performance import performance
from .reasons import reasons
from .returns import Marks
from .runner import Run, replay

__all__ = ["FIGURES", "run_cell"]

KEPT = 2  # markets a worker holds
FIGURES = (
    "sharpe",
    "mean_pnl_over_premium",
    "total",
    "total_usd",
    "std_pnl_over_premium",
    "fees",
    "premium",
    "max_drawdown",
    "n_episodes",
    "n_hedges",
    "quotes_missing",
)
_markets: OrderedDict[str, tuple[Marks, tuple[str, ...]]] = OrderedDict()


def run_cell(cell: Cell) -> dict[str, Any]:
    """Run one cell.

    Parameters
    ----------
    cell : Cell

    Returns
    -------
    dict
        ``figures`` by name (None where undefined; ``total``, ``fees``, ``premium`` and ``max_drawdown``
        in the settlement currency), ``first_day`` (days since 1970), ``daily``, the profit of each day,
        the ``engine`` that hedged, ``faults`` of forced data, and ``reasons`` why there is nothing to show.
    """
    marks, faults = _market(cell.market, cell.config)
    run = replay(cell.config, marks.tape)
    found = performance(run, marks)
    return {
        "figures": _figures(run, found),
        "first_day": int(marks.days[0]),
        "daily": found["daily"].tolist(),
        "engine": run.engine,
        "faults": list(faults),
        "reasons": reasons(run),
    }


def _market(key: str, config: Config) -> tuple[Marks, tuple[str, ...]]:
    """Market of a cell and the faults of its data, loaded unless it is one of the last used."""
    if key not in _markets:
        while len(_markets) >= KEPT:
            _markets.popitem(last=False)
        market = load_market(config)
        _markets[key] = Marks(market.tape), market.faults
    _markets.move_to_end(key)
    return _markets[key]


def _figures(run: Run, found: dict[str, Any]) -> dict[str, float | None]:
    """Figures of a backtest, money in the settlement currency."""
    episodes = [done.episode for done in run.closed]
    native = "usd" if episodes and episodes[0].ledger.native else "coin"
    figures = {
        **found,
        "total": found["total"][native],
        "total_usd": found["total"]["usd"],
        "fees": math.fsum(e.fees_paid() for e in episodes),
        "premium": math.fsum(e.premium for e in episodes),
        "max_drawdown": found["max_drawdown"][native],
    }
    return {name: figures[name] if figures[name] is None else float(figures[name]) for name in FIGURES}

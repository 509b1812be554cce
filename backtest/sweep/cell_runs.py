"""One cell of a grid: the few figures that a sweep keeps of it, or the whole backtest.

A sweep runs cells in workers. A worker loads a market once; cells that hold the same options share the
episodes and differ by a compiled pass over their bars, see :class:`HeldEpisodes`. Nothing is explained,
tabulated or drawn, since a grid has thousands of cells.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from gammacore.build import build_desk, build_policy
from gammacore.errors import ConfigError
from gammacore.forecasts import with_forecast

from ..figures.performance import CURRENCIES, Earned, earned_by, performance
from ..figures.reasons import reasons
from ..figures.results import Results, tabulate
from ..figures.returns import Marks
from ..replay.build import build_exchange
from ..replay.compiled import obstacle
from ..replay.market import LoadedMarket, load_market
from ..replay.runner import Progress, replay
from ..replay.runs import Run
from .grid import Cell
from .held_episodes import HeldEpisodes

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


class _Loaded(NamedTuple):
    """A market in a worker, and the episodes last held on it with the key of what they depend on."""

    market: LoadedMarket
    marks: Marks
    held: dict[str, HeldEpisodes | None]


class _Worker(threading.local):
    """What a worker holds. Dask has workers that are threads of one process: nothing is shared among them."""

    def __init__(self) -> None:
        self.markets: OrderedDict[str, _Loaded] = OrderedDict()


_worker = _Worker()


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
        the ``engine`` that hedged, ``faults`` of forced data, how chains were ``modelled`` if they
        were, and ``reasons`` why there is nothing to show.
    """
    loaded = _load(cell)
    held = _held(cell, loaded)
    if held is None:
        run = replay(cell.config, loaded.market.tape)
        return _result(run, earned_by(run, loaded.marks), loaded)
    (earned,) = held.earned([build_policy(cell.config)], loaded.marks)
    return _result(held.run._replace(config=cell.config, engine="compiled"), earned, loaded)


def run_together(cells: Sequence[Cell], threads: int = 1) -> list[dict[str, Any]]:
    """Run cells that hold the same; see :func:`run_cell`.

    Parameters
    ----------
    cells : sequence of Cell
    threads : int
        Results do not depend on it.
    """
    loaded = _load(cells[0])
    policies = [build_policy(cell.config) for cell in cells]
    held = _held(cells[0], loaded)
    if held is None or any(held.obstacle(policy) is not None for policy in policies):
        return [run_cell(cell) for cell in cells]
    run = held.run._replace(engine="compiled")

    def results(part: slice) -> list[dict[str, Any]]:
        every = zip(cells[part], held.earned(policies[part], loaded.marks), strict=True)
        return [_result(run._replace(config=cell.config), earned, loaded) for cell, earned in every]

    if threads == 1 or not held.ready_for_threads(policies, loaded.marks):
        return results(slice(None))
    parts = [slice(k, None, threads) for k in range(min(threads, len(cells)))]
    found: list[dict[str, Any]] = [{}] * len(cells)
    with ThreadPoolExecutor(threads) as pool:
        for part, some in zip(parts, pool.map(results, parts), strict=True):
            found[part] = some
    return found


def _result(run: Run, earned: Earned, loaded: _Loaded) -> dict[str, Any]:
    found = performance(earned)
    return {
        "figures": _figures(earned, found),
        "first_day": int(loaded.marks.days[0]),
        "daily": found["daily"].tolist(),
        "engine": run.engine,
        "faults": list(loaded.market.faults),
        "modelled": loaded.market.modelled,
        "reasons": reasons(run, earned.hedges),
    }


def run_whole(cell: Cell, progress: Progress | None = None) -> Results:
    """Run one cell with all tables of a backtest."""
    market = _load(cell).market
    return tabulate(replay(cell.config, market.tape, progress), market)


def _load(cell: Cell) -> _Loaded:
    """Market of a cell, loaded unless it is one of the last used."""
    markets = _worker.markets
    if cell.market not in markets:
        while len(markets) >= KEPT:
            markets.popitem(last=False)
        market = load_market(cell.config)
        markets[cell.market] = _Loaded(market, Marks(market.tape), {})
    markets.move_to_end(cell.market)
    return markets[cell.market]


def _held(cell: Cell, loaded: _Loaded) -> HeldEpisodes | None:
    """Episodes of a cell, found once for all cells that hold the same; None where only a replay is exact."""
    tape = loaded.market.tape
    config = with_forecast(cell.config, tape.forecast)
    desk = build_desk(config)
    if obstacle(desk.policy, desk, build_exchange(config, tape), tape) is not None:
        return None
    if cell.held not in loaded.held:
        loaded.held.clear()  # cells that hold the same follow one another
        try:
            loaded.held[cell.held] = HeldEpisodes(config, tape)
        except ConfigError:  # cannot be hedged apart
            loaded.held[cell.held] = None
    return loaded.held[cell.held]


def _figures(earned: Earned, found: dict[str, Any]) -> dict[str, float | None]:
    """Figures of a backtest, money in the settlement currency."""
    native = CURRENCIES[earned.bets.native]
    figures = {
        **found,
        **{name: found[name][native] for name in ("total", "premium", "max_drawdown")},
        "total_usd": found["total"]["usd"],
        "fees": math.fsum(earned.fees),
    }
    return {name: figures[name] if figures[name] is None else float(figures[name]) for name in FIGURES}

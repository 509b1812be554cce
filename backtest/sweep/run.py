"""A sweep: all cells of a grid on the backend of choice, kept as they finish, then judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from gammacore import __version__
from gammacore.config import Config, stated
from gammacore.result_files import GrowingDirectory

from ..replay.market import is_simulated
from .cell_runs import FIGURES, run_cell
from .cell_store import CellStore
from .grid import Cell, cells
from .selection import judge, verdict
from .workers import CellFunction, Failed, check_backend, run_cells


class Sweep(NamedTuple):
    """Outcome of a sweep.

    Attributes
    ----------
    config : Config
    table : DataFrame
        One row per cell in the order of the grid: what varied, then the figures; NaN where it failed.
    summary : dict
        What goes into ``summary.json``.
    directory : GrowingDirectory
        Where its cells are, for further files.
    """

    config: Config
    table: pd.DataFrame
    summary: dict[str, Any]
    directory: GrowingDirectory


def plan_of(config: Config, grid: list[Cell]) -> dict[str, Any]:
    """Say what makes a sweep the same sweep, in terms that a refusal can name."""
    plain = stated(config)
    return {
        "version": __version__,
        "grid": plain.pop("vary"),
        "configuration": {name: part for name, part in plain.items() if name != "report"},
        "markets": sorted({cell.market for cell in grid}),
    }


def run_sweep(
    config: Config,
    out: Path,
    *,
    backend: str = "loky",
    workers: int = 2,
    address: str | None = None,
    fresh: bool = False,
    progress: Callable[[int, int], None] | None = None,
    function: CellFunction = run_cell,
    grid: list[Cell] | None = None,
) -> Sweep:
    """Run the grid of a configuration, or what is left of it.

    Parameters
    ----------
    config : Config
        With the grid under ``vary``.
    out : Path
        Result directory; cells that an interrupted run of the same sweep left there are kept.
    backend, workers, address
        See :func:`gammacore.backtest.sweep.workers.run_cells`; results do not depend on them.
    fresh : bool
        Start again whatever is there.
    progress : callable(done, total), optional
    function : callable(Cell) -> dict
        What is run on each cell.
    grid : list of Cell, optional
        Of the configuration, if they are known already: many take their time.

    Returns
    -------
    Sweep

    Raises
    ------
    ConfigError, DataError
        Before anything runs: the grid is impossible, the directory is taken, the cluster not there.
    """
    check_backend(backend, address)
    grid = cells(config) if grid is None else grid
    store = CellStore(out, plan_of(config, grid), fresh)
    failed: dict[str, str] = {}
    try:
        # Cells of one market follow one another, so that a worker seldom loads one twice; so do those that
        # hold the same.
        left = sorted(
            (c for c in grid if c.key not in store.results), key=lambda c: (c.market, c.held, c.number)
        )
        done = len(grid) - len(left)
        for outcomes in run_cells(left, function, backend, workers, address):
            failed |= {cell.key: why for cell, why in outcomes if isinstance(why, Failed)}
            store.add({cell.key: found for cell, found in outcomes if not isinstance(found, Failed)})
            done += len(outcomes)
            if progress is not None:
                progress(done, len(grid))
    finally:
        store.close()
    table, summary = _judged(config, grid, store.results, failed)
    return Sweep(config, table, summary, store.directory)


def _judged(
    config: Config, grid: list[Cell], results: dict[str, Any], failed: dict[str, str]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    known = [(cell, results[cell.key]) for cell in grid if cell.key in results]
    rows = [
        {**cell.overrides, **(results[cell.key]["figures"] if cell.key in results else {})} for cell in grid
    ]
    table = pd.DataFrame(rows, columns=[*config.vary, *FIGURES])
    judged = judge(known)
    summary = {
        "verdict": verdict(judged),
        "gammacore": __version__,
        "currency": config.currency,
        "simulated_data": is_simulated(config),
        "modelled": "; ".join(sorted({result.get("modelled", "") for _, result in known} - {""})),
        "n_cells": len(grid),
        "n_failed": len(failed),
        "failed": [{"cell": cell.overrides, "why": failed[cell.key]} for cell in grid if cell.key in failed],
        "varied": config.vary,
        "faults": list(dict.fromkeys(fault for _, result in known for fault in result.get("faults", []))),
        "engines": dict(Counter(result.get("engine", "none") for _, result in known)),
        **judged,
    }
    return table, summary

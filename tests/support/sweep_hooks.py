"""Cell functions that misbehave, for workers to import."""

import os
import signal
from pathlib import Path

from gammacore.backtest.sweep.cell_runs import FIGURES


def count(cell):
    """A result that says what was run, and a mark on disk for each time it was."""
    folder = Path(cell.config.data.funding)
    with (folder / f"{cell.number}.ran").open("a") as file:
        file.write("x")
    return {"figures": dict.fromkeys(FIGURES, float(cell.number)), "first_day": 0, "daily": [0.0, 1.0, 2.0]}


def die_once(cell):
    """The third cell kills its worker the first time."""
    if cell.number == 2 and not (Path(cell.config.data.funding) / "2.ran").exists():
        count(cell)
        os.kill(os.getpid(), signal.SIGKILL)
    return count(cell)


def die_always(cell):
    """The third cell kills its worker whenever it runs."""
    if cell.number == 2:
        count(cell)
        os.kill(os.getpid(), signal.SIGKILL)
    return count(cell)

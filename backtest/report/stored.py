"""The tables of a result directory, as they were before they were written."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from gammacore.config import load_config
from gammacore.daycount import parse_time
from gammacore.errors import DataError
from gammacore.result_files import refuse_changed

from ..figures.results import Results
from .compare_runs import load_run

__all__ = ["load_results"]

TIMED = ("fills", "pnl", "book", "margins")


def load_results(folder: Path) -> Results:
    """Read a result directory; ledgers, and what the report replays of each episode, stay in its files.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    DataError
        If it is not the result of a run, or a file of it is missing or broken.
    """
    run = load_run(folder)
    files = {name: folder / f"{name}.csv" for name in (*TIMED, "scalps", "intervals", "liquidations")}
    refuse_changed(folder, (file.name for file in files.values()))
    tables = {name: _table(file) for name, file in files.items()}
    return Results(
        config=load_config(folder / "config.yaml"),
        summary=run.summary,
        episodes=run.episodes,
        fills=tables["fills"],
        profit=tables["pnl"],
        scalps=tables["scalps"],
        intervals=tables["intervals"],
        ledgers=[],
        moments=[],
        book=tables["book"],
        margins=tables["margins"],
        liquidations=tables["liquidations"],
    )


def _table(path: Path) -> pd.DataFrame:
    """Read a table; where it has times, with nanoseconds beside them."""
    try:
        table = pd.read_csv(path)
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except FileNotFoundError:
        raise DataError(f"{path}: missing; the directory is not a whole result") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    if path.stem in TIMED and "time" in table:
        table["ts_ns"] = [parse_time(text) for text in table["time"]]
    return table

"""Result directories as they are read again: figures, configuration, episodes, profit."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from gammacore.errors import ConfigError, DataError
from gammacore.result_files import SUMMARY, refuse_changed
from gammacore.yaml_text import read_yaml

EPISODES = ("episode", "entry", "expiry", "strikes", "pnl_coin", "pnl_usd", "pnl_over_premium")
PROFIT = ("time", "pnl_coin", "pnl_usd")


class StoredRun(msgspec.Struct, frozen=True):
    """A run as its directory tells it.

    Attributes
    ----------
    name : str
        Short and different from those of the other runs.
    folder : Path
    summary, config : dict
        ``summary.json`` and ``config.yaml``.
    episodes, profit : DataFrame
        ``episodes.csv`` and ``pnl.csv``.
    """

    name: str
    folder: Path
    summary: dict[str, Any]
    config: dict[str, Any]
    episodes: pd.DataFrame
    profit: pd.DataFrame

    @property
    def plotly(self) -> str:
        """Where the run's own page has its script: ``report.plotly``, which older results do not state."""
        report = self.config.get("report")
        return str(report.get("plotly", "inline")) if isinstance(report, dict) else "inline"

    @property
    def coin(self) -> str:
        """Name of the base coin."""
        return str(self.summary["currency"]).partition("_")[0]


def load_runs(folders: list[Path]) -> list[StoredRun]:
    """Read two or more result directories.

    Raises
    ------
    DataError
        If there are fewer than two, one is named twice, or one is not the result of a run.
    """
    if len(folders) < 2:
        raise DataError(f"compare: expected two or more result directories, got {len(folders)}")
    places = [folder.resolve() for folder in folders]
    for place, folder in zip(places, folders, strict=True):
        if places.count(place) > 1:
            raise DataError(f"{folder}: named twice")
    return [load_run(folder, name) for folder, name in zip(folders, _names(places), strict=True)]


def _names(places: list[Path]) -> list[str]:
    """Shortest ends of the paths that tell them apart."""
    depth = 1
    while True:
        names = ["/".join(place.parts[-depth:]) for place in places]
        if len(set(names)) == len(names):
            return names
        depth += 1


def load_run(folder: Path, name: str | None = None) -> StoredRun:
    """Read the result directory of one run.

    Parameters
    ----------
    folder : Path
    name : str, optional
        The directory's own if not given.

    Raises
    ------
    DataError
        If it is not the result of a run: what it is instead, or which of its files is broken.
    """
    summary = _summary(folder)
    refuse_changed(folder, (SUMMARY, "config.yaml", "episodes.csv", "pnl.csv"))
    config = _parsed(folder / "config.yaml", _yaml, ConfigError)
    if not isinstance(config, dict):
        raise DataError(f"{folder / 'config.yaml'}: expected a mapping, got {type(config).__name__}")
    return StoredRun(
        name=folder.resolve().name if name is None else name,
        folder=folder,
        summary=summary,
        config=config,
        episodes=_table(folder / "episodes.csv", EPISODES if summary["n_episodes"] else ()),
        profit=_table(folder / "pnl.csv", PROFIT),
    )


def _yaml(text: str) -> Any:
    return read_yaml(text, "YAML")


def _summary(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        what = "not a directory" if folder.exists() else "no such directory"
        raise DataError(f"{folder}: {what}{_near(folder)}")
    if not (folder / SUMMARY).is_file():
        raise DataError(f"{folder}: not a result directory, it has no {SUMMARY}{_inside(folder)}")
    found = _parsed(folder / SUMMARY, json.loads, json.JSONDecodeError)
    if isinstance(found, list):
        raise DataError(f"{folder}: holds several variants{_inside(folder)}")
    needed = ("currency", "n_episodes", "total", "attribution", "data")
    if not isinstance(found, dict) or any(name not in found for name in needed):
        raise DataError(f"{folder / SUMMARY}: not the summary of a backtest")
    return found


def _near(folder: Path) -> str:
    """Suggest a directory that may have been meant."""
    beside = (
        [path.name for path in folder.parent.glob("*") if path.is_dir()] if folder.parent.is_dir() else []
    )
    close = difflib.get_close_matches(folder.name, beside, n=1)
    return f"; did you mean {folder.parent / close[0]}?" if close else ""


def _inside(folder: Path) -> str:
    """Name results within a directory."""
    found = sorted(path.parent for path in folder.glob(f"*/{SUMMARY}"))
    if not found:
        return ""
    more = f", {found[1]}" + (" ..." if len(found) > 2 else "") if len(found) > 1 else ""
    return f"; compare what is in it: {found[0]}{more}"


def _parsed(path: Path, parse: Any, error: type[Exception]) -> Any:
    try:
        return parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: missing; the directory is not a whole result") from None
    except (error, UnicodeDecodeError) as why:
        told = " ".join(str(why).split())
        raise DataError(f"{path}: cannot be read: {told}") from None


def _table(path: Path, needed: tuple[str, ...]) -> pd.DataFrame:
    text = {"strikes": str, "expiry": str, "entry": str, "time": str}
    try:
        table = pd.read_csv(path, dtype=text)
    except FileNotFoundError:
        raise DataError(f"{path}: missing; the directory is not a whole result") from None
    except pd.errors.EmptyDataError:  # a run without episodes
        table = pd.DataFrame()
    except (pd.errors.ParserError, UnicodeDecodeError, ValueError) as why:
        raise DataError(f"{path}: cannot be read: {' '.join(str(why).split())}") from None
    for column in needed:
        if column not in table.columns:
            raise DataError(f"{path}: no column {column!r}")
    return table

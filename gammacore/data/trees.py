"""Folders of the store for the loaders: the files of all days as one table.

A loader takes ``processed/<kind>/<currency>`` for what it otherwise reads from one file. There the name of a
file says what it holds and, after the last underscore, where it came from:
``BTC-PERPETUAL_1m_download.parquet`` is of the series ``BTC-PERPETUAL_1m``. A loader reads whole periods, and
the replay lets nobody look ahead in them; `Store.read` is the way to ask as of a moment.
"""

from __future__ import annotations

import re
from pathlib import Path

from gammacore.errors import DataError

__all__ = ["only_series", "series_of"]

_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def series_of(path: str | Path) -> dict[str, list[Path]]:
    """Files of a folder of days by series, in order of days; empty if it is no such folder."""
    folder = Path(path).expanduser()
    days = [child for child in folder.iterdir() if _DAY.fullmatch(child.name)] if folder.is_dir() else []
    found: dict[str, list[Path]] = {}
    for day in sorted(days):
        for file in sorted(day.glob("*.parquet")):
            found.setdefault(file.stem.rpartition("_")[0], []).append(file)
    return found


def only_series(path: str | Path, names: str = "") -> tuple[Path, list[Path]]:
    """Name and files of the one series of a folder.

    Parameters
    ----------
    path : str or Path
        A folder of days, or one with the name of a series at its end, as in
        ``processed/funding/USDC/BTC_USDC-PERPETUAL_1h``.
    names : str
        What the series are, for the error.

    Returns
    -------
    tuple of Path and list of Path
        No files if there is no such folder.

    Raises
    ------
    DataError
        If it holds several.
    """
    path = Path(path).expanduser()
    found = series_of(path.parent)
    if not path.exists() and path.name in found:
        return path, found[path.name]
    found = series_of(path)
    if len(found) > 1:
        raise DataError(f"{path}: holds {', '.join(sorted(found))}; name one, as in {path / min(found)}")
    return (path / next(iter(found)), next(iter(found.values()))) if found else (path, [])

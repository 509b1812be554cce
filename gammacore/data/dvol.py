"""Recorded readings of the exchange's volatility index."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gammacore.array_types import Floats, Ints
from gammacore.data.tables import Column, FileInfo, data_files, pick_column, read_header, read_table
from gammacore.data.trees import only_series
from gammacore.daycount import format_time
from gammacore.errors import DataError

__all__ = ["Dvol", "load_dvol"]

_TIME_NAMES = ("timestamp", "ts_ns", "time", "date")
_VOL_NAMES = ("close", "iv", "dvol", "volatility")
_PERCENT = 5.0  # a median above is in percent: the index was never 500 %, and never 5 %


@dataclass(frozen=True, slots=True, eq=False)
class Dvol:
    """Closes of the index, ordered in time.

    Attributes
    ----------
    ts_ns : array of int64
        When each close became known: the start of its bar plus its length, or what the store noted.
    vol : array of float64
        Decimal.
    interval_ns : int
        Length of a bar.
    file : FileInfo or None
        None when it was made and not read.
    """

    ts_ns: Ints
    vol: Floats
    interval_ns: int
    file: FileInfo | None = None


def load_dvol(path: str | Path) -> Dvol:
    """Load the closes of one volatility index.

    Parameters
    ----------
    path : str or pathlib.Path
        A file with a time (``timestamp``, ``time`` or ``date``: start of the bar) and a value (``close``,
        ``iv``, ``dvol`` or ``volatility``: percent or a fraction); or a store's ``processed/dvol/BTC``.

    Raises
    ------
    DataError
        If the file is broken, a value cannot be one, or fewer than two times are left.
    """
    file, parts = only_series(path)
    if not parts:
        files = data_files(path)
        if len(files) != 1:
            raise DataError(f"{path}: holds {len(files)} files; name the one of the index")
        file = files[0]
    header = read_header(parts[0] if parts else file)
    names = {"time": pick_column(file, header, _TIME_NAMES), "value": pick_column(file, header, _VOL_NAMES)}
    noted = "known_ns" in header  # a store: values that were recorded are known as they arrive
    names |= {"time": "known_ns"} if noted else {}
    table = read_table(file, [Column("time", "time"), Column("value", "number")], names, parts)
    values = table.columns["value"]
    known = values[~np.isnan(values)]
    vol = values / (100.0 if known.size and np.median(known) > _PERCENT else 1.0)
    wrong = ~((vol > _PERCENT / 100.0) & (vol <= _PERCENT))  # one row of the other unit is neither
    if wrong.any():
        raise table.error(int(np.argmax(wrong)), "value", "is not a volatility", names)
    ts_ns, first, copies = np.unique(table.columns["time"], return_index=True, return_inverse=True)
    if (vol[first][copies] != vol).any():
        at = int(table.columns["time"][np.argmax(vol[first][copies] != vol)])
        raise DataError(f"{file}: two values at {format_time(at)}")
    if ts_ns.size < 2:
        raise DataError(f"{file}: {ts_ns.size} times; at least two are needed to tell the length of a bar")
    interval_ns = int(np.median(np.diff(ts_ns)))
    return Dvol(ts_ns if noted else ts_ns + interval_ns, vol[first], interval_ns, table.info)

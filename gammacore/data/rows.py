"""Rows on their way into and out of the store: checked arrays, and the SQL that sorts, cuts and asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gammacore.array_types import Array
from gammacore.daycount import NS_PER_DAY, parse_time, utc_date
from gammacore.errors import DataError

from .schemas import TEXT, Kind
from .tables import literal

__all__ = ["Array", "Columns", "checked", "day_of", "dtype_of", "once", "plain", "question", "typed"]

EXACT_FLOAT = 2.0**53  # above it a float skips integers

Columns = Mapping[str, Any]


def day_of(ts_ns: int) -> str:
    """UTC day of a moment, ``YYYY-MM-DD``."""
    return utc_date(ts_ns).isoformat()


def dtype_of(sql: str) -> Any:
    """Type of the arrays of a column."""
    return {"BIGINT": np.int64, "DOUBLE": np.float64, "VARCHAR": object}[sql]


def plain(values: Any, sql: str) -> Array:
    """Plain array of one that may be masked: NaN, 0 or an empty text for no value."""
    if isinstance(values, np.ma.MaskedArray):
        blank: Any = {"DOUBLE": np.nan, "BIGINT": 0, "VARCHAR": ""}[sql]
        values = values.filled(blank)
    return np.asarray(values, dtype=dtype_of(sql))


def checked(schema: Kind, day: str, rows: Columns) -> dict[str, Array]:
    """Arrays of a kind's columns.

    Raises
    ------
    DataError
        If columns are missing or unknown or differ in length, an integer is none, or a row is of another
        day.
    """
    missing = [name for name in schema.columns if name not in rows]
    unknown = [name for name in rows if name not in schema.columns]
    if missing or unknown:
        raise DataError(f"{schema.name}: columns {missing or unknown} {'missing' if missing else 'unknown'}")
    arrays = {name: _array(f"{schema.name}: {name}", rows[name], sql) for name, sql in schema.columns.items()}
    sizes = {name: array.size for name, array in arrays.items()}
    if len(set(sizes.values())) != 1:
        raise DataError(f"{schema.name}: columns differ in length: {sizes}")
    begin_ns = parse_time(day)
    outside = (arrays["ts_ns"] < begin_ns) | (arrays["ts_ns"] >= begin_ns + NS_PER_DAY)
    if outside.any():
        wrong = int(arrays["ts_ns"][np.argmax(outside)])
        raise DataError(f"{schema.name}: ts_ns {wrong} ({day_of(wrong)}) is not of {day}")
    return arrays


def _array(what: str, values: Any, sql: str) -> Array:
    """Array of a column; floats are integers where nothing is lost, as times in nanoseconds never are."""
    given = np.asarray(values)
    try:
        if sql != "BIGINT" or given.dtype.kind in "iub" or not given.size:
            return np.asarray(values, dtype=dtype_of(sql))
        whole = [isinstance(value, (int, np.integer)) or _whole(value) for value in given.tolist()]
        if not all(whole):
            row = whole.index(False)
            raise DataError(f"{what}: row {row + 1}: {given[row]!s} is not an exact integer")
        return np.array([int(value) for value in given.tolist()], dtype=np.int64)
    except OverflowError:
        raise DataError(f"{what}: {max(given.tolist(), key=abs)} does not fit in 64 bits") from None


def _whole(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer() and abs(value) < EXACT_FLOAT


def typed(schema: Kind) -> str:
    """Select list that casts every column; empty texts and NaN become NULL."""
    parts = []
    for name, sql in schema.columns.items():
        value = f"CAST({name} AS {sql})"
        if sql == TEXT:
            value = f"nullif({value}, '')"
        elif sql == "DOUBLE":
            value = f"CASE WHEN isnan({value}) THEN NULL ELSE {value} END"
        parts.append(f"{value} AS {name}")
    return ", ".join(parts)


def once(schema: Kind, rows: str) -> str:
    """Rows of a query, each key once, in the kind's order; the first known wins, then the least values."""
    order = ", ".join(schema.order)
    tie = ", ".join(["known_ns", *schema.columns])
    return (
        f"SELECT {', '.join(schema.columns)} FROM ({rows}) "
        f"QUALIFY row_number() OVER (PARTITION BY {', '.join(schema.key)} ORDER BY {tie}) = 1 "
        f"ORDER BY {order}"
    )


def question(
    schema: Kind,
    files: Sequence[Path],
    wanted: Sequence[str],
    as_of_ns: int,
    start_ns: int | None,
    end_ns: int | None,
    instruments: Sequence[str] | None,
    *,
    alone: bool,
) -> tuple[str, dict[str, Any]]:
    """Write a read in SQL: what is not known is left out before anything else looks at it.

    Rows of one key are looked for unless each file stands alone.
    """
    values: dict[str, Any] = {"files": [literal(file) for file in files], "as_of": as_of_ns}
    where = ["known_ns <= $as_of"]
    if start_ns is not None:
        where.append("ts_ns >= $start")
        values["start"] = start_ns
    if end_ns is not None:
        where.append("ts_ns < $end")
        values["end"] = end_ns
    if instruments is not None:
        if "instrument_name" not in schema.columns:
            raise DataError(f"{schema.name} has no instruments to choose from")
        where.append("list_contains($instruments, instrument_name)")
        values["instruments"] = list(instruments)
    known = f"SELECT * FROM read_parquet($files) WHERE {' AND '.join(where)}"
    alone = alone or len({file.parent for file in files}) == len(files)  # each file has every key once
    rows = known if alone else once(schema, known)
    return f"SELECT {', '.join(wanted)} FROM ({rows}) ORDER BY {', '.join(schema.order)}", values

"""CSV files as they come: their header, where they have one, and the distance of their rows in time."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from gammacore.errors import DataError

from . import database as duckdb
from .cells import why_no_time, why_not_whole
from .formats import KLINES, value_sql
from .interruption import interruptible
from .tables import read_header, reader_message

__all__ = ["header", "named", "quoted", "usual_step"]


def header(path: Path, format_name: str) -> tuple[list[str], bool]:
    """Column names, and whether the file states them; klines may not."""
    with named(path), open_text(path) as file:
        first = next(csv.reader(file), [])
    if first and re.fullmatch(r"\d{9,}(\.\d*)?", first[0].strip()):
        if format_name not in ("auto", "klines") or len(first) < 6:
            raise DataError(f"{path}: the first line {first[:6]} is no header")
        return [*KLINES[: len(first)], *(f"column_{k}" for k in range(len(KLINES), len(first)))], False
    return read_header(path), True


def open_text(path: Path) -> Any:
    opener: Any = gzip.open if path.name.endswith(".gz") else open
    return opener(path, "rt", encoding="utf-8-sig", newline="")


def usual_step(path: Path, column: int, has_header: bool) -> int:
    """Most frequent distance of neighbouring times in a file, nanoseconds."""
    with named(path), open_text(path) as file:
        rows = csv.reader(file)
        if has_header:
            next(rows)
        cells = [row[column] for _, row in zip(range(10_000), rows, strict=False) if len(row) > column]
    query = f"SELECT {value_sql('cell', 'time')} FROM (SELECT unnest($cells) AS cell)"
    with named(path):
        times = sorted({row[0] for row in duckdb.execute(query, {"cells": cells}).fetchall()})
    steps = [b - a for a, b in pairwise(times)]
    if not steps:
        raise DataError(f"{path}: at least two bars are needed to tell their length")
    return int(max(set(steps), key=lambda step: (steps.count(step), -step)))


def quoted(text: str) -> str:
    """Write a text as SQL does."""
    return "'" + text.replace("'", "''") + "'"


_CELL = re.compile(r"column '(.*)': (.*) is not a (number|integer|time)")
_WHY: dict[str, Callable[[str], str]] = {"time": why_no_time, "integer": why_not_whole}


def _placed(path: Path, message: str) -> str:
    """Message about a cell with its line: that of the first cell of this column and text."""
    match = _CELL.fullmatch(message.splitlines()[0])
    if match is None:
        return reader_message(message)
    column, cell, cast = match.groups()
    why = f"column {column!r}: {cell!r} {_WHY[cast](cell) if cast in _WHY else 'is not a finite number'}"
    with open_text(path) as file:
        rows = csv.reader(file)
        names = next(rows)
        if column not in names:  # a file without a header, or a text for all rows
            names = [*KLINES]
            file.seek(0)
            rows = csv.reader(file)
        at = names.index(column) if column in names else -1
        for row in rows:
            if 0 <= at < len(row) and row[at].strip() == cell:
                return f"line {rows.line_num}, {why}"
    return why


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Turn what the readers raise into errors that name the file, and the line of a cell."""
    try:
        with interruptible():
            yield
    except duckdb.Error as error:
        told = str(error)
        raise DataError(f"{path}: {_placed(path, told.partition('Error: ')[2] or told)}") from None
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None

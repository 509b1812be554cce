"""Times of a column whose form nobody documents: the form is found over the whole file, or refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import duckdb

from gammacore.daycount import NS_PER_SECOND, format_time
from gammacore.errors import ConfigError, DataError

from ..cells import time_sql, why_no_time

__all__ = ["DAY_FIRST", "MONTH_FIRST", "Times", "read_times"]

DAY_FIRST, MONTH_FIRST = "day-first", "month-first"
_CLOCK = r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(?: ?(?:UTC|Z))?"
_NUMBERS = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2}),? " + _CLOCK, re.ASCII)
_WORDS = re.compile(r"(\d{1,2})[ -]([A-Za-z]{3})[ -](\d{4}|\d{2}),? " + _CLOCK, re.ASCII)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

Reader = Callable[[str], int | None]
Times = tuple[list[int], bool]
"""Nanoseconds of every cell, and whether all are whole seconds written without decimals."""


def read_times(
    path: Path,
    column: str,
    cells: Sequence[str],
    lines: Sequence[int],
    order: Sequence[int] | None = None,
    choice: str = "",
) -> Times:
    """Read a column of times, UTC.

    Parameters
    ----------
    path, column : Path, str
        For errors.
    cells : sequence of str
    lines : sequence of int
        Of the file.
    order : sequence of int, optional
        Of the rows in time: a reading that runs against it is none.
    choice : {'', 'day-first', 'month-first'}
        Which number is the day in ``05/06/26``, where the file leaves it open.

    Returns
    -------
    Times

    Raises
    ------
    DataError
        If a cell is no time, the cells are of several forms, or days and months could be either.
    """
    if choice not in ("", DAY_FIRST, MONTH_FIRST):
        raise ConfigError(f"dates: expected {DAY_FIRST} or {MONTH_FIRST}, got {choice!r}")
    found = _iso(cells)
    if any(time is not None for time in found):
        whole = all(re.fullmatch(r"[^.]*", cell) and ":" in cell for cell in cells)
        return _all(path, column, cells, lines, found), whole
    if cells and _WORDS.fullmatch(cells[0]):
        times = _all(path, column, cells, lines, [_worded(cell) for cell in cells])
        return times, not any("." in cell for cell in cells)
    return _numbered(path, column, cells, lines, order, choice), not any(_fraction(cell) for cell in cells)


def _numbered(
    path: Path,
    column: str,
    cells: Sequence[str],
    lines: Sequence[int],
    order: Sequence[int] | None,
    choice: str,
) -> list[int]:
    """Read a column of numbers between slashes."""
    readers = {DAY_FIRST: _reader(day=1, month=3), MONTH_FIRST: _reader(day=3, month=1)}
    tried = {choice: readers[choice]} if choice else readers
    read = {name: [reader(cell) for cell in cells] for name, reader in tried.items()}
    fitting: dict[str, list[int]] = {}
    for name, found in read.items():
        times = [time for time in found if time is not None]
        if len(times) == len(cells) and _in_order(times, order):
            fitting[name] = times
    if not fitting:
        first = read[choice or DAY_FIRST]
        times = _all(path, column, cells, lines, first)  # names the first cell that is none
        raise DataError(f"{path}: column {column!r}: the times run against the order of the rows: {times[0]}")
    chosen = list(fitting.values())
    if len(chosen) == 2 and chosen[0] != chosen[1]:
        at = next(i for i, (a, b) in enumerate(zip(*chosen, strict=True)) if a != b)
        either = " or ".join(format_time(times[at])[:10] for times in chosen)
        raise DataError(
            f"{path}: line {lines[at]}, column {column!r}: {cells[at]!r} is {either}, and nothing in the "
            f"file tells which; give --dates {DAY_FIRST} (as the exchange documents) or {MONTH_FIRST}"
        )
    return chosen[0]


def _iso(cells: Sequence[str]) -> list[int | None]:
    """Read ISO 8601 and counts since 1970, None where a cell is neither."""
    connection = duckdb.connect()
    try:
        connection.execute("SET TimeZone = 'UTC'")
        query = (
            f"SELECT {time_sql('cell')} FROM (SELECT unnest($cells) AS cell, "
            "unnest(range(len($cells))) AS place) ORDER BY place"
        )
        return [row[0] for row in connection.execute(query, {"cells": list(cells)}).fetchall()]
    finally:
        connection.close()


def _all(
    path: Path, column: str, cells: Sequence[str], lines: Sequence[int], found: Sequence[int | None]
) -> list[int]:
    times = []
    for cell, line, time in zip(cells, lines, found, strict=True):
        if time is None:
            raise DataError(f"{path}: line {line}, column {column!r}: {cell!r} {why_no_time(cell)}")
        times.append(time)
    return times


def _in_order(times: Sequence[int], order: Sequence[int] | None) -> bool:
    if order is None:
        return True
    by_order = [time for _, time in sorted(zip(order, times, strict=True))]
    return all(a <= b for a, b in pairwise(by_order))


def _reader(day: int, month: int) -> Reader:
    def read(cell: str) -> int | None:
        match = _NUMBERS.fullmatch(cell)
        if match is None:
            return None
        return _moment(match[4], int(match[month]), int(match[day]), match.groups()[4:8])

    return read


def _worded(cell: str) -> int | None:
    match = _WORDS.fullmatch(cell)
    if match is None or match[2].lower() not in _MONTHS:
        return None
    return _moment(match[3], _MONTHS.index(match[2].lower()) + 1, int(match[1]), match.groups()[3:7])


def _fraction(cell: str) -> bool:
    match = _NUMBERS.fullmatch(cell)
    return match is not None and match[8] is not None


def _moment(year: str, month: int, day: int, clock: Sequence[str | None]) -> int | None:
    """Nanoseconds of a date and a clock, None if there is no such moment."""
    hour, minute, second, fraction = (part or "0" for part in clock)
    full = int(year) + (2000 if len(year) == 2 else 0)
    try:
        moment = datetime(full, month, day, int(hour), int(minute), int(second), tzinfo=UTC)
    except ValueError:
        return None
    if not 2009 <= full <= 2099:
        return None
    return int(moment.timestamp()) * NS_PER_SECOND + int(fraction.ljust(9, "0"))

"""Records of a file, as texts by our names, and their numbers, exactly."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from gammacore.errors import DataError

from ..csv_files import header as header_of
from ..csv_files import named, open_text
from ..tables import verify
from .layouts import Layout, columns_of, layout_of

__all__ = ["SUFFIXES", "Record", "Records", "read_records"]

SUFFIXES = (".csv", ".csv.gz", ".json")
_BLANK = ("", "-", "nan", "null", "none", "na", "n/a")


class Records(NamedTuple):
    """A file as it is: its layout, our name of each column that it has, and its rows."""

    path: Path
    layout: Layout
    columns: dict[str, str]
    rows: list[Record]


class Record(NamedTuple):
    """One row of a file: its line, and the text of each of our fields."""

    path: Path
    line: int
    cells: dict[str, str]
    columns: dict[str, str]

    def text(self, field: str) -> str:
        """Text of a field, empty where there is none."""
        cell = self.cells.get(field, "")
        return "" if cell.lower() in _BLANK else cell

    def decimal(self, field: str) -> Decimal | None:
        """Return the number in a field, None where it is blank.

        Raises
        ------
        DataError
            If it is no finite number.
        """
        cell = self.text(field)
        if not cell:
            return None
        try:
            value = Decimal(cell)
        except InvalidOperation:
            raise self.error(field, "is not a number; write 1234.5, without separators") from None
        if not value.is_finite():
            raise self.error(field, "is not a finite number")
        return value

    def number(self, field: str) -> float:
        """Return the number in a field, NaN where it is blank."""
        value = self.decimal(field)
        return float("nan") if value is None else float(value)

    def error(self, field: str, why: str) -> DataError:
        """Error about a field of this row."""
        column = self.columns.get(field, field)
        return DataError(
            f"{self.path}: line {self.line}, column {column!r}: {self.cells.get(field, '')!r} {why}"
        )


def read_records(path: Path, format_name: str = "auto") -> Records | None:
    """Read a file of an account's past; None if its header is of something else.

    Parameters
    ----------
    path : Path
        CSV, gzip CSV with a header and commas, or an answer of the API as JSON.
    format_name : str
        Of `layouts.LAYOUTS`, or ``auto``.

    Raises
    ------
    DataError
        If the file cannot be read to its end, or columns or cells are missing.
    """
    if path.name.endswith(".json"):
        return _from_json(path, format_name)
    if not path.name.endswith(SUFFIXES):
        return None
    names, stated = header_of(path, "auto")
    header = [name.strip() for name in names]
    layout = layout_of(header, format_name, path) if stated else None
    if layout is None:
        return None
    if path.name.endswith(".gz"):
        verify(path)
    columns, rows = columns_of(layout, header), []
    places = {field: header.index(name) for field, name in columns.items()}
    with named(path), open_text(path) as file:
        reader = csv.reader(file)
        next(reader)
        for cells in reader:
            if not any(cells):
                continue
            if len(cells) != len(header):
                raise DataError(
                    f"{path}: line {reader.line_num}: expected {len(header)} columns, found {len(cells)}"
                )
            found = {field: cells[at].strip() for field, at in places.items()}
            rows.append(Record(path, reader.line_num, found, columns))
    return Records(path, layout, columns, rows)


def _from_json(path: Path, format_name: str) -> Records | None:
    """Rows of an answer, or of a list of rows; what counts as a line is the number of the row."""
    try:
        answer: Any = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: not JSON: {error}") from None
    for name in ("result", "logs", "trades"):
        if isinstance(answer, dict) and name in answer:
            answer = answer[name]
    if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
        raise DataError(f"{path}: expected a list of rows, or an answer with logs or trades")
    header = list(dict.fromkeys(name for row in answer for name in row))
    layout = layout_of(header, format_name, path)
    if layout is None:
        return None
    columns = columns_of(layout, header)
    rows = [
        Record(path, at, {field: _text(row.get(name)) for field, name in columns.items()}, columns)
        for at, row in enumerate(answer, 1)
    ]
    return Records(path, layout, columns, rows)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    return repr(value) if isinstance(value, (int, float)) else msgspec.json.encode(value).decode()


def times_of(records: Records) -> tuple[str, list[str], Sequence[int]]:
    """Column of times, its cells and their lines."""
    rows = records.rows
    return records.columns["time"], [row.text("time") for row in rows], [row.line for row in rows]

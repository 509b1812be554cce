"""Read one CSV, gzip CSV or Parquet file into arrays, whole or not at all.

A plain CSV file is read by `plain_csv`. In any other every column is read as text and cast once, so that a
cell that is not what its column says is found and named by file, line and column. A file is hashed and, when
compressed, checked to its end before anything in it is used.
"""

from __future__ import annotations

import csv
import difflib
import gzip
import hashlib
import itertools
import re
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from gammacore.array_types import Array
from gammacore.errors import DataError

from . import database as duckdb
from .cells import double_text, time_sql, why_no_time
from .interruption import interruptible
from .plain_csv import content_of, plain_rows
from .texts import Texts

__all__ = [
    "Column",
    "FileInfo",
    "Table",
    "connect",
    "data_files",
    "existing",
    "filled",
    "first_cells",
    "literal",
    "lookalike",
    "missing_columns",
    "pick_column",
    "read_header",
    "read_table",
    "reader_message",
    "verify",
]

SUFFIXES = (".csv", ".csv.gz", ".parquet")

Why = str | Callable[[str], str]  # words, or what makes them of the cell

# Texts that mean "no value" in a number column.
_BLANK = "('', 'nan', 'null', 'none', 'na')"


class Column(NamedTuple):
    """A column a loader wants: its name, its type, and whether the file must have it.

    A 'number' may be blank (NaN). A 'text' or 'time' may not; a time is what
    `gammacore.data.cells.time_sql` reads, exact to the nanosecond.
    """

    name: str
    type: Literal["text", "number", "time"]
    required: bool = True


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A file that was loaded.

    Attributes
    ----------
    path : pathlib.Path
    sha256 : str
        Hash of the file as it lies on disk.
    rows : int
        Rows in the file.
    parts : tuple of pathlib.Path
        Parquet files of a store that were read as one; ``path`` is then their folder and the name of their
        series, and ``sha256`` the hash of their hashes.
    """

    path: Path
    sha256: str
    rows: int
    parts: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """Arrays of one file, in the order of its rows.

    Attributes
    ----------
    info : FileInfo
    columns : dict of str to array or Texts
        float64 with NaN for blanks, int64 nanoseconds, or texts, by the
        loader's names; optional columns that the file lacks are absent.
    """

    info: FileInfo
    columns: dict[str, Any]

    def error(self, row: int, column: str, why: str, names: Mapping[str, str] | None = None) -> DataError:
        """Error about one cell, naming file, line, column and the cell's text."""
        name = (names or {}).get(column, column)
        return _cell_error(self.info.path, row, name, why, self.info.parts)


def existing(path: str | Path) -> Path:
    """Path as given, if there is something there.

    Raises
    ------
    DataError
        If not, with the nearest names in the nearest existing folder.
    """
    path = Path(path).expanduser()
    with _readable(path):
        if path.exists():
            return path
        missing, folder = path, path.parent
        while not folder.exists() and folder != folder.parent:
            missing, folder = folder, folder.parent
        names = [child.name for child in folder.iterdir()] if folder.is_dir() else []
    near = difflib.get_close_matches(missing.name, names, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(repr(str(folder / name)) for name in near)}?" if near else ""
    raise DataError(f"{path}: no such file or directory{hint}")


def data_files(path: str | Path) -> list[Path]:
    """List the data files of a path: itself, or the CSV, gzip CSV and Parquet files of a directory, by name.

    Raises
    ------
    DataError
        If there is nothing at the path, a suffix is unknown or not lower case, or the directory has no such
        file.
    """
    path = existing(path)
    if path.is_dir():
        with _readable(path):
            files = sorted(child for child in path.iterdir() if child.name.lower().endswith(SUFFIXES))
        for file in files:
            if not file.name.endswith(SUFFIXES):  # left out it would be a hole in the data
                raise DataError(
                    f"{file}: its suffix is not lower case; expected one of {', '.join(SUFFIXES)}"
                )
        if not files:
            raise DataError(f"{path}: no {', '.join(SUFFIXES)} file in this directory")
        return files
    if not path.name.endswith(SUFFIXES):
        raise DataError(f"{path}: unknown suffix; expected one of {', '.join(SUFFIXES)}")
    return [path]


def read_header(path: Path) -> list[str]:
    """Column names of a file, in order.

    Raises
    ------
    DataError
        If the file cannot be read, is empty, or has a column name twice.
    """
    with _readable(path):
        if path.name.endswith(".parquet"):
            cursor = connect().execute("SELECT * FROM read_parquet($path) LIMIT 0", {"path": literal(path)})
            return [column[0] for column in cursor.description]
        with _open_text(path) as file:
            names = next(csv.reader(file), [])
    if not any(names):
        raise DataError(f"{path}: the file is empty")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{path}: line 1: column names {twice} occur more than once")
    return names


def first_cells(path: Path, column: str, rows: int) -> list[str]:
    """Return the first texts of a column of a CSV file; errors as of :func:`read_header`."""
    with _readable(path), _open_text(path) as file:
        reader = csv.reader(file)
        at = next(reader).index(column)
        return [cells[at] for cells in itertools.islice(reader, rows) if len(cells) > at]


def missing_columns(
    header: Sequence[str], columns: Sequence[Column], names: Mapping[str, str]
) -> dict[str, list[str]]:
    """Find the required columns that a header lacks, with the nearest names it has."""
    wanted = [names.get(column.name, column.name) for column in columns if column.required]
    lacking = [name for name in wanted if name not in header]
    return {name: difflib.get_close_matches(name, header, n=2, cutoff=0.5) for name in lacking}


def read_table(
    path: Path,
    columns: Sequence[Column],
    names: Mapping[str, str] | None = None,
    parts: Sequence[Path] = (),
) -> Table:
    """Read the wanted columns of one file.

    Parameters
    ----------
    path : pathlib.Path
        A ``.csv``, ``.csv.gz`` or ``.parquet`` file; CSV in UTF-8 with a header and commas.
    columns : sequence of Column
    names : mapping of str to str, optional
        Our column name to the file's, where they differ.
    parts : sequence of pathlib.Path
        Parquet files with the same columns, read in this order as if they were one file at ``path``.

    Returns
    -------
    Table

    Raises
    ------
    DataError
        If the file cannot be read to its end, lacks a required column, or has a cell
        of the wrong type.
    """
    names = names or {}
    unknown = sorted(set(names) - {column.name for column in columns})
    if unknown:
        known = [column.name for column in columns]
        raise DataError(f"columns maps unknown names {unknown}; the names are {known}")
    parts = tuple(parts)
    with _readable(path):
        content = None if parts else content_of(path)
    sha256 = content[1] if content else _hash_of(map(verify, parts)) if parts else verify(path)
    header = read_header(parts[0] if parts else path)
    _demand_columns(path, header, columns, names)
    held = [column for column in columns if names.get(column.name, column.name) in header]
    wanted = [(names.get(column.name, column.name), column.type) for column in held]
    arrays = plain_rows(content[0], header, wanted) if content else None
    if arrays is None:
        arrays = _cast(path, header, wanted, parts)
    rows = len(arrays[0].codes if isinstance(arrays[0], Texts) else arrays[0])
    return Table(FileInfo(path, sha256, rows, parts), {c.name: a for c, a in zip(held, arrays, strict=True)})


def pick_column(path: Path, header: Sequence[str], candidates: Sequence[str]) -> str:
    """Choose the first of several names that a header has.

    Raises
    ------
    DataError
        If it has none.
    """
    for name in candidates:
        if name in header:
            return name
    found = f"{list(header)}{lookalike(header, candidates)}"
    raise DataError(f"{path}: no column named {' or '.join(candidates)}; found {found}")


def _demand_columns(
    path: Path, header: Sequence[str], columns: Sequence[Column], names: Mapping[str, str]
) -> None:
    lacking = missing_columns(header, columns, names)
    # A column that the caller mapped by hand is meant to be there, even an optional one.
    lacking |= {name: [] for name in names.values() if name not in header and name not in lacking}
    if not lacking:
        return
    hints = [
        f"{name!r}" + (f" (nearest: {', '.join(near)})" if near else "") for name, near in lacking.items()
    ]
    found = f"{list(header)}{lookalike(header, lacking)}"
    raise DataError(f"{path}: missing columns {', '.join(hints)}; found {found}")


def lookalike(header: Sequence[str], wanted: Collection[str]) -> str:
    """Say what a header seems to be that has none of the names that are wanted, and what to do."""
    other = next((mark for mark in ";\t|" if mark in header[0]), None)
    if len(header) == 1 and other:
        return f"; the file seems to be separated by {other!r}, not by commas"
    near = next((name for name in header if name not in wanted and name.strip().lower() in wanted), None)
    if near is not None:
        return f"; rename {near!r} to {near.strip().lower()!r}"
    if any(re.fullmatch(r"[-+]?[\d.]+", name) for name in header):
        return "; the first line holds numbers: write a line with the names of the columns above it"
    return ""


def _cast(
    path: Path, header: Sequence[str], wanted: Sequence[tuple[str, str]], parts: Sequence[Path]
) -> list[Array | Texts]:
    """Cast columns from texts; DataError at the first cell that is not what its column says."""
    parameters: dict[str, Any] = {"path": [literal(part) for part in parts or [path]]}
    if parts or path.name.endswith(".parquet"):
        source = "read_parquet($path)"
        types = _types(path, source, parameters)
    else:
        source = (
            "read_csv($path, auto_detect=false, header=true, columns=$names, "
            "delim=',', quote='\"', escape='\"')"
        )
        parameters["names"] = dict.fromkeys(header, "VARCHAR")
        types = {}
    texts, values, bad = [], [], []
    for i, (name, column_type) in enumerate(wanted):
        quoted = '"' + name.replace('"', '""') + '"'
        stored = types.get(name, "VARCHAR") if column_type == "time" else "VARCHAR"
        texts.append(f"{double_text(quoted, stored)} AS t{i}")
        values.append(f"{_value(f't{i}', column_type)} AS v{i}")
        bad.append(f"WHEN {_wrong(f't{i}', f'v{i}', column_type)} THEN {i + 1}")
    query = (
        f"SELECT *, CAST(CASE {' '.join(bad)} ELSE 0 END AS SMALLINT) AS bad "
        f"FROM (SELECT *, {', '.join(values)} FROM (SELECT {', '.join(texts)} FROM {source}))"
    )
    kept = ", ".join(f"v{i}" for i in range(len(wanted)))
    query = f"SELECT {kept}, bad FROM ({query})"
    with _readable(path):
        result = connect().execute(query, parameters).fetchnumpy()
    _refuse_bad(path, wanted, filled(result["bad"]), parts)
    arrays = [filled(result[f"v{i}"]) for i in range(len(wanted))]
    return [
        Texts.of(array) if kind == "text" else array for array, (_, kind) in zip(arrays, wanted, strict=True)
    ]


def _refuse_bad(path: Path, wanted: Sequence[tuple[str, str]], bad: Array, parts: Sequence[Path]) -> None:
    """Name the first bad cell; ``bad`` is the number (from 1) of the first bad column of each row, or 0."""
    if bad.any():
        row = int(np.argmax(bad > 0))
        name, column_type = wanted[int(bad[row]) - 1]
        reasons: dict[str, Why] = {"text": "is blank", "number": "is not a finite number"}
        raise _cell_error(path, row, name, reasons.get(column_type, why_no_time), parts)


def _types(path: Path, source: str, parameters: Mapping[str, Any]) -> dict[str, str]:
    """Types of the columns of a Parquet file, as DuckDB names them."""
    with _readable(path):
        cursor = connect().execute(f"SELECT * FROM {source} LIMIT 0", dict(parameters))
        return {column[0]: str(column[1]) for column in cursor.description}


def _value(text: str, column_type: str) -> str:
    """Write the SQL of the value of a text."""
    return {"text": text, "number": f"TRY_CAST({text} AS DOUBLE)", "time": time_sql(text)}[column_type]


def _wrong(text: str, value: str, column_type: str) -> str:
    """Write the SQL of the condition that a text is not a value."""
    if column_type == "text":
        return f"coalesce({text}, '') = ''"
    if column_type == "number":
        return f"isinf({value}) OR ({value} IS NULL AND lower({text}) NOT IN {_BLANK})"
    return f"{value} IS NULL"


def filled(values: Any) -> Array:
    """Plain array of a masked one, NaN where a number is missing."""
    if not isinstance(values, np.ma.MaskedArray):
        return np.asarray(values)
    if values.dtype.kind == "f":
        return np.asarray(values.filled(np.nan))
    return np.asarray(values.filled(0) if values.dtype.kind == "i" else values.filled(""))


def connect() -> duckdb.DuckDBPyConnection:
    """Open a database without tables that reads files."""
    connection = duckdb.connect(config={"autoinstall_known_extensions": False})
    # A time without a zone is UTC, wherever the process runs.
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def literal(path: Path) -> str:
    """Path as a text for DuckDB's readers, which would expand wildcards in it."""
    return re.sub(r"([\[*?])", r"[\1]", str(path))


def _open_text(path: Path) -> Any:
    opener: Any = gzip.open if path.name.endswith(".gz") else open
    return opener(path, "rt", encoding="utf-8-sig", newline="")


def verify(path: Path) -> str:
    """Hash of a file; a compressed one is unpacked to its checksum, which the reader does not look at."""
    with _readable(path):
        with open(path, "rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if path.name.endswith(".gz"):
            with gzip.open(path) as unpacked:
                while unpacked.read(1 << 20):
                    pass
    return sha256


def _hash_of(hashes: Iterable[str]) -> str:
    return hashlib.sha256("".join(hashes).encode()).hexdigest()


def _cell_error(path: Path, row: int, column: str, why: Why, parts: Sequence[Path] = ()) -> DataError:
    """Error about the cell in a data row (from 0); the file is read again to find its line."""
    if parts or path.name.endswith(".parquet"):
        quoted = '"' + column.replace('"', '""') + '"'
        files = {"path": [literal(part) for part in parts or [path]]}
        stored = _types(path, "read_parquet($path)", files).get(column, "VARCHAR")
        query = f"SELECT {double_text(quoted, stored)} FROM read_parquet($path) LIMIT 1 OFFSET {row}"
        with _readable(path):
            cell = (connect().execute(query, files).fetchone() or (None,))[0]
        place = f"row {row + 1}"
    else:
        place, cell = _cell_at(path, row, column)
    words = why if isinstance(why, str) else why(str(cell))
    return DataError(f"{path}: {place}, column {column!r}: {cell!r} {words}")


def _cell_at(path: Path, row: int, column: str) -> tuple[str, str]:
    """Line, in words, and text of a cell of a CSV file; rows count from 0."""
    with _open_text(path) as file:
        reader = csv.reader(file)
        at = next(reader).index(column)
        lines = (cells for cells in reader if cells)
        for _ in range(row):
            next(lines)
        cells = next(lines)
        return f"line {reader.line_num}", cells[at] if at < len(cells) else ""


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what the system and the readers raise into errors that name the file."""
    try:
        with interruptible():
            yield
    except PermissionError:
        raise DataError(f"{path}: no permission to read it") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: broken gzip file: {error}") from None
    except UnicodeDecodeError as error:
        packed = error.object[:2] == b"\x1f\x8b"
        told = "; it is compressed: let its name end in .csv.gz" if packed else ""
        raise DataError(f"{path}: not UTF-8 text: {error}{told}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    except csv.Error as error:
        raise DataError(f"{path}: line 1: {error}") from None
    except duckdb.Error as error:
        raise DataError(f"{path}: {reader_message(str(error))}") from None


def reader_message(message: str) -> str:
    """Line and cause out of the CSV reader's long message, or its first line."""
    line = re.search(r"Line: (\d+)", message)
    width = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", message)
    if line and width:
        return f"line {line[1]}: expected {width[1]} columns, found {width[2]}"
    first = message.splitlines()[0]
    return f"line {line[1]}: {first}" if line else first

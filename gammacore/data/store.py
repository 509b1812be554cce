"""The data store: Parquet below one folder, read as of a moment.

::

    raw/<kind>/<currency>/<day>/*.parquet          payloads as received
    processed/<kind>/<currency>/<day>/*.parquet    rows of `schemas.KINDS`, sorted by key

``day`` is the UTC day of ``ts_ns``. There is one way to read, `Store.read`, and it takes the moment
``as_of_ns``: rows that were not known then do not exist for it, so that nothing built on it can look ahead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from gammacore.daycount import NS_PER_DAY
from gammacore.errors import DataError

from . import database as duckdb
from .atomic import Batch, Writer, recover
from .interruption import interruptible
from .moments import moment, period
from .rows import Array, Columns, checked, day_of, dtype_of, once, plain, question, typed
from .schemas import kind_named
from .tables import literal

__all__ = ["Commit", "Store", "day_of", "days_between"]

PARQUET = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880"
EVER, NEVER = (-(2**63), 2**63 - 1), (2**63 - 1, -(2**63))
_WORD = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_RAW_TYPES = {"i": "BIGINT", "u": "BIGINT", "O": "VARCHAR", "f": "DOUBLE"}


def days_between(start_ns: int, end_ns: int) -> list[str]:
    """UTC days that begin in ``start_ns <= midnight < end_ns``, the first one from its midnight."""
    first = start_ns // NS_PER_DAY
    return [day_of(day * NS_PER_DAY) for day in range(first, -(-end_ns // NS_PER_DAY))]


class Store:
    """A store below a folder.

    Parameters
    ----------
    root : str or Path
        Need not exist; it is made by the first write.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).expanduser()
        if self.root.exists() and not self.root.is_dir():
            raise DataError(f"store {self.root}: is a file, not a folder")
        self._writer = Writer(self.root)
        self._database: duckdb.DuckDBPyConnection | None = None
        self._times: dict[tuple[Path, int, int], tuple[int, int]] = {}  # of files, by their size and change

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give up the right to write; nothing but committed files stays."""
        with _writing(self.root):
            self._writer.close()
        if self._database is not None:
            self._database.close()
            self._database = None

    def recover(self) -> list[Path]:
        """Finish or undo what dead writers left; the files that appeared. The first write does so too."""
        with _writing(self.root):
            return recover(self.root)

    def connection(self) -> duckdb.DuckDBPyConnection:
        """Database without tables, in one thread: the same rows give the same bytes."""
        if self._database is None:
            config: dict[str, Any] = {"autoinstall_known_extensions": False, "threads": 1}
            self._database = duckdb.connect(config=config)
            self._database.execute("SET enable_progress_bar = false")
            self._database.execute("SET GLOBAL TimeZone = 'UTC'")
        return self._database

    # ----------------------------------------------------------------- places

    def path(self, kind: str, currency: str, day: str, name: str, *, raw: bool = False) -> Path:
        """Where a file is.

        Parameters
        ----------
        kind, currency : str
        day : str
            ``YYYY-MM-DD``.
        name : str
            Of the file, without its suffix.
        raw : bool
            Whether it holds payloads.
        """
        for what, word in (("kind", kind), ("currency", currency), ("day", day), ("name", name)):
            if not _WORD.fullmatch(word):
                raise DataError(f"{what} {word!r}: letters, digits and _ . - only, no dot first")
        return self._folder(kind, currency, raw=raw) / day / f"{name}.parquet"

    def _folder(self, kind: str, currency: str, *, raw: bool = False) -> Path:
        return self.root / ("raw" if raw else "processed") / kind / currency

    def currencies(self, kind: str) -> list[str]:
        """Currencies there are rows of."""
        return _names(self.root / "processed" / kind_named(kind).name)

    def days(self, kind: str, currency: str) -> list[str]:
        """Days there are files of, ascending; a file may be empty."""
        return _names(self._folder(kind_named(kind).name, currency))

    def files(
        self, kind: str, currency: str, *, start_ns: int | None = None, end_ns: int | None = None
    ) -> list[Path]:
        """Files of the days that a period touches; name files to a loader, or count them.

        Parameters
        ----------
        kind, currency : str
        start_ns, end_ns : int, optional
            ``start_ns <= ts_ns < end_ns``.
        """
        first = None if start_ns is None else day_of(start_ns)
        last = None if end_ns is None else day_of(end_ns - 1)
        folder = self._folder(kind_named(kind).name, currency)
        days = [
            day for day in _names(folder) if (first is None or day >= first) and (last is None or day <= last)
        ]
        return [path for day in days for path in sorted((folder / day).glob("*.parquet"))]

    def last_raw_ns(self, kind: str, currency: str) -> int:
        """When the last payload of a kind was received, nanoseconds UTC; 0 if there is none."""
        folder = self._folder(kind, currency, raw=True)
        files = [
            literal(path) for day in _names(folder)[-1:] for path in sorted((folder / day).glob("*.parquet"))
        ]
        if not files:
            return 0
        query = "SELECT max(known_ns) FROM read_parquet($files)"
        with interruptible():
            found = self.connection().cursor().execute(query, {"files": files}).fetchone()
        return int(found[0] or 0) if found else 0

    # ----------------------------------------------------------------- writing

    @contextmanager
    def commit(self) -> Iterator[Commit]:
        """Write several files that appear together when the block ends, or not at all."""
        with _writing(self.root), self._writer.commit() as batch:
            yield Commit(self, batch)

    def write(self, kind: str, currency: str, day: str, name: str, rows: Columns) -> Path:
        """Write one file of rows; see `Commit.rows`."""
        with self.commit() as commit:
            return commit.rows(kind, currency, day, name, rows)

    # ----------------------------------------------------------------- reading

    def read(
        self,
        kind: str,
        currency: str,
        *,
        as_of_ns: int,
        start_ns: int | None = None,
        end_ns: int | None = None,
        instruments: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
    ) -> dict[str, Array]:
        """Rows that were known at a moment.

        Parameters
        ----------
        kind : str
            Of `schemas.KINDS`.
        currency : str
        as_of_ns : int or datetime
            See `gammacore.daycount.times_ns`. Rows with ``known_ns`` up to this moment exist, others do not.
        start_ns, end_ns : int, optional
            Of these, rows with ``start_ns <= ts_ns < end_ns``.
        instruments : sequence of str, optional
            Only theirs.
        columns : sequence of str, optional
            By default all.

        Returns
        -------
        dict of str to array
            int64, float64 with NaN for none, or objects (texts, empty for none), sorted by the kind's order.
            A row that several files hold is there once: as it was known first.

        Raises
        ------
        DataError
            If there is no such kind or column, or a file cannot be read.
        """
        schema = kind_named(kind)
        wanted = list(schema.columns if columns is None else columns)
        unknown = [name for name in wanted if name not in schema.columns]
        if unknown:
            raise DataError(f"{kind} has no column {unknown[0]!r}; there are {', '.join(schema.columns)}")
        as_of_ns = moment("as_of_ns", as_of_ns)
        start_ns, end_ns = period(start_ns, end_ns)
        files = self.files(kind, currency, start_ns=start_ns, end_ns=end_ns)
        try:
            with interruptible():
                files, apart = self._touching(files, start_ns, end_ns)
                if not files:
                    return {name: np.empty(0, dtype_of(schema.columns[name])) for name in wanted}
                alone = apart and "ts_ns" in schema.key
                query, values = question(
                    schema, files, wanted, int(as_of_ns), start_ns, end_ns, instruments, alone=alone
                )
                found = self.connection().cursor().execute(query, values).fetchnumpy()
        except duckdb.Error as error:
            raise DataError(f"{self._folder(kind, currency)}: {str(error).splitlines()[0]}") from None
        return {name: plain(found[name], schema.columns[name]) for name in wanted}

    def _touching(
        self, files: list[Path], start_ns: int | None, end_ns: int | None
    ) -> tuple[list[Path], bool]:
        """Files that say that they have rows of a period, and whether no two of them share a moment."""
        if len(files) < 2:
            return files, True
        status = [(path, path.stat()) for path in files]
        keys = [(path, seen.st_size, seen.st_mtime_ns) for path, seen in status]
        new = [key for key in keys if key not in self._times]
        if new:
            told = dict(self._told([literal(path) for path, *_ in new]))
            self._times |= {key: told.get(str(key[0]), NEVER) for key in new}
        begin, end = (EVER[0] if start_ns is None else start_ns), (EVER[1] if end_ns is None else end_ns)
        found = [(*self._times[key], key[0]) for key in keys]
        found = [(first, last, path) for first, last, path in found if first < end and last >= begin]
        ordered = sorted((first, last) for first, last, _ in found)
        apart = all(one[1] < other[0] for one, other in pairwise(ordered))
        return [path for _, _, path in found], apart

    def _told(self, files: list[str]) -> Iterator[tuple[str, tuple[int, int]]]:
        """First and last moment of files; those without rows say nothing."""
        query = (
            "SELECT file_name, min(stats_min_value::BIGINT), max(stats_max_value::BIGINT), "
            "bool_or(stats_max_value IS NULL) FROM parquet_metadata($files) "
            "WHERE path_in_schema = 'ts_ns' GROUP BY file_name"
        )
        for name, first, last, silent in (
            self.connection().cursor().execute(query, {"files": files}).fetchall()
        ):
            yield name, (EVER if silent else (first, last))


class Commit:
    """Files on their way; made by `Store.commit`."""

    def __init__(self, store: Store, batch: Batch) -> None:
        self._store, self._batch = store, batch

    def rows(self, kind: str, currency: str, day: str, name: str, rows: Columns) -> Path:
        """Write rows of one kind, currency and day.

        Parameters
        ----------
        kind, currency, day, name : str
            See `Store.path`; a file of that name is replaced.
        rows : mapping of str to sequence
            All columns of the kind, of one length, in any order of rows; None and NaN are no value. Rows of
            one key count once: the one known first.

        Returns
        -------
        Path
            Where the file will be.

        Raises
        ------
        DataError
            If a column is missing or unknown, or a row is of another day.
        """
        schema = kind_named(kind)
        arrays = checked(schema, day, rows)
        target = self._store.path(kind, currency, day, name)
        cursor = self._store.connection().cursor()
        cursor.register("given", arrays)
        self.copy(once(schema, "SELECT " + typed(schema) + " FROM given"), target, cursor)
        return target

    def raw(self, kind: str, currency: str, day: str, name: str, payloads: Mapping[str, Array]) -> Path:
        """Write payloads as they came, in the order given."""
        target = self._store.path(kind, currency, day, name, raw=True)
        cursor = self._store.connection().cursor()
        arrays = {key: np.asarray(values) for key, values in payloads.items()}
        cursor.register("given", arrays)
        typed = ", ".join(
            f"CAST({key} AS {_RAW_TYPES[values.dtype.kind]}) AS {key}" for key, values in arrays.items()
        )
        self.copy(f"SELECT {typed} FROM given", target, cursor)
        return target

    def workspace(self) -> Path:
        """Folder for what the writer needs on the way; it goes when the commit ends."""
        return self._batch.workspace()

    def copy(self, query: str, target: Path, cursor: duckdb.DuckDBPyConnection) -> None:
        """Write the rows of a query to a file below the root."""
        if target.is_symlink() or (target.exists() and not _is_parquet(target)):
            raise DataError(f"{target}: not a Parquet file of the store, and in its way; move it")
        place = str(self._batch.place(target)).replace("'", "''")
        cursor.execute(f"COPY ({query}) TO '{place}' ({PARQUET})")

    def count(self, target: Path, cursor: duckdb.DuckDBPyConnection) -> int:
        """Rows of a file of this commit."""
        files = [literal(self._batch.where(target))]
        found = cursor.execute("SELECT count(*) FROM read_parquet($files)", {"files": files}).fetchone()
        return int(found[0]) if found else 0


@contextmanager
def _writing(root: Path) -> Iterator[None]:
    """Turn what the system and the database raise into errors that name the store."""
    try:
        with interruptible():
            yield
    except OSError as error:
        raise DataError(f"store {root}: cannot be written: {error}") from None
    except duckdb.Error as error:
        raise DataError(f"store {root}: cannot be written: {str(error).splitlines()[0]}") from None


def _is_parquet(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _names(folder: Path) -> list[str]:
    return sorted(child.name for child in folder.iterdir() if child.is_dir()) if folder.is_dir() else []

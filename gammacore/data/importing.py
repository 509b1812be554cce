"""Import files of any size into the store, through DuckDB, within a limit of memory.

A file is read once into rows of the store's kinds, which are then sorted by day, freed of repetitions and put
in their places, all of them together. Importing a file again replaces what it brought before.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import duckdb
import msgspec

from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR
from gammacore.errors import ConfigError, DataError

from .account.cells import read_records
from .account.reading import AccountHistory, AccountOptions
from .account.storing import KIND, import_account
from .csv_files import header, named, quoted, usual_step
from .formats import Format, detect, mapped, value_sql
from .schemas import IS_OPTION, KINDS, TEXT, bar_label, currency_sql, kind_named
from .store import Commit, Store, day_of
from .tables import existing, literal, verify

__all__ = ["ImportOptions", "Imported", "import_file"]

SUFFIXES = (".csv", ".csv.gz")
_FIELD = re.compile(r"\{([^{}:]+)(?::(number|integer|time))?\}")
STAGED = "FORMAT parquet, COMPRESSION snappy"
Progress = Callable[[str, int, int], None]


class ImportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to import.

    Attributes
    ----------
    format : str
        Of `formats.FORMATS` or `account.layouts.LAYOUTS`, or ``auto`` to go by the header.
    kind : str
        Of rows, with a mapping.
    mapping : dict of str to str
        Our column to the file's.
    currency : str
        For files whose instruments are not the exchange's, such as klines.
    instrument : str
        For files that do not name one.
    delay_ns : int
        From ``ts_ns`` to ``known_ns``, for files without a time of arrival.
    snapshot_ns : int
        Distance of the chain snapshots that are made of option tickers; 0 for none.
    memory_limit : str
        As DuckDB writes it.
    account : str
        Of an account's past: which of several.
    skip : tuple of str
        Of an account's past: types of rows to leave out, see `account.reading.AccountOptions`.
    dates : str
        Of an account's past: ``day-first`` or ``month-first``, where the file leaves it open.
    """

    format: str = "auto"
    kind: str = ""
    mapping: dict[str, str] = {}
    currency: str = ""
    instrument: str = ""
    delay_ns: int = 0
    snapshot_ns: int = NS_PER_HOUR
    memory_limit: str = "1GB"
    account: str = ""
    skip: tuple[str, ...] = ()
    dates: str = ""


class Imported(msgspec.Struct):
    """What an import brought.

    Attributes
    ----------
    format : str
    rows : dict of str to int
        By kind, repetitions left out.
    files : list of Path
    history : AccountHistory or None
        Of a file that holds an account's past.
    """

    format: str
    rows: dict[str, int]
    files: list[Path]
    history: AccountHistory | None = None


def import_file(
    store: Store, path: str | Path, options: ImportOptions | None = None, *, progress: Progress | None = None
) -> Imported:
    """Import one file.

    Parameters
    ----------
    store : Store
    path : str or Path
        ``.csv`` or ``.csv.gz`` with commas and, but for klines, a header. An account's past may be
        ``.json`` as well.
    options : ImportOptions, optional
    progress : callable(name, done, total), optional

    Returns
    -------
    Imported

    Raises
    ------
    ConfigError
        If the options do not fit the file.
    DataError
        If a column is missing, with the nearest there is, or a cell is not what its column says.
    """
    path, options = existing(path), options or ImportOptions()
    past = None if options.mapping else _import_past(store, path, options)
    if past is not None:
        return past
    if not path.name.endswith(SUFFIXES):
        raise DataError(f"{path}: expected one of {', '.join(SUFFIXES)}")
    return _Import(store, path, options, progress or (lambda *_: None)).run()


def _import_past(store: Store, path: Path, options: ImportOptions) -> Imported | None:
    """Import a file of an account's past; None if it is of something else."""
    records = read_records(path, options.format)
    if records is None:
        return None
    given = AccountOptions(
        format=options.format,
        currency=options.currency,
        account=options.account,
        skip=options.skip,
        dates=options.dates,
    )
    found = import_account(store, records, given)
    rows = {KIND: len(found.history.rows)} if found.history.rows else {}
    return Imported(records.layout.name, rows, found.files, found.history)


class _Import:
    def __init__(self, store: Store, path: Path, options: ImportOptions, progress: Progress) -> None:
        self._store, self._path, self._options, self._progress = store, path, options, progress
        self._header, self._has_header = header(path, options.format)
        self._format = self._choose()
        stem = re.sub(r"[^A-Za-z0-9]+", "-", path.name.split(".csv")[0]).strip("-")
        self._source = f"import-{self._format.name.replace('_', '-')}-{stem}-{crc32(path.name.encode()):08x}"
        self._rows: dict[str, int] = {}
        self._files: list[Path] = []

    def _choose(self) -> Format:
        if self._options.mapping:
            if not self._options.kind:
                raise ConfigError(f"kind: a mapping needs one of {', '.join(KINDS)}")
            mapping = dict(self._options.mapping)
            if self._options.instrument and "instrument_name" in kind_named(self._options.kind).columns:
                mapping.setdefault("instrument_name", f"'{self._options.instrument}'")
            return mapped(self._options.kind, mapping, self._header, str(self._path))
        return detect(self._header, self._options.format, str(self._path))

    def run(self) -> Imported:
        if self._path.suffix == ".gz":
            verify(self._path)  # the reader takes a cut file for a short one
        with self._store.commit() as commit:
            work = commit.workspace()
            cursor = _database(work, self._options)
            try:
                with named(self._path):
                    cursor.execute("SET TimeZone = 'UTC'")
                    cursor.execute("SET enable_progress_bar = false")
                    parts = [(kind, self._stage(cursor, kind, work)) for kind in self._format.kinds]
                    if self._format.name == "options_chain" and self._options.snapshot_ns:
                        parts.append(("chains", self._snapshots(cursor, parts[0][1], work)))
                    for at, (kind, staged) in enumerate(parts):
                        self._progress(self._path.name, at + 1, len(parts) + 1)
                        self._place(cursor, commit, kind, staged, work)
            finally:
                cursor.close()
        self._progress(self._path.name, len(parts) + 1, len(parts) + 1)
        return Imported(self._format.name, self._rows, self._files)

    # ----------------------------------------------------------------- reading

    def _stage(self, cursor: duckdb.DuckDBPyConnection, kind: str, work: Path) -> Path:
        """Read the file once into typed rows of a kind, in its order."""
        target = work / f"{kind}.parquet"
        columns = [
            f"CAST({self._value(kind, name)} AS {sql}) AS {name}" for name, sql in KINDS[kind].columns.items()
        ]
        instrument = "instrument_name" if "instrument_name" in KINDS[kind].columns else "NULL"
        currency = quoted(self._options.currency) if self._options.currency else currency_sql(instrument)
        condition = self._format.kinds[kind]
        where = f" WHERE {self._filled(condition)}" if condition else ""
        names = "{" + ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in self._header) + "}"
        source = (
            f"read_csv({quoted(literal(self._path))}, auto_detect=false, "
            f"header={str(self._has_header).lower()}, columns={names}, delim=',', quote='\"', escape='\"')"
        )
        cursor.execute(
            f"COPY (SELECT *, {currency} AS currency_, ts_ns // {NS_PER_DAY} AS day_, "
            "row_number() OVER () AS row_ "
            f"FROM (SELECT {', '.join(columns)} FROM {source}{where})) TO {quoted(str(target))} ({STAGED})"
        )
        return target

    def _value(self, kind: str, name: str) -> str:
        """Write the SQL of one column of a kind."""
        fields, options = self._format.fields, self._options
        if name in fields or name in self._format.constants:
            value = self._given(name)
            return f"nullif({value}, '')" if KINDS[kind].columns[name] == TEXT else value
        if name == "known_ns":
            length = self._value(kind, "interval_ns") if kind in ("candles", "dvol") else "0"
            return f"{self._given('ts_ns')} + {length} + {options.delay_ns}"
        if name == "interval_ns":
            return str(self._interval(kind))
        if name == "instrument_name":
            if not options.instrument:
                raise ConfigError(f"instrument: {self._path} does not name one; give --instrument")
            return quoted(options.instrument)
        if name == "underlying_name" and kind == "chains":
            return "'unknown'"
        return "0" if KINDS[kind].columns[name] == "BIGINT" else "NULL"

    def _given(self, name: str) -> str:
        """Write the SQL of a column that the format has."""
        return self._format.constants.get(name) or self._filled(self._format.fields[name])

    def _filled(self, sql: str) -> str:
        """Put the cells of the file into the SQL of a format."""

        def cell(match: re.Match[str]) -> str:
            if match[1] not in self._header:  # an optional one that is not there
                return "NULL" if match[2] else "''"
            return value_sql(match[1], match[2] or "")

        return _FIELD.sub(cell, sql)

    def _interval(self, kind: str) -> int:
        """Length of bars: the most frequent step of the first ten thousand."""
        if not hasattr(self, "_length"):
            time = _FIELD.fullmatch(self._format.fields.get("ts_ns", ""))
            if time is None:
                raise ConfigError("map: ts_ns must be a column")
            at = self._header.index(time[1])
            self._length = usual_step(self._path, at, self._has_header)
        return self._length

    # ----------------------------------------------------------------- writing

    def _snapshots(self, cursor: duckdb.DuckDBPyConnection, tickers: Path, work: Path) -> Path:
        """Make chains as known at regular moments: of every option its last ticker since the one before."""
        step, target = self._options.snapshot_ns, work / "chains.parquet"
        taken = {"mark_iv": "implied_volatility"}
        columns = ["underlying_name", "underlying", "index_price", "bid_price", "ask_price", "mark_price"]
        columns += ["mark_iv", "delta", "vega", "open_interest"]
        packed = ", ".join(f"{name} := {name}" for name in columns)
        opened = ", ".join(f"last.{name} AS {taken.get(name, name)}" for name in columns)
        options = f"regexp_matches(instrument_name, '{IS_OPTION}')"  # a perpetual among them is in no chain
        moment = f"((known_ns + {step - 1}) // {step} * {step})"  # the next one, or this very one
        cursor.execute(
            f"COPY (SELECT moment AS ts_ns, moment AS known_ns, instrument_name, {opened}, currency_, "
            f"moment // {NS_PER_DAY} AS day_, 0 AS row_ "
            f"FROM (SELECT {moment} AS moment, instrument_name, any_value(currency_) AS currency_, "
            f"arg_max(struct_pack({packed}), (known_ns, ts_ns)) AS last "
            f"FROM read_parquet({quoted(literal(tickers))}) WHERE {options} GROUP BY 1, 2)) "
            f"TO {quoted(str(target))} ({STAGED})"
        )
        return target

    def _place(
        self, cursor: duckdb.DuckDBPyConnection, commit: Commit, kind: str, staged: Path, work: Path
    ) -> None:
        """Sort rows into files: by currency and day, and by instrument where files hold one."""
        schema, source = KINDS[kind], f"read_parquet({quoted(literal(staged))})"
        split = (
            ", instrument_name, interval_ns"
            if kind == "candles"
            else ", instrument_name"
            if schema.per_instrument
            else ""
        )
        groups = cursor.execute(
            f"SELECT DISTINCT currency_, day_{split} FROM {source} ORDER BY ALL"
        ).fetchall()
        for currency, day, *subject in groups:
            if not currency:
                raise ConfigError(f"currency: {self._path} does not tell; give --currency")
            chosen = [f"currency_ = {quoted(currency)}", f"day_ = {day}"]
            chosen += [
                f"{name} = {quoted(value) if isinstance(value, str) else value}"
                for name, value in zip(("instrument_name", "interval_ns"), subject, strict=False)
            ]
            name = self._source
            if schema.per_instrument:
                label = bar_label(subject[1]) if kind == "candles" else "1h"
                name = f"{subject[0]}_{label}_{self._source}"
            target = self._store.path(kind, currency, day_of(day * NS_PER_DAY), name)
            rows = self._sorted(cursor, kind, source, " AND ".join(chosen), work, commit, target)
            self._rows[kind] = self._rows.get(kind, 0) + rows
            self._files.append(target)

    def _sorted(
        self,
        cursor: duckdb.DuckDBPyConnection,
        kind: str,
        source: str,
        where: str,
        work: Path,
        commit: Commit,
        target: Path,
    ) -> int:
        """Write rows in order, of each key the first known; how many.

        Of rows that were known at one time the first in the file counts. Repetitions are next to each other
        once sorted, so that a second pass needs to look one row back only, and no more memory than that.
        """
        schema = KINDS[kind]
        columns, order, key = ", ".join(schema.columns), ", ".join(schema.order), schema.key
        sorted_ = work / "sorted.parquet"
        cursor.execute(
            f"COPY (SELECT {columns} FROM {source} WHERE {where} ORDER BY {order}, known_ns, row_) "
            f"TO {quoted(str(sorted_))} ({STAGED})"
        )
        before = ", ".join(f"lag({name}) OVER () AS before_{i}" for i, name in enumerate(key))
        differs = " OR ".join(f"{name} IS DISTINCT FROM before_{i}" for i, name in enumerate(key))
        rows = f"read_parquet({quoted(literal(sorted_))})"
        query = f"SELECT {columns} FROM (SELECT *, {before} FROM {rows}) WHERE {differs}"
        commit.copy(query, target, cursor)
        sorted_.unlink()
        return commit.count(target, cursor)


def _database(work: Path, options: ImportOptions) -> duckdb.DuckDBPyConnection:
    """Database that sorts on disk what does not fit into the limit."""
    config: dict[str, Any] = {
        "autoinstall_known_extensions": False,
        "memory_limit": options.memory_limit,
        "temp_directory": str(work / "temp"),
        "threads": 1,
        "preserve_insertion_order": True,
    }
    try:
        return duckdb.connect(config=config)
    except duckdb.Error as error:
        why = str(error).splitlines()[0]
        raise ConfigError(f"memory_limit: {options.memory_limit!r}: {why}") from None

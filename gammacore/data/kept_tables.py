"""Chain files as they were read once, kept as numbers in Parquet: a second run takes half the time.

::

    <store>/tables/                 of chains in a store
    ~/.cache/gammacore/tables/      of all other files; GAMMACORE_CACHE names another folder, 0 keeps nothing

Only what a file says is kept, once it has passed all checks, and every load checks it again: nothing differs
but the time it takes. The name of a kept file holds what it is made from (paths, sizes, times of change,
columns, `FORM`) and the hash of its own bytes. If any of these is another now, the file is read again. The
folders may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import msgspec
import numpy as np

from . import database as duckdb
from .interruption import interruptible
from .tables import Column, FileInfo, Table, connect, filled, literal, read_table
from .texts import Texts

__all__ = ["VARIABLE", "KeptTables", "folder_of"]

log = logging.getLogger("gammacore.data")

VARIABLE = "GAMMACORE_CACHE"
FORM = 1  # of the files and of the reader that filled them; raise it where a cell is read in another way
LEAST, MOST = 1 << 18, 1 << 30  # bytes: less is read as quickly as it would be found, more fills a disk
SETTLED_NS = 1_000_000_000  # a file that changed later than this before it was read may change unseen
WRITER = "gammacore-tables"  # name of the thread
DAY_S = 86_400  # drafts as old as this are nobody's


class KeptTables:
    """Tables of one load.

    Parameters
    ----------
    columns : sequence of Column
    names : mapping of str to str
        Our column name to the file's, where they differ.
    """

    def __init__(self, columns: Sequence[Column], names: Mapping[str, str]) -> None:
        self._columns, self._names = columns, names
        self._new: list[tuple[Path, Table]] = []

    def read(self, path: Path, parts: Sequence[Path] = ()) -> Table:
        """Read a file, or parts of one, where it is not kept; arguments and errors as of `read_table`."""
        place = self._place(path, parts)
        table = self._kept(place, path, parts) if place else None
        if table is None:
            table = read_table(path, self._columns, self._names, parts)
            if place and place == self._place(path, parts):  # nobody changed it meanwhile
                self._new.append((place, table))
        return table

    def write(self) -> None:
        """Keep what was read from files, while the caller goes on."""
        if self._new:
            Thread(target=self._write_all, name=WRITER).start()

    @cached_property
    def _database(self) -> duckdb.DuckDBPyConnection:
        return connect()

    def _place(self, path: Path, parts: Sequence[Path]) -> Path | None:
        """Where a table is kept, but for the hash at the end of the name; None if it is not."""
        folder = folder_of(path)
        if folder is None:
            return None
        try:
            found = [(file, file.stat()) for file in parts or [path]]
        except OSError:
            return None  # the reader says why
        newest_ns = max(max(one.st_mtime_ns, one.st_ctime_ns) for _, one in found)
        size = sum(one.st_size for _, one in found)
        if not LEAST <= size <= MOST or time.time_ns() - newest_ns < SETTLED_NS:
            return None
        what = [str(path.absolute()), list(self._columns), sorted(self._names.items())]
        state = [
            (str(file.absolute()), one.st_size, one.st_mtime_ns, one.st_ctime_ns, one.st_ino)
            for file, one in found
        ]
        return folder / f"{_hash(repr(what).encode())}-{_hash(repr((FORM, state)).encode())}"

    def _kept(self, place: Path, path: Path, parts: Sequence[Path]) -> Table | None:
        for file in sorted(place.parent.glob(f"{place.name}-*.parquet")):
            try:
                with interruptible():
                    if file.name != f"{place.name}-{_hash(file.read_bytes())}.parquet":
                        raise ValueError("its bytes are not those that were written")
                    return self._table(file, path, parts)
            except FileNotFoundError:
                continue  # another process has just replaced it
            except (OSError, ValueError, KeyError, duckdb.Error, msgspec.MsgspecError) as error:
                why = str(error).splitlines()[0]
                log.warning("%s: kept rows of %s are damaged (%s); the file is read again", file, path, why)
                with suppress(OSError):
                    file.unlink()
        return None

    def _table(self, file: Path, path: Path, parts: Sequence[Path]) -> Table:
        ask = self._database.cursor().execute
        told = dict(ask("SELECT key, value FROM parquet_kv_metadata($1)", [literal(file)]).fetchall())
        texts = msgspec.json.decode(told[b"texts"], type=dict[str, list[str]])
        found = ask("SELECT * FROM read_parquet($1)", [literal(file)]).fetchnumpy()
        columns: dict[str, Any] = {name: filled(values) for name, values in found.items()}
        for name, values in texts.items():
            columns[name] = Texts(columns[name], np.array(values, dtype=object))
        rows = len(next(iter(found.values())))
        return Table(FileInfo(path, told[b"sha256"].decode(), rows, tuple(parts)), columns)

    def _write_all(self) -> None:
        for place, table in self._new:
            draft = place.with_name(f".{uuid4().hex}.new")
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                self._write(draft, table)
                kept = place.with_name(f"{place.name}-{_hash(draft.read_bytes())}.parquet")
                draft.replace(kept)
                _tidy(kept)
            except (duckdb.Error, OSError) as error:
                why = str(error).splitlines()[0]
                log.warning("%s: nothing is kept, the next run reads the files again: %s", place.parent, why)
                return
            finally:
                with suppress(OSError):
                    draft.unlink(missing_ok=True)

    def _write(self, draft: Path, table: Table) -> None:
        columns = {k: v.codes if isinstance(v, Texts) else v for k, v in table.columns.items()}
        texts = {k: v.texts.tolist() for k, v in table.columns.items() if isinstance(v, Texts)}
        told = {"sha256": table.info.sha256, "texts": msgspec.json.encode(texts).decode()}
        metadata = ", ".join(f"{key}: {_quoted(value)}" for key, value in told.items())
        cursor = self._database.cursor()
        cursor.register("columns", columns)
        cursor.execute(f"COPY columns TO {_quoted(str(draft))} (FORMAT parquet, KV_METADATA {{{metadata}}})")


def folder_of(path: Path) -> Path | None:
    """Where tables of a file are kept: in its store, or in the user's cache; None if nowhere."""
    told = os.environ.get(VARIABLE)
    if told == "0":
        return None
    root = next((one.parent for one in path.absolute().parents if one.name == "processed"), None)
    if root is not None:
        return root / "tables"
    if told:
        return Path(told).expanduser() / "tables"
    base = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME")
    with suppress(RuntimeError):  # a user without a home
        return (Path(base) if base else Path.home() / ".cache") / "gammacore" / "tables"
    return None


def _tidy(kept: Path) -> None:
    """Delete what was kept of the same file before, and drafts of writers that died."""
    begin = kept.name.partition("-")[0]
    for file in kept.parent.iterdir():
        with suppress(FileNotFoundError):  # another process has just renamed or deleted it
            dead = file.suffix == ".new" and file.stat().st_mtime < time.time() - DAY_S
            if dead or (file.name.startswith(f"{begin}-") and file != kept):
                file.unlink()


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

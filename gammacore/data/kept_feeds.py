"""Feeds of recorded books as they were read once, kept in the store as numbers.

The texts of a store are what the exchange said; numbers are read twenty times as fast. ::

    feeds/<instrument>/<day>/<hour and minute>.parquet

Each file says which texts it was made from and what was known of the book before. Where these are others now
it is made anew; the folder may be deleted at any time. A store that cannot be written is read without.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from gammacore.array_types import Array, Floats, Ints
from gammacore.daycount import NS_PER_DAY, NS_PER_MINUTE, parse_time

from . import database as duckdb
from .interruption import interruptible
from .store import Store, day_of
from .tables import literal

__all__ = ["Feed", "Heard", "KeptFeeds"]

log = logging.getLogger("gammacore.data")

FORM = 1  # of the files; another one makes all of them anew
PARQUET = "FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v2"
COLUMNS: dict[str, Any] = {"ts_ns": np.int64, "kind": np.uint8, "tick": np.int32, "amount": np.float64}


class Feed(NamedTuple):
    """A block of a feed, arrays of shape (n,), in the order that things happened.

    Attributes
    ----------
    ts_ns : array of int64
        Exchange time.
    kind : array of uint8
        Of ``gammacore._queue``, with ``LAST`` at the last change of a message.
    tick : array of int32
        Price in ticks.
    amount : array of float64
        New amount of a level, or amount of a trade.
    """

    ts_ns: Ints
    kind: Array
    tick: Array
    amount: Floats


class Heard(msgspec.Struct, frozen=True):
    """What is known of a book between two blocks.

    Attributes
    ----------
    change_id : int or None
        Of the last message; None while the book is not known.
    shown : dict of int to list of int
        Ticks of each side, where windows are told.
    """

    change_id: int | None
    shown: dict[int, list[int]]


class KeptFeeds:
    """Blocks of one instrument in a store.

    Parameters
    ----------
    store : Store
    instrument_name : str
    tick_size : float
    sources : sequence of (kind, currency)
        What of the store the blocks are made from.
    """

    def __init__(
        self, store: Store, instrument_name: str, tick_size: float, sources: Sequence[tuple[str, str]]
    ) -> None:
        self._store, self._writes = store, True
        self._folder = store.root / "feeds" / instrument_name
        self._what = (FORM, instrument_name, tick_size)
        self._sources = cache(lambda day: _files_of(store, sources, day))  # a day has many blocks

    def read(self, first_ns: int, before: Heard) -> tuple[Feed, Heard] | None:
        """Block from a moment on, and what is known after it; None if none is of what the store holds."""
        place = [literal(self._path(first_ns))]
        try:
            with interruptible():
                ask = self._store.connection().cursor().execute
                told = dict(ask("SELECT key, value FROM parquet_kv_metadata($1)", place).fetchall())
                if told.get(b"made_from") != self._made_from(first_ns, before).encode():
                    return None
                found = ask(f"SELECT {', '.join(COLUMNS)} FROM read_parquet($1)", place).fetchnumpy()
            columns = [np.asarray(found[name], of) for name, of in COLUMNS.items()]
            return Feed(*columns), msgspec.json.decode(told[b"heard"], type=Heard)
        except (duckdb.Error, KeyError, msgspec.MsgspecError):  # not there, or not whole
            return None

    def write(self, first_ns: int, before: Heard, feed: Feed, after: Heard) -> None:
        """Keep a block; the first time that it is not possible, say so."""
        if not self._writes:
            return
        path = self._path(first_ns)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        place = str(draft).replace("'", "''")
        heard = msgspec.json.encode(after).decode()
        told = f"made_from: '{self._made_from(first_ns, before)}', heard: '{heard}'"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with interruptible():
                cursor = self._store.connection().cursor()
                cursor.register("feed", feed._asdict())
                cursor.execute(f"COPY feed TO '{place}' ({PARQUET}, KV_METADATA {{{told}}})")
            draft.replace(path)
        except (duckdb.Error, OSError) as error:
            self._writes = False
            why = str(error).splitlines()[0]
            log.warning("%s: feeds cannot be kept, the next run reads all texts again: %s", self._folder, why)
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)

    def _path(self, first_ns: int) -> Path:
        minute = first_ns % NS_PER_DAY // NS_PER_MINUTE
        return self._folder / day_of(first_ns) / f"{minute // 60:02}{minute % 60:02}.parquet"

    def _made_from(self, first_ns: int, before: Heard) -> str:
        said = repr((self._what, msgspec.json.encode(before), self._sources(day_of(first_ns))))
        return hashlib.sha256(said.encode()).hexdigest()


def _files_of(store: Store, sources: Sequence[tuple[str, str]], day: str) -> list[tuple[str, int, int]]:
    """Files of a day, with size and time of their last change."""
    begin_ns = parse_time(day)
    found = []
    for kind, currency in sources:
        for path in store.files(kind, currency, start_ns=begin_ns, end_ns=begin_ns + NS_PER_DAY):
            status = path.stat()
            found.append((path.relative_to(store.root).as_posix(), status.st_size, status.st_mtime_ns))
    return found

"""What a session handled and decided, on disk before it takes effect.

One SQLite file in write-ahead mode, written by one process and read by any number. An event, the
desk's commands on it and the commit of both come before anything is sent, so that after a kill at any
point the file names every order that can exist. News that led to no command are committed together
(:meth:`Journal.flush`); own fills at once.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from gammacore.errors import JournalError
from gammacore.events import Delivery, Event, Fill, Rejected
from gammacore.orders import Command

from .records import encode

__all__ = ["Journal", "Kind", "Record", "length", "read"]

VERSION = 1
AT_ONCE = (Fill, Rejected, Delivery)  # what the position depends on
MOST_WAITING = 500  # records in one transaction
SCHEMA = """
create table if not exists about (name text primary key, value text not null) strict;
create table if not exists records (
    seq integer primary key,
    kind text not null,
    name text not null,
    ts_ns integer not null,
    body blob not null
) strict;
"""


class Kind(StrEnum):
    """What a record is."""

    START = "start"  # of a process: its configuration as JSON
    EVENT = "event"  # handled by the desk
    COMMAND = "command"  # the desk's answer to the event before
    FACT = "fact"  # other news of the session
    STOP = "stop"


class Record(NamedTuple):
    """One row."""

    seq: int
    kind: Kind
    name: str
    ts_ns: int
    body: bytes


class Journal:
    """The writing end; a second one on the same file is refused.

    Parameters
    ----------
    path : path-like
        Created if it is not there, readable by its owner alone.

    Raises
    ------
    JournalError
        If another process writes it, it is no journal, or of another version.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._lock = _lock(self.path)
        try:
            self._db = _open(self.path)
        except BaseException:
            self._lock.close()
            raise
        self._rows: list[tuple[str, str, int, bytes]] = []  # not handed to the database yet
        self._waiting = 0  # handed over and not committed
        self.closed = False

    def start(self, ts_ns: int, config: bytes) -> None:
        """Note the start of a process and its configuration (JSON)."""
        self._write(Kind.START, "start", ts_ns, config)
        self.flush()

    def handled(self, event: Event, commands: Sequence[Command] = (), *, commit: bool = True) -> None:
        """Note an event and the desk's answer; on disk at once if there is one, or for our own fills.

        Without ``commit`` they wait for :meth:`flush`, which must come before anything is sent.
        """
        self._write(Kind.EVENT, type(event).__name__, event.ts_ns, encode(event))
        for command in commands:
            self._write(Kind.COMMAND, type(command).__name__, event.ts_ns, encode(command))
        if commit and (commands or isinstance(event, AT_ONCE)):
            self.flush()

    def told(self, fact: Any) -> None:
        """Note news that the desk does not see."""
        self._write(Kind.FACT, type(fact).__name__, fact.ts_ns, encode(fact))

    def drain(self) -> None:
        """Hand over what waits, without a commit: work that need not be done when a decision is due."""
        if self._rows:
            if not self._waiting:
                self._db.execute("begin immediate")
            self._db.executemany("insert into records values (null, ?, ?, ?, ?)", self._rows)
            self._waiting += len(self._rows)
            self._rows.clear()

    def flush(self) -> None:
        """Commit what waits."""
        self.drain()
        if self._waiting:
            self._db.execute("commit")
            self._waiting = 0

    def close(self, ts_ns: int | None = None) -> None:
        """Commit and give the file up; ``ts_ns`` notes a clean end."""
        if self.closed:
            return
        if ts_ns is not None:
            self._write(Kind.STOP, "stop", ts_ns, b"")
        self.flush()
        self._db.close()
        self._lock.close()
        self.closed = True

    def __enter__(self) -> Journal:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _write(self, kind: Kind, name: str, ts_ns: int, body: bytes) -> None:
        self._rows.append((kind.value, name, ts_ns, body))
        if self._waiting + len(self._rows) >= MOST_WAITING:
            self.flush()


def _lock(path: Path) -> sqlite3.Connection:
    """Hold a database of its own exclusively; the system lets go of it however the process ends."""
    if not path.parent.is_dir():
        raise JournalError(f"{path}: no such directory")
    beside = Path(f"{path}.lock")
    _private(beside)
    lock = sqlite3.connect(beside, isolation_level=None, timeout=0.0)
    try:
        lock.execute("begin exclusive")
    except sqlite3.OperationalError as error:
        lock.close()
        raise JournalError(f"{path}: another process writes this journal") from error
    return lock


def _private(path: Path) -> None:
    """Make a file that only its owner can read."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    path.chmod(0o600)


def _open(path: Path) -> sqlite3.Connection:
    _private(path)  # SQLite gives its other files the same rights
    db = sqlite3.connect(path, isolation_level=None)
    try:
        # A commit survives the death of the process; the last ones before a power cut may be lost.
        db.execute("pragma journal_mode=wal")
        db.execute("pragma synchronous=normal")
        db.executescript(SCHEMA)
        db.execute("insert or ignore into about values ('version', ?)", (str(VERSION),))
        (found,) = db.execute("select value from about where name = 'version'").fetchone()
    except sqlite3.DatabaseError as error:
        db.close()
        raise JournalError(f"{path}: {error}") from error
    if found != str(VERSION):
        db.close()
        raise JournalError(f"{path}: a journal of version {found}, expected {VERSION}")
    return db


def length(path: str | os.PathLike[str]) -> int:
    """Return how many records there are, as :func:`read` sees them.

    Raises
    ------
    JournalError
    """
    for (count,) in _rows(path, "select coalesce(max(seq), 0) from records", ()):
        return int(count)
    return 0


def read(path: str | os.PathLike[str], after: int = 0) -> Iterator[Record]:
    """Yield the records in order, also while a session writes.

    Parameters
    ----------
    path : path-like
    after : int
        ``seq`` of the last record already known.

    Raises
    ------
    JournalError
        If it is not there, or no journal.
    """
    query = "select seq, kind, name, ts_ns, body from records where seq > ? order by seq"
    for seq, kind, name, ts_ns, body in _rows(path, query, (after,)):
        yield Record(seq, Kind(kind), name, ts_ns, body)


def _rows(path: str | os.PathLike[str], query: str, values: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if not Path(path).is_file():
        raise JournalError(f"{path}: no such file")
    db = sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True)
    try:
        yield from db.execute(query, values)
    except sqlite3.DatabaseError as error:
        if not _has_begun(db):  # its writer has made the file and not the tables yet
            return
        raise JournalError(f"{path}: {error}") from error
    finally:
        db.close()


def _has_begun(db: sqlite3.Connection) -> bool:
    try:
        (tables,) = db.execute("select count(*) from sqlite_master").fetchone()
    except sqlite3.DatabaseError:
        return True  # whatever it is, it is no empty database
    return bool(tables)

"""What a session handled and decided, on disk before it takes effect.

One SQLite file in write-ahead mode, written by one process and read by any number. Commits come several
times a second (:meth:`Journal.flush`); what waits for the next is in its :mod:`.tail` before anything is
sent (:meth:`Journal.secure`), so that after a kill at any point the two name every order that can exist.
Who reads the journal reads both, and the next process to write it begins with putting them together.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from gammacore.errors import JournalError, JournalLostError
from gammacore.events import Event
from gammacore.orders import Command

from .records import encode
from .tail import SIZE, Row, Tail, is_tail, rows_after, tail_of

__all__ = ["NO_ROOM", "Journal", "Record", "RecordKind", "Records", "is_held", "is_journal", "length", "read"]

VERSION = 2
MOST_WAITING = 500  # records in one transaction
NO_ROOM = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
LOCK_S = 1.0  # somebody may be asking whether the lock is held
MOST_UNSAFE = 32  # records that a kill may take, so that little is left to do when an order is due
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


class RecordKind(StrEnum):
    """What a record is."""

    START = "start"  # of a process: its configuration as JSON
    EVENT = "event"  # handled by the desk
    COMMAND = "command"  # the desk's answer to the event before
    FACT = "fact"  # other news of the session
    STOP = "stop"


class Record(NamedTuple):
    """One row."""

    seq: int
    kind: RecordKind
    name: str
    ts_ns: int
    body: bytes


class Records:
    """What was noted and is not in a database yet; alone, it is forgotten.

    Parameters
    ----------
    tail : Tail
    """

    def __init__(self, tail: Tail) -> None:
        self._tail = tail
        self._seq = 0  # records in the database
        self._rows: list[Row] = []
        self._safe = 0  # of these, in the tail

    def handled(self, event: Event, commands: Sequence[Command] = ()) -> None:
        """Note an event and the desk's answer; :meth:`secure` must come before that takes effect."""
        rows, ts_ns = self._rows, event.ts_ns
        rows.append(("event", type(event).__name__, ts_ns, encode(event)))
        for command in commands:
            rows.append(("command", type(command).__name__, ts_ns, encode(command)))
        if len(rows) - self._safe >= MOST_UNSAFE:
            self.secure()

    def told(self, fact: Any) -> None:
        """Note news that the desk does not see."""
        self._rows.append(("fact", type(fact).__name__, fact.ts_ns, encode(fact)))

    def secure(self) -> None:
        """Have what was noted survive the death of the process."""
        unsafe = self._rows[self._safe :]
        if not unsafe:
            return
        if len(self._rows) < MOST_WAITING and self._tail.add(self._seq + self._safe + 1, unsafe):
            self._safe = len(self._rows)
        else:
            self.flush()

    def flush(self) -> None:
        """Give up what waits."""
        self._rows.clear()
        self._safe = 0
        self._tail.clear()


class Journal(Records):
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
        _refuse_foreign(self.path)
        self._lock = _lock(self.path)
        try:
            self._db = _open(self.path)
            seq = self._recover()
            super().__init__(Tail(tail_of(self.path)))
            self._seq = seq
        except OSError as error:
            self._lock.close()
            kind = JournalLostError if error.errno in NO_ROOM else JournalError
            raise kind(f"{tail_of(self.path)}: {error.strerror}") from error
        except sqlite3.Error as error:
            self._lock.close()
            raise JournalLostError(f"{self.path}: {error}") from error
        except BaseException:
            self._lock.close()
            raise
        self._files = _files(self.path)
        self.closed = self.lost = False

    def start(self, ts_ns: int, config: bytes) -> None:
        """Note the start of a process and its configuration (JSON)."""
        self._rows.append((RecordKind.START.value, "start", ts_ns, config))
        self.flush()

    def check(self) -> None:
        """Make sure that what is written can be read again: nobody removed, replaced or cut a file.

        Raises
        ------
        JournalLostError
            Naming the file.
        """
        for path, known in self._files.items():
            try:
                found = path.stat()
            except OSError as error:
                raise self._lose(f"{path}: {error.strerror}") from None
            if (found.st_dev, found.st_ino) != known:
                raise self._lose(f"{path}: another file has taken its place")
            if path == tail_of(self.path) and found.st_size < SIZE:
                raise self._lose(f"{path}: cut to {found.st_size} bytes")

    def _lose(self, why: str) -> JournalLostError:
        self.lost = True
        return JournalLostError(
            f"{why}; the journal can no longer be written, and nothing is traded without it"
        )

    def flush(self) -> None:
        """Commit what waits.

        Raises
        ------
        JournalLostError
            If the disk is full, or the file can no longer be written.
        """
        if self._rows:
            try:
                self._db.execute("begin immediate")
                self._db.executemany("insert into records values (null, ?, ?, ?, ?)", self._rows)
                self._db.execute("commit")
            except (sqlite3.Error, OSError) as error:
                hint = " (is the disk full?)" if "I/O" in str(error) else ""
                raise self._lose(f"{self.path}: {error}{hint}") from error
            self._seq += len(self._rows)
            super().flush()

    def close(self, ts_ns: int | None = None) -> None:
        """Commit and give the file up; ``ts_ns`` notes a clean end."""
        if self.closed:
            return
        self.closed = True
        try:
            if not self.lost:
                if ts_ns is not None:
                    self._rows.append((RecordKind.STOP.value, "stop", ts_ns, b""))
                self.flush()
            self._tail.close()
            if not self.lost:  # else it holds what the database does not, for the next start
                tail_of(self.path).unlink(missing_ok=True)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Let go of the files as they are, as the death of the process does."""
        with contextlib.suppress(sqlite3.Error):
            self._db.close()
        self._tail.close()
        self._lock.close()

    def __enter__(self) -> Journal:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _recover(self) -> int:
        """Commit what a kill left in the tail; returns how many records there are."""
        (last,) = self._db.execute("select coalesce(max(seq), 0) from records").fetchone()
        left = list(rows_after(tail_of(self.path), last))
        if left:
            self._db.execute("begin immediate")
            self._db.executemany(
                "insert into records values (?, ?, ?, ?, ?)", [(seq, *row) for seq, row in left]
            )
            self._db.execute("commit")
        return int(last) + len(left)


def is_held(path: str | os.PathLike[str]) -> bool:
    """Whether a process writes this journal; also says so where the journal itself has been removed."""
    beside = Path(f"{os.fspath(path)}.lock")
    if not beside.is_file():
        return False
    lock = sqlite3.connect(f"{beside.absolute().as_uri()}?mode=ro", uri=True, timeout=0.0)
    try:
        lock.execute("select count(*) from sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        return "locked" in str(error)
    except sqlite3.DatabaseError:
        return False  # not ours
    finally:
        lock.close()
    return False


def is_journal(path: Path) -> bool:
    """Whether a file is a journal, or the empty beginning of one; it is not touched."""
    if not path.stat().st_size:
        return True
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        tables = {name for (name,) in db.execute("select name from sqlite_master where type = 'table'")}
        return not tables or {"about", "records"} <= tables
    finally:
        db.close()


def _refuse_foreign(path: Path) -> None:
    """Leave a file alone that we did not write: the journal's name, or one that it needs beside itself."""
    if path.is_dir():
        raise JournalError(f"{path}: is a directory; name a file")
    try:
        if path.exists() and not is_journal(path):
            raise JournalError(f"{path}: a database, but no journal of gammacore; name another file")
    except sqlite3.DatabaseError as error:
        raise JournalError(f"{path}: {error}; name another file") from None
    lock, tail = Path(f"{path}.lock"), tail_of(path)
    foreign = [lock] if lock.is_file() and lock.stat().st_size else []
    foreign += [tail] if tail.is_file() and not is_tail(tail) else []
    if foreign:
        raise JournalError(f"{foreign[0]}: in the way of the journal, and not ours; move it")


def _lock(path: Path) -> sqlite3.Connection:
    """Hold a database of its own exclusively; the system lets go of it however the process ends."""
    if not path.parent.is_dir():
        raise JournalError(f"{path}: no such directory")
    beside = Path(f"{path}.lock")
    _private(beside)
    lock = sqlite3.connect(beside, isolation_level=None, timeout=LOCK_S)
    try:
        lock.execute("begin exclusive")
    except sqlite3.OperationalError as error:
        lock.close()
        why = "another process writes this journal" if "locked" in str(error) else str(error)
        raise JournalError(f"{path}: {why}") from error
    return lock


def _files(path: Path) -> dict[Path, tuple[int, int]]:
    """Files that a journal consists of while it is written, and which they are."""
    names = ("", "-wal", "-shm", ".lock", ".tail")
    kept = {beside: beside.stat() for name in names if (beside := Path(f"{path}{name}")).exists()}
    return {beside: (found.st_dev, found.st_ino) for beside, found in kept.items()}


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
        raise JournalError(
            f"{path}: a journal of version {found}, expected {VERSION}; close its positions with the "
            "gammacore that kept it, and start a new journal"
        )
    return db


def length(path: str | os.PathLike[str]) -> int:
    """Return how many records there are, as :func:`read` sees them.

    Raises
    ------
    JournalError
    """
    found = list(_rows(path, "select coalesce(max(seq), 0) from records", ()))
    last = int(found[0][0]) if found else 0
    return last + sum(1 for _ in rows_after(tail_of(path), last))


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
        If it is not there, no journal, or lacks records.
    """
    query = "select seq, kind, name, ts_ns, body from records where seq > ? order by seq"
    last = after
    for seq, kind, name, ts_ns, body in _rows(path, query, (after,)):
        if seq != last + 1:
            raise JournalError(
                f"{path}: records {last + 1} to {seq - 1} are missing, so what it holds is not known; "
                "look at the exchange, and begin a new journal"
            )
        last = seq
        yield Record(seq, RecordKind(kind), name, ts_ns, body)
    for seq, (kind, name, ts_ns, body) in rows_after(tail_of(path), last):
        yield Record(seq, RecordKind(kind), name, ts_ns, body)


def absent(path: str | os.PathLike[str]) -> str:
    """Say that a path is no file, and of a folder which journals are in it."""
    if not Path(path).is_dir():
        return f"{path}: no such file"
    inside = ", ".join(sorted(str(file) for file in Path(path).glob("*.db")))
    return f"{path}: a folder, not a journal" + (f"; name one of its journals: {inside}" if inside else "")


def _rows(path: str | os.PathLike[str], query: str, values: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if not Path(path).is_file():
        raise JournalError(absent(path))
    db = sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True)
    try:
        yield from _asked(db, query, values)
    except sqlite3.DatabaseError as error:
        raise JournalError(f"{path}: {error}") from error
    finally:
        db.close()


def _asked(db: sqlite3.Connection, query: str, values: tuple[Any, ...]) -> Iterable[tuple[Any, ...]]:
    """Ask a journal; one whose writer has made the file and not the tables yet is empty."""
    try:
        return db.execute(query, values)
    except sqlite3.DatabaseError:
        # Of tables that came between the question and this look, ask again.
        return db.execute(query, values) if _has_begun(db) else ()


def _has_begun(db: sqlite3.Connection) -> bool:
    try:
        (tables,) = db.execute("select count(*) from sqlite_master").fetchone()
    except sqlite3.DatabaseError:
        return True  # whatever it is, it is no empty database
    return bool(tables)

"""Where records come from: a journal as it grows, or one that is replayed at a speed."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from gammacore.daycount import NS_PER_SECOND
from gammacore.errors import ConfigError, JournalError

from ..journal import Record, length, read

LONGEST_WAIT_S = 5.0  # of a replay, where a journal has nothing for longer: a session that was down
READ_AHEAD = 500  # records of a replay; a reader that lingers would keep the writer's log from being cleared


def newest(folder: Path) -> Path | None:
    """Find the journal of a folder that was written to last, None if it has none."""
    found = [path for path in folder.glob("*.db") if path.is_file()]
    return max(found, key=_written, default=None)


def _written(path: Path) -> float:
    """When a journal was last written to: commits go to the file beside it first."""
    times = [0.0]
    for name in (path, Path(f"{path}-wal")):
        with contextlib.suppress(OSError):
            found = name.stat()
            times.append(found.st_mtime if found.st_size else 0.0)  # who only reads makes an empty one
    return max(times)


class JournalTail:
    """A journal as it grows; waits for one that is not there yet, also if it was and is gone.

    Parameters
    ----------
    path : Path or None
        None takes the newest of ``folder``, as soon as there is one.
    folder : Path
    """

    replaying = False

    def __init__(self, path: Path | None, folder: Path = Path("results")) -> None:
        self.path, self._folder = path, folder
        self.waiting = ""
        self.fresh = False
        self._seq, self._file = 0, 0

    @property
    def silent_s(self) -> float:
        """Seconds since the last commit, by the machine's clock."""
        written = 0.0 if self.path is None else _written(self.path)
        return max(time.time() - written, 0.0) if written else math.nan

    def read(self, most: int) -> list[Record]:
        """Next records, at most so many; none if there are none.

        Raises
        ------
        JournalError
            If the file is no journal.
        """
        self.fresh = False
        if not self._found() or self.path is None:
            return []
        records = list(islice(read(self.path, self._seq), most))
        if records:
            self._seq = records[-1].seq
        elif not self._seq:
            self.waiting = f"a session to begin {self.path}"
        return records

    def left(self) -> int:
        """Count the records that have not been read."""
        return 0 if self.path is None or self.waiting else max(length(self.path) - self._seq, 0)

    def _found(self) -> bool:
        if self.path is None:
            self.path = newest(self._folder)
            if self.path is None:
                self.waiting = f"a journal in {self._folder}{os.sep}"
                return False
        try:
            file = self.path.stat().st_ino
        except OSError:
            self.waiting = f"the journal {self.path}"
            return False
        self.waiting = ""
        if file != self._file:
            self.fresh = self._file != 0
            self._seq, self._file = 0, file
        return True


class Replay:
    """A journal from its start at a speed, by the times of its records.

    Parameters
    ----------
    path : Path
    speed : float
        Seconds of the journal in one.
    clock : callable() -> float
        Seconds.

    Raises
    ------
    JournalError
        If it is not there, no journal, or empty.
    ConfigError
        If the speed is not positive and finite.
    """

    replaying = True
    waiting = ""
    fresh = False
    silent_s = 0.0

    def __init__(self, path: Path, speed: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        if not 0.0 < speed < math.inf:
            raise ConfigError(f"--speed: expected a positive number, got {speed!r}")
        if not (total := length(path)):
            raise JournalError(f"{path}: empty")
        self.path, self._speed, self._clock, self._total = path, speed, clock, total
        self._ahead: list[Record] = []
        self._seq = 0
        self._at_ns, self._at_s = 0, clock()  # a time of the journal, and when that was

    def read(self, most: int) -> list[Record]:
        """Return records that are due, at most so many."""
        due: list[Record] = []
        while len(due) < most and (record := self._next()) is not None:
            now_s = self._clock()
            now_ns = self._at_ns + int((now_s - self._at_s) * self._speed * NS_PER_SECOND)
            if self._at_ns == 0 or record.ts_ns - now_ns > LONGEST_WAIT_S * self._speed * NS_PER_SECOND:
                self._at_ns, self._at_s = record.ts_ns, now_s
            elif record.ts_ns > now_ns:
                break
            due.append(self._ahead.pop(0))
            self._seq = record.seq
        return due

    def left(self) -> int:
        """Nothing is late: records that are not due have not happened yet."""
        return 0

    def _next(self) -> Record | None:
        if not self._ahead and self._seq < self._total:
            self._ahead = list(islice(read(self.path, self._seq), READ_AHEAD))
        return self._ahead[0] if self._ahead else None


Source = JournalTail | Replay
"""Reads records.

``path`` is the journal, None while there is none; ``waiting`` what is waited for, empty if nothing is;
``fresh`` whether the records that come next begin another journal than those before, taken back by reading;
``silent_s`` the time since the journal was last written to.
"""

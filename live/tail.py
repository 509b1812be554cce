"""Records that wait for the journal's next commit, kept where they outlive the process.

Between a decision and its order a commit of the database takes too long. So what waits for one is copied
to pages of a file mapped into memory first, a matter of microseconds: they belong to the system, and like a
commit without a sync they survive ``kill -9``. Blocks carry the number of their first record and a
checksum: a reader takes those that go on where the database ends, and stops at anything else.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

Row = tuple[str, str, int, bytes]  # kind, name, ts_ns, body
SIZE = 2**20
HEAD = struct.Struct("<IIQ")  # bytes that follow, their checksum with the number, number of the first record
END = bytes(HEAD.size)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Row]).decode


def tail_of(journal: str | os.PathLike[str]) -> Path:
    """Path of a journal's tail."""
    return Path(f"{os.fspath(journal)}.tail")


class Tail:
    """The writing end.

    Parameters
    ----------
    path : path-like, optional
        Made anew; without one the records are kept in memory that ends with the process.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        if path is None:
            self._map = mmap.mmap(-1, SIZE)
        else:
            with open(path, "w+b", opener=_private) as file:
                file.write(bytes(SIZE))  # takes its room on the disk: a page without would end the process
                file.flush()
                self._map = mmap.mmap(file.fileno(), SIZE)
        self._at = 0

    @property
    def used(self) -> int:
        """Bytes that hold records."""
        return self._at

    def add(self, first: int, rows: Sequence[Row]) -> bool:
        """Append rows of which the first has this number; False, and nothing done, if there is no room."""
        body = _encode(rows)
        start = self._at + HEAD.size
        end = start + len(body)
        if end > SIZE:
            return False
        self._map[self._at : end] = HEAD.pack(len(body), _checksum(body, first), first) + body
        self._at = end
        return True

    def clear(self) -> None:
        """Begin anew: the records are in the database."""
        if self._at:
            self._map[: HEAD.size] = END
            self._at = 0

    def close(self) -> None:
        """Let go of the file."""
        self._map.close()


def is_tail(path: str | os.PathLike[str]) -> bool:
    """Whether a file can be a tail: of its size, or begun and killed before it had it."""
    with open(path, "rb") as file:
        data = file.read(SIZE + 1)
    return len(data) == SIZE or (len(data) < SIZE and not any(data))


def rows_after(path: str | os.PathLike[str], last: int) -> Iterator[tuple[int, Row]]:
    """Yield number and record of those that follow number ``last``; also while the tail is written."""
    try:
        file = open(path, "rb")  # noqa: SIM115 # a tail that is not there is an empty one
    except FileNotFoundError:
        return
    with file:
        data = file.read()
    at, expected = 0, None
    while at + HEAD.size <= len(data):
        size, checksum, first = HEAD.unpack_from(data, at)
        body = data[at + HEAD.size : at + HEAD.size + size]
        whole = 0 < size == len(body) and checksum == _checksum(body, first)
        if not whole or first > last + 1 or (expected is not None and first != expected):
            return
        rows = _decode(body)
        yield from ((number, row) for number, row in enumerate(rows, first) if number > last)
        expected = first + len(rows)
        last = max(last, expected - 1)
        at += HEAD.size + size


def _checksum(body: bytes, first: int) -> int:
    return zlib.crc32(body, first & 0xFFFF_FFFF)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)

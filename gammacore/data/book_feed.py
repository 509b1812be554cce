"""Recorded books and trades of one instrument as the messages of a feed, some minutes at a time.

Books are kept as the exchange tells them: whole, by changes, or as the best levels each time. A change that
does not follow on the one before, and what the ledger of gaps says was not heard, ends what is known of the
book until it is told whole again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import msgspec
import numpy as np

from gammacore import _queue
from gammacore.array_types import Array, Floats, Ints
from gammacore.daycount import NS_PER_MINUTE
from gammacore.errors import DataError

from .schemas import currency_of, trades_of
from .store import Store, days_between

__all__ = ["Feed", "book_feed"]

STEP_NS = 5 * NS_PER_MINUTE  # more takes memory, less takes time
FOREVER_NS = 2**62
SIDES = ((_queue.BIDS, "bids"), (_queue.ASKS, "asks"))
Message = tuple[int, int, int, float]  # time, kind, tick, amount


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


def book_feed(
    store: Store, instrument_name: str, tick_size: float, start_ns: int, end_ns: int
) -> Iterator[Feed]:
    """Messages about an instrument.

    Parameters
    ----------
    store : Store
    instrument_name : str
    tick_size : float
        The finest of the instrument.
    start_ns, end_ns : int
        From the first to before the last, nanoseconds UTC.

    Yields
    ------
    Feed
        One for every five minutes in which there is something.

    Raises
    ------
    DataError
        If a price is not on the tick, or a level cannot be read.
    """
    reader, currency = _Reader(instrument_name, tick_size), currency_of(instrument_name)
    recorded = set(store.days("books", currency))
    for first_ns in range(start_ns, end_ns, STEP_NS):
        until_ns = min(first_ns + STEP_NS, end_ns)
        if not recorded.intersection(days_between(first_ns, until_ns)):
            continue
        read = partial(store.read, as_of_ns=FOREVER_NS, start_ns=first_ns, end_ns=until_ns)
        reader.trades(read(trades_of(instrument_name), currency, instruments=[instrument_name]))
        books = read("books", currency, instruments=[instrument_name])
        reader.books(books, reader.lost(read("gaps", "all")))
        feed = reader.taken()
        if len(feed.ts_ns):
            yield feed


class _Reader:
    """Turns rows into messages; what it knows of the book goes on from hour to hour."""

    def __init__(self, instrument_name: str, tick_size: float) -> None:
        self.name, self.tick_size = instrument_name, tick_size
        self._change_id: int | None = None  # None while the book is not known
        self._shown: dict[int, set[int]] = {}  # ticks of each side, where windows are told
        self._found: list[tuple[int, int, list[Message]]] = []

    def taken(self) -> Feed:
        """Messages so far; at one moment trades come before the book that reflects them."""
        self._found.sort(key=lambda message: message[:2])
        rows: list[Message] = []
        for _, _, changes in self._found:
            rows += changes[:-1]
            last = changes[-1]
            rows.append((last[0], last[1] | _queue.LAST, *last[2:]))
        self._found = []
        columns: list[Any] = list(zip(*rows, strict=True)) or [()] * 4
        types = np.int64, np.uint8, np.int32, np.float64
        return Feed(*(np.array(column, kind) for column, kind in zip(columns, types, strict=True)))

    def lost(self, rows: dict[str, Array]) -> list[int]:
        """Moments at which the book was lost, ascending: the ends of what was not heard."""
        found: set[int] = set()
        for ts_ns, known_ns, channel in zip(rows["ts_ns"], rows["known_ns"], rows["channel"], strict=True):
            if channel == "*" or (channel.startswith("book.") and f".{self.name}." in f"{channel}."):
                found |= {int(ts_ns), int(known_ns)}
        return sorted(found)

    def trades(self, rows: dict[str, Array]) -> None:
        """Trades: whose side they took from."""
        columns = (rows[name] for name in ("ts_ns", "direction", "price", "amount"))
        for ts_ns, direction, price, amount in zip(*columns, strict=True):
            kind = _queue.BUY_TRADE if direction == "buy" else _queue.SELL_TRADE
            trade = int(ts_ns), kind, self._tick(float(price), ts_ns), float(amount)
            self._found.append((trade[0], 0, [trade]))

    def books(self, rows: dict[str, Array], lost: list[int]) -> None:
        """Books and their changes, between the moments at which the book was lost."""
        columns = (rows[name] for name in ("ts_ns", "type", "change_id", "prev_change_id", "bids", "asks"))
        for ts_ns, sort, change_id, previous, bids, asks in zip(*columns, strict=True):
            while lost and lost[0] <= ts_ns:
                self._lose(lost.pop(0))
            if sort == "change" and self._change_id != int(previous):
                self._lose(int(ts_ns))
                continue
            self._book(int(ts_ns), (bids, asks), changes=sort == "change", number=int(change_id))
        for moment in lost:
            self._lose(moment)

    def _lose(self, ts_ns: int) -> None:
        """Know nothing of the book until it is told whole."""
        if self._change_id is not None:
            self._found.append((ts_ns, 2, [(ts_ns, _queue.GAP, 0, 0.0)]))
        self._change_id = None

    def _book(self, ts_ns: int, texts: tuple[str, str], changes: bool, number: int) -> None:
        if changes:
            messages = self._changes(ts_ns, texts)
        else:  # by changes' own it begins the book anew; imported snapshots and windows have no number
            messages = self._whole(ts_ns, texts, anew=self._change_id is None or number > 0)
        self._change_id = number
        if messages:
            self._found.append((ts_ns, 1, messages))

    def _changes(self, ts_ns: int, texts: tuple[str, str]) -> list[Message]:
        return [
            (ts_ns, side, tick, amount)
            for (side, _), text in zip(SIDES, texts, strict=True)
            for tick, amount in self._levels(text, ts_ns)
        ]

    def _whole(self, ts_ns: int, texts: tuple[str, str], anew: bool) -> list[Message]:
        """Take a book that is told from its best on: as a new one, or by what has changed in its range."""
        levels = {side: dict(self._levels(text, ts_ns)) for (side, _), text in zip(SIDES, texts, strict=True)}
        told = [(ts_ns, side, tick, amount) for side, rows in levels.items() for tick, amount in rows.items()]
        if anew or not self._shown:
            self._shown = {side: set(rows) for side, rows in levels.items()}
            return [(ts_ns, _queue.CLEAR, 0, 0.0), *told]
        gone: list[Message] = []
        for side, rows in levels.items():
            over = {tick for tick in self._shown[side] if tick not in rows and _within(side, tick, rows)}
            gone += [(ts_ns, side, tick, 0.0) for tick in over]
            self._shown[side] = (self._shown[side] - over) | set(rows)  # what is out of range stays
        return gone + told

    def _levels(self, text: str, ts_ns: int) -> list[tuple[int, float]]:
        try:
            rows: list[list[Any]] = msgspec.json.decode(text or "[]")
            told = [(float(row[-2]), 0.0 if row[0] == "delete" else float(row[-1])) for row in rows]
        except (ValueError, TypeError, IndexError) as error:
            raise DataError(f"books: {self.name} at {ts_ns}: levels cannot be read: {error}") from None
        return [(self._tick(price, ts_ns), amount) for price, amount in told]

    def _tick(self, price: float, ts_ns: int) -> int:
        ticks = price / self.tick_size
        if not math.isfinite(ticks) or abs(ticks - round(ticks)) > 1e-6 * max(ticks, 1.0):
            raise DataError(
                f"{self.name} at {ts_ns}: price {price!r} is no multiple of the tick {self.tick_size:g}"
            )
        return round(ticks)


def _within(side: int, tick: int, rows: dict[int, float]) -> bool:
    """Whether a price would be shown among those of a side."""
    if not rows:
        return True
    return tick >= min(rows) if side == _queue.BIDS else tick <= max(rows)

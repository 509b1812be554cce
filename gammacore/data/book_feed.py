"""Recorded books and trades of one instrument as the messages of a feed, some minutes at a time.

Books are kept as the exchange tells them: whole, by changes, or as the best levels each time. A change that
does not follow on the one before, and what the ledger of gaps says was not heard, ends what is known of the
book until it is told whole again. What has been read once is kept as numbers (`gammacore.data.kept_feeds`).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain

import msgspec
import numpy as np

from gammacore import _queue
from gammacore.array_types import Array, Floats, Ints
from gammacore.daycount import NS_PER_MINUTE
from gammacore.errors import DataError

from .kept_feeds import Feed, Heard, KeptFeeds
from .schemas import currency_of, trades_of
from .store import Store, days_between

__all__ = ["Feed", "book_feed"]

STEP_NS = 5 * NS_PER_MINUTE  # more takes memory, less takes time
FOREVER_NS = 2**62
BOOK = ("ts_ns", "type", "change_id", "prev_change_id", "bids", "asks")
MOST_TICKS = np.iinfo(np.int32).max
SIDES = ((_queue.BIDS, "bids"), (_queue.ASKS, "asks"))
Change = tuple[int, int, float]  # kind, tick, amount


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
        Nanoseconds UTC.

    Yields
    ------
    Feed
        One for every five minutes, counted from midnight, that the period touches and in which there is
        something.

    Raises
    ------
    DataError
        If a price is not on the tick, or a level cannot be read.
    """
    currency, trades = currency_of(instrument_name), trades_of(instrument_name)
    sources = [("books", currency), (trades, currency), ("gaps", "all")]
    reader, kept = _Reader(instrument_name, tick_size), KeptFeeds(store, instrument_name, tick_size, sources)
    recorded = set(store.days("books", currency))
    for first_ns in range(start_ns - start_ns % STEP_NS, end_ns, STEP_NS):
        until_ns = first_ns + STEP_NS
        if not recorded.intersection(days_between(first_ns, until_ns)):
            continue
        before, found = reader.heard, kept.read(first_ns, reader.heard)
        if found is None:
            read = partial(store.read, as_of_ns=FOREVER_NS, start_ns=first_ns, end_ns=until_ns)
            reader.trades(read(trades, currency, instruments=[instrument_name]))
            books = read("books", currency, instruments=[instrument_name], columns=BOOK)
            reader.books(books, reader.lost(read("gaps", "all")))
            found = reader.taken(), reader.heard
            kept.write(first_ns, before, *found)
        feed, reader.heard = found
        if len(feed.ts_ns):
            yield feed


def _read_levels(texts: Array) -> tuple[Ints, Floats, Floats]:
    """Levels of one side: how many of each message, their prices and amounts."""
    found = _queue.read_levels(texts.tolist())
    if found is None:  # not as the exchange writes them, but perhaps JSON
        rows = [msgspec.json.decode(text or "[]") for text in texts]
        levels = list(chain.from_iterable(rows))
        price = [float(level[-2]) for level in levels]
        amount = [0.0 if level[0] == "delete" else float(level[-1]) for level in levels]
        found = np.fromiter(map(len, rows), np.int64, len(texts)), np.array(price), np.array(amount)
    counts, prices, amounts = found
    return counts, prices, amounts


class _Reader:
    """Turns rows into messages; what it knows of the book goes on from hour to hour."""

    def __init__(self, instrument_name: str, tick_size: float) -> None:
        self.name, self.tick_size = instrument_name, tick_size
        self._change_id: int | None = None  # None while the book is not known
        self._shown: dict[int, set[int]] = {}  # ticks of each side, where windows are told
        self._found: list[tuple[Ints, Array, Array, Array, Floats]] = []  # time, order, and a feed's columns

    @property
    def heard(self) -> Heard:
        """What is known of the book at the end of what was read."""
        return Heard(self._change_id, {side: sorted(ticks) for side, ticks in self._shown.items()})

    @heard.setter
    def heard(self, heard: Heard) -> None:
        self._change_id = heard.change_id
        self._shown = {side: set(ticks) for side, ticks in heard.shown.items()}

    def taken(self) -> Feed:
        """Messages so far; at one moment trades come before the book that reflects them."""
        types = np.int64, np.uint8, np.uint8, np.int32, np.float64
        parts = list(zip(*self._found, strict=True)) or [()] * 5
        self._found = []
        ts, order, kind, tick, amount = (
            np.concatenate([np.empty(0, as_type), *part]).astype(as_type, copy=False)
            for part, as_type in zip(parts, types, strict=True)
        )
        first = np.lexsort((order, ts))  # stable: as they came, and the changes of a message together
        return Feed(ts[first], kind[first], tick[first], amount[first])

    def _add(self, ts_ns: Ints, order: int, counts: Ints, kind: Array, tick: Array, amount: Floats) -> None:
        """Take messages of so many changes each; times by message."""
        kind = kind.astype(np.uint8)
        kind[np.cumsum(counts)[counts > 0] - 1] |= _queue.LAST
        at = np.repeat(ts_ns, counts)
        self._found.append((at, np.full(len(at), order, np.uint8), kind, tick, amount))

    def _add_one(self, ts_ns: int, order: int, changes: list[Change]) -> None:
        columns = [np.array(column) for column in zip(*changes, strict=True)]
        self._add(np.array([ts_ns]), order, np.array([len(changes)]), *columns)

    def lost(self, rows: dict[str, Array]) -> list[int]:
        """Moments at which the book was lost, ascending: the ends of what was not heard."""
        found: set[int] = set()
        for ts_ns, known_ns, channel in zip(rows["ts_ns"], rows["known_ns"], rows["channel"], strict=True):
            if channel == "*" or (channel.startswith("book.") and f".{self.name}." in f"{channel}."):
                found |= {int(ts_ns), int(known_ns)}
        return sorted(found)

    def trades(self, rows: dict[str, Array]) -> None:
        """Trades: whose side they took from."""
        ts_ns, price = rows["ts_ns"].astype(np.int64), rows["price"].astype(np.float64)
        kind = np.where(rows["direction"] == "buy", _queue.BUY_TRADE, _queue.SELL_TRADE)
        amount = rows["amount"].astype(np.float64)
        self._add(ts_ns, 0, np.ones(len(ts_ns), np.int64), kind, self._ticks(price, ts_ns), amount)

    def books(self, rows: dict[str, Array], lost: list[int]) -> None:
        """Books and their changes, between the moments at which the book was lost."""
        ts_ns, number, before = (
            rows[name].astype(np.int64) for name in ("ts_ns", "change_id", "prev_change_id")
        )
        change, texts = rows["type"] == "change", (rows["bids"], rows["asks"])
        breaks = np.append(1 + np.flatnonzero(~(change[1:] & (before[1:] == number[:-1]))), len(ts_ns))
        i = 0
        while i < len(ts_ns):
            now_ns = int(ts_ns[i])
            while lost and lost[0] <= now_ns:
                self._lose(lost.pop(0))
            end = i + 1
            if not change[i]:
                self._whole(now_ns, [text[i] for text in texts], int(number[i]))
            elif self._change_id != before[i]:
                self._lose(now_ns)
                i = end
                continue
            else:  # all that follow on one another, at once
                end = int(breaks[np.searchsorted(breaks, i, "right")])
                if lost:
                    end = i + int(np.append(np.flatnonzero(ts_ns[i:end] >= lost[0]), end - i)[0])
                self._changes(ts_ns[i:end], [text[i:end] for text in texts])
            self._change_id = int(number[end - 1])
            i = end
        for moment in lost:
            self._lose(moment)

    def _lose(self, ts_ns: int) -> None:
        """Know nothing of the book until it is told whole."""
        if self._change_id is not None:
            self._add_one(ts_ns, 2, [(_queue.GAP, 0, 0.0)])
        self._change_id = None

    def _changes(self, ts_ns: Ints, texts: list[Array]) -> None:
        """Take changes that follow on one another: of each message those of the bids first."""
        sides = [self._levels(text, ts_ns) for text in texts]
        row = np.concatenate([np.repeat(np.arange(len(ts_ns)), counts) for counts, _, _ in sides])
        kind = np.repeat([side for side, _ in SIDES], [len(tick) for _, tick, _ in sides])
        tick, amount = (np.concatenate([side[k] for side in sides]) for k in (1, 2))
        first = np.argsort(row, kind="stable")
        counts = np.bincount(row, minlength=len(ts_ns))
        self._add(ts_ns, 1, counts, kind[first], tick[first], amount[first])

    def _whole(self, ts_ns: int, texts: list[str], number: int) -> None:
        """Take a book that is told from its best on: as a new one, or by what has changed in its range."""
        # By changes' own it begins the book anew; imported snapshots and windows have no number.
        anew = self._change_id is None or number > 0
        found = [self._levels(np.array([text], object), np.array([ts_ns])) for text in texts]
        levels = {
            side: dict(zip(tick.tolist(), amount.tolist(), strict=True))
            for (side, _), (_, tick, amount) in zip(SIDES, found, strict=True)
        }
        told = [(side, tick, amount) for side, rows in levels.items() for tick, amount in rows.items()]
        if anew or not self._shown:
            self._shown = {side: set(rows) for side, rows in levels.items()}
            self._add_one(ts_ns, 1, [(_queue.CLEAR, 0, 0.0), *told])
            return
        gone: list[Change] = []
        for side, rows in levels.items():
            over = {tick for tick in self._shown[side] if tick not in rows and _within(side, tick, rows)}
            gone += [(side, tick, 0.0) for tick in over]
            self._shown[side] = (self._shown[side] - over) | set(rows)  # what is out of range stays
        if gone or told:
            self._add_one(ts_ns, 1, gone + told)

    def _levels(self, texts: Array, ts_ns: Ints) -> tuple[Ints, Array, Floats]:
        """Levels of one side, decoded in one go: how many of each message, their ticks and amounts."""
        try:
            counts, price, amount = _read_levels(texts)
        except (ValueError, TypeError, IndexError) as error:
            if len(texts) > 1:  # one by one: which it is
                for k in range(len(texts)):
                    self._levels(texts[k : k + 1], ts_ns[k : k + 1])
            raise DataError(f"books: {self.name} at {ts_ns[0]}: levels cannot be read: {error}") from None
        return counts, self._ticks(price, np.repeat(ts_ns, counts)), amount

    def _ticks(self, price: Floats, ts_ns: Ints) -> Array:
        ticks = price / self.tick_size
        whole = np.rint(ticks)
        good = (np.abs(ticks - whole) <= 1e-6 * np.maximum(ticks, 1.0)) & (np.abs(whole) <= MOST_TICKS)
        if not good.all():
            k = int(np.argmin(good))
            told = f"price {float(price[k])!r} is no multiple of the tick {self.tick_size:g}"
            raise DataError(f"{self.name} at {ts_ns[k]}: {told}")
        return whole.astype(np.int32)


def _within(side: int, tick: int, rows: dict[int, float]) -> bool:
    """Whether a price would be shown among those of a side."""
    if not rows:
        return True
    return tick >= min(rows) if side == _queue.BIDS else tick <= max(rows)

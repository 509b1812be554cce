"""A recorded book without the orders of the session that was recorded beside it.

While an order of ours rests, the exchange tells its amount with its level: a replay of the order would stand
behind itself. What traded with our order would have traded with the replayed one. Such trades stay, and are
marked: the levels that are left do not tell them again.
What our orders took is missing from the levels that tell it: there it is given back. The message after that
takes it out again, as nobody knows what would have become of it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from gammacore import _queue
from gammacore.array_types import Array
from gammacore.data.book_feed import Feed
from gammacore.daycount import NS_PER_SECOND
from gammacore.execution.sent import SentOrder

TOLD_NS = NS_PER_SECOND // 10  # after a trade, by which a channel has told what is left of its level

__all__ = ["without_own"]


class _Own(NamedTuple):
    """Amount of ours at a price until before a moment: in a level for a while, or in a trade."""

    from_ns: int
    until_ns: int
    kind: int
    tick: int
    amount: float


def without_own(
    feed: Iterable[Feed], sent: Iterable[SentOrder], tick_size: float, lot: float
) -> Iterator[Feed]:
    """Take our orders out of a feed, and give back what they took.

    Parameters
    ----------
    feed : iterable of Feed
    sent : iterable of SentOrder
        Of the feed's instrument.
    tick_size, lot : float

    Yields
    ------
    Feed
        Blocks like those given.
    """
    resting = [order for order in sent if order.rests]
    shown = deque(sorted(part for order in resting for part in _shown(order, tick_size, lot)))
    traded = deque(sorted(part for order in resting for part in _traded(order, tick_size)))
    taken = deque(sorted(p for order in sent if not order.rests for p in _taken(order, tick_size)))
    for block in feed:
        kind, amount = block.kind.copy(), block.amount.copy()
        for part in _due(shown, block):
            at, ours = _rows(block, part)
            amount[at][ours] = np.maximum(amount[at][ours] - part.amount, 0.0)  # told before we were in it: 0
        for part in _due(traded, block):
            at, ours = _rows(block, part)
            kind[at][ours & (np.abs(amount[at] - part.amount) < 0.5 * lot)] |= _queue.OWN
        clean = block._replace(kind=kind, amount=amount)
        yield _given_back(clean, [*_due(taken, block)])


def _shown(order: SentOrder, tick_size: float, lot: float) -> Iterator[_Own]:
    """Say what of an order its level had, from fill to fill."""
    side, tick = _queue.BIDS if order.amount > 0 else _queue.ASKS, round(order.limit / tick_size)
    from_ns, left = order.ts_ns, abs(order.amount)
    for ts_ns, _, amount in (*sorted(order.fills), (order.ended_ns, 0.0, math.inf)):
        if left >= 0.5 * lot and ts_ns > from_ns:
            yield _Own(from_ns, ts_ns, side, tick, left)
        from_ns, left = max(ts_ns, from_ns), left - abs(amount)


def _traded(order: SentOrder, tick_size: float) -> Iterator[_Own]:
    """Say which trades met an order."""
    kind, tick = _queue.SELL_TRADE if order.amount > 0 else _queue.BUY_TRADE, round(order.limit / tick_size)
    for ts_ns, _, amount in order.fills:
        yield _Own(ts_ns, ts_ns + 1, kind, tick, abs(amount))


def _taken(order: SentOrder, tick_size: float) -> Iterator[_Own]:
    """Say what an order took from which levels, and how long these may take to tell it."""
    side = _queue.ASKS if order.amount > 0 else _queue.BIDS
    for ts_ns, price, amount in order.fills:
        yield _Own(ts_ns, ts_ns + TOLD_NS + 1, side, round(price / tick_size), abs(amount))


def _given_back(block: Feed, taken: list[_Own]) -> Feed:
    """Tell levels as if we had not taken from them, until the next message of the book."""
    amount, ends = block.amount.copy(), np.flatnonzero(block.kind & _queue.LAST)
    books = np.flatnonzero((block.kind & (_queue.LAST - 1)) <= _queue.ASKS) if taken else ends
    places: list[int] = []
    rows: list[int] = []
    for part in taken:
        at, ours = _rows(block, part)
        told = at.start + np.flatnonzero(ours)
        if not len(told):
            continue
        row = int(told[block.ts_ns[told] == block.ts_ns[told[0]]][-1])  # of one millisecond the last
        k = int(np.searchsorted(ends, row))
        message, after = slice(ends[k - 1] + 1 if k else 0, ends[k] + 1), np.searchsorted(books, ends[k] + 1)
        if after == len(books) or _reached(block, message, part):
            continue
        amount[row] += part.amount
        places.append(int(books[after]))
        rows.append(row)
    told_as = (
        block.ts_ns[places],
        block.kind[rows] & (_queue.LAST - 1),
        block.tick[rows],
        block.amount[rows],
    )
    columns = zip(block._replace(amount=amount), told_as, strict=True)
    return Feed(*(np.insert(column, places, values) for column, values in columns)) if rows else block


def _reached(block: Feed, message: slice, part: _Own) -> bool:
    """Whether a message has the other side reach a level: it cannot be there."""
    other = 1 - part.kind
    there = ((block.kind[message] & (_queue.LAST - 1)) == other) & (block.amount[message] > 0.0)
    ticks = block.tick[message][there]
    return bool(np.any(ticks >= part.tick if other == _queue.BIDS else ticks <= part.tick))


def _due(parts: deque[_Own], block: Feed) -> Iterator[_Own]:
    """Find those of a block; what ended before it is forgotten."""
    first_ns, last_ns = int(block.ts_ns[0]), int(block.ts_ns[-1])
    while parts and parts[0].until_ns <= first_ns:
        parts.popleft()
    for part in parts:
        if part.from_ns > last_ns:
            break
        yield part


def _rows(block: Feed, part: _Own) -> tuple[slice, Array]:
    """Rows of a while, and which of them are of a kind at a price."""
    at = slice(*np.searchsorted(block.ts_ns, [part.from_ns, part.until_ns]).tolist())
    ours: Array = ((block.kind[at] & (_queue.LAST - 1)) == part.kind) & (block.tick[at] == part.tick)
    return at, ours

"""A recorded book without the orders of the session that was recorded beside it.

While an order of ours rests, the exchange tells its amount with its level: a replay of the order would stand
behind itself. What traded with our order would have traded with the replayed one. Such trades stay, and are
marked: the levels that are left do not tell them again.
What our takers took is missing from the levels until these are told anew.
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
from gammacore.execution.sent import SentOrder

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
    """Take our resting orders out of a feed.

    Parameters
    ----------
    feed : iterable of Feed
    sent : iterable of SentOrder
        Of the feed's instrument; those that take leave the feed as it is.
    tick_size, lot : float

    Yields
    ------
    Feed
        Blocks like those given.
    """
    resting = [order for order in sent if order.rests]
    shown = deque(sorted(part for order in resting for part in _shown(order, tick_size, lot)))
    traded = deque(sorted(part for order in resting for part in _traded(order, tick_size)))
    for block in feed:
        kind, amount = block.kind.copy(), block.amount.copy()
        for part in _due(shown, block):
            at, ours = _rows(block, part)
            amount[at][ours] = np.maximum(amount[at][ours] - part.amount, 0.0)  # told before we were in it: 0
        for part in _due(traded, block):
            at, ours = _rows(block, part)
            kind[at][ours & (np.abs(amount[at] - part.amount) < 0.5 * lot)] |= _queue.OWN
        yield block._replace(kind=kind, amount=amount)


def _shown(order: SentOrder, tick_size: float, lot: float) -> Iterator[_Own]:
    """Say what of an order its level had, from fill to fill."""
    side, tick = _queue.BIDS if order.amount > 0 else _queue.ASKS, round(order.limit / tick_size)
    from_ns, left = order.ts_ns, abs(order.amount)
    for ts_ns, amount in (*sorted(order.fills), (order.ended_ns, math.inf)):
        if left >= 0.5 * lot and ts_ns > from_ns:
            yield _Own(from_ns, ts_ns, side, tick, left)
        from_ns, left = max(ts_ns, from_ns), left - abs(amount)


def _traded(order: SentOrder, tick_size: float) -> Iterator[_Own]:
    """Say which trades met an order."""
    kind, tick = _queue.SELL_TRADE if order.amount > 0 else _queue.BUY_TRADE, round(order.limit / tick_size)
    for ts_ns, amount in order.fills:
        yield _Own(ts_ns, ts_ns + 1, kind, tick, abs(amount))


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

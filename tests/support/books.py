"""Feeds of books for the tests."""

import numpy as np

from gammacore import _queue as q
from gammacore.data.book_feed import Feed

MS = 1_000_000


def blocks(rows, size=1_000_000):
    """Blocks of a feed from rows (ts, kind, tick, amount, whether a message ends)."""
    for first in range(0, len(rows), size):
        ts, kind, tick, amount, last = zip(*rows[first : first + size], strict=True)
        kinds = np.array(kind, np.uint8) | np.where(last, q.LAST, 0).astype(np.uint8)
        yield Feed(np.array(ts, np.int64), kinds, np.array(tick, np.int32), np.array(amount, np.float64))


class Market:
    """A market of whole amounts whose levels follow from its trades, one message an event."""

    def __init__(self, seed, mid=1_000):
        self.rng, self.t, self.mid = np.random.default_rng(seed), MS, mid
        self.sides = {q.BIDS: {}, q.ASKS: {}}
        self.rows = [(self.t, q.CLEAR, 0, 0.0, False)]
        for k in range(20):
            self.told(q.BIDS, mid - 1 - k, float(self.rng.integers(5, 50)))
            self.told(q.ASKS, mid + k, float(self.rng.integers(5, 50)))

    def told(self, side, tick, amount):
        self.rows.append((self.t, side, tick, amount, True))
        self.sides[side][tick] = amount
        if not amount:
            del self.sides[side][tick]

    def best(self, side):
        return max(self.sides[side]) if side == q.BIDS else min(self.sides[side])

    def step(self):
        self.t += int(self.rng.integers(1, 50)) * MS
        side, what = int(self.rng.integers(0, 2)), self.rng.random()
        away, best = (-1 if side == q.BIDS else 1), self.best(side)
        if what < 0.35:
            tick = best + away * (int(self.rng.geometric(0.4)) - 1)
            self.told(
                side, tick, max(self.sides[side].get(tick, 0.0) + float(self.rng.integers(-20, 25)), 1.0)
            )
        elif what < 0.6 and best - away != self.best(1 - side):
            self.told(side, best - away, float(self.rng.integers(1, 30)))
        elif what >= 0.6:
            self.trade(side, float(self.rng.integers(1, 12)))
        if len(self.sides[side]) < 6:
            for k in range(10, 20):
                self.told(side, best + away * k, float(self.rng.integers(5, 50)))

    def trade(self, side, left):
        while left > 0 and len(self.sides[side]) > 3:
            tick = self.best(side)
            taken = min(self.sides[side][tick], left)
            kind = q.SELL_TRADE if side == q.BIDS else q.BUY_TRADE
            self.rows.append((self.t, kind, tick, taken, True))
            self.t, left = self.t + 1, left - taken
            self.told(side, tick, self.sides[side][tick] - taken)
            self.t += 1


def random_feed(seed, n):
    """Some n rows of such a market."""
    market = Market(seed)
    while len(market.rows) < n:
        market.step()
    return market.rows

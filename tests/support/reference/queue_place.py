"""Where one order stands in its queue and what fills it, one event after the other, in plain Python."""

from gammacore import _queue as q


class QueuePlace:
    """Follow one order; amounts are whole numbers, one message an event.

    Parameters
    ----------
    rows : list of (ts, kind, tick, amount, last)
    at_ns : int
        It is placed after all that happened until then.
    buys : bool
    tick : int
    amount : float
    exponent : float or None
        Of the power law, None: all cancel behind.

    Attributes
    ----------
    fills : list of (ts, amount)
    """

    def __init__(self, rows, at_ns, buys, tick, amount, exponent):
        self.buys, self.tick, self.left, self.exponent = buys, tick, amount, exponent
        self.level, self.ahead, self.traded, self.fills = {}, None, 0.0, []
        side = q.BIDS if buys else q.ASKS
        for ts, kind, at, size, _ in rows:
            if ts > at_ns and self.ahead is None:
                self.ahead = self.level.get((side, tick), 0.0)
            if kind in (q.BIDS, q.ASKS):
                self._told(ts, kind, at, size, side)
            elif self.ahead is not None and kind == (q.SELL_TRADE if buys else q.BUY_TRADE):
                self._trade(ts, at, size)
            if self.left <= 0:
                break

    def _told(self, ts, kind, at, size, side):
        before = self.level.get((kind, at), 0.0)
        self.level[kind, at] = size
        if self.ahead is None:
            return
        if kind == side and at == self.tick:
            gone = before - size - self.traded
            self.traded = 0.0
            if gone > 0:
                behind = max(before - self.ahead, 0.0)
                share = self._behind(behind)
                self.ahead -= (1.0 - share) * gone - min(behind - share * gone, 0.0)
            self.ahead = min(self.ahead, size)
        elif kind != side:
            others = [tick for (kept, tick), amount in self.level.items() if kept == kind and amount > 0]
            reached = min(others) <= self.tick if self.buys else max(others) >= self.tick
            if reached:
                self._fill(ts, self.left)

    def _behind(self, behind):
        if self.exponent is None:
            return 1.0
        both = behind**self.exponent + self.ahead**self.exponent
        return behind**self.exponent / both if both > 0 else 1.0

    def _trade(self, ts, at, size):
        beyond = at < self.tick if self.buys else at > self.tick
        if beyond:
            self._fill(ts, self.left)
        elif at == self.tick:
            self.ahead -= size
            self.traded += size
            lots = float(round(-self.ahead))
            if lots > 0:
                self.ahead = 0.0
                self._fill(ts, min(lots, size, self.left))

    def _fill(self, ts, amount):
        self.fills.append((ts, amount))
        self.left -= amount

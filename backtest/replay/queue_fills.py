"""Orders filled against a recorded book: our place in the queue.

Every order enters the book behind all that is at its price; what is ahead of it goes by trades and by
cancellations (``src_pyx/queue_book.h`` has the model). What takes is filled by what is shown. The recorded
market does not react to us: amounts far beyond those shown are not to be believed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import msgspec

from gammacore import _queue
from gammacore.data.book_feed import Feed
from gammacore.daycount import NS_PER_SECOND

__all__ = ["QueueFill", "QueueModel", "RecordedBook"]

STALE_NS = 60 * NS_PER_SECOND  # without a message: the book is not known any longer


class QueueModel(msgspec.Struct, frozen=True):
    """Our place in a queue.

    Attributes
    ----------
    cancels : {'behind', 'pro_rata', 'power'}
        Where others cancel: all behind us; ahead and behind in proportion; or by a power law.
    power : float
        Of the power law: the larger, the more of them are behind us.
    window_ns : int
        Of a message: others cancel evenly in it, or since the message before where that is later; 0 has them
        cancel when it is told.
    """

    cancels: Literal["behind", "pro_rata", "power"] = "pro_rata"
    power: float = 3.0
    window_ns: int = NS_PER_SECOND // 10  # of the channels that are recorded

    @property
    def exponent(self) -> float:
        """Of the share of cancellations behind us; -1 has all of them there."""
        return {"behind": -1.0, "pro_rata": 1.0, "power": self.power}[self.cancels]


class QueueFill(NamedTuple):
    """Part of an order that was filled: when at the exchange, USD, amount in the exchange's unit."""

    ts_ns: int
    price: float
    amount: float
    maker: bool


class RecordedBook:
    """The book of one instrument, followed through its feed once.

    Parameters
    ----------
    feed : iterator of Feed
        In order; see :func:`gammacore.data.book_feed.book_feed`.
    tick_size, lot : float
        Of the feed's ticks, and the smallest amount.
    model : QueueModel

    Attributes
    ----------
    now_ns : int
        Exchange time followed to.
    """

    def __init__(self, feed: Iterator[Feed], tick_size: float, lot: float, model: QueueModel) -> None:
        self.tick_size, self.model, self.now_ns = tick_size, model, 0
        self._feed, self._ended = feed, False
        self._book = _queue.QueueBook(lot, model.exponent, model.window_ns)
        self._fills: dict[int, list[QueueFill]] = {}

    def follow(self, until_ns: int, order: int | None = None) -> bool:
        """Let time pass at the exchange, keep fills for :meth:`fills`; whether the book is known then.

        No further than to the moment that an order is filled, if one is given.
        """
        while not self._ended:
            for ts_ns, number, tick, amount in self._book.advance(until_ns):
                self._fills[number].append(QueueFill(ts_ns, tick * self.tick_size, amount, maker=True))
            if order is not None and self.left(order) == 0.0:
                until_ns = self._fills[order][-1].ts_ns
                break
            if not self._book.done:
                if self._book.waits(until_ns):
                    break
                continue
            block = next(self._feed, None)
            self._ended = block is None
            if block is not None:
                self._book.load(*block)
        self.now_ns = max(self.now_ns, until_ns)
        return self.known

    @property
    def known(self) -> bool:
        """Whether the book is whole, fresh, not crossed, and has both sides."""
        fresh = self.now_ns - self._book.told_ns <= STALE_NS
        return fresh and not self._ended and self._book.known and None not in self._best()

    def quote(self) -> tuple[float, float]:
        """Best bid and ask, USD; NaN without one."""
        bid, ask = (float("nan") if tick is None else tick * self.tick_size for tick in self._best())
        return bid, ask

    def mid(self) -> float:
        """Middle of the best bid and ask, USD; NaN without one of them."""
        return 0.5 * sum(self.quote())

    def sizes(self) -> tuple[float, float]:
        """Size shown at the best bid and ask, 0 without one."""
        best = zip((_queue.BIDS, _queue.ASKS), self._best(), strict=True)
        bid, ask = (0.0 if tick is None else self._book.amount(side, tick) for side, tick in best)
        return bid, ask

    def _best(self) -> tuple[int | None, int | None]:
        return self._book.best(_queue.BIDS), self._book.best(_queue.ASKS)

    def rest(self, buys: bool, price: float, amount: float, *, fixed: bool = False) -> int | None:
        """Enter a post-only order into the book as it is.

        One that would take is moved to just inside the spread, as the exchange does; None if its price
        is ``fixed``: it is refused.
        """
        side, tick = _queue.BIDS if buys else _queue.ASKS, round(price / self.tick_size)
        other = self._book.best(1 - side)
        if other is not None and (tick >= other if buys else tick <= other):
            if fixed:
                return None
            tick = other - 1 if buys else other + 1
        number = self._book.place(side, tick, amount)
        self._fills[number] = []
        return number

    def cancel(self, order: int) -> float:
        """Take an order out of the book as it is; what of it was not filled."""
        return self._book.cancel(order)

    def left(self, order: int) -> float:
        """Return what of an order is not filled."""
        return self._book.left(order)[0]

    def fills(self, order: int) -> list[QueueFill]:
        """Return the fills of an order so far."""
        return list(self._fills[order])

    def take(self, buys: bool, limit: float, amount: float) -> list[QueueFill]:
        """Take what the book shows up to a limit."""
        side, tick = _queue.BIDS if buys else _queue.ASKS, round(limit / self.tick_size)
        found = self._book.take(side, tick, amount)
        return [QueueFill(self.now_ns, at * self.tick_size, part, maker=False) for at, part in found]

    def counts(self) -> dict[str, int]:
        """How often the book was crossed, lost, and a trade was outside of it."""
        return dict(self._book.counts())

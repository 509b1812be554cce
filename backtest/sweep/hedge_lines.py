"""Where the money of a hedge came from, from its trades alone.

The sum over steps of what was held times how the price moved is the sum over trades of the
amount times how the price moved from the trade to the end. So running sums of the moves, once
for the market, give the lines of any hedge; see :mod:`gammacore.attribution` for what they mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gammacore import _replay
from gammacore.array_types import Floats, Ints

__all__ = ["EpisodeMarket", "HedgeLines"]


class EpisodeMarket(NamedTuple):
    """Market of one episode, over the entries of the tape and one point more for its delivery.

    Attributes
    ----------
    price, forward, rate, owed : arrays, shape (n + 1,)
        Mark of the hedge, forward as it trades, USD per coin, funding accumulator by final rates.
    first : bool
        Whether it begins with the entry of the options.
    """

    price: Floats
    forward: Floats
    rate: Floats
    owed: Floats
    first: bool


class HedgeLines:
    """Lines of the hedges of many episodes.

    Parameters
    ----------
    markets : sequence of EpisodeMarket
        One per episode; trades count points from the first point of the first episode.
    inverse : bool
        Settlement of the contract.

    Attributes
    ----------
    offset, last : arrays, shape (episodes,)
        First and last point of each episode.
    """

    def __init__(self, markets: Sequence[EpisodeMarket], inverse: bool) -> None:
        self.inverse = inverse
        sizes = np.array([len(market.price) for market in markets], dtype=np.int64)
        ends = np.cumsum(sizes)
        self.offset, self.last = ends - sizes, ends - 1
        # Running sums in the native currency and in the other: price, forward, funding.
        self._sums = np.empty((int(sizes.sum()), 6))
        for market, start, size in zip(markets, self.offset, sizes, strict=True):
            self._sum(market, self._sums[start : start + size])
        self._whole = self._sums[self.last] - self._sums[self.offset]
        self._rate = np.concatenate([self._cost_rate(market) for market in markets] or [np.empty(0)])

    def _sum(self, market: EpisodeMarket, out: Floats) -> None:
        if self.inverse:
            moves = -np.diff(1.0 / market.price)
            with_forward = -np.diff(1.0 / market.forward) * (market.forward / market.price)[:-1]
            rate = market.rate[1:]
        else:
            moves, with_forward, rate = np.diff(market.price), np.diff(market.forward), 1.0 / market.rate[1:]
        out[0] = 0.0
        for k, step in enumerate((moves, with_forward, np.diff(market.owed))):
            np.cumsum(step, out=out[1:, k])
            np.cumsum(step * rate, out=out[1:, k + 3])

    def _cost_rate(self, market: EpisodeMarket) -> Floats:
        """Rate of the other currency at which the costs of a trade count: its step's end."""
        rate = market.rate.copy() if self.inverse else 1.0 / market.rate
        if market.first:  # what the entry cost belongs to the first step
            rate[0] = rate[1]
        return rate

    def lines(self, rows: _replay.Rows, counts: Ints, received: Floats) -> dict[str, tuple[float, float]]:
        """Lines of all trades together, native currency and other.

        Parameters
        ----------
        rows : Rows
            Trades of all episodes in order, their points in ``at``.
        counts : array of int64, shape (episodes,)
            Trades of each episode.
        received : array, shape (episodes,)
            Amount that each episode took over at its first point.
        """
        held, added, costs = rows.against(counts, self.last, self._sums, self._rate, self.inverse)
        # Without BLAS, whose threads cost more than they bring.
        held += np.einsum("i,ij->j", received, self._whole)
        found: dict[str, tuple[float, float]] = {}
        for name, native, other in (
            ("fees", *costs[0]),
            ("spread", *costs[1]),
            ("hedge", *(held[k + 1] - added[k + 1] for k in (0, 3))),
            ("basis", *(held[k] - added[k] - (held[k + 1] - added[k + 1]) for k in (0, 3))),
            ("lots", *(added[k] for k in (0, 3))),
            ("funding", *(-held[k + 2] for k in (0, 3))),
        ):
            found[name] = float(native), float(other)
        return found

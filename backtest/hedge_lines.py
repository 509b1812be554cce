"""Where the money of a hedge came from, from its trades alone.

The sum over steps of what was held times how the price moved is the sum over trades of the
amount times how the price moved from the trade to the end. So running sums of the moves, once
for the market, give the lines of any hedge; see :mod:`gammacore.attribution` for what they mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gammacore.ledger import UNIT

__all__ = ["HedgeLines", "Stage"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Stage(NamedTuple):
    """Market of one life, over the entries of the tape and one point more for its delivery.

    Attributes
    ----------
    price, forward, rate, interest : arrays, shape (n + 1,)
        Mark of the hedge, forward of the options, USD per coin, funding accumulator.
    first : bool
        Whether it begins with the entry of the options.
    """

    price: Floats
    forward: Floats
    rate: Floats
    interest: Floats
    first: bool


class HedgeLines:
    """Lines of the hedges of many lives.

    Parameters
    ----------
    stages : sequence of Stage
        One per life; trades count points from the first point of the first life.
    inverse : bool
        Settlement of the contract.

    Attributes
    ----------
    offset, last : arrays, shape (lives,)
        First and last point of each life.
    """

    def __init__(self, stages: Sequence[Stage], inverse: bool) -> None:
        self.inverse = inverse
        sizes = np.array([len(stage.price) for stage in stages], dtype=np.int64)
        ends = np.cumsum(sizes)
        self.offset, self.last = ends - sizes, ends - 1
        # Running sums in the native currency and in the other: price, forward, funding.
        self._sums = np.concatenate([np.empty((0, 6)), *(self._summed(stage) for stage in stages)])
        self._rate = np.concatenate([self._cost_rate(stage) for stage in stages] or [np.empty(0)])

    def _summed(self, stage: Stage) -> Floats:
        if self.inverse:
            moves = -np.diff(1.0 / stage.price)
            with_forward = -np.diff(1.0 / stage.forward) * (stage.forward / stage.price)[:-1]
            rate = stage.rate[1:]
        else:
            moves, with_forward, rate = np.diff(stage.price), np.diff(stage.forward), 1.0 / stage.rate[1:]
        steps = (moves, with_forward, np.diff(stage.interest))
        both = [*steps, *(step * rate for step in steps)]
        return np.concatenate([np.zeros((1, 6)), np.cumsum(np.column_stack(both), axis=0)])

    def _cost_rate(self, stage: Stage) -> Floats:
        """Rate of the other currency at which the costs of a trade count: its step's end."""
        rate = stage.rate.copy() if self.inverse else 1.0 / stage.rate
        if stage.first:  # what the entry cost belongs to the first step
            rate[0] = rate[1]
        return rate

    def lines(self, rows: npt.NDArray[Any], counts: Ints, received: Floats) -> dict[str, tuple[float, float]]:
        """Lines of all trades together, native currency and other.

        Parameters
        ----------
        rows : structured array
            Trades of all lives in order, their points in ``at``.
        counts : array of int64, shape (lives,)
            Trades of each life.
        received : array, shape (lives,)
            Amount that each life took over at its first point.
        """
        at, last = rows["at"].copy(), np.repeat(self.last, counts)
        amount, wanted, price, mark = (rows[x].copy() for x in ("amount", "wanted", "price", "mark"))
        excess = amount - wanted
        following = np.append(at[1:], 0)
        ends = np.cumsum(counts)[counts > 0] - 1
        following[ends] = last[ends]
        rate = self._rate[at]
        slip = 1.0 / price - 1.0 / mark if self.inverse else mark - price
        spread, fees = amount * slip, -rows["paid"][:, 0 if self.inverse else 1] * UNIT
        found = {
            "fees": (fees.sum(), (fees * rate).sum()),
            "spread": (spread.sum(), (spread * rate).sum()),
        }

        # One row of running sums a trade; without BLAS, whose threads cost more than they bring.
        here, sums = self._sums[at], self._sums
        end = sums[self.last]
        held = np.einsum("i,ij->j", amount, np.repeat(end, counts, axis=0) - here)
        held += np.einsum("i,ij->j", received, end - sums[self.offset])
        added = np.zeros(6)
        if excess.any():
            added = np.einsum("i,ij->j", excess, sums[following] - here)
        names: dict[str, list[float]] = {name: [] for name in ("hedge", "basis", "lots", "funding")}
        for k in (0, 3):
            hedge = held[k + 1] - added[k + 1]
            names["hedge"].append(hedge)
            names["lots"].append(added[k])
            names["basis"].append(held[k] - added[k] - hedge)
            names["funding"].append(-held[k + 2])
        found |= {name: (pair[0], pair[1]) for name, pair in names.items()}
        return {name: (float(one), float(other)) for name, (one, other) in found.items()}

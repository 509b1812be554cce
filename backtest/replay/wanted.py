"""Whether a hedge at work is still wanted: a session asks it back where the market has come back."""

from __future__ import annotations

import copy

from gammacore.contracts import Settlement
from gammacore.desk import Desk
from gammacore.orders import Order

__all__ = ["Wanted"]


class Wanted:
    """What a desk says of its hedges at prices between two bars.

    Parameters
    ----------
    desk : Desk
        As it is when a hedge is worked: it knows the prices of the decision, and of no fill.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def unwanted(self, order: Order, left: float, got: float, moved: float) -> bool:
        """Whether what is left of a hedge would now add to the delta rather than remove it.

        Parameters
        ----------
        order : Order
        left, got : float
            Amounts not filled yet and filled, signed.
        moved : float
            Price now over that of the decision.
        """
        desk, market = self._desk, copy.copy(self._desk.market)
        market.index *= moved
        mismatch = desk.hedge.mismatch(desk.portfolio.find(order.episode), market)
        inverse = order.legs[0].instrument.settlement is Settlement.INVERSE
        unit = market.index if inverse else 1.0
        return mismatch is not None and desk.hedge.unwanted(left / unit, mismatch + got / unit)

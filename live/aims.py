"""What a hedge is meant to remove, and whether it does."""

from __future__ import annotations

from gammacore.contracts import Settlement
from gammacore.desk import Desk
from gammacore.events import Fill
from gammacore.execution.quotes import Tradable
from gammacore.orders import Order, Purpose


class Aims:
    """Mismatches that hedges on their way were decided on.

    Parameters
    ----------
    desk : Desk
        Looked at, never changed.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._left: dict[str, float] = {}  # by order, coins

    def note(self, order: Order) -> None:
        """Keep the mismatch that a hedge is to remove, as it is now; once."""
        if order.order_id in self._left:
            return
        mismatch = self.mismatch(order.episode)
        if order.purpose is Purpose.HEDGE and order.limit is None and mismatch is not None:
            self._left[order.order_id] = mismatch

    def forget(self, order_id: str) -> None:
        """Take note that an order is over."""
        self._left.pop(order_id, None)

    def fill(self, fill: Fill) -> str:
        """Say that a fill leaves more delta than there was to remove; empty if it does not."""
        aim = self._left.get(fill.order_id)
        if aim is None:
            return ""
        unit = self._unit(fill.instrument)
        self._left[fill.order_id] = left = aim + fill.amount / unit
        if fill.last:
            self.forget(fill.order_id)
        lot = self._desk.hedge.grids.spec_for(fill.instrument).min_trade_amount
        if abs(left) > abs(aim) + 0.5 * lot / unit:  # whole lots
            return f"{fill.order_id}: delta goes from {aim:.6g} to {left:.6g}"
        return ""

    def unwanted(self, order: Order, left: float) -> bool:
        """Whether what is left of a hedge would now add to the delta rather than remove it."""
        delta = left / self._unit(order.legs[0].instrument)
        return self._desk.hedge.unwanted(delta, self.mismatch(order.episode))

    def mismatch(self, number: int) -> float | None:
        """Delta to be hedged away in an episode, coin, without what is on its way; None if it is empty."""
        return self._desk.hedge.mismatch(self._desk.portfolio.find(number), self._desk.market)

    def _unit(self, instrument: Tradable) -> float:
        """Amount that is one coin."""
        return self._desk.market.index if instrument.settlement is Settlement.INVERSE else 1.0

"""What the next step of a leg sees of its order and of its prices, in a session as in a replay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gammacore.orders import Order, Purpose

from .options import Legs, beginning, legs_filled
from .pricing import Pricing

__all__ = ["LegSeen"]


@dataclass(slots=True)
class LegSeen:
    """A leg and the others of its order; a part of :class:`gammacore.execution.steps.Seen`.

    Parameters
    ----------
    pricing : Pricing
    order : Order
    left : sequence of float
        What is left of each leg, signed.
    given_up : sequence of str
        Why each was given up; empty where it was not.
    begun : bool
        Whether anything was sent of the order.
    leg : int
    now_ns : int
    """

    pricing: Pricing
    order: Order
    left: Sequence[float]
    given_up: Sequence[str]
    begun: bool
    leg: int
    now_ns: int

    def refusal(self, rests: bool) -> str:
        """Say why there is no price for the leg, or one that begins with it; empty if there is one."""
        enters = self.order.purpose is Purpose.ENTRY
        reasons = (
            self.pricing.refusal(
                self.order.legs[at].instrument,
                buys=self.left[at] > 0,
                enters=enters,
                now_ns=self.now_ns,
                rests=rests,
            )
            for at in beginning(self.order, self.leg, begun=self.begun)
        )
        return next(filter(None, reasons), "")

    def legs(self) -> Legs:
        """Say what became of the order's legs."""
        return legs_filled(self.order, self.left, self.given_up, self.leg)

    def limit(self, rests: bool, last: float | None) -> float | None:
        """Price of the leg; None if it has none, or to rest at, one of those that begin with it."""
        together = beginning(self.order, self.leg, begun=self.begun) if rests else ()
        prices = {at: self._limit(at, rests, last) for at in {self.leg, *together}}
        return None if None in prices.values() else prices[self.leg]

    def _limit(self, at: int, rests: bool, last: float | None) -> float | None:
        leg, left, purpose = self.order.legs[at], self.left[at], self.order.purpose
        return self.pricing.limit(leg, left, rests=rests, purpose=purpose, now_ns=self.now_ns, last=last)

"""What a session sent to work a hedge, and what came of it."""

from __future__ import annotations

import math
from typing import NamedTuple

from gammacore.events import Fill
from gammacore.orders import Order

__all__ = ["SentOrder", "WorkedHedge"]


class SentOrder(NamedTuple):
    """One order at the exchange.

    Attributes
    ----------
    ts_ns, ended_ns : int
        When it left, and when the session knew that it had ended; nanoseconds UTC.
    amount : float
        Signed, in the exchange's unit.
    limit : float
        USD.
    rests : bool
        Post-only; any other takes.
    fills : tuple of (int, float, float)
        When at the exchange, at which price, and how much, signed.
    """

    ts_ns: int
    ended_ns: int
    amount: float
    limit: float
    rests: bool
    fills: tuple[tuple[int, float, float], ...] = ()

    @property
    def filled(self) -> float:
        """Amount that was filled, signed."""
        return math.fsum(amount for _, _, amount in self.fills)


class WorkedHedge(NamedTuple):
    """A hedge, when it was decided, its fills, and the orders that it was worked by."""

    order: Order
    ts_ns: int
    fills: tuple[Fill, ...]
    sent: tuple[SentOrder, ...] = ()

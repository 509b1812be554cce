"""Limits between a decision and its commands: pure checks, applied to every order."""

from __future__ import annotations

import msgspec

from gammacore.orders import Order, Purpose
from gammacore.portfolio import Portfolio

__all__ = ["Limits"]


class Limits(msgspec.Struct, frozen=True):
    """Ceilings on what an entry may add; hedges and closings always pass, for they reduce risk.

    Attributes
    ----------
    max_open_episodes : int or None
        Episodes held at the same time.
    max_contracts : float or None
        Coins of notional per leg, summed over open episodes.
    """

    max_open_episodes: int | None = None
    max_contracts: float | None = None

    def allows(self, order: Order, portfolio: Portfolio) -> bool:
        """Whether an order may be sent; ``portfolio`` already counts the order's own episode."""
        if order.purpose is not Purpose.ENTRY:
            return True
        if self.max_open_episodes is not None and len(portfolio.open) > self.max_open_episodes:
            return False
        if self.max_contracts is None:
            return True
        held = sum(max(map(abs, e.legs.values()), default=0.0) for e in portfolio.open.values())
        return held + max(abs(leg.amount) for leg in order.legs) <= self.max_contracts

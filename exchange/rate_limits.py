"""Rate limits: leaky buckets of credits, per account or, without one, per address."""

from __future__ import annotations

from dataclasses import dataclass

from gammacore.daycount import NS_PER_SECOND

__all__ = ["CreditBucket", "RequestLimits", "is_matching"]

MATCHING = tuple(f"private/{what}" for what in ("buy", "sell", "edit", "cancel", "close", "move_positions"))

DEFAULT = (500.0, 50_000.0, 10_000.0)
# Cost, pool, refill a second. The pools of the two methods allowed once a second are not published.
SPECIAL = {
    "public/subscribe": (3_000.0, 30_000.0, 10_000.0),
    "private/subscribe": (3_000.0, 30_000.0, 10_000.0),
    "public/get_instruments": (10_000.0, 500_000.0, 10_000.0),
    "private/get_transaction_log": (10_000.0, 80_000.0, 10_000.0),
    "private/simulate_portfolio": (10_000.0, 80_000.0, 10_000.0),
}


def is_matching(method: str) -> bool:
    """Whether the matching engine serves a method; it has a limit of its own."""
    return method.startswith(MATCHING)


@dataclass(slots=True)
class CreditBucket:
    """Credits that refill with time."""

    pool: float
    refill: float
    left: float
    at_ns: int

    def take(self, cost: float, now_ns: int) -> bool:
        """Pay for a request, or say that there is not enough."""
        self.left = min(self.pool, self.left + self.refill * (now_ns - self.at_ns) / NS_PER_SECOND)
        self.at_ns = now_ns
        if self.left < cost:
            return False
        self.left -= cost
        return True


class RequestLimits:
    """Buckets of everybody.

    Parameters
    ----------
    rate, burst : int
        Of the matching engine.
    """

    def __init__(self, rate: int, burst: int) -> None:
        self.rate, self.burst = rate, burst
        self._buckets: dict[tuple[str, str], CreditBucket] = {}

    def allow(self, who: str, method: str, now_ns: int) -> bool:
        """Whether a request is within the limits of whoever sends it."""
        if is_matching(method):
            cost, pool, refill, group = 1.0, float(self.burst), float(self.rate), "matching"
        else:
            cost, pool, refill = SPECIAL.get(method, DEFAULT)
            group = method if method in SPECIAL else "default"
        key = (who, "subscribe" if group.endswith("/subscribe") else group)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = CreditBucket(pool, refill, pool, now_ns)
        return bucket.take(cost, now_ns)

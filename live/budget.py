"""Rate limits as leaky buckets, one per class of methods, so that the exchange never has to say no.

A bucket holds up to ``burst`` requests and refills at ``rate`` a second. The limits are the account's,
not the connection's: one budget lives through all connections of a session.
"""

from __future__ import annotations

import math
from enum import StrEnum
from functools import cache

from gammacore.daycount import NS_PER_SECOND
from gammacore.deribit.news import RateLimit, RateLimits

SAFETY = 0.9  # of what the exchange grants; its clock and ours count a second differently


class RequestKind(StrEnum):
    """Classes of methods that share a limit."""

    ORDER = "order"
    CANCEL = "cancel"  # same bucket as orders, down to the bottom
    SUBSCRIBE = "subscribe"
    CATALOG = "catalog"
    SLOW = "slow"
    OTHER = "other"
    __hash__ = str.__hash__  # Enum's own is a call of Python code


_ORDER = {"buy", "sell", "edit", "edit_by_label", "close_position", "move_positions"}
_ORDER |= {"verify_block_trade", "execute_block_trade", "mass_quote"}
_SLOW = {"get_transaction_log", "simulate_portfolio"}
_DEFAULTS = {
    RequestKind.ORDER: RateLimit(5.0, 20.0),  # the lowest tier
    RequestKind.SUBSCRIBE: RateLimit(10.0 / 3.0, 10.0),
    RequestKind.CATALOG: RateLimit(0.1, 5.0),
    RequestKind.SLOW: RateLimit(1.0, 2.0),
    RequestKind.OTHER: RateLimit(20.0, 100.0),
}
_RESERVED = {  # shares of a bucket
    RequestKind.ORDER: 0.25,  # for cancels
    RequestKind.OTHER: 0.1,  # for the session itself
}


@cache
def kind_of(method: str) -> RequestKind:
    """Class of a method such as ``private/buy``."""
    name = method.rpartition("/")[2]
    if name in _ORDER:
        return RequestKind.ORDER
    if name.startswith("cancel"):
        return RequestKind.CANCEL
    if name == "subscribe":
        return RequestKind.SUBSCRIBE
    if name == "get_instruments":
        return RequestKind.CATALOG
    return RequestKind.SLOW if name in _SLOW else RequestKind.OTHER


class Bucket:
    """How many requests may go now.

    Parameters
    ----------
    limit : RateLimit
    """

    def __init__(self, limit: RateLimit) -> None:
        self.rate = self.burst = self.level = 0.0
        self._at_ns = 0
        self.change(limit)
        self.level = self.burst

    def change(self, limit: RateLimit) -> None:
        """Take another limit over; what is used stays used."""
        used = self.burst - self.level
        self.rate = limit.rate * SAFETY
        self.burst = max(limit.burst * SAFETY, 1.0)
        self.level = self.burst - used

    def _refill(self, now_ns: int) -> None:
        passed = max(now_ns - self._at_ns, 0) / NS_PER_SECOND
        self.level = min(self.level + passed * self.rate, self.burst)
        self._at_ns = max(now_ns, self._at_ns)

    def go_on(self, now_ns: int) -> None:
        """Refill from a moment on, whatever came before."""
        self._at_ns = now_ns

    def take(self, now_ns: int, reserve: float = 0.0) -> bool:
        """Take one request out if that leaves ``reserve``."""
        self._refill(now_ns)
        if self.level - 1.0 < reserve:
            return False
        self.level -= 1.0
        return True

    def force(self, now_ns: int) -> None:
        """Take one out whatever there is, at worst into debt."""
        self._refill(now_ns)
        self.level -= 1.0

    def ready_ns(self, now_ns: int, reserve: float = 0.0) -> int:
        """When :meth:`take` will succeed."""
        self._refill(now_ns)
        missing = reserve + 1.0 - self.level
        if missing <= 0.0:
            return now_ns
        return self._at_ns + math.ceil(missing / self.rate * NS_PER_SECOND) + 1


class Budget:
    """Buckets of an account.

    Parameters
    ----------
    limits : RateLimits, optional
        What the account is granted; by default the lowest tier.
    """

    def __init__(self, limits: RateLimits | None = None) -> None:
        self._buckets = {kind: Bucket(limit) for kind, limit in _DEFAULTS.items()}
        self._buckets[RequestKind.CANCEL] = self._buckets[RequestKind.ORDER]
        self._blocked_ns = 0
        if limits is not None:
            self.adopt(limits)

    def adopt(self, limits: RateLimits) -> None:
        """Use the limits that the exchange told."""
        for kind, limit in ((RequestKind.ORDER, limits.matching), (RequestKind.OTHER, limits.other)):
            if limit is not None and limit.rate > 0.0 and limit.burst > 0.0:
                self._buckets[kind].change(limit)

    def admit(self, method: str, now_ns: int, *, own: bool = False) -> bool:
        """Whether a request may go now; if so it is counted.

        Parameters
        ----------
        method : str
        now_ns : int
        own : bool
            The session itself needs it to stay alive: it goes in any case.
        """
        kind = kind_of(method)
        bucket, reserve = self._bucket(kind)
        if own:
            bucket.force(now_ns)
            return True
        if now_ns < self._blocked_ns and kind is not RequestKind.CANCEL:
            return False
        return bucket.take(now_ns, reserve)

    def ready_ns(self, method: str, now_ns: int) -> int:
        """When such a request may go."""
        kind = kind_of(method)
        bucket, reserve = self._bucket(kind)
        ready = bucket.ready_ns(now_ns, reserve)
        return ready if kind is RequestKind.CANCEL else max(ready, self._blocked_ns)

    def clock_set(self, now_ns: int) -> None:
        """Go on from another time: what is used stays used, and refills from now on."""
        for bucket in self._buckets.values():
            bucket.go_on(now_ns)
        self._blocked_ns = 0

    def back_off(self, until_ns: int) -> None:
        """Let nothing but cancels pass until then."""
        self._blocked_ns = max(self._blocked_ns, until_ns)

    def _bucket(self, kind: RequestKind) -> tuple[Bucket, float]:
        bucket = self._buckets[kind]
        return bucket, _RESERVED.get(kind, 0.0) * bucket.burst

"""How long the exchange holds a taker before it enters the book.

Every order that would match on entry waits, except in the inverse perpetuals of BTC and ETH: since 17
September 2026 in perpetuals in USDC on SOL, XRP and HYPE, since the 23rd in everything else. That options and
dated futures of BTC and ETH are not exempt is announced, and not confirmed.
"""

from __future__ import annotations

from gammacore.contracts import Perpetual, Settlement
from gammacore.daycount import NS_PER_SECOND, parse_time

from .quotes import Tradable

LENGTH_NS = NS_PER_SECOND // 100
FIRST_NS, ALL_NS = parse_time("2026-09-17"), parse_time("2026-09-23")
FIRST, EXEMPT = ("SOL", "XRP", "HYPE"), ("BTC", "ETH")

__all__ = ["bump_ns"]


def bump_ns(instrument: Tradable, ts_ns: int) -> int:
    """Time that a taker is held at a moment, nanoseconds; 0 where it is not."""
    perpetual = isinstance(instrument, Perpetual)
    if perpetual and instrument.settlement is Settlement.INVERSE and instrument.base in EXEMPT:
        return 0
    since_ns = FIRST_NS if perpetual and instrument.base in FIRST else ALL_NS
    return LENGTH_NS if ts_ns >= since_ns else 0
